"""Reading a run's journal in order, verified: closed segments by SHA-256 first, the open one in a child process."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import lmdb
import numpy as np

from engine.errors import IntegrityError
from engine.journal.block import Block, Records, decode, header_of
from engine.journal.manifest import Manifest, SegmentEntry, read_manifest, segment_path
from engine.journal.segment import SegmentReader, has_begun, sha256_of_file
from engine.journal.verify import Request, verify_segment
from ipc.messages import MESSAGE


class Journal:
    """The journal of one run, for reading. `live`: its writer is at work, so what is there is read without a verdict
    on the open segment's pages; each block is still checked by CRC and chain as it is read."""

    def __init__(self, run: Path, manifest: Manifest, *, live: bool) -> None:
        self.run = run
        self.manifest = manifest
        self._live = live
        self._verified: set[int] = set()  # segments

    @classmethod
    def open(cls, run: Path | str, *, verify: bool = True, live: bool = False) -> "Journal":
        """Opens the journal of a run folder. Raises UserError when there is none, IntegrityError naming the place.

        A verified journal was read once from end to end; `verify=False` leaves that out and checks while reading.
        """
        journal = cls(Path(run), read_manifest(Path(run)), live=live)
        if verify:
            journal.verify()
        return journal

    # -- QUERIES --

    @property
    def segments(self) -> list[SegmentEntry]:
        """Those still there, in order: retention removes the oldest."""
        return [
            entry
            for entry in self.manifest.segments
            if not entry.removed and (entry.end_position is not None or has_begun(segment_path(self.run, entry.number)))
        ]

    @property
    def first_position(self) -> int:
        """Of the oldest record still there."""
        segments = self.segments
        return segments[0].first_position if segments else 0

    def verify(self, position: int = 0) -> None:
        """Reads everything from the segment that holds `position` on; what was verified before is not read again.

        Raises IntegrityError naming segment, and block and record where the damage is in one.
        """
        for entry in self.segments:
            if entry.number in self._verified or (entry.end_position or position + 1) <= position:
                continue
            if entry.sha256 is not None:
                self._verify_closed(entry)
            elif not (self._live and entry is self.manifest.segments[-1]):
                self._verify_open(entry)
            self._verified.add(entry.number)

    def blocks(self, position: int = 0) -> Iterator[Block]:
        """Blocks in order, from the one that holds `position` on. Raises IntegrityError at the first wrong one."""
        chain: bytes | None = None
        for entry in self.segments:
            if entry.end_position is not None and entry.end_position <= position:
                continue
            for block in self._segment_blocks(entry, position, chain):
                chain = block.chain
                yield block

    def last_block(self) -> Block | None:
        """The newest block, or None in an empty journal."""
        for entry in reversed(self.segments):
            with self._reader(entry) as reader:
                last = reader.last()
            if last is not None:
                header = header_of(last[1])
                return decode(last[1], entry.number, int(header["block"]), header["previous_chain"].tobytes())
        return None

    def records(self, position: int = 0) -> Iterator[Records]:
        """Read-only arrays of records (dtype MESSAGE), block by block, from exactly `position` on."""
        for block in self.blocks(position):
            yield block.records[max(0, position - block.first_position) :]

    def read(self, position: int = 0) -> Records:
        """All records from `position` on in one array; for tests and small runs."""
        parts = list(self.records(position))
        return np.concatenate(parts) if parts else np.zeros(0, dtype=MESSAGE)

    # -- verification --

    def _segment_blocks(self, entry: SegmentEntry, position: int, chain: bytes | None) -> Iterator[Block]:
        with self._reader(entry) as reader:
            number = entry.first_block if chain is not None else None
            for first, value in reader.values(position):
                if number is None:  # the first block read: its number and chain start the comparison
                    header = header_of(value)
                    number, chain = int(header["block"]), header["previous_chain"].tobytes()
                    if first == entry.first_position:
                        number, chain = entry.first_block, bytes.fromhex(entry.previous_chain)
                assert chain is not None
                block = decode(value, entry.number, number, chain)
                number, chain = number + 1, block.chain
                yield block

    @contextmanager
    def _reader(self, entry: SegmentEntry) -> Iterator[SegmentReader]:
        try:
            reader = SegmentReader(segment_path(self.run, entry.number), live=self._live and entry.end_position is None)
        except lmdb.Error as error:
            raise IntegrityError(f"journal segment {entry.number}: {error}") from None
        try:
            yield reader
        except lmdb.Error as error:
            raise IntegrityError(f"journal segment {entry.number}: its page structure is damaged ({error})") from None
        finally:
            reader.close()

    def _verify_closed(self, entry: SegmentEntry) -> None:
        place = f"journal segment {entry.number}"
        path = segment_path(self.run, entry.number)
        try:
            actual = sha256_of_file(path)
        except FileNotFoundError:
            raise IntegrityError(f"{place}: {path} is missing; restore it from a copy") from None
        if actual == entry.sha256:
            return
        verdict = verify_segment(self._request(entry))  # names block and record where the damage is in one
        where = "outside its blocks" if verdict.end_position == entry.end_position else "the end is missing"
        raise IntegrityError(
            f"{place}: {path} has SHA-256 {actual[:16]}..., the manifest says {str(entry.sha256)[:16]}... ({where}); "
            "restore it from a copy"
        )

    def _verify_open(self, entry: SegmentEntry) -> None:
        place = f"journal segment {entry.number}"
        verdict = verify_segment(self._request(entry))
        if entry.end_position is not None and entry.end_position != verdict.end_position:
            raise IntegrityError(f"{place}: ends at {verdict.end_position}, the manifest says {entry.end_position}")
        before = next((other for other in self.manifest.segments if other.number == entry.number - 1), None)
        if before is None or None in (before.sha256, verdict.previous_sha256):
            return  # the first one, or its writer died before the hash was known: the chain has vouched for the order
        if before.sha256 != verdict.previous_sha256:
            raise IntegrityError(f"{place}: names another SHA-256 of segment {before.number} than the manifest")

    def _request(self, entry: SegmentEntry) -> Request:
        return Request(
            path=str(segment_path(self.run, entry.number)),
            segment=entry.number,
            first_block=entry.first_block,
            first_position=entry.first_position,
            previous_chain=entry.previous_chain,
        )
