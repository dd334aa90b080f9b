"""Risk parity, hierarchical risk parity and mean-CVaR against skfolio, cvxpy and the definitions."""

import cvxpy
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.construction import Problem, Row, box, optimise
from models.construction.constraints import Constraints
from models.construction.hierarchical import bisect, cluster_order, cluster_variance
from models.construction.mean_cvar import cvar
from models.construction.risk_parity import contributions
from tests.models.construction.markets import least, random_market

NAMES = tuple(f"A{i}" for i in range(8))


def market(seed: int, count: int = 8) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    means, covariance = random_market(seed, count)
    return means, covariance, np.random.default_rng(seed).multivariate_normal(means, covariance, 300)


def asked(seed: int, method: str, limits: Constraints | None = None, **changed) -> Problem:  # type: ignore[no-untyped-def]
    means, _, scenarios = market(seed)
    covariance = np.cov(scenarios.T)
    values = {"objective": "min-variance", "scenarios": scenarios} | changed
    return Problem(method, limits or box(NAMES), means, covariance, **values)  # type: ignore[arg-type]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000))
def test_parity_gives_every_name_its_budget(seed: int) -> None:
    budgets = np.random.default_rng(seed).dirichlet(np.full(8, 3.0)) * 0.9 + 0.1 / 8
    problem = asked(seed, "risk-parity", risk_budgets=budgets)
    found = optimise(problem)
    assert found.weights is not None
    assert contributions(found.weights, problem.covariance) == pytest.approx(budgets, abs=1e-8)
    assert found.objective <= 1e-8


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_parity_is_that_of_skfolio(seed: int) -> None:
    from skfolio.optimization import RiskBudgeting

    problem = asked(seed, "risk-parity")
    oracle = RiskBudgeting().fit(problem.scenarios).weights_
    assert optimise(problem).weights == pytest.approx(oracle, abs=1e-4)


def test_parity_under_constraints_minimises_the_same_criterion() -> None:
    rows = (Row("pair", np.array([1.0, 1, 0, 0, 0, 0, 0, 0]), -np.inf, 0.15),)
    limits = Constraints(NAMES, np.zeros(8), np.full(8, 0.2), 1.0, rows)
    problem = asked(5, "risk-parity", limits)
    found = optimise(problem)
    assert found.weights is not None
    assert limits.satisfied_by(found.weights)
    assert found.notes[0].startswith("PARITY_CONSTRAINED")
    x = cvxpy.Variable(8)
    total = cvxpy.sum(x)
    scaled = problem.covariance / np.diag(problem.covariance).mean()
    criterion = cvxpy.quad_form(x, cvxpy.psd_wrap(scaled)) / 2 - cvxpy.sum(cvxpy.log(x)) / 8
    rules = [x <= 0.2 * total, x[0] + x[1] <= 0.15 * total]
    cvxpy.Problem(cvxpy.Minimize(criterion), rules).solve(solver=cvxpy.CLARABEL)
    assert found.weights == pytest.approx(x.value / x.value.sum(), abs=1e-4)


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_the_hierarchy_is_that_of_skfolio(seed: int) -> None:
    from skfolio.cluster import HierarchicalClustering, LinkageMethod
    from skfolio.distance import PearsonDistance
    from skfolio.optimization import HierarchicalRiskParity
    from skfolio.seriation import HierarchicalSeriation

    problem = asked(seed, "hrp")
    oracle = HierarchicalRiskParity(
        distance_estimator=PearsonDistance(),
        seriation_estimator=HierarchicalSeriation(
            hierarchical_clustering_estimator=HierarchicalClustering(linkage_method=LinkageMethod.SINGLE),
            optimal_ordering=False,
        ),
    ).fit(problem.scenarios)
    assert optimise(problem).weights == pytest.approx(oracle.weights_, abs=1e-8)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.15, 1.0))
def test_the_hierarchy_splits_money_by_inverse_variance_and_within_bounds(seed: int, most: float) -> None:
    _, covariance, _ = market(seed)
    free = bisect(covariance, cluster_order(covariance), np.zeros(8), np.ones(8), 1.0)
    order = cluster_order(covariance).astype(int)
    left, right = order[:4], order[4:]
    ratio = cluster_variance(covariance, right) / cluster_variance(covariance, left)
    assert free[left].sum() / free[right].sum() == pytest.approx(ratio)
    bounded = bisect(covariance, cluster_order(covariance), np.zeros(8), np.full(8, most), 1.0)
    assert bounded.sum() == pytest.approx(1.0)
    assert bounded.max() <= most + 1e-12
    assert bounded.min() >= -1e-12


def test_a_row_that_the_hierarchy_breaks_moves_it_and_is_noted() -> None:
    rows = (Row("few", np.array([1.0, 1, 1, 1, 0, 0, 0, 0]), -np.inf, 0.1),)
    limits = Constraints(NAMES, np.zeros(8), np.ones(8), 1.0, rows)
    found = optimise(asked(1, "hrp", limits))
    assert found.weights is not None
    assert limits.satisfied_by(found.weights)
    assert found.notes[0].startswith("MOVED_INTO_ROWS")


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(5, 60), st.floats(0.5, 0.99))
def test_cvar_is_rockafellar_and_uryasevs_minimum(seed: int, count: int, level: float) -> None:
    losses = np.random.default_rng(seed).normal(size=count)
    value, shares = cvar(losses, level)
    minimum = min(a + np.maximum(losses - a, 0).sum() / (1 - level) / count for a in losses)
    assert value == pytest.approx(minimum, rel=1e-9, abs=1e-12)
    assert shares.sum() == pytest.approx(1.0)
    assert shares @ losses == pytest.approx(value)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.8, 0.97), st.booleans())
def test_least_cvar_is_that_of_cvxpy(seed: int, level: float, utility: bool) -> None:
    objective = "utility" if utility else "min-variance"
    problem = asked(seed, "mean-cvar", box(NAMES, -0.1, 0.5), level=level, objective=objective, risk_aversion=2.0)
    found = optimise(problem, time_limit_s=5.0)
    assert problem.scenarios is not None
    w, a = cvxpy.Variable(8), cvxpy.Variable()
    tail = a + cvxpy.sum(cvxpy.pos(-problem.scenarios @ w - a)) / ((1 - level) * 300)
    oracle = least(100 * (tail - (problem.means @ w / 2.0 if utility else 0.0)), w, problem.constraints) / 100
    assert found.objective == pytest.approx(oracle, rel=1e-5, abs=1e-8)


def test_cutting_planes_reach_the_same_cvar_as_the_programme() -> None:
    from models.construction.feasible import FeasibleSet
    from models.construction.mean_cvar import TailRisk, _cutting_planes, mean_cvar

    problem = asked(3, "mean-cvar", box(NAMES, 0.0, 0.4))
    assert problem.scenarios is not None
    risk = TailRisk(problem.scenarios, 0.95, problem.means)
    inside, start = FeasibleSet(problem.constraints), np.full(8, 1 / 8)
    import time

    deadline = time.perf_counter() + 20.0
    exact, planes = mean_cvar(risk, inside, start, deadline), _cutting_planes(risk, inside, start, deadline)
    assert planes.status == "optimal"
    assert planes.value == pytest.approx(exact.value, rel=1e-6)


@pytest.mark.parametrize("seed", [1, 2])
def test_least_cvar_and_variance_are_those_of_skfolio(seed: int) -> None:
    from skfolio import RiskMeasure
    from skfolio.optimization import MeanRisk

    for method, measure in (("mean-cvar", RiskMeasure.CVAR), ("markowitz", RiskMeasure.VARIANCE)):
        problem = asked(seed, method)
        oracle = MeanRisk(risk_measure=measure).fit(problem.scenarios).weights_
        assert optimise(problem, time_limit_s=5.0).weights == pytest.approx(oracle, abs=2e-3)
