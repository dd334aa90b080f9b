import json
from pathlib import Path

import cvxpy
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.construction import Constraints, box, critical_line
from models.faults import Fault
from tests.models.construction.markets import least, random_constraints, random_market


def test_the_ten_assets_of_markowitz_and_todd(vectors: Path) -> None:
    listed = json.loads((vectors / "vectors.json").read_text())["vectors"]
    expected = next(row for row in listed if row["id"] == "cla_markowitz_todd_10")["expected"]
    table = np.loadtxt(vectors / "markowitz_todd_10_mu_cov.csv", delimiter=",", skiprows=1)
    found = critical_line(table[0], table[1:], box([f"X{i}" for i in range(1, 11)]))
    rows = expected["rows"]
    assert len(found.lambdas) == len(rows)
    assert np.isinf(found.lambdas[0])
    assert rows[0][0] is None
    for k, row in enumerate(rows):
        if k:
            assert found.lambdas[k] == pytest.approx(row[0], abs=1e-8)
        assert found.means[k] == pytest.approx(row[1], abs=1e-8)
        assert found.deviations[k] == pytest.approx(row[2], abs=1e-8)
        assert found.weights[k] == pytest.approx(row[3:], abs=1e-8)
    best = best_sharpe(found, table[0], table[1:])
    assert best == pytest.approx(expected["max_sharpe"]["SR"], abs=1e-8)


def best_sharpe(frontier, means: np.ndarray, covariance: np.ndarray) -> float:  # type: ignore[no-untyped-def]
    """On a segment the tangent's lambda is variance / mean: a fixed point."""
    value = float(frontier.lambdas[1])
    for _ in range(500):
        weights = frontier.at_lambda(value)
        value = float(weights @ covariance @ weights / (weights @ means))
    return float(weights @ means / np.sqrt(weights @ covariance @ weights))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 12), st.booleans())
def test_between_and_at_corners_no_portfolio_is_better(seed: int, count: int, rows: bool) -> None:
    means, covariance = random_market(seed, count)
    limits = random_constraints(seed, count, rows)
    found = critical_line(means, covariance, limits)
    assert (np.diff(found.lambdas) <= 0).all()
    assert found.lambdas[-1] == 0.0
    for value in (float(found.lambdas[1]) * 2, float(found.lambdas[1]) / 3, 0.01, 0.0):
        weights = found.at_lambda(value)
        assert limits.satisfied_by(weights)
        w = cvxpy.Variable(count)
        oracle = least(cvxpy.quad_form(w, cvxpy.psd_wrap(covariance * 1e4)) / 2 - value * 1e4 * means @ w, w, limits)
        mine = float(weights @ covariance @ weights / 2 - value * means @ weights) * 1e4
        assert mine <= oracle + 1e-6 * max(1.0, abs(oracle))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 12))
def test_permuting_the_names_permutes_every_corner(seed: int, count: int) -> None:
    means, covariance = random_market(seed, count)
    order = np.random.default_rng(seed).permutation(count)
    limits = box([f"A{i}" for i in range(count)], 0.0, 0.7)
    straight = critical_line(means, covariance, limits)
    turned = critical_line(means[order], covariance[np.ix_(order, order)], limits)
    assert turned.weights == pytest.approx(straight.weights[:, order], abs=1e-7)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.floats(1e-4, 1e4))
def test_scaling_returns_leaves_the_corners_where_they_are(seed: int, scale: float) -> None:
    means, covariance = random_market(seed, 6)
    limits = box([f"A{i}" for i in range(6)], 0.0, 0.5)
    straight = critical_line(means, covariance, limits)
    scaled = critical_line(means * scale, covariance * scale**2, limits)
    assert scaled.weights == pytest.approx(straight.weights, abs=1e-7)
    assert scaled.deviations == pytest.approx(straight.deviations * scale, rel=1e-6)


def test_equal_means_are_decided_and_end_at_the_least_variance() -> None:
    covariance = np.diag([1.0, 2.0, 4.0])
    found = critical_line(np.full(3, 0.1), covariance, box(("A", "B", "C")))
    assert found.weights[-1] == pytest.approx(np.array([4.0, 2.0, 1.0]) / 7.0, abs=1e-9)


def test_contradicting_bounds_and_unbounded_means_are_named() -> None:
    with pytest.raises(Fault, match=r"budget 1 against the upper bounds of 2 names, which sum to at most 0\.6"):
        critical_line(np.zeros(2), np.eye(2), box(("A", "B"), 0.0, 0.3))
    free = Constraints(("A", "B"), np.full(2, -np.inf), np.full(2, np.inf))
    with pytest.raises(Fault, match="unbounded"):
        critical_line(np.array([0.1, 0.2]), np.eye(2), free)
