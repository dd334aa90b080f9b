"""Names of array shapes, for readers and the type checker."""

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]
Codes = NDArray[np.int64]  # mean coefficients, mean, process, errors, start variance
