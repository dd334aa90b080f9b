"""Shared memory as plain files: created whole, allocated before use, locked by one writer, refused when unknown.

A segment is a file on a tmpfs in the run directory, mapped by every process that uses it. Its first page is the header:

    offset  0      8               16              24             32    40          48            56
           +------+---------------+---------------+--------------+-----+-----------+-------------+---------+
           |magic |layout_version |schema_version |kind (8 chars)|epoch|total_bytes|record_bytes |capacity |
           |8 B   | i64           | i64           | 8 B          | i64 | i64       | i64         | i64     |
           +------+---------------+---------------+--------------+-----+-----------+-------------+---------+
            64    72     80
           +-----+------+------+
           |base |flags |crc32 |   the rest of the 4096-byte page is zero; what follows belongs to the kind
           | i64 | i64  | i64  |
           +-----+------+------+

Locks are open-file-description locks on single bytes of the file: they vanish with their holder however it dies, so
a lock that can be taken proves that its former holder is gone. A file is created under another name and linked into
place, so a reader sees a whole segment or none.
"""

import errno
import fcntl
import mmap
import os
import struct
import weakref
import zlib
from dataclasses import dataclass
from pathlib import Path

from ipc.messages import SCHEMA_VERSION

MAGIC = b"BOT4SEG\0"
LAYOUT_VERSION = 1
HEADER_BYTES = 4096
_HEADER = struct.Struct("<8sqq8sqqqqqq")
_CHECKSUM = struct.Struct("<q")
_FLOCK = struct.Struct("hhqqi4x")  # struct flock of 64-bit Linux: type, whence, start, length, pid
assert _HEADER.size == 80
assert _FLOCK.size == 32

WRITER_BYTE = 0  # the byte that the one writer locks
REGISTRY_BYTE = 1  # locked while the table of consumers changes
CONSUMER_BYTE = 2  # byte CONSUMER_BYTE + i is locked by the live consumer of slot i


class SegmentError(Exception):
    """A segment that cannot be made, opened or used: one line that says what, where and how to mend it."""


@dataclass(frozen=True)
class Header:
    """What the first page says. `base` is the position of the first record ever in this file."""

    kind: str
    epoch: int
    total_bytes: int
    record_bytes: int
    capacity: int
    base: int = 0
    flags: int = 0

    def pack(self) -> bytes:
        body = _HEADER.pack(
            MAGIC,
            LAYOUT_VERSION,
            SCHEMA_VERSION,
            self.kind.encode(),
            self.epoch,
            self.total_bytes,
            self.record_bytes,
            self.capacity,
            self.base,
            self.flags,
        )
        return body + _CHECKSUM.pack(zlib.crc32(body))

    @classmethod
    def unpack(cls, page: bytes, path: Path) -> "Header":
        """The header of a page. Raises SegmentError when it is not one that this build understands."""
        if len(page) < HEADER_BYTES or page[:8] != MAGIC:
            raise SegmentError(f"{path} is not a Bot4 segment: remove it or choose another run directory")
        _, layout, schema, kind, *rest = _HEADER.unpack_from(page)
        if (layout, schema) != (LAYOUT_VERSION, SCHEMA_VERSION):
            raise SegmentError(
                f"{path} has layout {layout} and schema {schema}, this build reads {LAYOUT_VERSION} and "
                f"{SCHEMA_VERSION}: drain it with the build that wrote it"
            )
        if _CHECKSUM.unpack_from(page, _HEADER.size)[0] != zlib.crc32(page[: _HEADER.size]):
            raise SegmentError(f"{path} has a damaged header: restore it or remove it")
        return cls(kind.rstrip(b"\0").decode(), *rest)


class Lock:
    """A lock on one byte of a segment, held until `release` or the death of the process."""

    def __init__(self, descriptor: int) -> None:
        self._close = weakref.finalize(self, os.close, descriptor)

    def release(self) -> None:
        self._close()


class Segment:
    """A mapped segment. `memory` is the whole file, header included; it stays mapped while anything refers to it."""

    def __init__(self, path: Path, descriptor: int, header: Header, *, writable: bool) -> None:
        self.path = path
        self.header = header
        self._descriptor = descriptor
        weakref.finalize(self, os.close, descriptor)
        protection = mmap.PROT_READ | (mmap.PROT_WRITE if writable else 0)
        self.memory = mmap.mmap(descriptor, header.total_bytes, mmap.MAP_SHARED | mmap.MAP_POPULATE, protection)

    @classmethod
    def create(cls, path: str | os.PathLike[str], header: Header, payload: bytes = b"") -> "Segment":
        """Makes the file, allocates all of it, writes `payload` after the header and maps it; the rest is zero.

        Raises SegmentError if it exists or memory is short.
        """
        path = Path(path)
        if not 0 <= header.epoch < 1 << 63:
            raise SegmentError(f"{path}: epoch {header.epoch} is not within 0 and 2^63 - 1")
        draft = path.with_name(f".{path.name}.{os.getpid()}.draft")
        try:
            descriptor = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise SegmentError(f"cannot create {draft}: {error.strerror}") from None
        try:
            _allocate(descriptor, header.total_bytes, path)
            os.pwrite(descriptor, header.pack().ljust(HEADER_BYTES, b"\0") + payload, 0)
            os.link(draft, path)
        except FileExistsError:
            os.close(descriptor)
            raise SegmentError(f"{path} exists: drain and remove the segments of the dead run first") from None
        except BaseException:
            os.close(descriptor)
            raise
        finally:
            os.unlink(draft)
        return cls(path, descriptor, header, writable=True)

    @classmethod
    def attach(cls, path: str | os.PathLike[str], kind: str, *, writable: bool = True) -> "Segment":
        """Maps an existing segment. Raises SegmentError if it is absent, unknown, cut or of another kind."""
        path = Path(path)
        try:
            descriptor = os.open(path, (os.O_RDWR if writable else os.O_RDONLY) | os.O_CLOEXEC)
        except OSError as error:
            raise SegmentError(f"cannot open segment {path}: {error.strerror}") from None
        try:
            header = Header.unpack(os.pread(descriptor, HEADER_BYTES, 0), path)
            size = os.fstat(descriptor).st_size
            if header.kind != kind:
                raise SegmentError(f"{path} is a segment of kind {header.kind!r}, {kind!r} was expected")
            if header.total_bytes != size:
                raise SegmentError(f"{path} has {size} bytes, its header says {header.total_bytes}: it was cut")
        except BaseException:
            os.close(descriptor)
            raise
        return cls(path, descriptor, header, writable=writable)

    # -- QUERIES --

    def is_locked(self, byte: int) -> bool:
        """Whether some live holder has the lock on this byte; the caller's own counts too."""
        descriptor = self._description()
        try:
            answer = fcntl.fcntl(descriptor, fcntl.F_OFD_GETLK, _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, byte, 1, 0))
        finally:
            os.close(descriptor)
        return bool(_FLOCK.unpack(answer)[0] != fcntl.F_UNLCK)

    # -- COMMANDS --

    def lock(self, byte: int, what: str, *, wait: bool = False) -> Lock:
        """Takes the lock on one byte. Raises SegmentError, naming `what`, when another holds it and not `wait`."""
        descriptor = self._description()
        command = fcntl.F_OFD_SETLKW if wait else fcntl.F_OFD_SETLK
        try:
            fcntl.fcntl(descriptor, command, _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, byte, 1, 0))
        except OSError as error:
            os.close(descriptor)
            if error.errno in (errno.EAGAIN, errno.EACCES):
                raise SegmentError(f"{self.path} already has a live {what}: stop it first") from None
            raise
        return Lock(descriptor)

    def _description(self) -> int:
        """A new open file description of the same file, even when it was unlinked: each lock needs one of its own."""
        return os.open(f"/proc/self/fd/{self._descriptor}", os.O_RDWR | os.O_CLOEXEC)


def _allocate(descriptor: int, total_bytes: int, path: Path) -> None:
    try:
        os.posix_fallocate(descriptor, 0, total_bytes)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EFBIG, errno.EDQUOT):
            raise
        free = os.statvfs(path.parent)
        raise SegmentError(
            f"{path} needs {total_bytes} bytes and {path.parent} has {free.f_bavail * free.f_frsize} free: "
            "enlarge that tmpfs, choose another run directory or a smaller capacity"
        ) from None
