from libc.stdint cimport int64_t

cdef enum:
    MLP_INPUTS = 32
    MLP_OUTPUTS = 4
    MLP_BLOCK = 64               # neurons computed side by side; a layer is filled up to whole blocks
    MLP_WIDTH = 256
    MLP_LAYERS = 6

cdef struct MlpLayer:
    int64_t inputs               # read: those of the layer before, without its filling
    int64_t blocks
    const float *weights_bio     # (block, input, MLP_BLOCK)
    const float *bias_o          # (block, MLP_BLOCK)

cdef struct MlpModel:
    int64_t layers               # hidden ones
    int64_t tanh                 # 1: tanh, 0: ReLU
    int64_t last_inputs          # of the output layer
    MlpLayer hidden[MLP_LAYERS]
    const float *last_weights_io  # (last_inputs filled up to 4, MLP_OUTPUTS)
    const float *last_bias_o

# -- QUERIES --
# row: MLP_INPUTS values; out: MLP_OUTPUTS values
cdef void mlp_evaluate(const MlpModel *model, const double *row, double *out) noexcept nogil

cdef class Mlp:
    cdef MlpModel model
    cdef object _owners
