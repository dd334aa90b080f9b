"""CUSUM and Bayesian run lengths against definitions that are summed up in full."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import gammaln

from kernels.regimes import changes, changes_reference

PRIOR = np.array([0.2, 0.7, 1.5, 1.1])  # mean, kappa, alpha, beta


def run_lengths(values: np.ndarray, hazard: float, longest: int) -> np.ndarray:
    """P(run length) (longest + 1,) after the last value, by the compiled steps."""
    alphas = PRIOR[2] + 0.5 * np.arange(longest + 1)
    constants = gammaln(alphas + 0.5) - gammaln(alphas) - 0.5 * math.log(math.pi)
    weights, means, betas = np.zeros(longest + 1), np.full(longest + 1, PRIOR[0]), np.full(longest + 1, PRIOR[3])
    weights[0] = 1.0
    for value in values:
        changes.bayesian_step(value, hazard, PRIOR, constants, weights, means, betas, np.empty(longest + 1))
    return weights


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 40), st.floats(0.1, 2.0), st.floats(1.1, 3.0))
def test_cusum_is_the_largest_likelihood_ratio_over_all_starts(seed: int, n: int, shift: float, ratio: float) -> None:
    scores = np.random.default_rng(seed).normal(size=n) * 1.5
    expected, sums = changes_reference.cusum_sums(scores, shift, ratio), np.zeros(4)
    for t in range(n):
        changes.cusum_step(scores[t], shift, ratio, sums)
        np.testing.assert_allclose(sums, expected[t], rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("hazard", [0.01, 0.3])
@pytest.mark.parametrize("n", [1, 2, 5, 9])
def test_run_lengths_are_the_sum_over_every_placing_of_changes(hazard: float, n: int) -> None:
    values = np.random.default_rng(n).normal(size=n)
    values[n // 2 :] += 4.0
    expected = changes_reference.run_lengths(values, hazard, *PRIOR)
    np.testing.assert_allclose(run_lengths(values, hazard, n + 3)[: n + 1], expected, rtol=1e-9, atol=1e-14)


def test_bound_on_the_run_length_keeps_all_weight_and_the_scale() -> None:
    values = np.random.default_rng(1).normal(size=3_000)
    bounded, free = run_lengths(values, 0.001, 200), run_lengths(values[-1_000:], 0.001, 1_100)
    assert bounded.sum() == pytest.approx(1.0, abs=1e-12)
    np.testing.assert_allclose(bounded[:50], free[:50], rtol=0.2)  # what is recent does not feel the bound
    assert bounded[-1] > 0.5


def test_missing_value_and_far_outlier_leave_weights_that_sum_to_one() -> None:
    values = np.array([0.1, math.nan, 1e9, -0.3])
    assert run_lengths(values, 0.1, 10).sum() == pytest.approx(1.0, abs=1e-12)
    np.testing.assert_array_equal(run_lengths(values[:2], 0.1, 10), run_lengths(values[:1], 0.1, 10))
