"""Gradient boosted trees by LightGBM (extra `research`), read out as plain trees."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.extras import optional
from models.registry.onnx_trees import Leaf, Split, Tree, float32_not_above

PARAMETERS: dict[str, Any] = {
    "objective": "regression",
    "learning_rate": 0.05,
    "min_data_in_leaf": 200,
    "lambda_l2": 10.0,
    "feature_fraction": 0.8,
    "zero_as_missing": False,
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 1,
    "seed": 1,
    "verbosity": -1,
}
VALIDATION_SHARE = 0.2
PATIENCE = 10


def fit_boosting(values_nf: NDArray[np.float64], returns_n: NDArray[np.float64], trees: int, depth: int) -> Any:
    """A LightGBM booster of at most so many trees: as many as were best on the last fifth of the training rows.

    Learns on values rounded to float32, as the evaluator sees them.
    """
    lightgbm = optional("lightgbm")
    values = values_nf.astype(np.float32).astype(np.float64)
    parameters = PARAMETERS | {"max_depth": depth, "num_leaves": min(2**depth - 1, 63)}
    cut = int(len(values) * (1.0 - VALIDATION_SHARE))
    past = lightgbm.Dataset(values[:cut], returns_n[:cut], free_raw_data=False)
    trial = lightgbm.train(
        parameters,
        past,
        trees,
        valid_sets=[lightgbm.Dataset(values[cut:], returns_n[cut:], reference=past)],
        callbacks=[lightgbm.early_stopping(PATIENCE, verbose=False)],
    )
    return lightgbm.train(parameters, lightgbm.Dataset(values, returns_n), max(1, trial.best_iteration))


def trees_of(booster: Any, output: int = 0) -> list[Tree]:
    """The booster's trees, each leaf adding to `output`. Raises ValueError for splits that ONNX cannot say."""
    return [_tree(item["tree_structure"], output) for item in booster.dump_model()["tree_info"]]


def _tree(node: dict[str, Any], output: int) -> Tree:
    if "leaf_value" in node:
        return Leaf({output: float(np.float32(node["leaf_value"]))})
    if node["decision_type"] != "<=" or node["missing_type"] == "Zero":
        raise ValueError(f"split {node['decision_type']} with missing values {node['missing_type']}: not supported")
    # LightGBM: with missing type None a NaN counts as 0, else it goes the default way
    nan_left = node["threshold"] >= 0.0 if node["missing_type"] == "None" else node["default_left"]
    left, right = _tree(node["left_child"], output), _tree(node["right_child"], output)
    return Split(node["split_feature"], float32_not_above(node["threshold"]), not nan_left, left, right)
