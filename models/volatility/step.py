"""One bar online for a fitted model: O(1), no refit."""

from collections.abc import Mapping

from kernels.volatility.steps import aparch_step, egarch_step, garch_step, gjr_step
from models.volatility.spec import Spec


def step(variance: float, spec: Spec, parameters: Mapping[str, float], residual: float) -> float:
    """The next bar's variance from this bar's variance and residual (return minus mean), in the data's units.

    The functions of `kernels.volatility.steps` do the same from other compiled code, without the look-up of names.
    """
    four = (parameters["omega"], parameters["alpha"])
    if spec.process == "garch":
        return float(garch_step(residual, variance, *four, parameters["beta"]))
    tilted = (*four, parameters["gamma"], parameters["beta"])
    if spec.process == "gjr":
        return float(gjr_step(residual, variance, *tilted))
    if spec.process == "egarch":
        return float(egarch_step(residual, variance, *tilted))
    return float(aparch_step(residual, variance, *tilted, parameters["delta"]))
