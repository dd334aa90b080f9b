"""Between the data's units and the kernels', where returns have variance 1: fractions and percent fit alike.

Parameters are (series, k) in the order of `Spec.names`, scales (series,) the standard deviations, regressor_scales (m,)
the root mean squares of the columns of the mean.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.volatility.spec import Spec

Array = NDArray[np.float64]


def unscale(
    spec: Spec, theta: NDArray[Any], scales: NDArray[Any], regressor_scales: NDArray[Any]
) -> tuple[Array, Array]:
    """Parameters in the data's units, and their Jacobian (series, k, k) by the scaled ones: covariances are J C J'."""
    k, m = theta.shape[1], mean_parameters(spec, regressor_scales)
    found = theta.astype(np.float64)
    jacobian = np.zeros((len(theta), k, k))
    jacobian[:, range(k), range(k)] = 1.0
    for j in range(m):
        factor = scales if spec.mean == "constant" else scales / regressor_scales[j]
        found[:, j] *= factor
        jacobian[:, j, j] = factor
    if spec.process == "egarch":
        shift = 2.0 * np.log(scales)
        found[:, m] += (1.0 - theta[:, m + 3]) * shift
        jacobian[:, m, m + 3] = -shift
        return found, jacobian
    factor = scales ** (theta[:, m + 4] if spec.process == "aparch" else 2.0)
    found[:, m] *= factor
    jacobian[:, m, m] = factor
    if spec.process == "aparch":
        jacobian[:, m, m + 4] = found[:, m] * np.log(scales)
    return found, jacobian


def rescale(spec: Spec, theta: NDArray[Any], scales: NDArray[Any], regressor_scales: NDArray[Any]) -> Array:
    """The inverse of `unscale`: parameters in the data's units to scaled ones."""
    m, found = mean_parameters(spec, regressor_scales), theta.astype(np.float64)
    for j in range(m):
        found[:, j] /= scales if spec.mean == "constant" else scales / regressor_scales[j]
    if spec.process == "egarch":
        found[:, m] -= (1.0 - theta[:, m + 3]) * 2.0 * np.log(scales)
    else:
        found[:, m] /= scales ** (theta[:, m + 4] if spec.process == "aparch" else 2.0)
    return found


def mean_parameters(spec: Spec, regressor_scales: NDArray[Any]) -> int:
    """How many coefficients the mean has."""
    return 1 if spec.mean == "constant" else len(regressor_scales)
