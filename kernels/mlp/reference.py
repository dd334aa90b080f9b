"""A small multilayer perceptron, slow and obvious: the truth that `cpu.pyx` must meet bit for bit. All in float32."""

import numpy as np
from numpy.typing import NDArray

INPUTS = 32
OUTPUTS = 4
MAXIMUM_WIDTH = 256
MAXIMUM_LAYERS = 6  # hidden ones
CHAINS = 4
ACTIVATIONS = ("relu", "tanh")

# tanh(x) on [-7.9, 7.9] as x P(x^2) / Q(x^2): coefficients of Eigen 3.4, MathFunctionsImpl.h
TANH_LIMIT = 7.90531110763549805
TANH_ODD = (
    4.89352455891786e-03,
    6.37261928875436e-04,
    1.48572235717979e-05,
    5.12229709037114e-08,
    -8.60467152213735e-11,
    2.00018790482477e-13,
    -2.76076847742355e-16,
)
TANH_EVEN = (4.89352518554385e-03, 2.26843463243900e-03, 1.18534705686654e-04, 1.19825839466702e-06)


def hyperbolic_tangent(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """tanh by + - * / alone in float32, within a few units in the last place; NaN stays NaN."""
    limit = np.float32(TANH_LIMIT)
    x = np.where(x > limit, limit, np.where(x < -limit, -limit, x))
    square = x * x
    odd = np.full_like(x, TANH_ODD[-1])
    for coefficient in TANH_ODD[-2::-1]:
        odd = odd * square + np.float32(coefficient)
    even = np.full_like(x, TANH_EVEN[-1])
    for coefficient in TANH_EVEN[-2::-1]:
        even = even * square + np.float32(coefficient)
    return np.asarray(x * odd / even, dtype=np.float32)


def dense(
    x_i: NDArray[np.float32], weights_io: NDArray[np.float32], bias_o: NDArray[np.float32]
) -> NDArray[np.float32]:
    """bias + x @ weights, inputs added one after another."""
    total_o = bias_o.copy()
    for i in range(len(x_i)):
        total_o = total_o + x_i[i] * weights_io[i]
    return total_o


def dense_in_chains(
    x_i: NDArray[np.float32], weights_io: NDArray[np.float32], bias_o: NDArray[np.float32]
) -> NDArray[np.float32]:
    """bias + x @ weights as four partial sums: input i goes to sum i % 4."""
    sums = np.zeros((CHAINS, len(bias_o)), dtype=np.float32)
    for i in range(len(x_i)):
        sums[i % CHAINS] = sums[i % CHAINS] + x_i[i] * weights_io[i]
    total_o: NDArray[np.float32] = bias_o + ((sums[0] + sums[1]) + (sums[2] + sums[3]))
    return total_o


def mlp(
    row_i: NDArray[np.float64],
    weights: list[NDArray[np.float32]],
    biases: list[NDArray[np.float32]],
    activation: str = "relu",
) -> NDArray[np.float64]:
    """Hidden layers with an activation, then a linear output layer; shape (outputs,).

    row_i: shape (inputs,). weights: one (in, out) array for each layer. biases: one (out,) array for each layer.
    """
    with np.errstate(over="ignore"):
        x_i = row_i.astype(np.float32)
    for weights_io, bias_o in zip(weights[:-1], biases[:-1], strict=True):
        total_o = dense(x_i, weights_io, bias_o)
        x_i = np.where(total_o < 0, np.float32(0), total_o) if activation == "relu" else hyperbolic_tangent(total_o)
    return dense_in_chains(x_i, weights[-1], biases[-1]).astype(np.float64)
