"""Names of array shapes, for readers and the type checker, and what every part of a search reads."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]
Codes = NDArray[np.int64]  # mean coefficients, mean, process, errors, start variance


class Series(NamedTuple):
    """One series and how it is modelled: what a search reads; of it, only `work` is written.

    returns (n,), scaled; regressors (m, n), a row each; then the numbers of `Codes`; presample: the fixed variance
    before the first return, for the starts that have one; work (WORK_ROWS, n).
    """

    returns: Vector
    regressors: Matrix
    mean_parameters: int
    mean: int
    process: int
    errors: int
    start: int
    presample: float
    work: Matrix
