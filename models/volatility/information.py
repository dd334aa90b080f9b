"""Standard errors from the expected second derivatives, for normal errors (Fiorentini, Calzolari and Panattoni 1996).

The information of observation t is d h d h' / (2 h^2) + d e d e' / h, with nothing between mean and variance, where its
expectation is zero under symmetric errors. Its inverse gives `information`; around the outer product of scores it gives
`bollerslev_wooldridge`, their own form of 1992: `robust` of a fit takes the observed Hessian instead, as arch does.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels.volatility import reference
from models.faults import Fault
from models.volatility.data import regressors_of
from models.volatility.fit import VolatilityFit

Array = NDArray[np.float64]
KINDS = ("information", "bollerslev_wooldridge")


def expected_errors(
    fitted: VolatilityFit, returns: NDArray[Any], regressors: NDArray[Any] | None = None
) -> dict[str, dict[str, float]]:
    """Both kinds for a fit of `returns` (n,). Derivatives by complex steps: milliseconds a thousand observations.

    Raises Fault when the errors are not normal.
    """
    if fitted.spec.errors != "normal":
        raise Fault("the expected information is that of normal errors; this fit has others")
    matrix, dropped = regressors_of(np.atleast_2d(np.asarray(returns, dtype=np.float64)), fitted.spec, regressors)
    series = np.asarray(returns, dtype=np.float64)[dropped:]
    m, mean, process, _, start = fitted.spec.codes(len(matrix))
    m = 1 if mean == 1 else m
    theta = np.array(list(fitted.parameters.values()))

    def variances(x: Any) -> Any:
        residuals, rest = reference.residuals_of(x, series, matrix, mean)
        return reference.variances(rest, residuals, process, start, fitted.start_variance)

    h = variances(theta)
    ratio = reference.scores(theta, variances) / h
    slopes = reference.scores(theta, lambda x: reference.residuals_of(x, series, matrix, mean)[0])
    information = 0.5 * ratio @ ratio.T + (slopes / h) @ slopes.T
    information[:m, m:] = information[m:, :m] = 0.0
    inverse = np.linalg.inv(information)
    opg = np.linalg.inv(fitted.covariances["opg"])
    errors = (np.sqrt(np.diag(inverse)), np.sqrt(np.diag(inverse @ opg @ inverse)))
    return {
        kind: dict(zip(fitted.parameters, values.tolist(), strict=True))
        for kind, values in zip(KINDS, errors, strict=True)
    }
