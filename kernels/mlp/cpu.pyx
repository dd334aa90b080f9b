"""A small multilayer perceptron, one row at a time, in float32.

The weights lie so that the neurons of a block are side by side: the inner loop is the same operation on 64 neighbours,
which the compiler turns into vector instructions without reordering any sum. Each neuron adds its inputs one after
another; the output layer, with its few neurons, in four partial sums instead.
"""

from libc.stdint cimport int64_t

import numpy as np

from kernels.mlp.reference import (
    ACTIVATIONS, INPUTS, MAXIMUM_LAYERS, MAXIMUM_WIDTH, OUTPUTS, TANH_EVEN, TANH_LIMIT, TANH_ODD,
)

cdef enum:
    CHAINS = 4

cdef float LIMIT = TANH_LIMIT
cdef float[7] ODD = TANH_ODD
cdef float[4] EVEN = TANH_EVEN


cdef inline float tanh_of(float x) noexcept nogil:
    """reference.hyperbolic_tangent."""
    cdef float square, odd, even
    cdef int64_t k
    x = LIMIT if x > LIMIT else x
    x = -LIMIT if x < -LIMIT else x
    square = x * x
    odd = ODD[6]
    for k in range(5, -1, -1):
        odd = odd * square + ODD[k]
    even = EVEN[3]
    for k in range(2, -1, -1):
        even = even * square + EVEN[k]
    return x * odd / even


cdef inline void block(
    const float *x, int64_t inputs, const float *weights_io, const float *bias_o, bint tanh, float *out
) noexcept nogil:
    """MLP_BLOCK neurons: bias, inputs one after another, activation."""
    cdef float[MLP_BLOCK] total
    cdef int64_t i, o
    for o in range(MLP_BLOCK):
        total[o] = bias_o[o]
    for i in range(inputs):
        for o in range(MLP_BLOCK):
            total[o] += x[i] * weights_io[i * MLP_BLOCK + o]
    if tanh:
        for o in range(MLP_BLOCK):
            out[o] = tanh_of(total[o])
    else:
        for o in range(MLP_BLOCK):
            out[o] = <float> 0.0 if total[o] < <float> 0.0 else total[o]


cdef inline void last(const MlpModel *model, const float *x, double *out) noexcept nogil:
    """The output layer; `x` and the weights are filled with zeros up to a multiple of CHAINS."""
    cdef float[CHAINS * MLP_OUTPUTS] sums
    cdef const float *weights = model.last_weights_io
    cdef int64_t i, c, o
    for o in range(CHAINS * MLP_OUTPUTS):
        sums[o] = 0.0
    for i in range((model.last_inputs + CHAINS - 1) // CHAINS):
        for c in range(CHAINS):
            for o in range(MLP_OUTPUTS):
                sums[c * MLP_OUTPUTS + o] += x[i * CHAINS + c] * weights[(i * CHAINS + c) * MLP_OUTPUTS + o]
    for o in range(MLP_OUTPUTS):
        out[o] = model.last_bias_o[o] + (
            (sums[o] + sums[MLP_OUTPUTS + o]) + (sums[2 * MLP_OUTPUTS + o] + sums[3 * MLP_OUTPUTS + o])
        )


cdef void mlp_evaluate(const MlpModel *model, const double *row, double *out) noexcept nogil:
    cdef float[2][MLP_WIDTH + CHAINS] x
    cdef const MlpLayer *layer
    cdef int64_t i, b, now = 0
    for i in range(MLP_INPUTS):
        x[0][i] = <float> row[i]
    for i in range(model.layers):
        layer = &model.hidden[i]
        for b in range(layer.blocks):
            block(
                x[now], layer.inputs, layer.weights_bio + b * layer.inputs * MLP_BLOCK, layer.bias_o + b * MLP_BLOCK,
                model.tanh, &x[1 - now][b * MLP_BLOCK],
            )
        now = 1 - now
    for i in range(CHAINS - 1):  # the filling of a block may hold 0 * infinity
        x[now][model.last_inputs + i] = 0.0
    last(model, x[now], out)


def _blocks(weights, bias):
    """(in, out) weights and (out,) bias as whole blocks, (block, in, MLP_BLOCK) and (block, MLP_BLOCK), zero-filled."""
    inputs, outputs = weights.shape
    count = -(-outputs // MLP_BLOCK)
    filled = np.zeros((inputs, count * MLP_BLOCK), np.float32)
    filled[:, :outputs] = weights
    filled_bias = np.zeros(count * MLP_BLOCK, np.float32)
    filled_bias[:outputs] = bias
    return np.ascontiguousarray(filled.reshape(inputs, count, MLP_BLOCK).swapaxes(0, 1)), filled_bias


def _checked(weights, biases, activation):
    """The arrays as float32, or ValueError that names what does not fit."""
    weights = [np.asarray(w, dtype=np.float32) for w in weights]
    biases = [np.asarray(b, dtype=np.float32) for b in biases]
    if activation not in ACTIVATIONS:
        raise ValueError(f"activation must be one of {', '.join(ACTIVATIONS)}; it is {activation!r}")
    if not 1 <= len(weights) - 1 <= MAXIMUM_LAYERS or len(biases) != len(weights):
        raise ValueError(f"a perceptron has 1 to {MAXIMUM_LAYERS} hidden layers, each with weights and bias")
    width, limit = weights[0].shape[0] if weights[0].ndim == 2 else 0, INPUTS
    if not 1 <= width <= limit:
        raise ValueError(f"the first layer must have 1 to {INPUTS} inputs; it has {width}")
    for number, (w, b) in enumerate(zip(weights, biases)):
        limit = OUTPUTS if number == len(weights) - 1 else MAXIMUM_WIDTH
        if w.ndim != 2 or w.shape[0] != width or b.shape != (w.shape[1],) or not 1 <= w.shape[1] <= limit:
            shapes = f"{w.shape}, {b.shape}"
            raise ValueError(f"layer {number} must have {width} inputs and 1 to {limit} outputs; it is {shapes}")
        if not (np.isfinite(w).all() and np.isfinite(b).all()):
            raise ValueError(f"layer {number} must have finite weights and biases")
        width = w.shape[1]
    return weights, biases


cdef class Mlp:
    def __init__(self, weights, biases, str activation="relu"):
        weights, biases = _checked(weights, biases, activation)
        cdef const float[:, :, ::1] blocks
        cdef const float[:, ::1] last_weights
        cdef const float[::1] bias
        owners = []
        self.model.layers = len(weights) - 1
        self.model.tanh = activation == "tanh"
        for number in range(self.model.layers):
            blocks, bias = _blocks(weights[number], biases[number])
            owners.append((blocks, bias))
            self.model.hidden[number].inputs = blocks.shape[1]
            self.model.hidden[number].blocks = blocks.shape[0]
            self.model.hidden[number].weights_bio = &blocks[0, 0, 0]
            self.model.hidden[number].bias_o = &bias[0]
        last_w, last_b = weights.pop(), biases.pop()
        inputs, outputs = last_w.shape
        filled = np.zeros((-(-inputs // CHAINS) * CHAINS, MLP_OUTPUTS), np.float32)
        filled[:inputs, :outputs] = last_w
        filled_bias = np.zeros(MLP_OUTPUTS, np.float32)
        filled_bias[:outputs] = last_b
        last_weights, bias = filled, filled_bias
        self.model.last_inputs = inputs
        self.model.last_weights_io = &last_weights[0, 0]
        self.model.last_bias_o = &bias[0]
        self._owners = (owners, last_weights, bias)

    @classmethod
    def from_arrays(cls, arrays):
        count = sum(name.startswith("bias_o_") for name in arrays)
        weights = [arrays[f"weights_io_{number}"] for number in range(count)]
        return cls(weights, [arrays[f"bias_o_{number}"] for number in range(count)], str(arrays["activation"]))

    def evaluate(self, rows):
        rows = np.ascontiguousarray(rows, dtype=np.float64)
        if rows.ndim != 2 or rows.shape[1] != MLP_INPUTS:
            raise ValueError(f"rows must be (n, {MLP_INPUTS}); they are {rows.shape}")
        outputs = np.empty((len(rows), MLP_OUTPUTS))
        cdef const double[:, ::1] rows_view = rows
        cdef double[:, ::1] outputs_view = outputs
        cdef int64_t i
        with nogil:
            for i in range(rows_view.shape[0]):
                mlp_evaluate(&self.model, &rows_view[i, 0], &outputs_view[i, 0])
        return outputs
