"""A block: the records of one commit, with what it takes to find any flipped byte and name it.

    offset   0      8       12      16      24             32            36          40
            +------+-------+-------+-------+--------------+-------------+-----------+----------+
            |magic |schema |segment|block  |first_position|record_count |records_crc|ring_epoch|
            | 8 B  | u32   | u32   | i64   | i64          | u32         | u32       | i64      |
    offset  48            56      64      72            104        128              160
            +-------------+-------+-------+-------------+----------+----------------+-------------+
            |ring_position|orders |inputs |check_hashes |reserved  |previous_chain  |chain        |
            | i64         | i64   | i64   | 8 x u32     | 24 B     | 32 B           | 32 B        |
            +-------------+-------+-------+-------------+----------+----------------+-------------+
    offset 192             192 + 64 n             192 + 68 n
            +---------------+----------------------+
            |n records, 64 B|n CRC-32C, u32 each   |
            +---------------+----------------------+

Little-endian. A journal position counts the records of a run from 0. `ring_epoch` and `ring_position` say where in the
journal ring the first record lay, so that nothing is journaled twice after a crash. `orders` and `inputs` count the
ORDER messages and the inputs of the run up to the end of this block; `check_hashes` are those of its last CHECK so far.
`records_crc` is the CRC-32C of the n record checksums; `chain` is BLAKE2b-256 of everything before it and of the body,
and the previous chain is in there, so a block can neither change nor move. The chain before the first block is BLAKE2b
of the run id.
"""

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.errors import IntegrityError
from engine.journal.checksum import crc32c, record_checksums
from ipc.messages import MESSAGE, SOURCE_SHIFT, Flag, Kind, Source

BLOCK_SCHEMA = 1
MAGIC = b"BOT4JRNL"
CHECKSUM_BYTES = 4

HEADER = np.dtype(
    [
        ("magic", "S8"),
        ("schema", "<u4"),
        ("segment", "<u4"),
        ("block", "<i8"),
        ("first_position", "<i8"),
        ("record_count", "<u4"),
        ("records_crc", "<u4"),
        ("ring_epoch", "<i8"),
        ("ring_position", "<i8"),
        ("orders", "<i8"),
        ("inputs", "<i8"),
        ("check_hashes", "<u4", 8),
        ("reserved", "V24"),
        ("previous_chain", "V32"),
        ("chain", "V32"),
    ]
)
assert HEADER.itemsize == 192
HEADER_OFFSET = {name: field[1] for name, field in (HEADER.fields or {}).items()}
assert [HEADER_OFFSET[name] for name in ("ring_epoch", "ring_position", "orders", "check_hashes")] == [40, 48, 56, 72]
assert [HEADER_OFFSET[name] for name in ("reserved", "previous_chain", "chain")] == [104, 128, 160]
CHAIN_OFFSET = HEADER_OFFSET["chain"]

Records = NDArray[np.void]  # dtype MESSAGE


def block_bytes(record_count: int) -> int:
    """Size of a block of so many records."""
    return HEADER.itemsize + record_count * (MESSAGE.itemsize + CHECKSUM_BYTES)


def first_chain(run_id: str) -> bytes:
    """What stands before the first block of a run."""
    return hashlib.blake2b(run_id.encode(), digest_size=32).digest()


def chain_of(block: memoryview) -> bytes:
    """The chain hash of an encoded block: everything but the hash itself."""
    digest = hashlib.blake2b(block[:CHAIN_OFFSET], digest_size=32)
    digest.update(block[HEADER.itemsize :])
    return digest.digest()


@dataclass(slots=True)
class Progress:
    """What the journal knows at a block's end; the next block starts from it."""

    block: int  # number of the next block
    position: int  # of the next record
    chain: bytes
    orders: int = 0
    inputs: int = 0
    ring_epoch: int = 0
    ring_position: int = 0  # of the next record to take from the journal ring
    check_hashes: tuple[int, ...] = (0,) * 8


def is_said(records: Records) -> NDArray[np.bool_]:
    """True for each record that the core said (ORDER, REFUSAL, their continuations, CHECK), shape (n,)."""
    said: NDArray[np.bool_] = (records["flags"] >> SOURCE_SHIFT) == Source.CORE
    return said


def is_input(records: Records) -> NDArray[np.bool_]:
    """True for each first record of a message that the core consumed, shape (n,)."""
    return ~is_said(records) & starts(records)


def starts(records: Records) -> NDArray[np.bool_]:
    """True where a message starts: the record before it does not continue. Assumes that records[0] starts one."""
    result = np.ones(len(records), dtype=np.bool_)
    result[1:] = (records["flags"][:-1] & Flag.MORE) == 0
    return result


def whole(records: Records) -> int:
    """How many records belong to whole messages: what follows the last record without MORE is a partial message."""
    ends = np.flatnonzero((records["flags"] & Flag.MORE) == 0)
    return int(ends[-1]) + 1 if len(ends) else 0


class BlockBuffer:
    """Memory for one block, allocated once: records are polled into `records`, then sealed in place."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._view = memoryview(bytearray(block_bytes(capacity)))
        self._bytes = np.frombuffer(self._view, dtype=np.uint8)
        self._header = self._bytes[: HEADER.itemsize].view(HEADER)
        self.records: Records = self._bytes[HEADER.itemsize : HEADER.itemsize + capacity * MESSAGE.itemsize].view(
            MESSAGE
        )
        self._words = self.records.view(np.uint64).reshape(capacity, 8)
        self._checksums = np.zeros(capacity, dtype=np.uint32)

    def seal(self, count: int, segment: int, progress: Progress) -> tuple[memoryview, Progress]:
        """The encoded block of records[:count], and the progress after it.

        The view is valid until the records change. Checksums overwrite what lies behind records[:count].
        """
        records = self.records[:count]
        checksums = self._checksums[:count]
        record_checksums(self._words[:count], checksums)
        after = advance(progress, records)
        header = self._header[0]
        header["magic"], header["schema"], header["segment"] = MAGIC, BLOCK_SCHEMA, segment
        header["block"], header["first_position"], header["record_count"] = progress.block, progress.position, count
        header["records_crc"] = crc32c(checksums.view(np.uint8))
        header["ring_epoch"], header["ring_position"] = progress.ring_epoch, progress.ring_position
        header["orders"], header["inputs"], header["check_hashes"] = after.orders, after.inputs, after.check_hashes
        header["previous_chain"] = np.void(progress.chain)
        body_end = HEADER.itemsize + count * MESSAGE.itemsize
        end = block_bytes(count)
        self._bytes[body_end:end] = checksums.view(np.uint8)
        sealed = self._view[:end]
        after.chain = chain_of(sealed)
        header["chain"] = np.void(after.chain)
        return sealed, after


def advance(progress: Progress, records: Records) -> Progress:
    """Progress after these whole messages; the chain is still the one before."""
    count = len(records)
    checks = np.flatnonzero(records["kind"] == Kind.CHECK)
    return Progress(
        block=progress.block + 1,
        position=progress.position + count,
        chain=progress.chain,
        orders=progress.orders + int(np.count_nonzero(records["kind"] == Kind.ORDER)),
        inputs=progress.inputs + int(np.count_nonzero(is_input(records))),
        ring_epoch=progress.ring_epoch,
        ring_position=progress.ring_position + count,
        check_hashes=check_hashes(records[checks[-1]]) if len(checks) else progress.check_hashes,
    )


def check_hashes(check: np.void) -> tuple[int, ...]:
    """The eight rolling hashes of a CHECK record, in the order of the loop's table."""
    return tuple(int(value) for value in np.frombuffer(check.tobytes()[32:64], dtype="<u4"))


@dataclass(slots=True, frozen=True)
class Block:
    """A decoded and verified block; `records` is a read-only view of shape (record_count,), dtype MESSAGE."""

    segment: int
    block: int
    first_position: int
    ring_epoch: int
    ring_position: int
    orders: int
    inputs: int
    check_hashes: tuple[int, ...]
    previous_chain: bytes
    chain: bytes
    records: Records

    @property
    def end_position(self) -> int:
        return self.first_position + len(self.records)

    def progress(self) -> Progress:
        """Where the block after this one starts."""
        return Progress(
            block=self.block + 1,
            position=self.end_position,
            chain=self.chain,
            orders=self.orders,
            inputs=self.inputs,
            ring_epoch=self.ring_epoch,
            ring_position=self.ring_position + len(self.records),
            check_hashes=self.check_hashes,
        )


def header_of(data: bytes) -> np.void:
    """The header as it stands, unverified. Raises IntegrityError when the data are too short to have one."""
    if len(data) < HEADER.itemsize:
        raise IntegrityError(f"journal block of {len(data)} bytes: shorter than its header")
    header: np.void = np.frombuffer(data, HEADER, count=1)[0]
    return header


def decode(data: bytes, segment: int, block: int, previous_chain: bytes) -> Block:
    """Decodes and verifies what should be block `block` of `segment`. Raises IntegrityError naming the place."""
    place = f"journal segment {segment}, block {block}"
    if len(data) < HEADER.itemsize:
        raise IntegrityError(f"{place}: {len(data)} bytes are fewer than a header; restore the segment from a copy")
    header = header_of(data)
    _check_header(header, len(data), place, segment, block)
    count = int(header["record_count"])
    body_end = HEADER.itemsize + count * MESSAGE.itemsize
    records = np.frombuffer(data, MESSAGE, count=count, offset=HEADER.itemsize)
    stored = np.frombuffer(data, "<u4", count=count, offset=body_end)
    computed = np.zeros(count, dtype=np.uint32)
    record_checksums(records.view(np.uint64).reshape(count, 8), computed)
    if crc32c(stored.view(np.uint8)) != int(header["records_crc"]):
        raise IntegrityError(f"{place}: the table of record checksums is damaged; restore the segment from a copy")
    wrong = np.flatnonzero(stored != computed)
    if len(wrong):
        raise IntegrityError(
            f"{place}, record {wrong[0]} (position {int(header['first_position']) + int(wrong[0])}): "
            "checksum differs; restore the segment from a copy"
        )
    if header["previous_chain"].tobytes() != previous_chain:
        raise IntegrityError(f"{place}: does not follow the block before it; a block is missing or was replaced")
    if header["chain"].tobytes() != chain_of(memoryview(data)):
        raise IntegrityError(f"{place}, header: chain hash differs; restore the segment from a copy")
    return Block(
        segment=segment,
        block=block,
        first_position=int(header["first_position"]),
        ring_epoch=int(header["ring_epoch"]),
        ring_position=int(header["ring_position"]),
        orders=int(header["orders"]),
        inputs=int(header["inputs"]),
        check_hashes=tuple(int(value) for value in header["check_hashes"]),
        previous_chain=previous_chain,
        chain=header["chain"].tobytes(),
        records=records,
    )


def _check_header(header: np.void, size: int, place: str, segment: int, block: int) -> None:
    if header["magic"] != MAGIC:
        raise IntegrityError(f"{place}, header: not a journal block")
    if header["schema"] != BLOCK_SCHEMA:
        raise IntegrityError(f"{place}, header: schema {header['schema']}, this build reads {BLOCK_SCHEMA}")
    if size != block_bytes(int(header["record_count"])) or header["record_count"] == 0:
        raise IntegrityError(f"{place}, header: {size} bytes do not hold {header['record_count']} records")
    if header["segment"] != segment or header["block"] != block:
        raise IntegrityError(f"{place}, header: says segment {header['segment']}, block {header['block']}")
