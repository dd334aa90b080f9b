"""A snapshot: the memory of every stage at one place of the journal, made by a follower of the journal.

    +---------+-----------+------------------+---------------------------+------------------------+
    |BOT4SNAP |header size|header, JSON      |blocks one after another,  |SHA-256 of all before   |
    | 8 B     | u64       |                  |one zstd frame             | 32 B                   |
    +---------+-----------+------------------+---------------------------+------------------------+

Little-endian. The place is a journal position between two messages, where all outputs of the input before it, and its
CHECK, lie before it too. A snapshot of another build is not used: the blocks are the memory of that build's stages.
"""

import hashlib
import struct
from pathlib import Path

import msgspec
import zstandard

from engine.errors import IntegrityError
from engine.journal.manifest import snapshot_folder, write_atomically

MAGIC = b"BOT4SNAP"
SNAPSHOT_SCHEMA = 1
KEEP_SNAPSHOTS = 3
DIGEST_BYTES = 32
_PREFIX = struct.Struct("<8sQ")


class Snapshot(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Where the core was and what it held: `stages` is {stage: {block: bytes}} as `Stage.snapshot()` gives them."""

    run_id: str
    build_id: str
    position: int  # journal position of the next record
    inputs: int
    orders: int
    sequences: dict[str, int]  # Source name -> sequence of its last journaled record
    core: dict[str, object]  # Core.counters()
    stages: dict[str, dict[str, bytes]]


class _Header(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    schema_version: int
    run_id: str
    build_id: str
    position: int
    inputs: int
    orders: int
    sequences: dict[str, int]
    core: dict[str, object]
    blocks: list[tuple[str, str, int]]  # stage, block, bytes


def snapshot_path(run: Path, position: int) -> Path:
    return snapshot_folder(run) / f"{position:020d}.snapshot"


def write_snapshot(run: Path, snapshot: Snapshot) -> Path:
    """Writes the file; it is on disk and whole when this returns, or not there at all. Raises OSError."""
    header = msgspec.json.encode(
        _Header(
            schema_version=SNAPSHOT_SCHEMA,
            run_id=snapshot.run_id,
            build_id=snapshot.build_id,
            position=snapshot.position,
            inputs=snapshot.inputs,
            orders=snapshot.orders,
            sequences=snapshot.sequences,
            core=snapshot.core,
            blocks=[
                (stage, name, len(data)) for stage, blocks in snapshot.stages.items() for name, data in blocks.items()
            ],
        )
    )
    memory = b"".join(data for blocks in snapshot.stages.values() for data in blocks.values())
    body = _PREFIX.pack(MAGIC, len(header)) + header + zstandard.ZstdCompressor(level=1).compress(memory)
    path = snapshot_path(run, snapshot.position)
    write_atomically(path, body + hashlib.sha256(body).digest())
    return path


def read_snapshot(path: Path) -> Snapshot:
    """Reads and verifies a snapshot. Raises IntegrityError naming the file."""
    data = path.read_bytes()
    body, digest = data[:-DIGEST_BYTES], data[-DIGEST_BYTES:]
    if len(data) < _PREFIX.size + DIGEST_BYTES or hashlib.sha256(body).digest() != digest:
        raise IntegrityError(f"{path}: SHA-256 differs from the one it ends with; remove it")
    magic, header_bytes = _PREFIX.unpack_from(body)
    if magic != MAGIC:
        raise IntegrityError(f"{path}: not a snapshot; remove it")
    start = _PREFIX.size + header_bytes
    try:
        header = msgspec.json.decode(body[_PREFIX.size : start], type=_Header)
    except msgspec.DecodeError as error:
        raise IntegrityError(f"{path}: written by another build ({error}); remove it") from None
    if header.schema_version != SNAPSHOT_SCHEMA:
        raise IntegrityError(f"{path}: schema {header.schema_version}, this build reads {SNAPSHOT_SCHEMA}; remove it")
    memory = zstandard.ZstdDecompressor().decompress(body[start:])
    stages: dict[str, dict[str, bytes]] = {}
    at = 0
    for stage, name, size in header.blocks:
        stages.setdefault(stage, {})[name] = memory[at : at + size]
        at += size
    return Snapshot(
        run_id=header.run_id,
        build_id=header.build_id,
        position=header.position,
        inputs=header.inputs,
        orders=header.orders,
        sequences=header.sequences,
        core=header.core,
        stages=stages,
    )


def snapshots(run: Path) -> list[Path]:
    """The snapshot files of a run, newest place first."""
    return sorted(snapshot_folder(run).glob("*.snapshot"), reverse=True)


def latest_snapshot(
    run: Path, *, run_id: str, build_id: str, first_position: int, end_position: int
) -> tuple[Snapshot | None, list[str]]:
    """The newest snapshot from which the journal's [first_position, end_position) goes on, and why newer ones were not.

    One beyond the journal's end is not used: the journal's owner lost those records, so they never happened.
    """
    passed_over: list[str] = []
    for path in snapshots(run):
        try:
            snapshot = read_snapshot(path)
        except IntegrityError as error:
            passed_over.append(str(error))
            continue
        if snapshot.run_id != run_id or snapshot.build_id != build_id:
            passed_over.append(f"{path}: of run {snapshot.run_id}, build {snapshot.build_id}")
        elif not first_position <= snapshot.position <= end_position:
            passed_over.append(f"{path}: at {snapshot.position}, the journal has {first_position} to {end_position}")
        else:
            return snapshot, passed_over
    return None, passed_over


def prune_snapshots(run: Path, keep: int = KEEP_SNAPSHOTS) -> list[Path]:
    """Removes all but the newest `keep`; returns what was removed."""
    old = snapshots(run)[max(1, keep) :]
    for path in old:
        path.unlink()
    return old
