"""One segment of the journal: an LMDB environment, key = first position (big-endian i64), value = block.

LMDB runs with MDB_NOMETASYNC, never MDB_NOSYNC: a commit has its pages on disk when it returns, while its meta page
reaches the disk with the next commit or `sync`. So a committed block survives the death of any process, and survives a
power cut once the next commit or a `sync` has returned. Not MDB_WRITEMAP: on a full disk a store into a mapped hole is
a SIGBUS, a write is an error that can be handled.
"""

import errno
import hashlib
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import lmdb
import msgspec

from engine.errors import Exit, UserError

PAGE_BYTES = 4096
PAGE_HEADER_BYTES = 16
SPARE_PAGES = 64  # for the tree above the blocks and for LMDB's list of free pages
PREVIOUS_KEY = b"\0"  # sorts before every position: JSON of PreviousSegment
READERS = 126
READ_AHEAD_BYTES = 4 << 20
READ_MAP_BYTES = 2 << 30  # of addresses, not of memory: above any segment, so that one may grow while it is read
COMMITS_BETWEEN_CHECKS = 16  # for readers that were killed: they hold a slot and the pages freed since
FULL_CODES = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class JournalUnwritable(UserError):
    """Nothing was written, and the writer must stop consuming. `full`: room may come back, trying again is safe.

    Otherwise the disk failed: pages that it did not take are no longer marked as unwritten, so only a new process that
    verifies what is there may go on.
    """

    def __init__(self, message: str, *, full: bool) -> None:
        super().__init__(message, Exit.FAILED)
        self.full = full


class PreviousSegment(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What a segment says of the one before it."""

    number: int
    sha256: str


def key_of(position: int) -> bytes:
    return struct.pack(">q", position)


def position_of(key: bytes) -> int:
    (position,) = struct.unpack(">q", key)
    return int(position)


def has_begun(path: Path) -> bool:
    """Whether LMDB ever wrote its first pages: a crash right after the file was made leaves it empty, or all zero."""
    if not path.exists():
        return False
    with path.open("rb") as file:
        return any(file.read(2 * PAGE_BYTES))


def sha256_of_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class SegmentWriter:
    """A segment open for appending."""

    def __init__(self, path: Path, map_bytes: int) -> None:
        self.path = path
        self._map_pages = map_bytes // PAGE_BYTES
        self._commits = 0
        with unwritable_as_such():
            self._environment = lmdb.Environment(
                str(path), map_size=self._map_pages * PAGE_BYTES, subdir=False, metasync=False, max_readers=READERS
            )

    # -- QUERIES --

    def has_room(self, value_bytes: int) -> bool:
        """Whether a block of so many bytes fits below the segment's limit."""
        pages = -(-(value_bytes + PAGE_HEADER_BYTES) // PAGE_BYTES)
        return int(self._environment.info()["last_pgno"]) + 1 + pages + SPARE_PAGES <= self._map_pages

    # -- COMMANDS --

    def append(self, position: int, value: memoryview) -> None:
        """Commits one block. Raises lmdb.Error; then nothing was written."""
        with self._environment.begin(write=True) as transaction:
            transaction.put(key_of(position), value, append=True)
        self._commits += 1
        if self._commits % COMMITS_BETWEEN_CHECKS == 0:
            self._environment.reader_check()

    def name_previous(self, previous: PreviousSegment) -> None:
        """Notes the SHA-256 of the closed segment before this one."""
        with self._environment.begin(write=True) as transaction:
            transaction.put(PREVIOUS_KEY, msgspec.json.encode(previous))

    def sync(self) -> None:
        """Puts the last commit's meta page on disk too."""
        self._environment.sync(True)

    def close(self) -> None:
        self._environment.close()


@contextmanager
def unwritable_as_such() -> Iterator[None]:
    """Turns every way in which LMDB or the system says that it cannot write into JournalUnwritable."""
    try:
        yield
    except (lmdb.Error, OSError) as error:
        code = error.errno if isinstance(error, OSError) else getattr(error, "code", None)
        full = isinstance(error, lmdb.MapFullError) or code in FULL_CODES
        raise JournalUnwritable(f"JOURNAL_FULL: {error}", full=full) from error


class SegmentReader:
    """A segment open for reading; `live`: its writer may be at work. Opening a damaged file can kill the process."""

    def __init__(self, path: Path, *, live: bool) -> None:
        self._environment = lmdb.Environment(
            str(path),
            map_size=READ_MAP_BYTES,
            subdir=False,
            readonly=True,
            lock=live,
            create=False,
            readahead=True,
            max_readers=READERS,
        )

    def previous(self) -> PreviousSegment | None:
        """What this segment says of the one before; None in the first, or until that one's hash is known."""
        with self._environment.begin() as transaction:
            data = transaction.get(PREVIOUS_KEY)
        return None if data is None else msgspec.json.decode(data, type=PreviousSegment)

    def values(self, position: int) -> Iterator[tuple[int, bytes]]:
        """(first position, encoded block) in order, from the block that holds `position` on.

        No transaction is open while the caller works: an open one keeps every page freed since from the writer.
        """
        batch = self._batch(key_of(position), before=True)
        while batch:
            yield from batch
            batch = self._batch(key_of(batch[-1][0] + 1), before=False)

    def _batch(self, key: bytes, *, before: bool) -> list[tuple[int, bytes]]:
        """Blocks from `key` on, at least one if there is one; `before`: from the last one at or before `key`."""
        batch: list[tuple[int, bytes]] = []
        size = 0
        with self._environment.begin() as transaction, transaction.cursor() as cursor:
            found = cursor.set_range(key)
            if before and (not found or cursor.key() != key):
                found = cursor.prev() if found else cursor.last()
            if cursor.key() in (b"", PREVIOUS_KEY):
                found = cursor.next()
            while found and size < READ_AHEAD_BYTES:
                batch.append((position_of(cursor.key()), cursor.value()))
                size += len(batch[-1][1])
                found = cursor.next()
        return batch

    def last(self) -> tuple[int, bytes] | None:
        """The last block, or None when there is none."""
        with self._environment.begin() as transaction, transaction.cursor() as cursor:
            if not cursor.last() or cursor.key() == PREVIOUS_KEY:
                return None
            return position_of(cursor.key()), cursor.value()

    def close(self) -> None:
        self._environment.close()
