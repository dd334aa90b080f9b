"""Small models of each kind, as ONNX bytes and as folders."""

from pathlib import Path

import numpy as np

from models.registry.export import export_model
from models.registry.onnx_trees import Leaf, Split, Tree
from models.registry.onnx_write import linear_onnx, mlp_onnx, trees_onnx
from models.registry.store import Manifest

NAMES = tuple(f"f{i}" for i in range(32))


def random_tree(rng, depth: int, pool, outputs: int = 1, inputs: int = 32) -> Tree:
    """A ragged tree: some branches end early."""
    if depth == 0 or rng.random() < 0.1:
        return Leaf({int(rng.integers(outputs)): float(np.float32(rng.normal()))})
    left = random_tree(rng, depth - 1, pool, outputs, inputs)
    right = random_tree(rng, depth - 1, pool, outputs, inputs)
    return Split(int(rng.integers(inputs)), np.float32(rng.choice(pool)), bool(rng.random() < 0.5), left, right)


def onnx_of(kind: str, seed: int = 1) -> bytes:
    rng = np.random.default_rng(seed)
    if kind == "linear":
        return linear_onnx(rng.normal(size=(32, 2)), rng.normal(size=2))
    if kind == "mlp":
        sizes = ((32, 64), (64, 64), (64, 3))
        weights = [rng.normal(size=s).astype(np.float32) / np.float32(np.sqrt(s[0])) for s in sizes]
        return mlp_onnx(weights, [rng.normal(size=s[1]).astype(np.float32) for s in sizes])
    pool = rng.normal(size=200).astype(np.float32)
    return trees_onnx([random_tree(rng, 6, pool) for _ in range(20)], [0.25], 32)


def horizons_of(kind: str) -> tuple[int, ...]:
    return {"linear": (100, 1000), "mlp": (100, 500, 1000), "gbdt": (1000,)}[kind]


def folder_of(parent: Path, kind: str, name: str = "model") -> Path:
    manifest = Manifest(name=name, kind="onnx", features=NAMES, horizons_ms=horizons_of(kind), training={"rows": 1})
    export_model(parent / name, manifest, onnx_of(kind))
    return parent / name
