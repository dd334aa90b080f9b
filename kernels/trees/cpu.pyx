"""Regression trees, one row at a time, eight trees side by side and no branch that depends on the data.

Three things make it fast, each measured (docs/decisions/0050-tree-evaluator.md):
* A tree is perfect and in heap order, so a step is `n = 2n + 1 + (value > threshold)`: no child pointers, no branch.
* Values and thresholds are compared as integers that order like the floats; NaN needs no test of its own: the table of
  keys holds each value twice, NaN as the lowest key in the first half and as the highest in the second, and a node that
  sends NaN right reads from the second half.
* Eight trees walk together: a step waits for two loads, and eight independent walks fill that time.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t
from libc.string cimport memcpy

import numpy as np

from kernels.trees.reference import INPUTS, MAXIMUM_DEPTH, OUTPUTS

cdef enum:
    SIDE_BY_SIDE = 8
    LOWEST_KEY = -2147483648
    HIGHEST_KEY = 2147483647


cdef inline int32_t key_of(float value) noexcept nogil:
    """An integer that orders like the float: -inf < ... < -0 < +0 < ... < +inf."""
    cdef int32_t bits
    memcpy(&bits, &value, sizeof(float))
    return bits ^ ((bits >> 31) & 0x7FFFFFFF)


cdef inline double walk(
    const int32_t *keys, const uint8_t *source, const int32_t *threshold, const double *leaves, int64_t depth,
    double total
) noexcept nogil:
    """Adds the leaves of SIDE_BY_SIDE trees to a total, in their order."""
    cdef int64_t[SIDE_BY_SIDE] n
    cdef int64_t j, _level, places = (<int64_t> 1) << depth
    for j in range(SIDE_BY_SIDE):
        n[j] = 0
    for _level in range(depth):
        for j in range(SIDE_BY_SIDE):
            n[j] = 2 * n[j] + 1 + (keys[source[j * places + n[j]]] > threshold[j * places + n[j]])
    for j in range(SIDE_BY_SIDE):
        total += leaves[j * places + n[j] - (places - 1)]
    return total


cdef void trees_evaluate(const TreeModel *model, const double *row, double *out) noexcept nogil:
    cdef int32_t[2 * TREE_INPUTS] keys
    cdef float value
    cdef double total
    cdef int64_t i, o, t, places = (<int64_t> 1) << model.depth
    for i in range(TREE_INPUTS):
        value = <float> row[i]
        keys[i] = LOWEST_KEY if value != value else key_of(value)
        keys[TREE_INPUTS + i] = HIGHEST_KEY if value != value else key_of(value)
    for o in range(TREE_OUTPUTS):
        total = 0.0
        t = model.first_tree[o]
        while t < model.first_tree[o + 1]:
            i = t * places
            total = walk(keys, model.source_tn + i, model.threshold_tn + i, model.leaves_tl + i, model.depth, total)
            t += SIDE_BY_SIDE
        out[o] = model.base_o[o] + total


def _keys(thresholds):
    """key_of for an array; a threshold of -0 counts as +0, because +0 <= -0."""
    bits = (thresholds + np.float32(0)).view(np.int32)
    return bits ^ ((bits >> 31) & 0x7FFFFFFF)


def _checked(features_tn, thresholds_tn, nan_right_tn, leaves_tl, output_t, base_o):
    """The arrays with their types, or ValueError that names what does not fit; with them the depth."""
    features, thresholds = np.asarray(features_tn, dtype=np.uint8), np.asarray(thresholds_tn, dtype=np.float32)
    nan_right, leaves = np.asarray(nan_right_tn, dtype=bool), np.asarray(leaves_tl, dtype=np.float64)
    outputs, base = np.asarray(output_t, dtype=np.int64), np.array(base_o, dtype=np.float64)
    if thresholds.ndim != 2 or features.shape != thresholds.shape or nan_right.shape != thresholds.shape:
        raise ValueError("features_tn, thresholds_tn and nan_right_tn must have the same shape (tree, node)")
    count, nodes = thresholds.shape
    depth = int(nodes + 1).bit_length() - 1
    if nodes + 1 != 1 << depth or not 1 <= depth <= MAXIMUM_DEPTH:
        raise ValueError(f"a tree must have 2**depth - 1 nodes with a depth of 1 to {MAXIMUM_DEPTH}; it has {nodes}")
    if leaves.shape != (count, nodes + 1) or outputs.shape != (count,) or base.shape != (OUTPUTS,):
        raise ValueError(f"leaves_tl must be ({count}, {nodes + 1}), output_t ({count},) and base_o ({OUTPUTS},)")
    if count and (features.max() >= INPUTS or outputs.min() < 0 or outputs.max() >= OUTPUTS):
        raise ValueError(f"features_tn must be below {INPUTS} and output_t below {OUTPUTS}")
    if np.isnan(thresholds).any() or not np.isfinite(leaves).all() or not np.isfinite(base).all():
        raise ValueError("thresholds_tn must not be NaN; leaves_tl and base_o must be finite")
    return features, thresholds, nan_right, leaves, outputs, base, depth


cdef class Trees:
    ARRAYS = ("features_tn", "thresholds_tn", "nan_right_tn", "leaves_tl", "output_t", "base_o")

    def __init__(self, features_tn, thresholds_tn, nan_right_tn, leaves_tl, output_t, base_o):
        features, thresholds, nan_right, leaves, outputs, base, depth = _checked(
            features_tn, thresholds_tn, nan_right_tn, leaves_tl, output_t, base_o
        )
        groups = [-(-int((outputs == o).sum()) // SIDE_BY_SIDE) for o in range(OUTPUTS)]
        places = 1 << depth
        shape = (max(1, sum(groups)) * SIDE_BY_SIDE, places)
        source, threshold, values = np.zeros(shape, np.uint8), np.zeros(shape, np.int32), np.zeros(shape)
        first = 0
        self.model.depth = depth
        for o in range(OUTPUTS):  # trees of one output together, in their order, filled up with trees of zero leaves
            chosen = np.flatnonzero(outputs == o)
            rows = slice(first, first + len(chosen))
            source[rows, :-1] = features[chosen] + TREE_INPUTS * nan_right[chosen].astype(np.uint8)
            threshold[rows, :-1] = _keys(thresholds[chosen])
            values[rows] = leaves[chosen]
            self.model.first_tree[o] = first
            first += groups[o] * SIDE_BY_SIDE
        self.model.first_tree[TREE_OUTPUTS] = first
        self.model.outputs = int(outputs.max()) + 1 if len(outputs) else 0
        self._own(source, threshold, values, base)

    def _own(self, uint8_t[:, ::1] source, int32_t[:, ::1] threshold, double[:, ::1] leaves, double[::1] base):
        self._owners = (source, threshold, leaves, base)
        self.model.source_tn = &source[0, 0]
        self.model.threshold_tn = &threshold[0, 0]
        self.model.leaves_tl = &leaves[0, 0]
        self.model.base_o = &base[0]

    def evaluate(self, rows):
        rows = np.ascontiguousarray(rows, dtype=np.float64)
        if rows.ndim != 2 or rows.shape[1] != TREE_INPUTS:
            raise ValueError(f"rows must be (n, {TREE_INPUTS}); they are {rows.shape}")
        outputs = np.empty((len(rows), TREE_OUTPUTS))
        cdef const double[:, ::1] rows_view = rows
        cdef double[:, ::1] outputs_view = outputs
        cdef int64_t i
        with nogil:
            for i in range(rows_view.shape[0]):
                trees_evaluate(&self.model, &rows_view[i, 0], &outputs_view[i, 0])
        return outputs
