"""What goes, by age and by free space, and what never goes."""

from pathlib import Path

from engine.journal.config import MEBIBYTE, JournalSettings
from engine.journal.manifest import Manifest, SegmentEntry, journal_folder, write_manifest
from engine.journal.retention import DAY_NS, prune_runs, removable

NOW_NS = 100 * DAY_NS
KEEP = JournalSettings(keep_days=30.0, keep_free_mib=1000)
PLENTY, SCARCE = 5000 * MEBIBYTE, 900 * MEBIBYTE


def manifest(ages_days: list[float], hashed: int = 1000) -> Manifest:
    """One segment of 100 records and 60 MiB for each age, then the open one."""
    segments = [
        SegmentEntry(
            number=number,
            first_position=100 * number,
            first_block=number,
            previous_chain="",
            sha256="x" if number < hashed else None,
            end_position=100 * (number + 1),
            size_bytes=60 * MEBIBYTE,
            closed_time_ns=int(NOW_NS - age * DAY_NS),
        )
        for number, age in enumerate(ages_days)
    ]
    segments.append(
        SegmentEntry(number=len(ages_days), first_position=100 * len(ages_days), first_block=9, previous_chain="")
    )
    return Manifest(run_id="r", segments=segments)


def numbers(manifest: Manifest, needed_from: int, free: int) -> list[int]:
    return [entry.number for entry in removable(manifest, needed_from, KEEP, NOW_NS, free)]


def test_old_segments_go_and_young_ones_stay() -> None:
    assert numbers(manifest([50, 40, 31, 29, 1]), 10_000, PLENTY) == [0, 1, 2]


def test_what_recovery_needs_stays_however_old() -> None:
    assert numbers(manifest([50, 40, 31]), 0, SCARCE) == []
    assert numbers(manifest([50, 40, 31]), 250, PLENTY) == [0, 1]


def test_want_of_space_takes_the_oldest_until_there_is_enough() -> None:
    assert numbers(manifest([5, 4, 3, 2]), 10_000, SCARCE) == [0, 1]


def test_a_segment_without_a_hash_stays_and_so_does_what_follows() -> None:
    assert numbers(manifest([50, 45, 40], hashed=1), 10_000, PLENTY) == [0]


def test_the_open_segment_stays() -> None:
    assert numbers(manifest([]), 10_000, 0) == []


def test_old_runs_that_were_closed_by_rule_go_whole(tmp_path: Path) -> None:
    for name, age, closed in (("a", 60, True), ("b", 50, False), ("c", 40, True), ("d", 35, True), ("e", 1, True)):
        run = manifest([age + 1, age])
        run.segments.pop()
        run.closed = closed
        journal_folder(tmp_path / name).mkdir(parents=True)
        write_manifest(tmp_path / name, run)
    (tmp_path / "not a run").mkdir()
    settings = JournalSettings(keep_days=30.0, keep_free_mib=0)
    assert prune_runs(tmp_path, settings, NOW_NS) == ["a", "c", "d"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b", "e", "not a run"]


def test_the_newest_run_stays_however_old(tmp_path: Path) -> None:
    run = manifest([90])
    run.segments.pop()
    run.closed = True
    write_manifest(tmp_path / "only", run)
    assert prune_runs(tmp_path, JournalSettings(keep_days=1.0), NOW_NS) == []
