"""What may go, by age and by free space: closed, hashed segments that recovery does not need, oldest first.

Of a run that may still be recovered, recovery needs everything after its newest valid snapshot. The open segment, one
without a SHA-256, and a run whose journal was not closed by rule are never removed here.
"""

import os
import shutil
from pathlib import Path

from engine.errors import IntegrityError, UserError
from engine.journal.config import MEBIBYTE, JournalSettings
from engine.journal.manifest import Manifest, SegmentEntry, read_manifest, segment_path
from engine.journal.snapshot import read_snapshot, snapshots

DAY_NS = 86_400_000_000_000


def free_bytes(folder: Path) -> int:
    disk = os.statvfs(folder)
    return disk.f_bavail * disk.f_frsize


def recovery_position(run: Path, manifest: Manifest) -> int:
    """Position of the newest valid snapshot of this run and build: records before it are not needed to go on."""
    for path in snapshots(run):
        try:
            snapshot = read_snapshot(path)
        except IntegrityError:
            continue
        if (snapshot.run_id, snapshot.build_id) == (manifest.run_id, manifest.build_id):
            return snapshot.position
    return 0


def removable(
    manifest: Manifest, needed_from: int, settings: JournalSettings, now_ns: int, free: int
) -> list[SegmentEntry]:
    """Segments to remove now, oldest first, so that what stays has no hole. `free` in bytes."""
    chosen = []
    for entry in manifest.segments[:-1]:
        if entry.removed:
            continue
        if entry.sha256 is None or entry.end_position is None or entry.end_position > needed_from:
            break
        is_old = now_ns - (entry.closed_time_ns or now_ns) > settings.keep_days * DAY_NS
        if not is_old and free >= settings.keep_free_mib * MEBIBYTE:
            break
        chosen.append(entry)
        free += entry.size_bytes or 0
    return chosen


def remove_files(run: Path, entries: list[SegmentEntry]) -> None:
    """Deletes the files of segments that the manifest already calls removed."""
    for entry in entries:
        path = segment_path(run, entry.number)
        path.unlink(missing_ok=True)
        path.with_name(path.name + "-lock").unlink(missing_ok=True)


def prune_runs(runs: Path, settings: JournalSettings, now_ns: int) -> list[str]:
    """Removes whole runs that were closed by rule, by age and free space, never the newest. Returns their names."""
    closed: list[tuple[int, Path]] = []
    for run in runs.iterdir() if runs.is_dir() else ():
        try:
            manifest = read_manifest(run)
        except UserError:
            continue  # not a run, or one that a person must look at
        if manifest.closed and manifest.segments:
            closed.append((manifest.segments[-1].closed_time_ns or now_ns, run))
    removed = []
    for closed_time_ns, run in sorted(closed)[:-1]:
        is_old = now_ns - closed_time_ns > settings.keep_days * DAY_NS
        if is_old or free_bytes(runs) < settings.keep_free_mib * MEBIBYTE:
            shutil.rmtree(run)
            removed.append(run.name)
    return removed
