import time
from dataclasses import replace
from typing import Any

import cvxpy
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.construction import Constraints, Problem, Row, box, optimise
from tests.models.construction.markets import least, random_constraints, random_market

METHODS = ("markowitz", "black-litterman", "risk-parity", "hrp", "mean-cvar")


def problem(seed: int, count: int, limits: Constraints, **changed: Any) -> Problem:
    means, covariance = random_market(seed, count)
    scenarios = np.random.default_rng(seed).multivariate_normal(means, covariance, 150)
    values: dict[str, Any] = {
        "method": "markowitz", "constraints": limits, "means": means, "covariance": covariance, "scenarios": scenarios,
    }  # fmt: skip
    return Problem(**(values | changed))


def objective_for(method: str) -> str:
    return "min-variance" if method == "mean-cvar" else "utility"


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 10), st.sampled_from(METHODS), st.booleans(), st.booleans())
def test_an_answer_is_always_feasible(seed: int, count: int, method: str, rows: bool, gross: bool) -> None:
    limits = random_constraints(seed, count, rows, gross)
    found = optimise(problem(seed, count, limits, method=method, objective=objective_for(method)), time_limit_s=5.0)
    if method == "risk-parity" and found.status == "infeasible":
        return  # long only may leave nothing
    assert found.weights is not None
    assert found.status in ("optimal", "nearly_optimal"), found.notes
    assert limits.satisfied_by(found.weights)
    assert found.gap is None or found.gap >= 0.0


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 10), st.booleans(), st.booleans())
def test_utility_and_variance_are_those_of_cvxpy(seed: int, count: int, rows: bool, gross: bool) -> None:
    limits = random_constraints(seed, count, rows, gross)
    asked = problem(seed, count, limits, objective="utility", risk_aversion=4.0)
    w = cvxpy.Variable(count)
    variance = cvxpy.quad_form(w, cvxpy.psd_wrap(asked.covariance * 1e4))
    found = optimise(asked, time_limit_s=5.0)
    oracle = -least(2.0 * variance - asked.means @ w * 1e4, w, limits) / 1e4
    assert found.objective == pytest.approx(oracle, rel=1e-5, abs=1e-10)
    calm = optimise(replace(asked, objective="min-variance"), time_limit_s=5.0)
    assert calm.objective == pytest.approx(least(variance, w, limits) / 1e4, rel=1e-5, abs=1e-12)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 8), st.booleans())
def test_no_random_portfolio_has_a_higher_sharpe_ratio(seed: int, count: int, rows: bool) -> None:
    limits = random_constraints(seed, count, rows)
    asked = problem(seed, count, limits)
    found = optimise(asked, time_limit_s=5.0)
    if found.status == "refused":
        assert found.notes[0].startswith("NO_EXCESS_RETURN")
        return
    assert found.weights is not None
    assert found.gap is not None
    assert found.gap <= 1e-6 * found.objective + 1e-9
    draws = np.random.default_rng(seed)
    for _ in range(20):  # feasible ones: vertices of the set mixed with the answer
        w = cvxpy.Variable(count)
        least(draws.normal(size=count) @ w, w, limits)
        mixed = found.weights + draws.random() * (w.value - found.weights)
        ratio = float(mixed @ asked.means / np.sqrt(mixed @ asked.covariance @ mixed))
        assert ratio <= found.objective * (1 + 1e-6)
        if count > 3:
            break


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 8), st.sampled_from([name for name in METHODS if name != "hrp"]))
def test_permuting_the_names_permutes_the_weights(seed: int, count: int, method: str) -> None:
    """Not so for hrp, as Lopez de Prado wrote it: which half of a tree stands left follows the order of the names."""
    order = np.random.default_rng(seed).permutation(count)
    limits = box([f"A{i}" for i in range(count)], 0.0, 0.8)
    asked = problem(seed, count, limits, method=method, objective=objective_for(method))
    assert asked.scenarios is not None
    turned = replace(
        asked, means=asked.means[order], covariance=asked.covariance[np.ix_(order, order)],
        scenarios=asked.scenarios[:, order],
    )  # fmt: skip
    first, second = optimise(asked, time_limit_s=5.0), optimise(turned, time_limit_s=5.0)
    assert second.objective == pytest.approx(first.objective, rel=1e-4, abs=1e-9)
    if method not in (
        "mean-cvar",
        "hrp",
    ):  # a linear programme may have several answers; a tree's halves depend on order
        assert first.weights is not None
        assert second.weights == pytest.approx(first.weights[order], abs=2e-4)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.floats(1e-3, 1e3))
def test_scaling_returns_scales_the_objective_and_leaves_the_weights(seed: int, scale: float) -> None:
    limits = random_constraints(seed, 6)
    asked = problem(seed, 6, limits, objective="min-variance")
    scaled = replace(asked, means=asked.means * scale, covariance=asked.covariance * scale**2)
    first, second = optimise(asked, time_limit_s=5.0), optimise(scaled, time_limit_s=5.0)
    assert first.weights is not None
    assert second.weights == pytest.approx(first.weights, abs=1e-4)
    assert second.objective == pytest.approx(first.objective * scale**2, rel=1e-5)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 8))
def test_a_return_target_is_met_at_the_least_variance(seed: int, count: int) -> None:
    limits = box([f"A{i}" for i in range(count)], 0.0, 1.0)
    asked = problem(seed, count, limits, objective="target-return")
    target = float(np.quantile(asked.means, 0.7))
    found = optimise(replace(asked, target_return=target), time_limit_s=5.0)
    assert found.weights is not None
    assert found.weights @ asked.means >= target - 1e-9
    w = cvxpy.Variable(count)
    with_row = Constraints(limits.names, limits.lower, limits.upper, 1.0, (Row("r", asked.means, target),))
    oracle = least(cvxpy.quad_form(w, cvxpy.psd_wrap(asked.covariance * 1e4)), w, with_row) / 1e4
    assert found.objective == pytest.approx(oracle, rel=1e-4)


# -- the deadline ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def vast() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """3,000 names: an exact answer takes many seconds."""
    draws = np.random.default_rng(1)
    returns = draws.normal(4e-4, 0.01, (300, 3000)) + draws.normal(0, 0.01, (300, 1))
    covariance = np.cov(returns.T)
    covariance[np.diag_indices(3000)] *= 1.1
    return returns.mean(axis=0), covariance, returns


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("rows", [False, True])
def test_far_too_large_a_problem_returns_a_feasible_portfolio_in_bounded_time(
    method: str, rows: bool, vast: tuple[np.ndarray, np.ndarray, np.ndarray]
) -> None:
    means, covariance, returns = vast
    names = tuple(f"A{i}" for i in range(3000))
    half = (np.arange(3000) % 2).astype(np.float64)
    limits = Constraints(
        names, np.zeros(3000), np.full(3000, 0.01), 1.0, (Row("half", half, 0.2, 0.3),) if rows else ()
    )
    asked = Problem(
        method=method, constraints=limits, means=means, covariance=covariance, scenarios=returns,  # type: ignore[arg-type]
        objective="min-variance" if method == "mean-cvar" else "max-sharpe",
    )  # fmt: skip
    began = time.perf_counter()
    found = optimise(asked, time_limit_s=0.05)
    elapsed = time.perf_counter() - began
    assert elapsed < 1.0  # one uninterruptible step on a slow, busy machine; a full solve takes many seconds
    assert found.seconds <= elapsed
    assert found.status in ("time_limit", "optimal")  # descent may close its gap in time
    assert found.weights is not None
    assert limits.satisfied_by(found.weights)
    assert found.status == "optimal" or found.notes[0].startswith("BEST_SO_FAR")
    good = np.where(half > 0, 0.25, 0.75) / 1500
    again = optimise(asked, time_limit_s=0.05, last_good=good)
    assert again.weights is not None
    assert limits.satisfied_by(again.weights)


@pytest.mark.parametrize("method", ["markowitz", "mean-cvar"])
def test_more_time_never_gives_a_worse_answer_and_the_gap_is_true(method: str) -> None:
    limits = box([f"A{i}" for i in range(120)], 0.0, 0.1)
    asked = problem(3, 120, limits, method=method, objective="min-variance")
    best = optimise(asked, time_limit_s=20.0)
    assert best.status == "optimal"
    values = []
    for time_limit_s in (0.002, 0.02, 0.2):
        found = optimise(asked, time_limit_s=time_limit_s)
        assert found.weights is not None
        assert limits.satisfied_by(found.weights)
        assert found.objective >= best.objective - 1e-6 * abs(best.objective)
        if found.gap is not None:
            assert found.objective - found.gap <= best.objective + 1e-6 * abs(best.objective)
        values.append(found.objective)
    assert values[-1] <= values[0] + 1e-6 * abs(values[0])


def test_the_last_good_weights_are_where_a_short_search_starts() -> None:
    limits = box([f"A{i}" for i in range(200)], 0.0, 0.1)
    asked = problem(4, 200, limits, objective="min-variance")
    best = optimise(asked, time_limit_s=20.0)
    assert best.weights is not None
    short = optimise(asked, time_limit_s=0.003, last_good=best.weights)
    assert short.objective <= best.objective + 1e-6 * abs(best.objective)


# -- what cannot be answered -----------------------------------------------------------------------------------------


def infeasible(limits: Constraints, **changed: Any) -> Any:
    found = optimise(problem(1, len(limits.names), limits, **changed), time_limit_s=2.0)
    assert found.status == "infeasible"
    assert found.weights is None
    assert found.nearest is not None
    assert len(found.notes) == 1
    assert "\n" not in found.notes[0]
    return found


def test_bounds_that_cannot_reach_the_budget_are_named_with_their_sum() -> None:
    found = infeasible(box(("A", "B", "C"), 0.0, 0.2))
    assert "budget 1 against the upper bounds of 3 names, which sum to at most 0.6" in found.notes[0]
    assert found.nearest == pytest.approx([0.2, 0.2, 0.2])


def test_only_the_rows_that_contradict_each_other_are_named() -> None:
    rows = (
        Row("tech at least", np.array([1.0, 1, 0, 0]), 0.7, np.inf),
        Row("banks at least", np.array([0.0, 0, 1, 1]), 0.5, np.inf),
        Row("harmless", np.array([1.0, 0, 0, 0]), -np.inf, 0.9),
    )
    found = infeasible(Constraints(tuple("ABCD"), np.zeros(4), np.ones(4), 1.0, rows))
    assert "tech at least" in found.notes[0]
    assert "banks at least" in found.notes[0]
    assert "budget" in found.notes[0]
    assert "harmless" not in found.notes[0]


def test_a_return_out_of_reach_and_crossed_bounds_are_named() -> None:
    found = infeasible(box(("A", "B"), 0.0, 1.0), objective="target-return", target_return=1.0)
    assert "return target" in found.notes[0]
    crossed = Constraints(("A", "B"), np.array([0.0, 0.6]), np.array([1.0, 0.5]))
    assert "B: lower bound 0.6 lies above upper bound 0.5" in infeasible(crossed).notes[0]


def test_a_gross_limit_below_the_budget_is_named() -> None:
    limits = replace(box(("A", "B"), -1.0, 1.0), gross=0.8)
    assert "gross limit 0.8" in infeasible(limits).notes[0]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"means": np.array([0.1, np.nan])}, "B: its mean is nan"),
        ({"covariance": np.diag([1.0, -1.0])}, "B: its variance is -1"),
        ({"covariance": np.array([[1.0, np.inf], [np.inf, 1.0]])}, "covariance holds a value that is not finite"),
        ({"covariance": np.eye(3)}, "are not those of 2 names"),
        ({"risk_aversion": 0.0}, "risk aversion must be above 0"),
        ({"method": "mean-cvar", "objective": "utility", "scenarios": None}, "needs scenarios"),
        ({"method": "mean-cvar", "objective": "utility", "level": 1.0}, "level must lie between 0 and 1"),
        ({"method": "mean-cvar"}, "has no max-sharpe"),
        ({"method": "risk-parity", "risk_budgets": np.array([0.5, 0.6])}, "risk budgets must be above 0 and sum to 1"),
        ({"means": np.array([-0.1, -0.2])}, "NO_EXCESS_RETURN"),
        ({"method": "risk-parity", "constraints": box(("A", "B"), budget=None)}, "risk parity needs a budget above 0"),
        (
            {
                "method": "mean-cvar",
                "objective": "utility",
                "risk_aversion": 1e-3,
                "means": np.array([0.1, 0.0]),
                "constraints": box(("A", "B"), -np.inf, np.inf),
            },
            "UNBOUNDED",
        ),
    ],
)
def test_a_question_without_sense_is_refused_in_one_line(changed: dict[str, Any], message: str) -> None:
    asked = replace(problem(1, 2, box(("A", "B"))), **changed)
    found = optimise(asked)
    assert found.status == "refused"
    assert found.weights is None
    assert message in found.notes[0]


@pytest.mark.parametrize("weakest", [0.0, -0.3])
def test_a_covariance_that_is_none_is_repaired_with_a_note(weakest: float) -> None:
    vector = np.ones(3) / np.sqrt(3.0)
    covariance = np.eye(3) + (weakest - 1.0) * np.outer(vector, vector)
    asked = replace(problem(1, 3, box(("A", "B", "C"))), covariance=covariance, objective="min-variance")
    found = optimise(asked)
    assert found.status == "optimal"
    assert found.notes[0].startswith("COVARIANCE_REPAIRED: 1 of 3 eigenvalues")
    assert found.objective > 0.0


def test_nothing_is_thrown_even_when_a_part_breaks(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("broken on purpose")

    monkeypatch.setattr("models.construction.answer._found", broken)
    limits = box(("A", "B"))
    found = optimise(problem(1, 2, limits), last_good=np.array([0.4, 0.6]))
    assert found.status == "failed"
    assert found.weights == pytest.approx([0.4, 0.6])
    assert "RuntimeError: broken on purpose" in found.notes[0]
    assert optimise(problem(1, 2, limits)).weights is None


@pytest.mark.parametrize("time_limit_s", [0.0, -1.0, float("nan")])
def test_a_time_limit_that_is_none_is_refused(time_limit_s: float) -> None:
    assert optimise(problem(1, 2, box(("A", "B"))), time_limit_s=time_limit_s).status == "refused"


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 100_000), st.floats(-6, 2), st.sampled_from(METHODS))
def test_whatever_the_units_of_returns_an_answer_is_optimal(seed: int, power: float, method: str) -> None:
    """From a millionth to a hundredfold: no tolerance of a solver may decide for us."""
    scale = 10.0**power
    limits = random_constraints(seed, 7)
    asked = problem(seed, 7, limits, method=method, objective=objective_for(method))
    assert asked.scenarios is not None
    scaled = replace(
        asked, means=asked.means * scale, covariance=asked.covariance * scale**2, scenarios=asked.scenarios * scale
    )
    found = optimise(scaled, time_limit_s=5.0)
    if method == "risk-parity" and found.status == "infeasible":
        return  # long only may leave nothing
    assert found.status in ("optimal", "nearly_optimal"), found.notes
    assert found.weights is not None
    assert limits.satisfied_by(found.weights)
