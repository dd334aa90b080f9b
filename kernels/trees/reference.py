"""An ensemble of regression trees, slow and obvious: the truth that `cpu.pyx` must meet bit for bit.

Every tree is laid out as a perfect one of the same depth, its nodes numbered from the root row by row:

    0                  node n has its children at 2n + 1 (left) and 2n + 2 (right);
    ├── 1 ── 3, 4      after `depth` steps the node number less (2**depth - 1) is the leaf
    └── 2 ── 5, 6

A shorter branch is filled with nodes that always go left (threshold +infinity, NaN left). A value goes left when it
is <= the threshold, both as float32; a NaN goes where the node says. This is BRANCH_LEQ of the TreeEnsembleRegressor of
ONNX and the numerical split of LightGBM.
"""

import numpy as np
from numpy.typing import NDArray

INPUTS = 32
OUTPUTS = 4
MAXIMUM_DEPTH = 8


def trees(
    row_i: NDArray[np.float64],
    *,
    features_tn: NDArray[np.uint8],
    thresholds_tn: NDArray[np.float32],
    nan_right_tn: NDArray[np.bool_],
    leaves_tl: NDArray[np.float64],
    output_t: NDArray[np.int64],
    base_o: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Base plus the leaves that the row reaches, added tree by tree, shape (OUTPUTS,).

    row_i: shape (INPUTS,). *_tn: (tree, node), 2**depth - 1 nodes. leaves_tl: (tree, leaf), 2**depth leaves.
    output_t: which output a tree adds to.
    """
    with np.errstate(over="ignore"):  # beyond float32 is infinity, for the thresholds too
        values_i = row_i.astype(np.float32)
    nodes = thresholds_tn.shape[1]
    totals = np.zeros(OUTPUTS)
    for t in range(len(thresholds_tn)):
        n = 0
        while n < nodes:
            value = values_i[features_tn[t, n]]
            right = nan_right_tn[t, n] if np.isnan(value) else value > thresholds_tn[t, n]
            n = 2 * n + 1 + int(right)
        totals[output_t[t]] += leaves_tl[t, n - nodes]
    return base_o + totals
