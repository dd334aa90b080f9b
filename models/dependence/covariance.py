"""Covariance of returns without a model of their dynamics: exponentially weighted, and shrunk."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kernels.dependence.covariance import ewma_filter
from models.dependence.correlation import positive_definite
from models.dependence.data import checked
from models.faults import Fault

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Covariance:
    """`matrix` (assets, assets) in squared units of the returns, always positive definite; notes say what was done.

    `shrinkage` is the weight of the target (0 for EWMA); `weight_sum` the sum of EWMA weights, for `ewma_step`.
    """

    matrix: Floats
    shrinkage: float = 0.0
    weight_sum: float = 0.0
    notes: tuple[str, ...] = ()

    @property
    def correlation(self) -> Floats:
        deviations = np.sqrt(np.diag(self.matrix))
        correlation = self.matrix / np.outer(deviations, deviations)
        np.fill_diagonal(correlation, 1.0)
        return np.asarray(correlation)


def ewma_covariance(returns: Floats, *, decay: float = 0.94, names: tuple[str, ...] | None = None) -> Covariance:
    """Exponentially weighted covariance about zero of `returns` (n, assets); RiskMetrics (1996), weights sum to one.

    Fewer effective observations than assets make it singular: then its correlations are repaired, with a note.
    """
    values, _ = checked(returns, names, least=2)
    if not 0.0 < decay < 1.0:
        raise Fault(f"decay {decay} must lie strictly between 0 and 1, usually 0.94 (daily) or 0.97 (monthly)")
    matrix = np.zeros((values.shape[1], values.shape[1]))
    weight_sum = ewma_filter(values, decay, matrix)
    repaired, note = positive_definite(matrix)
    return Covariance(repaired, 0.0, float(weight_sum), () if note is None else (note,))


def ledoit_wolf(returns: Floats, *, names: tuple[str, ...] | None = None) -> Covariance:
    """Covariance of `returns` (n, assets) shrunk to a multiple of the identity; Ledoit and Wolf (2004), JMVA 88.

    Moments are about the mean and divide by n. Positive definite whenever the shrinkage is above zero.
    """
    values, _ = checked(returns, names, least=2)
    n, assets = values.shape
    centred = values - values.mean(axis=0)
    sample = centred.T @ centred / n
    level = float(np.trace(sample)) / assets
    squares = float((sample**2).sum())
    distance = squares / assets - level * level
    noise = float((((centred**2).sum(axis=1)) ** 2).mean() - squares) / assets / n
    shrinkage = 0.0 if assets == 1 or distance <= 0 else min(max(noise, 0.0), distance) / distance
    shrunk = (1 - shrinkage) * sample
    shrunk[np.diag_indices(assets)] += shrinkage * level
    repaired, note = positive_definite(shrunk)
    return Covariance(repaired, shrinkage, 0.0, () if note is None else (note,))
