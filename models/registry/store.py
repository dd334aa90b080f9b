"""A model on disk: a folder of three files, every byte of them covered by one content hash.

    manifest.json   what the model is, on what it was trained, how it scored, by which code; the hashes of the other two
    model.onnx      the exchange format
    prepared.npz    the same model as flat arrays; all that the base install reads

The content hash is the SHA-256 of the manifest's canonical JSON without the hash itself; the manifest holds the SHA-256
of the other files, so a flipped byte anywhere is found.
"""

import hashlib
import io
import zipfile
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.registry.prepared import PreparedModel, Role

MANIFEST, ONNX, PREPARED = "manifest.json", "model.onnx", "prepared.npz"
SCHEMA_VERSION = 1
MAXIMUM_BYTES = 256 << 20


class ModelMissing(Exception):
    """No model there."""


class ModelCorrupt(Exception):
    """A model file that is not what its hash says."""


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a model is. Written once; the order of `features` is the order of the model's inputs."""

    schema_version: int = SCHEMA_VERSION
    name: str
    kind: Literal["linear", "gbdt", "mlp", "onnx"]
    role: Role = "active"
    features: tuple[str, ...]
    horizons_ms: tuple[int, ...]
    output: str = "log_return_bp"  # what the model forecasts, over each horizon
    training: dict[str, Any] = {}  # data files and their SHA-256, rows, dates, parameters
    score: dict[str, float | None] = {}
    baseline: dict[str, float | None] = {}
    created_by: str = ""
    onnx_sha256: str = ""
    prepared_sha256: str = ""
    sha256: str = ""


def content_hash(manifest: Manifest) -> str:
    """SHA-256 of the canonical JSON of everything but the hash itself."""
    fields = msgspec.to_builtins(manifest)
    del fields["sha256"]
    return hashlib.sha256(msgspec.json.encode(fields, order="sorted")).hexdigest()


def save_model(
    folder: Path, manifest: Manifest, onnx_bytes: bytes, arrays: dict[str, NDArray[Any]] | None = None
) -> Manifest:
    """Writes a model and returns its manifest with the hashes. The manifest goes last: without it there is no model.

    arrays: the prepared ones; None for a model without a compiled evaluator. Raises FileExistsError if one is there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if (folder / MANIFEST).exists():
        raise FileExistsError(f"{folder} already holds a model")
    hashes = {"onnx_sha256": hashlib.sha256(onnx_bytes).hexdigest()}
    (folder / ONNX).write_bytes(onnx_bytes)
    if arrays is not None:
        packed = io.BytesIO()
        np.savez_compressed(packed, allow_pickle=False, **arrays)
        hashes["prepared_sha256"] = hashlib.sha256(packed.getvalue()).hexdigest()
        (folder / PREPARED).write_bytes(packed.getvalue())
    manifest = msgspec.structs.replace(manifest, **hashes)
    manifest = msgspec.structs.replace(manifest, sha256=content_hash(manifest))
    (folder / MANIFEST).write_bytes(msgspec.json.format(msgspec.json.encode(manifest), indent=1) + b"\n")
    return manifest


def load_manifest(folder: Path) -> Manifest:
    """The checked manifest of a model folder. Raises ModelMissing or ModelCorrupt."""
    path = folder / MANIFEST
    if not path.is_file():
        raise ModelMissing(f"no model at {folder}: {MANIFEST} is not there (bot4 model train --output makes one)")
    try:
        manifest = msgspec.json.decode(path.read_bytes(), type=Manifest)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ModelCorrupt(f"{path}: not a model manifest: {error}; train or copy the model again") from None
    if manifest.schema_version != SCHEMA_VERSION:
        raise ModelCorrupt(f"{path}: schema version {manifest.schema_version}; this build reads {SCHEMA_VERSION}")
    if content_hash(manifest) != manifest.sha256:
        raise ModelCorrupt(f"{path}: the content hash does not fit; train or copy the model again")
    return manifest


def _checked(path: Path, sha256: str) -> bytes:
    if not path.is_file():
        raise ModelMissing(f"no model at {path.parent}: {path.name} is not there; copy the whole folder")
    if path.stat().st_size > MAXIMUM_BYTES:
        raise ModelCorrupt(f"{path}: larger than {MAXIMUM_BYTES >> 20} MiB")
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != sha256:
        raise ModelCorrupt(f"{path}: the bytes do not fit the hash in {MANIFEST}; train or copy the model again")
    return content


def load_model(folder: Path) -> PreparedModel:
    """A model with its prepared arrays, every file checked. Raises ModelMissing or ModelCorrupt."""
    manifest = load_manifest(folder)
    arrays: dict[str, NDArray[Any]] = {}
    if manifest.prepared_sha256:
        content = _checked(folder / PREPARED, manifest.prepared_sha256)
        try:
            with np.load(io.BytesIO(content), allow_pickle=False) as packed:
                arrays = {name: packed[name] for name in packed.files}
        except (ValueError, zipfile.BadZipFile) as error:
            raise ModelCorrupt(f"{folder / PREPARED}: {error}") from None
    if not arrays or (folder / ONNX).exists():
        _checked(folder / ONNX, manifest.onnx_sha256)
    try:
        return PreparedModel(
            manifest.name,
            manifest.kind,
            manifest.sha256,
            manifest.features,
            manifest.horizons_ms,
            arrays,
            manifest.role,
            manifest.score,
        )
    except ValueError as error:
        raise ModelCorrupt(f"{folder / MANIFEST}: {error}") from None


def load_onnx(folder: Path) -> tuple[Manifest, bytes]:
    """The checked manifest and the ONNX bytes. Raises ModelMissing or ModelCorrupt."""
    manifest = load_manifest(folder)
    return manifest, _checked(folder / ONNX, manifest.onnx_sha256)
