"""ONNX's TreeEnsembleRegressor and the perfect trees of `kernels.trees`: reading its attributes, laying trees out."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

MAXIMUM_DEPTH = 8
OUTPUTS = 4
INPUTS = 32


@dataclass(frozen=True)
class Leaf:
    """What a row that ends here adds, by output."""

    value_by_output: dict[int, float]


@dataclass(frozen=True)
class Split:
    """value <= threshold goes left; NaN goes right if `nan_right`."""

    feature: int
    threshold: np.float32
    nan_right: bool
    left: "Split | Leaf"
    right: "Split | Leaf"


Tree = Split | Leaf


def depth_of(tree: Tree) -> int:
    """Splits on the longest way from the root."""
    return 0 if isinstance(tree, Leaf) else 1 + max(depth_of(tree.left), depth_of(tree.right))


def float32_not_above(value: float) -> np.float32:
    """The largest float32 <= value: for a float32 x, x <= value and x <= this are the same."""
    with np.errstate(over="ignore"):
        nearest = np.float32(value)
    return np.float32(np.nextafter(nearest, np.float32(-np.inf))) if float(nearest) > value else nearest


def perfect(trees: list[Tree], base_values: list[float]) -> dict[str, NDArray[Any]]:
    """The arrays of `kernels.trees.reference`, one perfect tree for each tree and output it adds to.

    Raises ValueError for trees deeper than 8 or more than 32 features or 4 outputs.
    """
    depth = max([1, *map(depth_of, trees)])
    if depth > MAXIMUM_DEPTH:
        raise ValueError(f"trees of depth {depth}: the compiled evaluator takes {MAXIMUM_DEPTH}")
    if len(base_values) > OUTPUTS:
        raise ValueError(f"{len(base_values)} outputs: the compiled evaluator takes {OUTPUTS}")
    pairs = [(tree, output) for tree in trees for output in sorted(_outputs(tree))]
    nodes = 2**depth - 1
    arrays: dict[str, NDArray[Any]] = {
        "features_tn": np.zeros((len(pairs), nodes), np.uint8),
        "thresholds_tn": np.full((len(pairs), nodes), np.inf, np.float32),
        "nan_right_tn": np.zeros((len(pairs), nodes), np.bool_),
        "leaves_tl": np.zeros((len(pairs), nodes + 1)),
        "output_t": np.array([output for _, output in pairs], np.int64),
        "base_o": np.array([*base_values, *[0.0] * (OUTPUTS - len(base_values))]),
    }
    for t, (tree, output) in enumerate(pairs):
        _lay_out(tree, output, 0, t, arrays)
    return arrays


def _outputs(tree: Tree) -> set[int]:
    return set(tree.value_by_output) if isinstance(tree, Leaf) else _outputs(tree.left) | _outputs(tree.right)


def _lay_out(tree: Tree, output: int, n: int, t: int, arrays: dict[str, NDArray[Any]]) -> None:
    nodes = arrays["thresholds_tn"].shape[1]
    if isinstance(tree, Split):
        if not 0 <= tree.feature < INPUTS:
            raise ValueError(f"feature {tree.feature}: the compiled evaluator takes {INPUTS}")
        arrays["features_tn"][t, n] = tree.feature
        arrays["thresholds_tn"][t, n] = tree.threshold
        arrays["nan_right_tn"][t, n] = tree.nan_right
        _lay_out(tree.left, output, 2 * n + 1, t, arrays)
        _lay_out(tree.right, output, 2 * n + 2, t, arrays)
        return
    while n < nodes:  # a filling node always goes left
        n = 2 * n + 1
    arrays["leaves_tl"][t, n - nodes] = tree.value_by_output.get(output, 0.0)


def read_trees(attributes: dict[str, Any]) -> dict[str, NDArray[Any]]:
    """Arrays from the attributes of a TreeEnsembleRegressor. Raises ValueError for what the evaluator cannot do."""
    if attributes.get("aggregate_function", b"SUM") != b"SUM" or attributes.get("post_transform", b"NONE") != b"NONE":
        raise ValueError("only a plain sum of trees")
    reader = _Reader(attributes)
    roots: dict[int, int] = {}
    for tree_id, node_id in reader.row_of:
        roots.setdefault(tree_id, node_id)
    trees = [reader.tree(tree_id, node_id, 0) for tree_id, node_id in roots.items()]
    return perfect(trees, list(attributes.get("base_values", [0.0] * int(attributes.get("n_targets", 1)))))


class _Reader:
    """The nodes of a TreeEnsembleRegressor by (tree, node)."""

    def __init__(self, attributes: dict[str, Any]) -> None:
        self.attributes = attributes
        keys = zip(attributes["nodes_treeids"], attributes["nodes_nodeids"], strict=True)
        self.row_of = {key: row for row, key in enumerate(keys)}
        self.weights: dict[tuple[int, int], dict[int, float]] = {}
        targets = zip(*(attributes[f"target_{what}"] for what in ("treeids", "nodeids", "ids", "weights")), strict=True)
        for tree_id, node_id, output, weight in targets:
            self.weights.setdefault((tree_id, node_id), {})[output] = float(weight)

    def tree(self, tree_id: int, node_id: int, depth: int) -> Tree:
        """The node and all below it; every mode becomes <=, with its branches exchanged where needed."""
        row, attributes = self.row_of[tree_id, node_id], self.attributes
        mode = attributes["nodes_modes"][row].decode()
        if mode == "LEAF":
            return Leaf(self.weights.get((tree_id, node_id), {0: 0.0}))
        if depth >= MAXIMUM_DEPTH:
            raise ValueError(f"trees deeper than {MAXIMUM_DEPTH}")
        if mode not in ("BRANCH_LEQ", "BRANCH_LT", "BRANCH_GT", "BRANCH_GTE"):
            raise ValueError(f"split mode {mode}")
        yes = self.tree(tree_id, attributes["nodes_truenodeids"][row], depth + 1)
        no = self.tree(tree_id, attributes["nodes_falsenodeids"][row], depth + 1)
        threshold = np.float32(attributes["nodes_values"][row])
        if mode in ("BRANCH_LT", "BRANCH_GTE"):  # x < t is x <= the float32 below t
            threshold = np.float32(np.nextafter(threshold, np.float32(-np.inf)))
        missing = attributes.get("nodes_missing_value_tracks_true")
        nan_yes = bool(missing[row]) if missing else False
        feature = attributes["nodes_featureids"][row]
        if mode in ("BRANCH_GT", "BRANCH_GTE"):
            return Split(feature, threshold, nan_yes, no, yes)
        return Split(feature, threshold, not nan_yes, yes, no)
