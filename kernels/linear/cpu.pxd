from libc.stdint cimport int64_t

cdef enum:
    LINEAR_INPUTS = 32
    LINEAR_OUTPUTS = 4

cdef struct LinearModel:
    int64_t logistic             # 1: the outputs pass through the logistic function
    const double *weights_io     # (LINEAR_INPUTS, LINEAR_OUTPUTS)
    const double *bias_o         # (LINEAR_OUTPUTS,)

# -- QUERIES --
# row: LINEAR_INPUTS values; out: LINEAR_OUTPUTS values
cdef void linear_evaluate(const LinearModel *model, const double *row, double *out) noexcept nogil

cdef class Linear:
    cdef LinearModel model
    cdef object _owners
