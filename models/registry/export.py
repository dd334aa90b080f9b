"""From an ONNX model to a model folder: prepared arrays when there is a compiled evaluator, none when there is not."""

from pathlib import Path

import msgspec

from models.registry.onnx_read import NotCompilable, prepare
from models.registry.store import Manifest, save_model


def export_model(folder: Path, manifest: Manifest, onnx_bytes: bytes) -> Manifest:
    """Prepares and writes a model; the kind in the manifest becomes the one found ("onnx" without an evaluator).

    Whatever a compiled evaluator reads was read from the ONNX bytes. Raises FileExistsError.
    """
    try:
        kind, arrays = prepare(onnx_bytes)
    except NotCompilable:
        return save_model(folder, msgspec.structs.replace(manifest, kind="onnx"), onnx_bytes)
    return save_model(folder, msgspec.structs.replace(manifest, kind=kind), onnx_bytes, arrays)
