"""The segments of a run for their one writer: appends blocks, cuts segments, closes each with a SHA-256.

The order of steps of a cut, so that a crash after any of them is recovered by `Store`: sync and close the old
environment; write the manifest with the old one's end and the new one's start; create the new file; hash the old file
in a thread beside the writing; name the hash in the new segment; write it into the manifest. A segment that the
manifest names without a hash was not closed by rule: it is verified block by block in a child process before it is used
or hashed.
"""

import fcntl
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import IO

from engine.errors import IntegrityError, UserError
from engine.journal.block import BlockBuffer, Progress, block_bytes, decode, first_chain, header_of
from engine.journal.config import MEBIBYTE, JournalSettings
from engine.journal.manifest import (
    SegmentEntry,
    journal_folder,
    read_manifest,
    segment_path,
    sync_folder,
    write_manifest,
)
from engine.journal.retention import free_bytes, recovery_position, removable, remove_files
from engine.journal.segment import (
    JournalUnwritable,
    PreviousSegment,
    SegmentReader,
    SegmentWriter,
    has_begun,
    sha256_of_file,
    unwritable_as_such,
)
from engine.journal.verify import Request, Verdict, verify_segment

WRITER_LOCK = "writer.lock"


class Store:
    """The journal of one run, open for appending. Raises UserError when another writer has it, IntegrityError."""

    def __init__(self, run: Path, settings: JournalSettings, clock_ns: Callable[[], int] = time.time_ns) -> None:
        self.run = run
        self._settings = settings
        self._clock_ns = clock_ns
        journal_folder(run).mkdir(parents=True, exist_ok=True)
        self.manifest = read_manifest(run)
        self._lock = _lock_writer(journal_folder(run) / WRITER_LOCK)
        self._hasher = ThreadPoolExecutor(1, thread_name_prefix="segment-sha256")
        self._hashing: Future[str] | None = None
        try:
            self.progress = self._recover()
            self._segment: SegmentWriter | None = self._open_last()  # None between two segments
        except BaseException:
            self._lock.close()
            raise
        self.durable_position = self.progress.position
        self.durable_orders = self.progress.orders

    # -- QUERIES --

    @property
    def entry(self) -> SegmentEntry:
        """The open segment's."""
        return self.manifest.segments[-1]

    @property
    def is_durable(self) -> bool:
        """Whether all that is committed would survive a power cut."""
        return self.durable_position == self.progress.position

    # -- COMMANDS --

    def append(self, buffer: BlockBuffer, count: int) -> None:
        """Commits buffer.records[:count], whole messages, as one block. JournalUnwritable: nothing was written."""
        with unwritable_as_such():
            self._check_free_space()
            segment = self._segment
            if segment is None or not segment.has_room(block_bytes(count)):
                segment = self._cut()
            self._note_hash(segment, wait=False)
            before = self.progress
            sealed, after = buffer.seal(count, self.entry.number, before)
            segment.append(before.position, sealed)
        self.progress = after
        # This commit put the meta page of the one before it on disk (segment.py).
        self.durable_position, self.durable_orders = before.position, before.orders

    def sync(self) -> None:
        """Makes everything committed durable."""
        if self._segment is not None:
            with unwritable_as_such():
                self._segment.sync()
        self.durable_position, self.durable_orders = self.progress.position, self.progress.orders

    def retire(self) -> None:
        """Removes the segments that age and free space say may go (retention.py)."""
        needed_from = recovery_position(self.run, self.manifest)
        entries = removable(self.manifest, needed_from, self._settings, self._clock_ns(), free_bytes(self.run))
        if not entries:
            return
        for entry in entries:
            entry.removed = True
        write_manifest(self.run, self.manifest)
        remove_files(self.run, entries)

    def close(self) -> None:
        """Ends the journal by rule: the last segment is closed too, every file has its SHA-256 in the manifest."""
        with unwritable_as_such():
            self._end_segment()
            self._note_hash(None, wait=True)
            self.manifest.closed = True
            write_manifest(self.run, self.manifest)
        self.abandon()

    def abandon(self) -> None:
        """Lets go of everything as it is; the next Store finds it as after a crash."""
        if self._segment is not None:
            self._segment.close()
        self._hasher.shutdown()
        self._lock.close()

    # -- opening --

    def _recover(self) -> Progress:
        segments = self.manifest.segments
        if not segments:
            chain = first_chain(self.manifest.run_id)
            segments.append(SegmentEntry(number=0, first_position=0, first_block=0, previous_chain=chain.hex()))
            write_manifest(self.run, self.manifest)
            return Progress(block=0, position=0, chain=chain)
        remove_files(self.run, [entry for entry in segments if entry.removed])
        for entry in segments[:-1]:
            if entry.sha256 is None and not entry.removed:
                if _verify(self.run, entry).end_position != entry.end_position:
                    raise IntegrityError(f"journal segment {entry.number}: its end is missing; restore it from a copy")
                entry.sha256 = sha256_of_file(segment_path(self.run, entry.number))
        last = segments[-1]
        path = segment_path(self.run, last.number)
        if has_begun(path):
            if last.sha256 is None:
                _verify(self.run, last)
            elif sha256_of_file(path) != last.sha256:
                raise IntegrityError(f"journal segment {last.number}: SHA-256 differs from the manifest's")
        elif last.sha256 is not None:
            raise IntegrityError(f"journal segment {last.number}: {path} is missing; restore it from a copy")
        return self._last_progress()

    def _last_progress(self) -> Progress:
        for entry in reversed(self.manifest.segments):
            path = segment_path(self.run, entry.number)
            if not has_begun(path):
                continue
            reader = SegmentReader(path, live=False)
            last = reader.last()
            reader.close()
            if last is not None:
                header = header_of(last[1])
                block = decode(last[1], entry.number, int(header["block"]), header["previous_chain"].tobytes())
                return block.progress()
        return Progress(block=0, position=0, chain=first_chain(self.manifest.run_id))

    def _open_last(self) -> SegmentWriter:
        if self.entry.sha256 is not None:  # the run was closed by rule and goes on
            self._begin_entry()
        self.manifest.closed = False
        write_manifest(self.run, self.manifest)
        segment = self._create()
        before = self.manifest.segments[-2] if len(self.manifest.segments) > 1 else None
        if before is not None and before.sha256 is not None:
            segment.name_previous(PreviousSegment(number=before.number, sha256=before.sha256))
        segment.sync()
        return segment

    def _create(self) -> SegmentWriter:
        path = segment_path(self.run, self.entry.number)
        if not has_begun(path):
            path.unlink(missing_ok=True)  # LMDB takes an empty file, but not one of zeros
        segment = SegmentWriter(path, self._settings.segment_bytes)
        sync_folder(journal_folder(self.run))
        return segment

    # -- cutting --

    def _cut(self) -> SegmentWriter:
        """Every step may find the disk full and is taken up again by the next call."""
        self._end_segment()
        if self.entry.end_position is not None:
            self._begin_entry()
        write_manifest(self.run, self.manifest)
        self._segment = self._create()
        self.retire()
        return self._segment

    def _end_segment(self) -> None:
        if self._segment is None:
            return
        self._note_hash(self._segment, wait=True)
        self.sync()
        self._segment.close()
        self._segment = None
        entry = self.entry
        path = segment_path(self.run, entry.number)
        path.with_name(path.name + "-lock").unlink(missing_ok=True)
        entry.end_position, entry.end_block = self.progress.position, self.progress.block
        entry.chain, entry.size_bytes = self.progress.chain.hex(), path.stat().st_size
        entry.closed_time_ns = self._clock_ns()
        self._hashing = self._hasher.submit(sha256_of_file, path)

    def _begin_entry(self) -> None:
        self.manifest.segments.append(
            SegmentEntry(
                number=self.entry.number + 1,
                first_position=self.progress.position,
                first_block=self.progress.block,
                previous_chain=self.progress.chain.hex(),
            )
        )

    def _note_hash(self, segment: SegmentWriter | None, *, wait: bool) -> None:
        """Once the hash of the segment before is known: into this one, then into the manifest."""
        if self._hashing is None or not (wait or self._hashing.done()):
            return
        digest = self._hashing.result()
        entry = next(
            entry for entry in self.manifest.segments if entry.end_position is not None and entry.sha256 is None
        )
        if segment is not None and entry is not self.entry:
            segment.name_previous(PreviousSegment(number=entry.number, sha256=digest))
        self._hashing = None
        entry.sha256 = digest
        write_manifest(self.run, self.manifest)

    def _check_free_space(self) -> None:
        least = self._settings.stop_free_mib * MEBIBYTE
        free = free_bytes(self.run)
        if free < least:
            self.retire()
            free = free_bytes(self.run)
        if free < least:
            raise JournalUnwritable(
                f"JOURNAL_FULL: {free // MEBIBYTE} MiB free in {self.run}, journal.stop_free_mib is "
                f"{self._settings.stop_free_mib}: free some space",
                full=True,
            )


def has_live_writer(run: Path) -> bool:
    """Whether a journal process is at work on this run."""
    try:
        _lock_writer(journal_folder(run) / WRITER_LOCK).close()
    except UserError:
        return True
    except FileNotFoundError:
        return False
    return False


def _verify(run: Path, entry: SegmentEntry) -> Verdict:
    return verify_segment(
        Request(
            path=str(segment_path(run, entry.number)),
            segment=entry.number,
            first_block=entry.first_block,
            first_position=entry.first_position,
            previous_chain=entry.previous_chain,
        )
    )


def _lock_writer(path: Path) -> IO[bytes]:
    file = path.open("ab")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise UserError(f"{path.parent} already has a live journal writer: stop it first") from None
    return file
