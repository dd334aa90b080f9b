"""What a reader of a fit must know besides its numbers, a stable code first."""

import numpy as np
from numpy.typing import NDArray

from models.volatility.spec import Spec

NEAR = 1e-5  # of a bound
KINK = 1e-7  # of a residual, in standard deviations
NU_MOST = {"t": 500.0, "skewt": 300.0}


def notes_of(
    spec: Spec, parameters: dict[str, float], errors: dict[str, dict[str, float]], standardised: NDArray[np.float64]
) -> tuple[str, ...]:
    """Parameters on a bound, standard errors that do not exist, a maximum on a kink."""
    found = []
    bounds = at_bounds(spec, parameters)
    if bounds:
        found.append(f"AT_BOUND: {', '.join(bounds)}; standard errors there are not those of an interior maximum")
    absent = [kind for kind, values in errors.items() if not np.all(np.isfinite(list(values.values())))]
    if absent:
        found.append(f"SINGULAR: the likelihood is flat in some direction; no {', '.join(absent)} standard errors")
    kinked = spec.process in ("egarch", "aparch") and spec.mean != "zero"
    if kinked and float(np.min(np.abs(standardised))) < KINK:
        found.append("KINK: the mean equals one of the returns, where the likelihood has a kink, and is held there")
    return tuple(found)


def at_bounds(spec: Spec, parameters: dict[str, float]) -> list[str]:
    """Which parameters, or sums of them, lie on the edge of what is allowed."""
    p, found = parameters, []
    if spec.process == "egarch":
        found += ["alpha = 0"] if p["alpha"] < NEAR else []
        return found + ([f"|beta| = {abs(p['beta']):.6f}"] if abs(p["beta"]) > 1.0 - NEAR else [])
    half = 0.5 * p["gamma"] if spec.process == "gjr" else 0.0
    if p["alpha"] < NEAR:
        found.append("alpha = 0")
    if spec.process == "gjr" and p["alpha"] + p["gamma"] < NEAR:
        found.append("alpha + gamma = 0")
    if p["beta"] < NEAR:
        found.append("beta = 0")
    if p["alpha"] + half + p["beta"] > 1.0 - NEAR:
        found.append("alpha + gamma / 2 + beta = 1" if spec.process == "gjr" else "alpha + beta = 1")
    if spec.process == "aparch" and abs(p["gamma"]) > 0.9997 - NEAR:
        found.append(f"gamma = {p['gamma']:.4f}")
    if spec.process == "aparch" and not 0.05 + NEAR < p["delta"] < 4.0 - NEAR:
        found.append(f"delta = {p['delta']:.2f}")
    if spec.errors in NU_MOST and p["nu"] > 0.99 * NU_MOST[spec.errors]:
        found.append(f"nu = {p['nu']:.0f}, as good as normal")
    return found
