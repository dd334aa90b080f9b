"""Fits by the CPU and by the GPU's source, laid side by side."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kernels.volatility import CONSTANT, GJR, gpu
from kernels.volatility.cpu import fit_range
from tests.kernels.volatility.cases import simulated

TOLERANCE, ITERATIONS = 1e-9, 200


class Fit(NamedTuple):
    """Series to fit (series, n), their standard deviations, and what a fit takes."""

    returns: NDArray[np.float64]
    scales: NDArray[np.float64]
    codes: NDArray[np.int64]
    warm: NDArray[np.float64]
    errors: bool = True
    polish: bool = False

    @property
    def size(self) -> int:
        return int(self.warm.shape[1])

    @property
    def search(self) -> tuple[float, int, bool, bool]:
        return TOLERANCE, ITERATIONS, self.errors, self.polish

    def empty(self) -> gpu.Found:
        s, k = len(self.returns), self.size
        covariance = np.full((s, 3, k, k) if self.errors else (s, 0, 0, 0), np.nan)
        return gpu.Found(
            np.full((s, k), np.nan), np.full(s, np.nan), np.zeros(s, np.bool_), np.zeros(s, np.int64), covariance
        )

    def by_cpu(self) -> tuple[gpu.Found, gpu.Filtered]:
        (s, n), found, none = self.returns.shape, self.empty(), np.nan
        rest = gpu.Filtered(*(np.full(shape, none) for shape in (s, s, (s, 2), (s, n), (s, n))))
        fit_range(
            self.returns, self.scales, np.zeros((0, n)), self.codes, self.warm, *self.search, *found[:4],
            rest.presamples, found.covariance, rest.variances, rest.residuals, rest.following, rest.levels,
        )  # fmt: skip
        return found, rest


def fit_of(
    process: int,
    errors: int,
    *,
    series: int = 3,
    n: int = 1_600,
    mean: int = CONSTANT,
    start: int = 1,
    polish: bool = False,
    standard_errors: bool = True,
) -> Fit:
    """Series of that model, percent and fractions mixed."""
    returns = np.stack([simulated(seed, n, process, errors) * 0.1**seed for seed in range(series)])
    codes = np.array([mean, mean, process, errors, start])  # CONSTANT is 1, ZERO is 0
    k = mean + (4 if process == GJR else 3) + errors
    return Fit(returns, returns.std(axis=1), codes, np.full((series, k), np.nan), standard_errors, polish)


def assert_same(ours: gpu.Found, cpu: gpu.Found) -> None:
    """Log-likelihoods to 1e-6, parameters to 1e-4 standard errors, standard errors to 1e-4 of themselves."""
    np.testing.assert_array_equal(ours.converged, cpu.converged)
    np.testing.assert_allclose(ours.logliks, cpu.logliks, rtol=0.0, atol=1e-6)
    if not cpu.covariance.size:
        np.testing.assert_allclose(ours.theta, cpu.theta, rtol=1e-4, atol=1e-5)
        return
    errors = np.sqrt(np.diagonal(cpu.covariance, axis1=2, axis2=3))
    assert np.isfinite(errors).all()
    assert np.all(np.abs(ours.theta - cpu.theta) < 1e-4 * errors[:, 0])
    np.testing.assert_allclose(np.sqrt(np.diagonal(ours.covariance, axis1=2, axis2=3)), errors, rtol=1e-4)
    scale = errors[:, :, :, None] * errors[:, :, None, :]
    assert np.max(np.abs(ours.covariance - cpu.covariance) / scale) < 2e-4


def assert_same_filter(ours: gpu.Filtered, cpu: gpu.Filtered) -> None:
    """To 1e-12: ours on the device, series last."""
    for name in ("presamples", "variances", "following", "levels"):
        np.testing.assert_allclose(np.asarray(getattr(ours, name)).T, getattr(cpu, name), rtol=1e-12, err_msg=name)
    deviation = np.sqrt(cpu.levels[:, :1])
    assert np.max(np.abs(np.asarray(ours.residuals).T - cpu.residuals) / deviation) < 1e-14
