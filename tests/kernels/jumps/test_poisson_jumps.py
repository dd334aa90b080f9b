"""The jump likelihoods against the series written out, and their derivatives against differences."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels.jumps import cpu, reference

POINT = (0.1, 0.8, 0.3, -0.5, 2.0)  # mean, variance, intensity, jump_mean, jump_variance


@settings(max_examples=60, deadline=None)
@given(st.floats(-8, 8), st.floats(0.01, 10), st.floats(1e-4, 5), st.floats(-3, 3), st.floats(0.5, 20))
def test_density_and_posterior_are_those_of_the_series(
    residual: float, variance: float, intensity: float, jump_mean: float, jump_variance: float
) -> None:
    expected, weights = reference.jump_weights(residual, variance, intensity, jump_mean, jump_variance)
    found = np.empty(60)
    loglik, count = cpu.jump_terms(residual, variance, intensity, jump_mean, jump_variance, found)
    assert loglik == pytest.approx(expected, rel=1e-9, abs=1e-9)
    np.testing.assert_allclose(found[:count], weights[:count], rtol=1e-7, atol=1e-12)
    assert weights[count:].sum() < 1e-12


def test_outlier_of_a_thousand_deviations_has_a_finite_density() -> None:
    loglik, count = cpu.jump_terms(1e3, 1.0, 0.05, 0.0, 1.0, np.empty(40))
    assert math.isfinite(loglik)
    assert count == 40


def test_scores_are_the_derivatives_of_each_return() -> None:
    values = np.random.default_rng(0).normal(size=50) * 2.0
    terms, increments, scores = np.empty(40), np.empty(50), np.empty((50, 5))

    def at(point: np.ndarray) -> np.ndarray:
        cpu.merton_scores(values, *point, terms, increments, np.empty((50, 5)))
        return increments.copy()

    cpu.merton_scores(values, *POINT, terms, increments, scores)
    for p in range(5):
        step = np.zeros(5)
        step[p] = 1e-6
        slope = (at(np.array(POINT) + step) - at(np.array(POINT) - step)) / 2e-6
        np.testing.assert_allclose(scores[:, p], slope, rtol=1e-6, atol=1e-7)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 2), st.integers(0, 2))
def test_garch_with_jumps_agrees_with_the_reference(seed: int, ar: int, ma: int) -> None:
    random = np.random.default_rng(seed)
    values = random.normal(size=60) * np.where(random.random(60) < 0.1, 4.0, 1.0)
    phi, theta = random.uniform(-0.3, 0.3, ar), random.uniform(-0.3, 0.3, ma)
    garch, jump = np.array([0.05, 0.1, 0.8]), np.array([0.05, 0.7, 0.4, -0.5, 3.0])
    paths = [np.empty(60) for _ in range(5)]
    found = cpu.garch_jump_filter(values, 0.02, phi, theta, garch, jump, 1.1, np.empty(60), *paths)
    expected = reference.garch_jump_loglik(values, 0.02, phi, theta, garch, jump, 1.1)
    assert found == pytest.approx(expected, rel=1e-10)
    assert paths[4].sum() == pytest.approx(found, rel=1e-12)


def test_without_jumps_it_is_the_likelihood_of_arch() -> None:
    from arch.univariate import GARCH, ZeroMean

    values = np.random.default_rng(3).normal(size=500)
    model = ZeroMean(values, volatility=GARCH(1, 0, 1))
    fixed = model.fix([0.05, 0.1, 0.85])
    paths = [np.empty(500) for _ in range(5)]
    found = cpu.garch_jump_filter(
        values, 0.0, np.empty(0), np.empty(0), np.array([0.05, 0.1, 0.85]), np.array([1e-14, 0.0, 0.0, 0.0, 1.0]),
        float(fixed.conditional_volatility[0]) ** 2, np.empty(20), *paths,
    )  # fmt: skip
    assert found == pytest.approx(fixed.loglikelihood, abs=1e-8)
    np.testing.assert_allclose(np.sqrt(paths[1]), fixed.conditional_volatility, rtol=1e-12)
