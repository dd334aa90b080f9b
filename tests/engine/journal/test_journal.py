"""Written, closed, reopened, read back: the journal as its users see it."""

import pydoc
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest

from engine.errors import UserError
from engine.journal.block import check_hashes
from engine.journal.config import JournalSettings
from engine.journal.manifest import read_manifest, segment_path
from engine.journal.reader import Journal
from engine.journal.segment import SegmentWriter, sha256_of_file
from engine.journal.status import JournalState
from engine.journal.store import Store
from engine.journal.writer import Writer
from ipc.messages import Kind
from tests.engine.journal.conftest import SMALL, Desk


def test_records_come_back_in_order_across_segments(desk: Desk) -> None:
    writer = desk.open_writer()
    for _ in range(40):
        desk.send(1000)
        writer.drain()
    writer.close()
    journal = Journal.open(desk.run)
    assert len(journal.segments) > 2
    assert all(entry.sha256 for entry in journal.segments)
    np.testing.assert_array_equal(journal.read(), desk.everything)
    assert read_manifest(desk.run).closed
    assert desk.status.state is JournalState.CLOSED


def test_reading_starts_at_any_position(desk: Desk) -> None:
    writer = desk.open_writer()
    for _ in range(20):
        desk.send(1000)
        writer.drain()
    writer.close()
    journal = Journal.open(desk.run, verify=False)
    for position in (0, 1, 511, 512, 9_999, len(desk.everything) - 1, len(desk.everything)):
        np.testing.assert_array_equal(journal.read(position), desk.everything[position:])


def test_group_grows_with_what_waits_in_the_ring(desk: Desk) -> None:
    writer = desk.open_writer()
    desk.send(1)
    assert writer.step() == len(desk.everything)
    desk.send(300)
    assert writer.step() == len(desk.sent[-1]) > 300
    desk.send(1000)
    assert writer.step() <= desk.settings.group_records
    assert writer.step() > 0
    writer.close()


def test_block_counts_orders_inputs_and_the_last_check(desk: Desk) -> None:
    writer = desk.open_writer()
    desk.send(700)
    writer.drain()
    writer.close()
    last = list(Journal.open(desk.run).blocks())[-1]
    records = desk.everything
    assert last.orders == np.count_nonzero(records["kind"] == Kind.ORDER)
    assert last.inputs == 700
    checks = records[records["kind"] == Kind.CHECK]
    assert last.check_hashes == check_hashes(checks[-1])
    assert desk.status.order_number == desk.status.durable_order_number == last.orders


def test_a_commit_is_durable_with_the_next_one_or_when_idle(desk: Desk) -> None:
    writer = desk.open_writer()
    desk.send(10)
    writer.step()
    first = len(desk.everything)
    assert (desk.status.position, desk.status.durable_position) == (first, 0)
    desk.send(10)
    writer.step()
    assert (desk.status.position, desk.status.durable_position) == (len(desk.everything), first)
    writer.store.sync()
    writer.step()
    assert writer.store.is_durable
    writer.close()
    assert desk.status.durable_position == len(desk.everything)


def test_with_durability_disk_a_commit_is_on_disk_when_it_is_reported(
    make_desk: Callable[[JournalSettings], Desk],
) -> None:
    desk = make_desk(msgspec.structs.replace(SMALL, durability="disk"))
    writer = desk.open_writer()
    for _ in range(3):
        desk.send(10)
        writer.step()
        assert desk.status.durable_position == desk.status.position == len(desk.everything)
        assert desk.status.durable_order_number == desk.status.order_number
    writer.close()


def test_under_full_load_a_commit_is_on_disk_with_the_next(make_desk: Callable[[JournalSettings], Desk]) -> None:
    desk = make_desk(msgspec.structs.replace(SMALL, durability="disk", group_records=100))
    writer = desk.open_writer()
    desk.inputs = 1  # begins with a message of one record
    while True:
        desk.send(200)
        before = desk.status.position
        if writer.step() == 100:
            break
        writer.drain()
    assert desk.status.durable_position == before
    writer.close()


class Died(BaseException):
    """As kill -9 would: nothing after it runs."""


def write_with_cuts(writer: Writer) -> None:
    for _ in range(3):
        writer.step()
        writer.store._note_hash(writer.store._segment, wait=True)  # else noted by whichever commit comes after it


STEPS_OF_A_CUT = [
    "engine.journal.store.write_manifest",
    "engine.journal.store.sync_folder",
    "engine.journal.store.SegmentWriter",
    "engine.journal.store.sha256_of_file",
    "engine.journal.segment.SegmentWriter.append",
    "engine.journal.segment.SegmentWriter.name_previous",
    "engine.journal.segment.SegmentWriter.sync",
    "engine.journal.segment.SegmentWriter.close",
]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", STEPS_OF_A_CUT)
def test_a_writer_that_dies_at_any_step_of_a_cut_leaves_a_whole_journal(
    desk: Desk, step: str, when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = desk.open_writer()
    desk.send(1000)
    writer.drain()
    module, _, name = step.rpartition(".")
    real = getattr(pydoc.locate(module), name)

    def deadly(*arguments: object) -> object:
        if when == "after":
            real(*arguments)
        raise Died(step)

    segments = len(writer.store.manifest.segments)
    monkeypatch.setattr(SegmentWriter, "has_room", lambda self, size: False)
    monkeypatch.setattr(step, deadly)
    desk.send(500)
    with pytest.raises(Died):
        write_with_cuts(writer)
    monkeypatch.undo()
    desk.abandon(writer)
    writer = desk.open_writer()
    writer.drain()
    writer.close()
    journal = Journal.open(desk.run)
    np.testing.assert_array_equal(journal.read(), desk.everything)
    assert len(journal.segments) >= segments
    assert all(entry.sha256 for entry in journal.segments)


@pytest.mark.parametrize("size", [0, 8192])
def test_a_segment_file_that_was_only_made_is_begun_again(desk: Desk, size: int) -> None:
    segment_path(desk.run, 0).parent.mkdir()
    segment_path(desk.run, 0).write_bytes(bytes(size))
    assert Journal.open(desk.run).segments == []
    writer = desk.open_writer()
    desk.send(100)
    writer.drain()
    writer.close()
    np.testing.assert_array_equal(Journal.open(desk.run).read(), desk.everything)


def test_a_dead_writer_is_followed_by_one_that_goes_on_where_it_committed(desk: Desk) -> None:
    for _ in range(4):
        writer = desk.open_writer()
        desk.send(500)
        writer.step()  # the rest stays in the ring
        desk.abandon(writer)
    writer = desk.open_writer()
    writer.drain()
    writer.close()
    np.testing.assert_array_equal(Journal.open(desk.run).read(), desk.everything)


def test_a_run_closed_by_rule_goes_on_in_a_new_segment(desk: Desk) -> None:
    for _ in range(2):
        writer = desk.open_writer()
        desk.send(100)
        writer.drain()
        writer.close()
        desk.consumer.close()
    journal = Journal.open(desk.run)
    assert [entry.number for entry in journal.segments] == [0, 1]
    np.testing.assert_array_equal(journal.read(), desk.everything)


def test_each_closed_segment_is_named_by_hash_in_the_next_and_in_the_manifest(desk: Desk) -> None:
    writer = desk.open_writer()
    for _ in range(30):
        desk.send(1000)
        writer.drain()
    writer.close()
    journal = Journal.open(desk.run)
    for before, entry in zip(journal.segments, journal.segments[1:], strict=False):
        assert before.sha256 == sha256_of_file(segment_path(desk.run, before.number))
        with journal._reader(entry) as reader:
            previous = reader.previous()
        assert previous is not None
        assert (previous.number, previous.sha256) == (before.number, before.sha256)


def test_a_second_writer_is_refused(desk: Desk) -> None:
    writer = desk.open_writer()
    with pytest.raises(UserError, match="already has a live journal writer"):
        Store(desk.run, desk.settings)
    writer.close()


def test_no_segment_is_larger_than_its_limit(desk: Desk) -> None:
    writer = desk.open_writer()
    for _ in range(25):
        desk.send(1000)
        writer.drain()
    writer.close()
    sizes = [segment_path(desk.run, entry.number).stat().st_size for entry in Journal.open(desk.run).segments]
    assert len(sizes) > 1
    assert max(sizes) <= desk.settings.segment_bytes


def test_a_backlog_larger_than_a_segment_is_journaled_in_blocks_that_fit(tmp_path: Path) -> None:
    settings = JournalSettings(segment_mib=1, stop_free_mib=0, keep_free_mib=0)
    desk = Desk(tmp_path, settings, ring_records=1 << 16)
    assert len(desk.send(30_000)) > settings.group_records
    writer = desk.open_writer()
    writer.drain()
    writer.close()
    assert Journal.open(desk.run).read().tobytes() == desk.everything.tobytes()
