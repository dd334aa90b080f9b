"""Between the data's units and the kernels', where returns have mean square 1: fractions and percent fit alike."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.volatility.spec import Spec


def unscale(
    spec: Spec, theta: NDArray[Any], scale: float, regressor_scales: NDArray[Any]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Parameters (k,) in the data's units, and their Jacobian (k, k) by the scaled ones: covariances are J C J'."""
    k, m = len(theta), mean_parameters(spec, regressor_scales)
    found, jacobian = theta.astype(np.float64), np.eye(k)
    for j in range(m):
        factor = scale if spec.mean == "constant" else scale / regressor_scales[j]
        found[j] *= factor
        jacobian[j, j] = factor
    if spec.process == "egarch":
        shift = 2.0 * math.log(scale)
        found[m] += (1.0 - theta[m + 3]) * shift
        jacobian[m, m + 3] = -shift
    elif spec.process == "aparch":
        factor = scale ** theta[m + 4]
        found[m] *= factor
        jacobian[m, m], jacobian[m, m + 4] = factor, found[m] * math.log(scale)
    else:
        found[m] *= scale * scale
        jacobian[m, m] = scale * scale
    return found, jacobian


def rescale(spec: Spec, theta: NDArray[Any], scale: float, regressor_scales: NDArray[Any]) -> NDArray[np.float64]:
    """The inverse of `unscale`: parameters (k,) in the data's units to scaled ones."""
    m, found = mean_parameters(spec, regressor_scales), theta.astype(np.float64)
    for j in range(m):
        found[j] /= scale if spec.mean == "constant" else scale / regressor_scales[j]
    if spec.process == "egarch":
        found[m] -= (1.0 - theta[m + 3]) * 2.0 * math.log(scale)
    else:
        found[m] /= scale ** (theta[m + 4] if spec.process == "aparch" else 2.0)
    return found


def mean_parameters(spec: Spec, regressor_scales: NDArray[Any]) -> int:
    return 1 if spec.mean == "constant" else len(regressor_scales)
