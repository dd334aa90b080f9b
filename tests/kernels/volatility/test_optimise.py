"""The optimiser and its transforms: the reference's maximum, bounds, and coordinates that lead there and back."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels.volatility import APARCH, BACKCAST, CONSTANT, EGARCH, GARCH, GJR, NORMAL, SKEWED, STUDENT, reference
from kernels.volatility.cpu import hessian_of
from kernels.volatility.likelihood import WORK_ROWS
from kernels.volatility.optimise import inverse_positive, maximise
from kernels.volatility.transforms import to_free, to_natural
from kernels.volatility.types import Series
from tests.kernels.volatility.cases import PROCESSES, SHAPES, simulated


@pytest.mark.parametrize(("process", "errors"), [(GARCH, NORMAL), (GJR, STUDENT)])
def test_maximum_is_the_one_scipy_finds_on_the_reference(process: int, errors: int) -> None:
    returns = simulated(4, 300, process, errors)
    empty = np.zeros((0, 300))
    presample = reference.backcast(returns - returns.mean())
    start = np.array([0.05, *PROCESSES[process], *SHAPES[errors]])
    gamma = 1 if process == GJR else 0
    bounds = [(-1.0, 1.0), (1e-6, 10.0), (0.0, 1.0), *[(0.0, 1.0)] * gamma, (0.0, 1.0), *[(2.05, 500.0)] * errors]
    theta, loglik = reference.fit(
        start,
        lambda x: reference.loglik_rows(x, returns, empty, CONSTANT, process, errors, BACKCAST, presample),
        bounds,
        lambda x: 1.0 - x[2] - 0.5 * gamma * x[3] - x[3 + gamma],
    )
    free, natural, jacobian = np.empty_like(start), np.empty_like(start), np.empty((len(start), len(start)))
    to_free(start, 1, process, errors, free)
    work = np.empty((WORK_ROWS, 300))
    series = Series(returns, empty, 1, CONSTANT, process, errors, BACKCAST, presample, work)
    value, converged, evaluations = maximise(free, series, 1e-12, 200)
    to_natural(free, 1, process, errors, natural, jacobian)
    assert converged
    assert evaluations < 60
    assert value >= loglik - 1e-7
    assert value == pytest.approx(loglik, abs=1e-5)
    np.testing.assert_allclose(natural[:-1], theta[:-1], atol=2e-3)


@settings(max_examples=50, deadline=None)
@given(
    process=st.sampled_from([GARCH, GJR, EGARCH, APARCH]),
    x=st.lists(st.floats(-3.0, 3.0), min_size=8, max_size=8),
)
def test_every_free_point_is_admissible_and_its_jacobian_right(process: int, x: list[float]) -> None:
    k = 1 + len(PROCESSES[process]) + 2
    free, theta, jacobian = np.array(x[:k]), np.empty(k), np.empty((k, k))
    to_natural(free, 1, process, SKEWED, theta, jacobian)
    p = theta[1:]
    if process != EGARCH:
        gamma = p[2] if process == GJR else 0.0
        beta = p[2] if process == GARCH else p[3]
        assert min(p[0], p[1], p[1] + gamma, beta) >= -1e-15
        assert p[1] + gamma / 2 + beta <= 1.0 + 1e-12
    assert 2.05 - 1e-9 <= theta[-2] <= 300.0 + 1e-9
    assert abs(theta[-1]) <= 1.0
    above, below, spare = np.empty(k), np.empty(k), np.empty((k, k))
    for j in range(k):
        moved = free.copy()
        moved[j] += 1e-6
        to_natural(moved, 1, process, SKEWED, above, spare)
        moved[j] -= 2e-6
        to_natural(moved, 1, process, SKEWED, below, spare)
        np.testing.assert_allclose(jacobian[:, j], (above - below) / 2e-6, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("process", list(PROCESSES))
def test_natural_to_free_and_back_is_the_same(process: int) -> None:
    theta = np.array([0.1, *PROCESSES[process], *SHAPES[SKEWED]])
    free, back, jacobian = np.empty_like(theta), np.empty_like(theta), np.empty((len(theta), len(theta)))
    to_free(theta, 1, process, SKEWED, free)
    to_natural(free, 1, process, SKEWED, back, jacobian)
    np.testing.assert_allclose(back, theta, rtol=1e-12)


def test_hessian_equals_differences_of_complex_step_gradients() -> None:
    returns = simulated(8, 120, EGARCH, NORMAL)
    args = (returns, np.zeros((0, 120)), CONSTANT, EGARCH, NORMAL, BACKCAST, 0.8)
    theta = np.array([0.05, *PROCESSES[EGARCH]])
    hessian = np.empty((5, 5))
    work = np.empty((WORK_ROWS, 120))
    hessian_of(theta, Series(returns, args[1], 1, CONSTANT, EGARCH, NORMAL, BACKCAST, 0.8, work), hessian)
    expected = np.empty((5, 5))
    for j in range(5):
        width = np.zeros(5)
        width[j] = 1e-6
        above = reference.scores(theta + width, lambda x: reference.loglik_rows(x, *args)).sum(axis=1)
        below = reference.scores(theta - width, lambda x: reference.loglik_rows(x, *args)).sum(axis=1)
        expected[:, j] = (above - below) / 2e-6
    np.testing.assert_allclose(hessian, expected, rtol=1e-5, atol=1e-4)


def test_inverse_refuses_what_is_not_positive_definite() -> None:
    random = np.random.Generator(np.random.PCG64(3))
    half = random.standard_normal((5, 5))
    a, inverse = half @ half.T + np.eye(5), np.empty((5, 5))
    assert inverse_positive(a, inverse)
    np.testing.assert_allclose(a @ inverse, np.eye(5), atol=1e-12)
    assert not inverse_positive(a - 100 * np.eye(5), inverse)
    assert not inverse_positive(np.full((2, 2), np.nan), np.empty((2, 2)))
