"""What a power cut leaves, made from what LMDB does: pages, fdatasync, then a meta page that nothing has synced yet.

(`strace -e trace=writev,fdatasync,pwrite64` of a commit under MDB_NOMETASYNC shows just that.) The file after a cut in
that moment is the one on disk with the two meta pages as they were before the commit.
"""

from pathlib import Path

import pytest

from engine.journal.manifest import segment_path
from engine.journal.verify import Request, examine
from tests.engine.journal.conftest import Desk

META_BYTES = 2 * 4096
COMMITS = 25


def end_position(path: Path, previous_chain: str) -> int:
    request = Request(path=str(path), segment=0, first_block=0, first_position=0, previous_chain=previous_chain)
    verdict = examine(request, lambda blocks: None)
    assert verdict.error is None
    return verdict.end_position


@pytest.mark.parametrize("inputs_in_a_commit", [1, 3, 100])
def test_a_power_cut_right_after_a_commit_leaves_what_was_called_durable(desk: Desk, inputs_in_a_commit: int) -> None:
    writer = desk.open_writer()
    path, chain = segment_path(desk.run, 0), writer.store.entry.previous_chain
    left = desk.run / "left.mdb"
    lost_one = 0
    for _ in range(COMMITS):
        desk.send(inputs_in_a_commit)
        metas_before = path.read_bytes()[:META_BYTES]
        writer.step()
        left.write_bytes(metas_before + path.read_bytes()[META_BYTES:])
        assert end_position(left, chain) == writer.store.durable_position
        lost_one += writer.store.durable_position < writer.store.progress.position
    assert lost_one == COMMITS  # the last commit is not durable yet, and is not called so
    writer.close()


def test_a_power_cut_after_a_sync_loses_nothing(desk: Desk) -> None:
    writer = desk.open_writer()
    path, chain = segment_path(desk.run, 0), writer.store.entry.previous_chain
    left = desk.run / "left.mdb"
    for _ in range(5):
        desk.send(50)
        writer.step()
        writer.store.sync()
        left.write_bytes(path.read_bytes())
        assert end_position(left, chain) == writer.store.durable_position == len(desk.everything)
    writer.close()
