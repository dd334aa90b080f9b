"""Models and data that the tests of the volatility kernels share."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels.volatility import APARCH, EGARCH, GARCH, GJR, NORMAL, SKEWED, STUDENT
from kernels.volatility.steps import aparch_step, egarch_step, gjr_step

PROCESSES = {
    GARCH: [0.05, 0.1, 0.85],
    GJR: [0.05, 0.04, 0.1, 0.85],
    EGARCH: [-0.02, 0.2, -0.1, 0.95],
    APARCH: [0.05, 0.08, 0.3, 0.87, 1.4],
}
SHAPES: dict[int, list[float]] = {NORMAL: [], STUDENT: [6.0], SKEWED: [7.0, -0.2]}


def innovations(random: np.random.Generator, errors: int, n: int) -> NDArray[np.float64]:
    """Unit variance; the t stands for the skewed t too, whose likelihood does not mind."""
    if errors == NORMAL:
        return random.standard_normal(n)
    return np.asarray(random.standard_t(6.0, n) * np.sqrt(4.0 / 6.0))


def simulated(
    seed: int, n: int, process: int, errors: int, parameters: list[float] | None = None, mean: float = 0.05
) -> NDArray[np.float64]:
    """A series (n,) of the process, after 200 returns that are thrown away."""
    p = parameters or PROCESSES[process]
    z = innovations(np.random.Generator(np.random.PCG64(seed)), errors, n + 200)
    h, found = 1.0, np.empty(n + 200)
    for t in range(n + 200):
        e = float(np.sqrt(h) * z[t])
        found[t] = mean + e
        if process == EGARCH:
            h = egarch_step(e, h, *p)
        elif process == APARCH:
            h = aparch_step(e, h, *p)
        else:
            h = gjr_step(e, h, *(p if process == GJR else [p[0], p[1], 0.0, p[2]]))
    return found[200:]


def regressors(seed: int, n: int) -> NDArray[Any]:
    """A constant and a random row, (2, n)."""
    random = np.random.Generator(np.random.PCG64(seed))
    return np.stack([np.ones(n), random.standard_normal(n)])
