"""Likelihood, gradient and scores against the reference and its complex steps, every model and start convention."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels.volatility import (
    APARCH,
    BACKCAST,
    BENCHMARK,
    CONSTANT,
    EGARCH,
    GARCH,
    OLS,
    REGRESSORS,
    SKEWED,
    STUDENT,
    UNCONDITIONAL,
    ZERO,
    reference,
)
from kernels.volatility.likelihood import WORK_ROWS, loglikelihood
from kernels.volatility.scores import scores_of
from kernels.volatility.sums import dot, linear_adjoint, linear_recursion, total, total_log
from kernels.volatility.types import Series
from tests.kernels.volatility.cases import PROCESSES, SHAPES, regressors, simulated

N = 61  # not a multiple of the unrolled loops
MEANS = {ZERO: [], CONSTANT: [0.03], REGRESSORS: [0.03, -0.02]}
STARTS = (BENCHMARK, BACKCAST, UNCONDITIONAL, OLS)


@pytest.mark.parametrize(("process", "errors"), [*product(PROCESSES, SHAPES)])
def test_value_gradient_and_scores_equal_the_reference(process: int, errors: int) -> None:
    returns = simulated(1, N, process, errors)
    work = np.empty((WORK_ROWS, N))
    for start, (mean, coefficients) in product(STARTS, MEANS.items()):
        matrix = regressors(2, N) if mean == REGRESSORS else np.zeros((0, N))
        theta = np.array([*coefficients, *PROCESSES[process], *SHAPES[errors]])
        k = len(theta)
        gradient, found = np.empty(k), np.empty((k, N))
        series = Series(returns, matrix, len(coefficients), mean, process, errors, start, 0.7, work)
        value = loglikelihood(theta, series, gradient)
        scores_of(theta, series, found)

        def rows(x: np.ndarray, matrix: np.ndarray = matrix, mean: int = mean, start: int = start) -> np.ndarray:
            return reference.loglik_rows(x, returns, matrix, mean, process, errors, start, 0.7)

        expected = reference.scores(theta, rows)
        assert value == pytest.approx(float(np.sum(rows(theta))), rel=1e-12)
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(gradient, expected.sum(axis=1), rtol=1e-8, atol=1e-8)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    process=st.sampled_from([GARCH, EGARCH, APARCH]),
    alpha=st.floats(0.01, 0.3),
    share=st.floats(0.05, 0.99),
    nu=st.floats(2.2, 80.0),
    skew=st.floats(-0.8, 0.8),
)
def test_gradient_is_right_anywhere(
    seed: int, process: int, alpha: float, share: float, nu: float, skew: float
) -> None:
    returns = simulated(seed, 40, GARCH, STUDENT)
    four = {
        GARCH: [0.1, alpha, share * (1 - alpha)],
        EGARCH: [0.01, alpha, -alpha, share],
        APARCH: [0.1, alpha, 0.5, share * (1 - alpha), 1.0 + share],
    }
    theta = np.array([0.1, *four[process], nu, skew])
    gradient, work = np.empty(len(theta)), np.empty((WORK_ROWS, 40))
    args = (returns, np.zeros((0, 40)), CONSTANT, process, SKEWED, BENCHMARK, 0.0)
    loglikelihood(theta, Series(returns, args[1], 1, CONSTANT, process, SKEWED, BENCHMARK, 0.0, work), gradient)
    expected = reference.scores(theta, lambda x: reference.loglik_rows(x, *args)).sum(axis=1)
    np.testing.assert_allclose(gradient, expected, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("n", [1, 2, 3, 7, 8, 9, 31, 64])
def test_unrolled_sums_and_recursions_equal_plain_ones(n: int) -> None:
    random = np.random.Generator(np.random.PCG64(n))
    x, y, out = random.standard_normal(n), random.uniform(1e-30, 1e30, n), np.empty(n)
    assert total(x, out) == pytest.approx(float(x.sum()), abs=1e-12)
    assert dot(x, x, out) == pytest.approx(float(x @ x), rel=1e-13)
    assert total_log(y, out) == pytest.approx(float(np.log(y).sum()), rel=1e-13)
    linear_recursion(x, 0.9, 2.0, out)
    expected, last = [], 2.0
    for value in x:
        last = value + 0.9 * last
        expected.append(last)
    np.testing.assert_allclose(out, expected, rtol=1e-12, atol=1e-13)
    linear_adjoint(x, 0.9, 0.0, out)
    expected, last = [], 0.0
    for value in x[::-1]:
        last = value + 0.9 * last
        expected.append(last)
    np.testing.assert_allclose(out, expected[::-1], rtol=1e-12, atol=1e-13)
