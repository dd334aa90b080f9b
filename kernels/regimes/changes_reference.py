"""Change detection, slow and obvious: CUSUM as a maximum over starts, run lengths as a sum over segmentations."""

import itertools
import math

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def cusum_sums(scores: Array, mean_shift: float, volatility_ratio: float) -> Array:
    """(n, 4): the largest log-likelihood ratio of "changed at some time so far" against "never", without alarms."""
    found = np.zeros((scores.size, 4))
    alternatives = [(mean_shift, 1.0), (-mean_shift, 1.0), (0.0, volatility_ratio), (0.0, 1.0 / volatility_ratio)]
    for side, (mean, deviation) in enumerate(alternatives):
        ratio = 0.5 * scores**2 - 0.5 * ((scores - mean) / deviation) ** 2 - math.log(deviation)
        for t in range(scores.size):
            found[t, side] = max(0.0, *(ratio[start : t + 1].sum() for start in range(t + 1)))
    return found


def log_evidence(values: Array, mean: float, kappa: float, alpha: float, beta: float) -> float:
    """log p(values) of one segment: normal observations, normal-gamma prior. Murphy (2007), eq. 95."""
    n = values.size
    if n == 0:
        return 0.0
    centre = float(values.mean())
    kappa_n, alpha_n = kappa + n, alpha + 0.5 * n
    beta_n = beta + 0.5 * float(((values - centre) ** 2).sum()) + 0.5 * kappa * n * (centre - mean) ** 2 / kappa_n
    return (
        math.lgamma(alpha_n) - math.lgamma(alpha) + alpha * math.log(beta) - alpha_n * math.log(beta_n)
        + 0.5 * math.log(kappa / kappa_n) - 0.5 * n * math.log(2.0 * math.pi)
    )  # fmt: skip


def run_lengths(values: Array, hazard: float, mean: float, kappa: float, alpha: float, beta: float) -> Array:
    """P(run length = 0..n | values) (n + 1,) by adding up every placing of changes: for a dozen values.

    A change after value t has probability `hazard`, the value itself belongs to the run before (Adams and MacKay).
    """
    n = values.size
    found = np.zeros(n + 1)
    for cuts in itertools.product((False, True), repeat=n):
        places = [0, *(t + 1 for t in range(n) if cuts[t])]
        logs = sum(
            log_evidence(values[start:end], mean, kappa, alpha, beta)
            for start, end in zip(places, [*places[1:], n], strict=True)
        )
        changes = sum(cuts)
        found[n - places[-1]] += math.exp(logs) * hazard**changes * (1.0 - hazard) ** (n - changes)
    return np.asarray(found / found.sum(), dtype=np.float64)
