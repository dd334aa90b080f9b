"""Linear and logistic models, slow and obvious: the truth that `cpu.pyx` must meet bit for bit."""

import numpy as np
from numpy.typing import NDArray

INPUTS = 32  # a row always has 32 places; those that a model does not use are 0
OUTPUTS = 4  # one for each horizon; those that a model does not use have weight 0
CHAINS = 4  # partial sums: four short chains of additions instead of one long one
LINKS = ("identity", "logistic")


def exponential(x: float) -> float:
    """e**x for x <= 0 by + - * / alone, so that every host agrees; relative error below 1e-15.

    Argument reduction by ln 2 in two parts, then Taylor to the 13th power (Cody and Waite 1980). Below -708: 0.
    """
    if x < -708.0:
        return 0.0
    halvings = int(0.5 - x * 1.4426950408889634)
    rest = (x + halvings * 0.6931471803691238) + halvings * 1.9082149292705877e-10
    total = 1.0
    for power in range(13, 0, -1):
        total = 1.0 + rest * total / power
    return float(np.ldexp(total, -halvings))


def logistic(x: float) -> float:
    """1 / (1 + e**-x), computed from e**-|x| so that nothing overflows."""
    if np.isnan(x):
        return float("nan")
    small = exponential(-abs(x))
    return 1.0 / (1.0 + small) if x >= 0.0 else small / (1.0 + small)


def linear(
    row_i: NDArray[np.float64], weights_io: NDArray[np.float64], bias_o: NDArray[np.float64], link: str = "identity"
) -> NDArray[np.float64]:
    """bias + row @ weights, shape (OUTPUTS,), in the order of additions that the fast version has.

    row_i: shape (INPUTS,). weights_io: shape (INPUTS, OUTPUTS). bias_o: shape (OUTPUTS,).
    """
    sums = np.zeros((CHAINS, OUTPUTS))
    for i in range(INPUTS):
        for o in range(OUTPUTS):
            sums[i % CHAINS, o] += row_i[i] * weights_io[i, o]
    totals = bias_o + ((sums[0] + sums[1]) + (sums[2] + sums[3]))
    return totals if link == "identity" else np.array([logistic(total) for total in totals])
