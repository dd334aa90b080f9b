import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.construction import View, black_litterman
from models.faults import Fault


@pytest.fixture(scope="module")
def paper(vectors: Path) -> dict[str, Any]:
    listed = json.loads((vectors / "vectors.json").read_text())["vectors"]
    found: dict[str, Any] = next(row for row in listed if row["id"] == "he_litterman_1999")
    return found


def market(paper: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    given_values = paper["inputs"]
    volatilities = np.array(given_values["vol_pct"]) / 100
    correlations = np.eye(7)
    for i, row in enumerate(given_values["corr_upper"]):
        correlations[i, i + 1 :] = correlations[i + 1 :, i] = row
    return correlations * np.outer(volatilities, volatilities), np.array(given_values["w_eq_pct"]) / 100


def views(paper: dict[str, Any], table: str, covariance: np.ndarray) -> list[View]:
    germany = np.array(paper["inputs"]["P1"])
    first = View(germany, paper["inputs"]["q1"])
    if table == "T4":
        return [first]
    if table == "T7":
        first = View(germany, first.returns, 2.0 * 0.05 * float(germany @ covariance @ germany))
    canada = np.array([0.0, 1, 0, 0, 0, 0, -1])
    return [first, View(canada, paper["inputs"]["q2"][table])]


def test_the_implied_returns_of_he_and_litterman(paper: dict[str, Any]) -> None:
    covariance, weights = market(paper)
    found = black_litterman(covariance, weights)
    assert found.implied * 100 == pytest.approx(paper["expected"]["Pi"], abs=0.06)


@pytest.mark.parametrize("table", ["T4", "T5", "T6", "T7"])
def test_the_tables_of_he_and_litterman(paper: dict[str, Any], table: str) -> None:
    covariance, weights = market(paper)
    found = black_litterman(covariance, weights, views(paper, table, covariance))
    expected = paper["expected"][table]
    assert found.means * 100 == pytest.approx(expected["mu"], abs=0.06)
    assert found.weights * 100 == pytest.approx(expected["w"], abs=0.06)
    if "lam" in expected:
        assert found.view_weights == pytest.approx(expected["lam"], abs=6e-4)
    if "omega_over_tau" in expected:
        assert found.view_variances[0] / 0.05 == pytest.approx(expected["omega_over_tau"], abs=6e-4)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 8), st.integers(0, 3))
def test_the_posterior_is_the_one_of_the_textbook_formula(seed: int, count: int, many: int) -> None:
    """Inverting n x n, as Black and Litterman wrote it, instead of k x k."""
    draws = np.random.default_rng(seed)
    mixing = draws.normal(size=(count, count + 3)) * 0.1
    covariance, weights = mixing @ mixing.T + 1e-3 * np.eye(count), draws.dirichlet(np.ones(count))
    chosen = [View(draws.normal(size=count), float(draws.normal()), float(draws.uniform(0.01, 1))) for _ in range(many)]
    found = black_litterman(covariance, weights, chosen, risk_aversion=3.0, tau=0.1)
    precision, pull = np.linalg.inv(0.1 * covariance), np.linalg.inv(0.1 * covariance) @ (3.0 * covariance @ weights)
    for view in chosen:
        assert view.variance is not None
        precision = precision + np.outer(view.exposures, view.exposures) / view.variance
        pull = pull + view.exposures * view.returns / view.variance
    assert found.means == pytest.approx(np.linalg.solve(precision, pull), rel=1e-6, abs=1e-9)
    assert found.covariance == pytest.approx(covariance + np.linalg.inv(precision), rel=1e-6, abs=1e-9)
    pick = np.array([view.exposures for view in chosen]).reshape(-1, count)
    assert found.weights == pytest.approx((weights + pick.T @ found.view_weights) / 1.1, rel=1e-5, abs=1e-7)


@pytest.mark.parametrize(
    ("view", "message"),
    [
        (View(np.array([1.0]), 0.1), "view 1 needs 2 finite exposures"),
        (View(np.zeros(2), 0.1), "view 1 is about nothing"),
        (View(np.array([1.0, -1.0]), 0.1, 0.0), "variance of view 1 must be above 0"),
        (View(np.array([1.0, np.nan]), 0.1), "finite exposures"),
    ],
)
def test_a_view_that_says_nothing_usable_is_named(view: View, message: str) -> None:
    with pytest.raises(Fault, match=message):
        black_litterman(np.eye(2), np.full(2, 0.5), [view])
