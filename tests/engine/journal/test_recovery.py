"""What a restarted core is told, for every place at which the one before may have died."""

from pathlib import Path

import numpy as np
import pytest

from engine.errors import IntegrityError
from engine.journal.block import Records
from engine.journal.recovery import missing_outputs, recover
from engine.journal.snapshot import Snapshot, latest_snapshot, prune_snapshots, read_snapshot, snapshots, write_snapshot
from ipc.messages import SOURCE_SHIFT, Kind, Source
from tests.engine.journal.conftest import Desk
from tests.engine.journal.records import check_record, journal_records, order_message


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


def journal_of(desk: Desk, inputs: int) -> Records:
    writer = desk.open_writer()
    desk.send(inputs)
    writer.drain()
    desk.abandon(writer)
    return desk.everything


def test_recovery_tells_counts_sequences_and_the_last_input(desk: Desk) -> None:
    records = journal_of(desk, 500)
    recovery = recover(desk.run)
    inputs = np.flatnonzero((records["flags"] >> SOURCE_SHIFT) == Source.MARKET)
    assert recovery.position == 0
    assert recovery.end_position == len(records)
    assert recovery.inputs == 500
    assert recovery.orders == np.count_nonzero(records["kind"] == Kind.ORDER)
    assert recovery.sequences == {Source.MARKET: records["sequence"][inputs[-1]]}
    last_input, present = recovery.tail()
    assert recovery.last_input_position + len(last_input) + len(present) == len(records)
    np.testing.assert_array_equal(np.concatenate([last_input, present]), records[recovery.last_input_position :])
    np.testing.assert_array_equal(np.concatenate(list(recovery.records())), records)


def test_an_empty_journal_starts_from_nothing(desk: Desk) -> None:
    desk.abandon(desk.open_writer())
    recovery = recover(desk.run)
    assert (recovery.position, recovery.end_position, recovery.orders, recovery.sequences) == (0, 0, 0, {})
    assert [len(part) for part in recovery.tail()] == [0, 0]


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
    np.testing.assert_array_equal(np.concatenate(list(recovery.records())), records[200:])


def test_sequences_of_quiet_sources_come_from_the_snapshot(desk: Desk) -> None:
    journal_of(desk, 100)
    write_snapshot(desk.run, snapshot_at(50, sequences={"REPORTS": 5, "MARKET": 1}))
    recovery = recover(desk.run)
    assert recovery.sequences[Source.REPORTS] == 5
    assert recovery.sequences[Source.MARKET] > 1


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


OUTPUTS = np.concatenate([order_message(1), order_message(2), check_record(5, np.random.default_rng(1))])


@pytest.mark.parametrize("present", [0, 2, 4, 5])
def test_what_the_dead_core_did_not_say_is_said_now(present: int) -> None:
    missing = missing_outputs(OUTPUTS[:present], OUTPUTS, position=10)
    np.testing.assert_array_equal(np.concatenate([OUTPUTS[:present], missing]), OUTPUTS)


def test_an_output_that_differs_is_named() -> None:
    present = OUTPUTS[:4].copy()
    present["order_id"][2] = 7
    with pytest.raises(IntegrityError, match="position 12: ORDER"):
        missing_outputs(present, OUTPUTS, position=10)


def test_an_output_too_many_is_named() -> None:
    with pytest.raises(IntegrityError, match="position 12: ORDER"):
        missing_outputs(OUTPUTS[:4], OUTPUTS[:2], position=10)


def test_half_a_message_in_the_journal_is_refused() -> None:
    with pytest.raises(IntegrityError, match="lacks its continuation"):
        missing_outputs(OUTPUTS[:3], OUTPUTS, position=10)


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
    np.testing.assert_array_equal(np.concatenate(list(recovery.records())), desk.everything[recovery.position :])
    prune_all = snapshots(desk.run)
    for path in prune_all:
        path.unlink()
    with pytest.raises(IntegrityError, match="no snapshot fits"):
        recover(desk.run)


def test_records_are_made_with_whole_messages_only() -> None:
    records = journal_records(50)
    assert records["kind"][-1] != Kind.NONE
