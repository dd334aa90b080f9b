"""How much of a shock to the variance is left one bar later: below 1, the process is stationary."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.volatility.spec import Spec

NODES = 4_001


def persistence(spec: Spec, parameters: NDArray[Any]) -> NDArray[np.float64]:
    """Per series, shape (series,); parameters (series, k) in the order of `Spec.names`.

    GARCH: alpha + beta. GJR: alpha + gamma / 2 + beta. EGARCH: |beta|. APARCH: alpha E(|z| - gamma z)^delta + beta
    (Ding, Granger and Engle 1993), the expectation under the fitted density.
    """
    first = parameters.shape[1] - len(spec.names())
    names = {name: parameters[:, first + i] for i, name in enumerate(spec.names())}
    if spec.process == "egarch":
        return np.asarray(np.abs(names["beta"]))
    if spec.process == "gjr":
        return np.asarray(names["alpha"] + 0.5 * names["gamma"] + names["beta"])
    if spec.process == "garch":
        return np.asarray(names["alpha"] + names["beta"])
    z, weight = nodes()
    found = np.empty(len(parameters))
    for i in range(len(parameters)):
        one = {name: float(values[i]) for name, values in names.items()}
        density = density_at(z, one.get("nu"), one.get("lambda", 0.0))
        shock = (np.abs(z) - one["gamma"] * z) ** one["delta"]
        found[i] = one["alpha"] * float(np.sum(weight * density * shock)) + one["beta"]
    return found


def nodes() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Points z = sinh(x) and weights of the trapezoid rule in x: dense in the middle, far into heavy tails."""
    x = np.linspace(-14.0, 14.0, NODES)
    return np.sinh(x), np.cosh(x) * (x[1] - x[0])


def density_at(z: NDArray[Any], nu: float | None, skew: float) -> NDArray[np.float64]:
    """Unit-variance density at z: normal (nu None), Student t (skew 0) or the skewed t of Hansen (1994)."""
    if nu is None:
        return np.asarray(np.exp(-0.5 * np.minimum(z * z, 1400.0)) / math.sqrt(2 * math.pi))
    constant = math.exp(math.lgamma((nu + 1) / 2) - math.lgamma(nu / 2)) / math.sqrt(math.pi * (nu - 2))
    a = 4 * skew * constant * (nu - 2) / (nu - 1)
    b = math.sqrt(1 + 3 * skew * skew - a * a)
    y = (b * z + a) / (1 + np.where(b * z + a < 0, -skew, skew))
    return np.asarray(b * constant * (1 + y * y / (nu - 2)) ** (-(nu + 1) / 2))
