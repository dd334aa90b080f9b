"""The run's manifest, and where the files of a run lie.

    RUN/manifest.json                 this file: who ran what, and the SHA-256 of every closed segment
    RUN/journal/000000.mdb ...        one LMDB environment a segment
    RUN/snapshots/POSITION.snapshot   photographs of the stages' memory (snapshot.py)

Written by replacing the whole file, so that a reader sees the old one or the new one. The run's creator writes it once;
from then on the journal's writer alone changes it.
"""

import hashlib
import os
from pathlib import Path

import msgspec

from engine.errors import Exit, IntegrityError, UserError

MANIFEST_SCHEMA = 1
MANIFEST_NAME = "manifest.json"


class SegmentEntry(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """One segment; everything but its number and first position and block is known once it is closed."""

    number: int
    first_position: int
    first_block: int
    previous_chain: str  # hexadecimal: of the block before its first
    sha256: str | None = None  # of the closed file
    end_position: int | None = None
    end_block: int | None = None
    chain: str | None = None  # of its last block
    size_bytes: int | None = None
    closed_time_ns: int | None = None
    removed: bool = False  # by retention


class Manifest(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What a run was: enough to say whether a replay is the same programme on the same inputs."""

    schema_version: int = MANIFEST_SCHEMA
    run_id: str
    created_time_ns: int = 0
    mode: str = ""
    config_sha256: str = ""
    config: dict[str, object] = msgspec.field(default_factory=dict)  # as used, without secrets
    build_id: str = ""
    sources: dict[str, str] = msgspec.field(default_factory=dict)  # file -> SHA-256, strategies included
    models: dict[str, str] = msgspec.field(default_factory=dict)  # name -> content hash
    seed: int = 0
    cpu: str = ""
    closed: bool = False  # the journal ended by rule; its last segment is closed too
    segments: list[SegmentEntry] = msgspec.field(default_factory=list)
    integrity: str = ""  # SHA-256 of this manifest's compact JSON with this field empty; set when it is written


def journal_folder(run: Path) -> Path:
    return run / "journal"


def segment_path(run: Path, number: int) -> Path:
    return journal_folder(run) / f"{number:06d}.mdb"


def snapshot_folder(run: Path) -> Path:
    return run / "snapshots"


def read_manifest(run: Path) -> Manifest:
    """The manifest of a run folder. Raises UserError when there is none, IntegrityError when it cannot be read."""
    path = run / MANIFEST_NAME
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise UserError(f"{run} is not a run: it has no {MANIFEST_NAME}", Exit.USAGE) from None
    try:
        manifest = msgspec.json.decode(data, type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise IntegrityError(f"{path}: {error}; restore it from a copy") from None
    if manifest.integrity != _integrity(manifest):
        raise IntegrityError(f"{path}: its own SHA-256 differs: it was changed or damaged; restore it from a copy")
    if manifest.schema_version != MANIFEST_SCHEMA:
        raise IntegrityError(f"{path}: schema {manifest.schema_version}, this build reads {MANIFEST_SCHEMA}")
    return manifest


def write_manifest(run: Path, manifest: Manifest) -> None:
    """Replaces the manifest; it is on disk when this returns."""
    manifest.integrity = _integrity(manifest)
    data = msgspec.json.format(msgspec.json.encode(manifest), indent=2)
    write_atomically(run / MANIFEST_NAME, data + b"\n")


def _integrity(manifest: Manifest) -> str:
    return hashlib.sha256(msgspec.json.encode(msgspec.structs.replace(manifest, integrity=""))).hexdigest()


def write_atomically(path: Path, data: bytes) -> None:
    """Writes a file so that after any crash it is whole: either the old one or the new one. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".new")
    with temporary.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """A new name in a folder survives a power cut only when the folder itself is on disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
