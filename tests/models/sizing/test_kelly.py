import json
from pathlib import Path

import cvxpy
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from models.construction.constraints import Constraints, Row, box
from models.faults import Fault
from models.sizing import binary_kelly, continuous_kelly, discrete_kelly, joint_kelly, log_growth

COIN = np.array([1.0, -1.0])


def random_market(seed: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    draws = np.random.default_rng(seed)
    mixing = draws.normal(size=(count, count + 2)) * 0.1
    return draws.normal(0.02, 0.05, count), mixing @ mixing.T + 1e-3 * np.eye(count)


def free(count: int) -> Constraints:
    return Constraints(tuple(f"A{i}" for i in range(count)), np.full(count, -np.inf), np.full(count, np.inf), None)


def test_the_closed_forms(vectors: Path) -> None:
    listed = json.loads((vectors / "vectors.json").read_text())["vectors"]
    expected = next(row for row in listed if row["id"] == "kelly")["expected"]
    assert binary_kelly(0.6) == pytest.approx(expected["even_p60"], abs=1e-12)
    assert binary_kelly(0.55, 2.0) == pytest.approx(expected["p55_b2"], abs=1e-12)
    assert log_growth(0.2, COIN, np.array([0.6, 0.4])) == pytest.approx(expected["growth_p60_f20"], abs=1e-12)
    assert continuous_kelly(0.08, 0.04, 0.02) == pytest.approx(1.5, abs=1e-12)


@given(st.floats(0, 1), st.floats(0.05, 20), st.floats(0.05, 5))
def test_listed_outcomes_agree_with_the_binary_formula(probability: float, gain: float, loss: float) -> None:
    weights = np.array([probability, 1.0 - probability])
    if probability in (0.0, 1.0) or weights[1] < 1e-9 or weights[0] < 1e-9:
        return
    found = discrete_kelly(np.array([gain, -loss]), weights)
    assert found == pytest.approx(binary_kelly(probability, gain, loss), abs=1e-9)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10_000))
def test_no_other_fraction_grows_faster(seed: int) -> None:
    outcomes = np.random.default_rng(seed).normal(0.02, 0.2, 40)
    found = discrete_kelly(outcomes, both_sides=True)
    bounds = (-1.0 / outcomes.max() * (1 - 1e-9), -1.0 / outcomes.min() * (1 - 1e-9))
    best = minimize_scalar(
        lambda f: -log_growth(f, outcomes), bounds=bounds, method="bounded", options={"xatol": 1e-12}
    )
    assert log_growth(found, outcomes) >= -best.fun - 1e-12


def test_a_bet_without_edge_is_not_taken_and_never_turned_round() -> None:
    assert binary_kelly(0.4) == 0.0
    assert discrete_kelly(COIN, np.array([0.4, 0.6])) == 0.0
    assert discrete_kelly(COIN, np.array([0.4, 0.6]), both_sides=True) == pytest.approx(-0.2)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 6))
def test_the_joint_bet_is_the_optimum_under_its_constraints(seed: int, count: int) -> None:
    edges, covariance = random_market(seed, count)
    charged = np.full(count, 0.01)
    names = tuple(f"A{i}" for i in range(count))
    limits = Constraints(
        names, np.full(count, -0.4), np.full(count, 0.6), None, (Row("pair", np.ones(count), -0.5, 0.8),), 0.9
    )
    found = joint_kelly(edges, covariance, limits, fraction=0.25, costs=charged)
    side = np.where(np.abs(edges) > charged, np.sign(edges), 0.0)
    f = cvxpy.Variable(count)
    growth = edges @ f - charged @ cvxpy.abs(f) - cvxpy.quad_form(f, cvxpy.psd_wrap(covariance)) / (2 * 0.25)
    rules = [f >= -0.4, f <= 0.6, cvxpy.sum(f) <= 0.8, cvxpy.sum(f) >= -0.5, cvxpy.norm1(f) <= 0.9]
    rules += [cvxpy.multiply(side, f) >= 0, cvxpy.multiply(1.0 - np.abs(side), f) == 0]
    problem = cvxpy.Problem(cvxpy.Maximize(growth), rules)
    problem.solve(solver=cvxpy.CLARABEL, tol_gap_abs=1e-11, tol_gap_rel=1e-11)
    assert limits.satisfied_by(found)
    mine = edges @ found - charged @ np.abs(found) - found @ covariance @ found / (2 * 0.25)
    assert mine >= problem.value - 1e-9
    assert found == pytest.approx(f.value, abs=1e-3)


def test_without_costs_and_limits_it_is_the_inverse_covariance_times_the_edges() -> None:
    _, covariance = random_market(3, 4)
    positions = np.array([0.5, 1.0, 0.2, 0.7])
    edges = covariance @ positions
    assert (edges > 0).all()
    assert joint_kelly(edges, covariance, free(4)) == pytest.approx(positions, abs=1e-8)
    assert joint_kelly(edges, covariance, free(4), fraction=0.5) == pytest.approx(positions / 2, abs=1e-8)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 6))
def test_permuting_the_assets_permutes_the_bets(seed: int, count: int) -> None:
    edges, covariance = random_market(seed, count)
    order = np.random.default_rng(seed).permutation(count)
    limits = box(free(count).names, -0.5, 0.5, None)
    found = joint_kelly(edges, covariance, limits)
    assert joint_kelly(edges[order], covariance[np.ix_(order, order)], limits) == pytest.approx(found[order], abs=1e-7)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.0, 0.1))
def test_no_position_opposes_its_edge_whatever_the_cost(seed: int, cost: float) -> None:
    edges, covariance = random_market(seed, 5)
    found = joint_kelly(edges, covariance, box(free(5).names, -1, 1, None), costs=np.full(5, cost))
    assert (found * edges >= 0).all()
    assert (found[np.abs(edges) <= cost] == 0).all()


def test_constraints_that_leave_nothing_are_named() -> None:
    limits = box(("A", "B"), 0.0, 0.3, 1.0)
    with pytest.raises(Fault, match=r"budget 1 against the upper bounds .* sum to at most 0\.3 .*side of their edge"):
        joint_kelly(np.array([0.1, -0.1]), np.eye(2), limits)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: binary_kelly(1.2), "probability must lie in 0 .. 1"),
        (lambda: binary_kelly(0.5, 0.0), "gain must be above 0"),
        (lambda: continuous_kelly(0.1, 0.0), "variance must be above 0"),
        (lambda: discrete_kelly(np.array([0.1, 0.2])), "no outcome loses"),
        (lambda: discrete_kelly(COIN, np.array([0.4, 0.4])), "must sum to 1"),
    ],
)
def test_what_is_no_bet_is_refused(call, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(Fault, match=message):
        call()
