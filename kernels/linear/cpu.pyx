"""Linear and logistic models, one row at a time: fixed order of additions, no library function, no allocation."""

from libc.math cimport fabs, ldexp
from libc.stdint cimport int64_t

import numpy as np

from kernels.linear.reference import LINKS

cdef enum:
    CHAINS = 4


cdef double exponential(double x) noexcept nogil:
    """e**x for x <= 0; the same operations as reference.exponential (ldexp is exact, so no host differs)."""
    cdef int halvings, power
    cdef double rest, total = 1.0
    if x < -708.0:
        return 0.0
    halvings = <int> (0.5 - x * 1.4426950408889634)
    rest = (x + halvings * 0.6931471803691238) + halvings * 1.9082149292705877e-10
    for power in range(13, 0, -1):
        total = 1.0 + rest * total / power
    return ldexp(total, -halvings)


cdef double logistic(double x) noexcept nogil:
    cdef double small
    if x != x:
        return x
    small = exponential(-fabs(x))
    return 1.0 / (1.0 + small) if x >= 0.0 else small / (1.0 + small)


cdef void linear_evaluate(const LinearModel *model, const double *row, double *out) noexcept nogil:
    cdef double[CHAINS * LINEAR_OUTPUTS] sums
    cdef const double *weights = model.weights_io
    cdef int64_t i, c, o
    for c in range(CHAINS * LINEAR_OUTPUTS):
        sums[c] = 0.0
    for i in range(LINEAR_INPUTS // CHAINS):
        for c in range(CHAINS):
            for o in range(LINEAR_OUTPUTS):
                sums[c * LINEAR_OUTPUTS + o] += row[i * CHAINS + c] * weights[(i * CHAINS + c) * LINEAR_OUTPUTS + o]
    for o in range(LINEAR_OUTPUTS):
        out[o] = model.bias_o[o] + (
            (sums[o] + sums[LINEAR_OUTPUTS + o]) + (sums[2 * LINEAR_OUTPUTS + o] + sums[3 * LINEAR_OUTPUTS + o])
        )
    if model.logistic:
        for o in range(LINEAR_OUTPUTS):
            out[o] = logistic(out[o])


cdef class Linear:
    def __init__(self, weights_io, bias_o, str link="identity"):
        weights = np.array(weights_io, dtype=np.float64, order="C")
        bias = np.array(bias_o, dtype=np.float64)
        if weights.shape != (LINEAR_INPUTS, LINEAR_OUTPUTS) or bias.shape != (LINEAR_OUTPUTS,):
            raise ValueError(f"weights_io must be (32, 4) and bias_o (4,); they are {weights.shape} and {bias.shape}")
        if link not in LINKS:
            raise ValueError(f"link must be one of {', '.join(LINKS)}; it is {link!r}")
        if not (np.isfinite(weights).all() and np.isfinite(bias).all()):
            raise ValueError("weights_io and bias_o must be finite")
        self._owners = (weights, bias)
        cdef double[:, ::1] weights_view = weights
        cdef double[::1] bias_view = bias
        self.model.logistic = link == "logistic"
        self.model.weights_io = &weights_view[0, 0]
        self.model.bias_o = &bias_view[0]

    def evaluate(self, rows):
        rows = np.ascontiguousarray(rows, dtype=np.float64)
        if rows.ndim != 2 or rows.shape[1] != LINEAR_INPUTS:
            raise ValueError(f"rows must be (n, {LINEAR_INPUTS}); they are {rows.shape}")
        outputs = np.empty((len(rows), LINEAR_OUTPUTS))
        cdef const double[:, ::1] rows_view = rows
        cdef double[:, ::1] outputs_view = outputs
        cdef int64_t i
        with nogil:
            for i in range(rows_view.shape[0]):
                linear_evaluate(&self.model, &rows_view[i, 0], &outputs_view[i, 0])
        return outputs
