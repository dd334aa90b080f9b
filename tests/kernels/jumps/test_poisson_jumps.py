"""The jump likelihoods against the series written out, and their derivatives against differences."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels.jumps import cpu, garch_jump, reference

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


def model(seed: int, ar: int, ma: int) -> tuple[np.ndarray, np.ndarray]:
    """(values, parameters in the kernel's order)."""
    random = np.random.default_rng(seed)
    values = random.normal(size=60) * np.where(random.random(60) < 0.1, 4.0, 1.0)
    lags = random.uniform(-0.3, 0.3, ar + ma)
    return values, np.array([0.02, *lags, 0.05, 0.1, 0.8, 0.05, 0.7, 0.4, -0.5, 3.0])


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 2), st.integers(0, 2))
def test_garch_with_jumps_agrees_with_the_reference(seed: int, ar: int, ma: int) -> None:
    values, parameters = model(seed, ar, ma)
    paths, increments = np.empty((4, 60)), np.empty(60)
    found = garch_jump.garch_jump_filter(values, parameters, ar, ma, 1.1, np.empty(60), paths, increments)
    assert found == pytest.approx(reference.garch_jump_loglik(values, parameters, ar, ma, 1.1), rel=1e-10)
    assert increments.sum() == pytest.approx(found, rel=1e-12)


@pytest.mark.parametrize(("ar", "ma"), [(0, 0), (1, 0), (2, 2)])
def test_garch_scores_are_the_derivatives_of_each_value(ar: int, ma: int) -> None:
    values, parameters = model(7, ar, ma)
    terms, paths, scores = np.empty(60), np.empty((4, 60)), np.empty((60, parameters.size))

    def at(point: np.ndarray) -> np.ndarray:
        found = np.empty(60)
        garch_jump.garch_jump_filter(values, point, ar, ma, 1.1, terms, paths, found)
        return found

    increments, slopes = np.empty(60), np.empty_like(scores)
    total = garch_jump.garch_jump_scores(values, parameters, ar, ma, 1.1, terms, paths, increments, slopes, scores)
    np.testing.assert_array_equal(increments, at(parameters))
    assert total == pytest.approx(increments.sum(), rel=1e-13)
    for p in range(parameters.size):
        step = np.zeros(parameters.size)
        step[p] = 1e-6
        slope = (at(parameters + step) - at(parameters - step)) / 2e-6
        np.testing.assert_allclose(scores[:, p], slope, rtol=1e-5, atol=1e-6, err_msg=f"parameter {p}")


def test_without_jumps_it_is_the_likelihood_of_arch() -> None:
    from arch.univariate import GARCH, ZeroMean

    values = np.random.default_rng(3).normal(size=500)
    fixed = ZeroMean(values, volatility=GARCH(1, 0, 1)).fix([0.05, 0.1, 0.85])
    paths, increments = np.empty((4, 500)), np.empty(500)
    parameters = np.array([0.0, 0.05, 0.1, 0.85, 1e-14, 0.0, 0.0, 0.0, 1.0])
    start = float(fixed.conditional_volatility[0]) ** 2
    found = garch_jump.garch_jump_filter(values, parameters, 0, 0, start, np.empty(20), paths, increments)
    assert found == pytest.approx(fixed.loglikelihood, abs=1e-8)
    np.testing.assert_allclose(np.sqrt(paths[1]), fixed.conditional_volatility, rtol=1e-12)
