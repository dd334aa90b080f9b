"""The tail beyond a high threshold as a generalised Pareto distribution: quantile and shortfall past the data's own.

Sources: Pickands (1975); Grimshaw (1993), Technometrics 35, for the likelihood of one variable; McNeil and Frey (2000),
Journal of Empirical Finance 7, for its use on the standardised residuals of a GARCH process.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from models.faults import DataFault
from models.market_risk.order_statistics import check_level

Floats = NDArray[np.float64]

SHARE = 0.10  # of the losses lie beyond the threshold: McNeil and Frey take 100 of 1,000
LEAST_EXCESSES = 20
LARGEST_SHAPE = 0.95  # at 1 there is no mean, so no shortfall
GRID = 60


@dataclass(frozen=True)
class ParetoTail:
    """P(loss > threshold + x) = share * (1 + shape x / scale)^(-1 / shape), x >= 0."""

    threshold: float
    share: float
    shape: float
    scale: float

    def var(self, level: float) -> float:
        """The quantile at a level above 1 - share."""
        ratio = (1.0 - level) / self.share
        if abs(self.shape) < 1e-9:
            return self.threshold - self.scale * float(np.log(ratio))
        return self.threshold + self.scale / self.shape * float(ratio**-self.shape - 1.0)

    def cvar(self, level: float) -> float:
        """The mean beyond that quantile."""
        quantile = self.var(level)
        return quantile + (self.scale + self.shape * (quantile - self.threshold)) / (1.0 - self.shape)


def fit_tail(losses: Floats, share: float = SHARE) -> ParetoTail:
    """Maximum likelihood on the excesses of the largest `share` of losses (n,) over the next one.

    Raises DataFault with fewer than `LEAST_EXCESSES` of them, or when they are all alike.
    """
    ordered = np.sort(losses)
    count = int(len(ordered) * share)
    if count < LEAST_EXCESSES:
        raise DataFault(f"{len(ordered):,} losses have {count} beyond the threshold: {LEAST_EXCESSES} are needed")
    threshold = float(ordered[-count - 1])
    excesses = ordered[-count:] - threshold
    mean = float(excesses.mean())
    if not excesses[-1] > excesses[0] or not mean > 0.0:
        raise DataFault(f"the {count} largest losses are all {ordered[-1]:g}: they have no tail")
    shape, scale = most_likely(excesses / mean)
    return ParetoTail(threshold, count / len(ordered), shape, scale * mean)


def most_likely(excesses: Floats) -> tuple[float, float]:
    """Shape and scale of excesses (k,) of mean about 1: Grimshaw's likelihood of theta = shape / scale alone.

    Given theta the most likely shape is the mean of log(1 + theta x). The search is a grid, then Brent within it. The
    exponential distribution (shape 0) is the answer where nothing is likelier; the shape is at most `LARGEST_SHAPE`.
    """

    def loss(theta: float) -> float:
        shape = float(np.log1p(theta * excesses).mean())
        ratio = shape / theta
        return float(np.log(ratio) + shape + 1.0) if ratio > 0.0 else np.inf

    lowest = -1.0 / float(excesses[-1])  # beyond, the largest excess is outside the distribution
    below = lowest * (1.0 - np.logspace(-2.0, -0.001, GRID))
    above = np.logspace(-3.0, 2.0, GRID)
    thetas = np.concatenate([np.sort(below[below < -1e-6]), above])
    values = np.array([loss(theta) for theta in thetas])
    best = int(np.argmin(values))
    left, right = thetas[max(best - 1, 0)], thetas[min(best + 1, len(thetas) - 1)]
    if left < 0.0 < right:  # next to the exponential: theta is 0 / 0 there, its likelihood is 1 + log 1
        return 0.0, 1.0
    found = optimize.minimize_scalar(loss, bounds=(left, right), method="bounded", options={"xatol": 1e-8})
    theta = float(found.x) if found.fun < values[best] else float(thetas[best])
    shape = float(np.log1p(theta * excesses).mean())
    if loss(theta) >= 1.0 + np.log(float(excesses.mean())):
        return 0.0, float(excesses.mean())
    if shape <= LARGEST_SHAPE:
        return shape, shape / theta
    scales = np.linspace(0.05, 3.0, 400)
    likely = [-np.log(s) - (1.0 + 1.0 / LARGEST_SHAPE) * np.log1p(LARGEST_SHAPE * excesses / s).mean() for s in scales]
    return LARGEST_SHAPE, float(scales[int(np.argmax(likely))])


def tail_quantiles(losses_rn: Floats, level: float) -> tuple[Floats, Floats]:
    """VaR and CVaR of every row of losses (rows, n), each from its own tail."""
    check_level(level)
    tails = [fit_tail(row) for row in losses_rn]
    return np.array([tail.var(level) for tail in tails]), np.array([tail.cvar(level) for tail in tails])
