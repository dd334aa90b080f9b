"""Tape files: market data as messages, ready to be mapped into memory and run.

    offset 0   header      magic, versions, counts, span, source hash, CRC32                 HEADER, 256 bytes
               instruments what the row numbers mean                                         INSTRUMENT x n
               padding     zeros, so that records begin on a page
               records     in order of receive time, sequence = place                        MESSAGE x records
               blocks      CRC32 of each block of BLOCK_RECORDS records                      u32 x blocks

The header's CRC covers the header, the instruments and the table of blocks; each block's covers its records: any
flipped byte is found, and where. A tape appears whole or not at all (written beside its place, then renamed).
"""

import os
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from engine.errors import IntegrityError
from ipc.instruments import INSTRUMENT
from ipc.messages import MESSAGE, SCHEMA_VERSION

MAGIC = b"BOT4TAPE"
TAPE_VERSION = 1
BLOCK_RECORDS = 16_384  # 1 MiB
PAGE_BYTES = 4_096

HEADER = np.dtype(
    [
        ("magic", "S8"),
        ("tape_version", "<u4"),
        ("message_version", "<u4"),
        ("records", "<i8"),
        ("first_receive_time_ns", "<i8"),
        ("last_receive_time_ns", "<i8"),
        ("block_records", "<i8"),
        ("instruments", "<i8"),
        ("records_offset", "<i8"),
        ("source_sha256", "V32"),  # of what it was made from; zeros when that is no file
        ("reserved", "V156"),
        ("crc32", "<u4"),
    ]
)
assert HEADER.itemsize == 256

Array = np.ndarray[Any, Any]


class Tape:
    """An open tape: `instruments` (INSTRUMENT, shape (n,)) and `records` (MESSAGE, shape (n,), read-only, mapped)."""

    def __init__(self, path: Path, header: np.void, instruments: Array, records: Array, block_crcs: Array) -> None:
        self.path = path
        self.header = header
        self.instruments = instruments
        self.records = records
        self._block_crcs = block_crcs

    @classmethod
    def open(cls, path: str | Path, *, verify: bool = False) -> "Tape":
        """Checks the header, the instruments and the size; with `verify` also every record.

        Raises IntegrityError that names file, byte, last good message and the mend.
        """
        path = Path(path)
        try:
            with path.open("rb") as stream:
                tape = _read(path, stream)
        except OSError as error:
            raise IntegrityError(f"{path}: cannot be read: {error.strerror}") from None
        if verify:
            tape.verify()
        return tape

    @property
    def names(self) -> list[str]:
        """Instrument names in row order."""
        return [bytes(name).decode() for name in self.instruments["name"]]

    @property
    def source_sha256(self) -> str:
        return bytes(self.header["source_sha256"]).hex()

    def verify(self) -> None:
        """Checks every block of records. Raises IntegrityError at the first that is not what was written."""
        size = int(self.header["block_records"])
        for block, crc in enumerate(self._block_crcs):
            first = block * size
            if zlib.crc32(self.records[first : first + size].tobytes()) != crc:
                byte = int(self.header["records_offset"]) + first * MESSAGE.itemsize
                raise IntegrityError(
                    f"{self.path.name}: byte {byte}: block {block} (records {first} to"
                    f" {min(first + size, len(self.records)) - 1}) does not match its CRC;"
                    f" {_last_good(self.records[:first])}; {_MEND}"
                )


_MEND = "import it anew from its recordings (bot4 data import)"


def _last_good(records: Array) -> str:
    if len(records) == 0:
        return "no good message before it"
    return f"last good message {len(records) - 1}, received {int(records[-1]['receive_time_ns'])}"


def _read(path: Path, stream: BinaryIO) -> Tape:
    raw = stream.read(HEADER.itemsize)
    if len(raw) < HEADER.itemsize or raw[:8] != MAGIC:
        raise IntegrityError(f"{path.name}: byte 0: not a tape; no good message before it; {_MEND}")
    header = np.frombuffer(raw, HEADER)[0]
    if header["tape_version"] != TAPE_VERSION or header["message_version"] != SCHEMA_VERSION:
        raise IntegrityError(
            f"{path.name}: byte 8: tape version {header['tape_version']} with message version"
            f" {header['message_version']}, this build reads {TAPE_VERSION} with {SCHEMA_VERSION};"
            f" no good message read; {_MEND}"
        )
    count, records, offset = (int(header[name]) for name in ("instruments", "records", "records_offset"))
    size = os.fstat(stream.fileno()).st_size
    blocks = -(-records // max(1, int(header["block_records"])))
    wanted = offset + records * MESSAGE.itemsize + blocks * 4
    sane = count >= 0 and records >= 0 and offset >= HEADER.itemsize + count * INSTRUMENT.itemsize
    if not sane or size != wanted:
        good = max(0, min(records, (size - offset) // MESSAGE.itemsize)) if sane else 0
        raise IntegrityError(
            f"{path.name}: byte {min(size, wanted) if sane else 16}: {size} bytes long, its header says {wanted};"
            f" at most {good} of {records} messages are there; {_MEND}"
        )
    table = stream.read(count * INSTRUMENT.itemsize)
    stream.seek(offset + records * MESSAGE.itemsize)
    crcs = stream.read(blocks * 4)
    if _header_crc(raw, table, crcs) != header["crc32"]:
        raise IntegrityError(
            f"{path.name}: byte 0: header, instruments or block table do not match their CRC;"
            f" no good message before it; {_MEND}"
        )
    mapped: Array = np.zeros(0, MESSAGE)
    if records:
        mapped = np.memmap(path, MESSAGE, "r", offset, (records,))
    return Tape(path, header, np.frombuffer(table, INSTRUMENT), mapped, np.frombuffer(crcs, "<u4"))


def _header_crc(raw: bytes, table: bytes, crcs: bytes) -> int:
    return zlib.crc32(crcs, zlib.crc32(table, zlib.crc32(raw[:-4])))


# -- writing ---------------------------------------------------------------------------------------------------------


def write_tape(path: str | Path, instruments: Array, arrays: Iterable[Array], *, source_sha256: str = "") -> int:
    """Writes a tape from MESSAGE arrays in order of receive time; gives each record its place as sequence.

    Returns the number of records. Raises IntegrityError when the receive times go back; then there is no file.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.writing")
    instruments = np.ascontiguousarray(instruments, INSTRUMENT)
    try:
        with temporary.open("wb") as stream:
            count = _write(path, stream, instruments, arrays, bytes.fromhex(source_sha256))
            stream.flush()
            os.fsync(stream.fileno())
        temporary.rename(path)
    finally:
        temporary.unlink(missing_ok=True)
    return count


def _write(path: Path, stream: BinaryIO, instruments: Array, arrays: Iterable[Array], source: bytes) -> int:
    header = np.zeros(1, HEADER)
    offset = HEADER.itemsize + instruments.nbytes
    offset += -offset % PAGE_BYTES
    stream.write(bytes(offset))
    crcs: list[int] = []
    count = crc = 0
    first = last = 0
    for array in arrays:
        records = np.array(array, MESSAGE)  # a copy: sequences are ours to write
        if len(records) == 0:
            continue
        times = records["receive_time_ns"]
        if times[0] < last or np.any(np.diff(times) < 0):
            raise IntegrityError(f"{path.name}: messages are not in order of receive time after record {count}")
        first = first if count else int(times[0])
        last = int(times[-1])
        records["sequence"] = np.arange(count, count + len(records))
        stream.write(records.view(np.uint8).data)
        for piece in _block_pieces(records, count):
            crc = zlib.crc32(piece.tobytes(), crc)
            count += len(piece)
            if count % BLOCK_RECORDS == 0:
                crcs.append(crc)
                crc = 0
    if count % BLOCK_RECORDS:
        crcs.append(crc)
    table = np.array(crcs, "<u4").tobytes()
    stream.write(table)
    header[0] = (
        MAGIC, TAPE_VERSION, SCHEMA_VERSION, count, first, last, BLOCK_RECORDS, len(instruments), offset,
        np.void(source.ljust(32, b"\0")), np.void(bytes(156)), 0,
    )  # fmt: skip
    header["crc32"] = _header_crc(header.tobytes(), instruments.tobytes(), table)
    stream.seek(0)
    stream.write(header.tobytes() + instruments.tobytes())
    return count


def _block_pieces(records: Array, count: int) -> Iterator[Array]:
    """Cuts records, of which the first will be record `count`, where blocks end."""
    start = 0
    while start < len(records):
        end = min(len(records), start + BLOCK_RECORDS - (count + start) % BLOCK_RECORDS)
        yield records[start:end]
        start = end


# -- merging ---------------------------------------------------------------------------------------------------------


def merge(streams: list[Iterator[Array]]) -> Iterator[Array]:
    """One stream in order of receive time from several that each are; of equal times the earlier stream comes first.

    Messages of several records stay together, because all their records carry one receive time.
    """
    heads: list[Array] = [np.zeros(0, MESSAGE)] * len(streams)
    open_streams = set(range(len(streams)))
    while True:
        for i in sorted(open_streams):
            while len(heads[i]) == 0 and i in open_streams:
                head = next(streams[i], None)
                if head is None:
                    open_streams.discard(i)
                else:
                    heads[i] = head
        live = [i for i in range(len(streams)) if len(heads[i])]
        if not live:
            return
        # What was received before the earliest end of a head cannot be preceded by anything still to come.
        limits = [heads[i]["receive_time_ns"][-1] for i in live if i in open_streams]
        limit = min(limits) if limits else None
        parts = []
        for i in live:
            cut = len(heads[i]) if limit is None else int(np.searchsorted(heads[i]["receive_time_ns"], limit, "left"))
            parts.append(heads[i][:cut])
            heads[i] = heads[i][cut:]
        if limit is not None and not any(map(len, parts)):  # one instant fills a whole head: fetch more of it
            _extend(heads, streams, open_streams, limit)
            continue
        joined = np.concatenate(parts)
        yield joined[np.argsort(joined["receive_time_ns"], kind="stable")]


def _extend(heads: list[Array], streams: list[Iterator[Array]], open_streams: set[int], limit: int) -> None:
    """Lengthens the heads that end at `limit`, so that the next cut is not empty."""
    for i in sorted(open_streams):
        if len(heads[i]) and heads[i]["receive_time_ns"][-1] == limit:
            more = next(streams[i], None)
            if more is None:
                open_streams.discard(i)
            else:
                heads[i] = np.concatenate([heads[i], more])
