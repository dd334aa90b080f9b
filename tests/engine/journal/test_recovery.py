"""What a restarted core is told, and the snapshots it starts from."""

from pathlib import Path

import numpy as np
import pytest

from engine.errors import IntegrityError
from engine.journal.block import Records
from engine.journal.recovery import Recovery, recover
from engine.journal.snapshot import Snapshot, latest_snapshot, prune_snapshots, read_snapshot, snapshots, write_snapshot
from ipc.messages import Kind
from tests.engine.journal.conftest import Desk


def snapshot_at(position: int, **changes: object) -> Snapshot:
    fields: dict[str, object] = {
        "run_id": "run-1",
        "build_id": "build-1",
        "position": position,
        "inputs": 3,
        "orders": 1,
        "sequences": {"MARKET": 17},
        "core": {"inputs": 3, "orders": 1, "rolling": [2**64 - 1] + [0] * 7},
        "stages": {"book": {"levels": b"\x01" * 5000, "row": b""}, "risk": {"row": bytes(range(256))}},
    }
    return Snapshot(**(fields | changes))  # type: ignore[arg-type]


def records_of(recovery: Recovery) -> Records:
    return np.concatenate([block.records for block in recovery.blocks()])


def journal_of(desk: Desk, inputs: int) -> Records:
    writer = desk.open_writer()
    desk.send(inputs)
    writer.drain()
    desk.abandon(writer)
    return desk.everything


def test_recovery_tells_the_counts_at_the_journals_end(desk: Desk) -> None:
    records = journal_of(desk, 500)
    recovery = recover(desk.run)
    assert recovery.position == 0
    assert recovery.end_position == len(records)
    assert recovery.inputs == 500
    assert recovery.orders == np.count_nonzero(records["kind"] == Kind.ORDER)
    np.testing.assert_array_equal(records_of(recovery), records)


def test_an_empty_journal_starts_from_nothing(desk: Desk) -> None:
    desk.abandon(desk.open_writer())
    recovery = recover(desk.run)
    assert (recovery.position, recovery.end_position, recovery.orders, recovery.inputs) == (0, 0, 0, 0)
    assert list(recovery.blocks()) == []


def test_recovery_starts_at_the_newest_valid_snapshot(desk: Desk) -> None:
    records = journal_of(desk, 500)
    write_snapshot(desk.run, snapshot_at(100))
    write_snapshot(desk.run, snapshot_at(200))
    write_snapshot(desk.run, snapshot_at(300, build_id="another build"))
    write_snapshot(desk.run, snapshot_at(len(records) + 1))  # of a future that was lost
    damaged = write_snapshot(desk.run, snapshot_at(400))
    data = bytearray(damaged.read_bytes())
    data[len(data) // 2] ^= 1
    damaged.write_bytes(data)
    recovery = recover(desk.run)
    assert recovery.position == 200
    assert len(recovery.passed_over) == 3
    np.testing.assert_array_equal(records_of(recovery), records[200:])


def test_a_snapshot_comes_back_as_it_was(tmp_path: Path) -> None:
    path = write_snapshot(tmp_path, snapshot_at(7))
    assert read_snapshot(path) == snapshot_at(7)


def test_every_flipped_byte_of_a_snapshot_is_found(tmp_path: Path) -> None:
    path = write_snapshot(tmp_path, snapshot_at(7))
    data = path.read_bytes()
    for at in range(len(data)):
        damaged = bytearray(data)
        damaged[at] ^= 1 << at % 8
        path.write_bytes(damaged)
        with pytest.raises(IntegrityError):
            read_snapshot(path)


def test_only_the_newest_snapshots_are_kept(tmp_path: Path) -> None:
    for position in (1, 20, 300, 4000):
        write_snapshot(tmp_path, snapshot_at(position))
    assert len(prune_snapshots(tmp_path, keep=2)) == 2
    assert [read_snapshot(path).position for path in snapshots(tmp_path)] == [4000, 300]
    found, _ = latest_snapshot(tmp_path, run_id="run-1", build_id="build-1", first_position=0, end_position=3999)
    assert found is not None
    assert found.position == 300


def test_a_journal_whose_beginning_was_removed_needs_a_snapshot(desk: Desk) -> None:
    writer = desk.open_writer()
    for _ in range(12):
        desk.send(1000)
        writer.drain()
    first = writer.store.manifest.segments[0]
    assert first.end_position is not None
    assert first.sha256 is not None
    write_snapshot(desk.run, snapshot_at(first.end_position + 5))
    writer.store._settings = type(desk.settings)(segment_mib=1, keep_days=0.0, stop_free_mib=0)
    writer.store.retire()
    assert writer.store.manifest.segments[0].removed
    desk.abandon(writer)
    recovery = recover(desk.run)
    assert recovery.position == first.end_position + 5
    np.testing.assert_array_equal(records_of(recovery), desk.everything[recovery.position :])
    for path in snapshots(desk.run):
        path.unlink()
    with pytest.raises(IntegrityError, match="no snapshot fits"):
        recover(desk.run)
