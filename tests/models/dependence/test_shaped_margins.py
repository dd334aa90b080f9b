"""Margins with Student-t and skewed t errors: each series alone, scores as differences, errors after them."""

from typing import Any

import numpy as np
import pytest

from models.dependence import fit_ccc, fit_dcc
from models.dependence.means import equations_of
from models.dependence.shaped_margins import ShapedMargins
from models.faults import Fault
from models.volatility import Spec, fit

NAMES = ("A", "B")


def simulated(seed: int, n: int, correlation: float = 0.5, nu: float = 6.0) -> np.ndarray:
    """GARCH(1,1) returns (n, 2) whose Student-t shocks share one mixing variable a step."""
    random = np.random.default_rng(seed)
    root = np.linalg.cholesky([[1.0, correlation], [correlation, 1.0]])
    shocks = random.standard_normal((n, 2)) @ root.T
    shocks *= np.sqrt((nu - 2.0) / random.chisquare(nu, n))[:, None]
    variance, found = np.ones(2), np.empty((n, 2))
    for t in range(n):
        found[t] = shocks[t] * np.sqrt(variance)
        variance = 0.05 + 0.07 * found[t] ** 2 + 0.88 * variance
    return found


@pytest.fixture(scope="module")
def returns() -> np.ndarray:
    return simulated(1, 1_500)


@pytest.mark.parametrize("errors", ["t", "skewt"])
def test_margins_are_the_maximum_of_each_series_alone(returns: np.ndarray, errors: Any) -> None:
    found = fit_dcc(returns, names=NAMES, errors=errors)
    assert found.errors == errors
    assert found.health.ok
    for i, name in enumerate(NAMES):
        alone = fit(np.ascontiguousarray(returns[:, i]), Spec(errors=errors, start_variance="benchmark"))
        for own, value in alone.parameters.items():
            label = f"{name}.{'constant' if own == 'mu' else own}"
            assert found.parameters[label] == pytest.approx(value, rel=1e-3, abs=1e-4)
            for kind in ("hessian", "opg", "robust"):
                assert found.standard_errors[kind][label] == pytest.approx(alone.standard_errors[kind][own], rel=2e-2)


@pytest.mark.parametrize("errors", ["t", "skewt"])
def test_scores_are_the_differences_of_the_loglikelihood(returns: np.ndarray, errors: str) -> None:
    margins = ShapedMargins(equations_of(returns, NAMES, "A=L.B+constant,B=constant"), errors)
    parameters = np.concatenate(
        [
            [*([0.05] * design.shape[1]), 0.06, 0.08, 0.85, 6.5, *([-0.1] if errors == "skewt" else [])]
            for design in margins.equations.designs
        ]
    )
    state = margins.evaluate(parameters)
    for k in range(len(parameters)):
        step = 1e-6 * max(1.0, abs(parameters[k]))
        sides = []
        for sign in (1.0, -1.0):
            moved = parameters.copy()
            moved[k] += sign * step
            sides.append(margins.evaluate(moved))
        numeric = (sides[0].loglik - sides[1].loglik) / (2.0 * step)
        assert state.scores[:, k].sum() == pytest.approx(numeric, rel=1e-5, abs=1e-4)
        series = margins.owners[k]
        slopes = (sides[0].standardised - sides[1].standardised)[:, series] / (2.0 * step)
        np.testing.assert_allclose(state.slopes[:, k], slopes, atol=1e-6)


def test_heavier_tails_are_more_likely_where_they_are_there(returns: np.ndarray) -> None:
    normal, student = (fit_ccc(returns, names=NAMES, estimator="two-step", errors=each) for each in ("normal", "t"))
    assert student.loglik > normal.loglik + 50.0
    assert student.parameters["corr.A.B"] == pytest.approx(0.5, abs=0.06)
    assert student.parameters["A.nu"] == pytest.approx(6.0, abs=2.0)
    assert 0.5 < student.standard_errors["robust"]["corr.A.B"] / 0.02 < 2.0


def test_a_warm_start_ends_where_a_cold_one_does(returns: np.ndarray) -> None:
    cold = fit_dcc(returns, names=NAMES, errors="t")
    warm = fit_dcc(returns, names=NAMES, errors="t", warm=cold)
    for label, value in cold.parameters.items():
        assert warm.parameters[label] == pytest.approx(value, rel=1e-2, abs=1e-4)


def test_the_joint_likelihood_is_normal_only(returns: np.ndarray) -> None:
    with pytest.raises(Fault, match="the joint likelihood is a normal one"):
        fit_ccc(returns, errors="t")
    with pytest.raises(Fault, match="must be one of normal, t, skewt"):
        fit_dcc(returns, errors="cauchy")
