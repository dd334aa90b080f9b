"""The segments of a run for their one writer: appends blocks, cuts segments, closes each with a SHA-256.

The order of steps of a cut, so that a crash after any of them is recovered by `Store`: sync and close the old
environment; write the manifest with the old one's end and the new one's start; create the new file; hash the old file
in a thread beside the writing; name the hash in the new segment; write it into the manifest. A segment that the
manifest names without a hash was not closed by rule: it is verified block by block in a child process before it is used
or hashed.
"""

import fcntl
import os
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
from engine.journal.segment import JournalUnwritable, PreviousSegment, SegmentReader, SegmentWriter, sha256_of_file
from engine.journal.verify import Request, Verdict, verify_segment

WRITER_LOCK = "writer.lock"


class Store:
    """The journal of one run, open for appending. Raises UserError when another writer has it, IntegrityError."""

    def __init__(self, run: Path, settings: JournalSettings, clock_ns: Callable[[], int] = time.time_ns) -> None:
        self.run = run
        self._settings = settings
        self._clock_ns = clock_ns
        journal_folder(run).mkdir(parents=True, exist_ok=True)
        self._lock = _lock_writer(journal_folder(run) / WRITER_LOCK)
        self.manifest = read_manifest(run)
        self._hasher = ThreadPoolExecutor(1, thread_name_prefix="segment-sha256")
        self._hashing: Future[str] | None = None
        self.progress = self._recover()
        self._segment = self._open_last()
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
        self._check_free_space()
        if not self._segment.has_room(block_bytes(count)):
            self._cut()
        self._note_hash(wait=False)
        before = self.progress
        sealed, after = buffer.seal(count, self.entry.number, before)
        self._segment.append(before.position, sealed)
        self.progress = after
        # This commit put the meta page of the one before it on disk (segment.py).
        self.durable_position, self.durable_orders = before.position, before.orders

    def sync(self) -> None:
        """Makes everything committed durable."""
        self._segment.sync()
        self.durable_position, self.durable_orders = self.progress.position, self.progress.orders

    def close(self) -> None:
        """Ends the journal by rule: the last segment is closed too, every file has its SHA-256 in the manifest."""
        self._end_segment()
        self._note_hash(wait=True)
        self.manifest.closed = True
        write_manifest(self.run, self.manifest)
        self.abandon()

    def abandon(self) -> None:
        """Lets go of everything as it is; the next Store finds it as after a crash."""
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
        for entry in segments[:-1]:
            if entry.sha256 is None and not entry.removed:
                _verify(self.run, entry)
                entry.sha256 = sha256_of_file(segment_path(self.run, entry.number))
        last = segments[-1]
        if segment_path(self.run, last.number).exists():
            if last.sha256 is None:
                _verify(self.run, last)
            elif sha256_of_file(segment_path(self.run, last.number)) != last.sha256:
                raise IntegrityError(f"journal segment {last.number}: SHA-256 differs from the manifest's")
        elif last.sha256 is not None:
            raise IntegrityError(f"journal segment {last.number}: {segment_path(self.run, last.number)} is missing")
        return self._last_progress()

    def _last_progress(self) -> Progress:
        for entry in reversed(self.manifest.segments):
            path = segment_path(self.run, entry.number)
            if not path.exists():
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
        segment = SegmentWriter(segment_path(self.run, self.entry.number), self._settings.segment_bytes)
        sync_folder(journal_folder(self.run))
        return segment

    # -- cutting --

    def _cut(self) -> None:
        self._end_segment()
        self._begin_entry()
        write_manifest(self.run, self.manifest)
        self._segment = self._create()

    def _end_segment(self) -> None:
        self._note_hash(wait=True)
        self.sync()
        self._segment.close()
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

    def _note_hash(self, *, wait: bool) -> None:
        """Once the hash of the segment before is known: into this one, then into the manifest."""
        if self._hashing is None or not (wait or self._hashing.done()):
            return
        digest = self._hashing.result()
        self._hashing = None
        entry = next(
            entry for entry in self.manifest.segments if entry.end_position is not None and entry.sha256 is None
        )
        if entry is not self.entry:
            self._segment.name_previous(PreviousSegment(number=entry.number, sha256=digest))
        entry.sha256 = digest
        write_manifest(self.run, self.manifest)

    def _check_free_space(self) -> None:
        least = self._settings.stop_free_mib * MEBIBYTE
        disk = os.statvfs(self.run)
        free = disk.f_bavail * disk.f_frsize
        if free < least:
            raise JournalUnwritable(
                f"JOURNAL_FULL: {free // MEBIBYTE} MiB free in {self.run}, journal.stop_free_mib is "
                f"{self._settings.stop_free_mib}: free some space",
                full=True,
            )


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
