"""GARCH(1,1) of one series with derivatives, and the exponentially weighted covariance."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels.dependence import reference
from kernels.dependence.covariance import ewma_filter, ewma_step
from kernels.dependence.margins import garch_evaluate


def evaluate(returns, design, parameters):
    n, k = design.shape
    arrays = (np.empty(n), np.empty(n + 1), np.empty((n + 1, k + 3)), np.empty((n, k + 3)), np.empty((n, k + 3)))
    return garch_evaluate(returns, design, np.asarray(parameters), *arrays), *arrays


def slow_logliks(returns, design, parameters):
    k = design.shape[1]
    residuals = returns - design @ parameters[:k]
    variances = reference.garch_variances(residuals, *parameters[k:], np.mean(residuals**2))[:-1]
    return -0.5 * (np.log(2 * np.pi * variances) + residuals**2 / variances), residuals / np.sqrt(variances), variances


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    k=st.integers(0, 3),
    omega=st.floats(0.01, 0.5),
    alpha=st.floats(0.0, 0.3),
    beta=st.floats(0.0, 0.65),
)
def test_variances_scores_and_slopes_are_those_of_the_reference(*, seed, k, omega, alpha, beta):
    rng = np.random.default_rng(seed)
    returns, design = rng.normal(size=60), rng.normal(size=(60, k))
    parameters = np.array([*rng.normal(scale=0.2, size=k), omega, alpha, beta])
    loglik, _, variances, _, scores, slopes = evaluate(returns, design, parameters)
    logliks, _, expected = slow_logliks(returns, design, parameters)
    np.testing.assert_allclose(variances[:-1], expected, rtol=1e-12)
    assert loglik == pytest.approx(logliks.sum(), rel=1e-12)
    for i, unit in enumerate(1e-6 * np.eye(k + 3)):
        high, low = slow_logliks(returns, design, parameters + unit), slow_logliks(returns, design, parameters - unit)
        np.testing.assert_allclose(scores[:, i], (high[0] - low[0]) / 2e-6, rtol=1e-4, atol=2e-5)
        np.testing.assert_allclose(slopes[:, i], (high[1] - low[1]) / 2e-6, rtol=1e-4, atol=2e-5)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(1, 40), decay=st.floats(0.5, 0.999))
def test_ewma_step_by_step_is_the_weighted_sum_of_the_reference(seed, n, decay):
    returns = np.random.default_rng(seed).normal(size=(n, 3))
    covariance = np.empty((3, 3))
    weight_sum = ewma_filter(returns, decay, covariance)
    np.testing.assert_allclose(covariance, reference.ewma_covariance(returns, decay), rtol=1e-9, atol=1e-14)
    more = np.array([0.3, -0.2, 0.1])
    ewma_step(covariance, weight_sum, more, decay)
    expected = reference.ewma_covariance(np.vstack([returns, more]), decay)
    np.testing.assert_allclose(covariance, expected, rtol=1e-9, atol=1e-14)
