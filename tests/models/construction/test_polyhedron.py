import cvxpy
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.construction import Constraints, Row
from models.construction.polyhedron import contradiction
from tests.models.construction.markets import rules


def random_wishes(seed: int, count: int) -> Constraints:
    """Often contradicting: random rows, bounds and sometimes a gross limit, drawn without regard to each other."""
    draws = np.random.default_rng(seed)
    rows = tuple(
        Row(f"row {k}", (draws.random(count) < 0.6).astype(np.float64), low, low + draws.uniform(0, 0.3))
        for k, low in enumerate(draws.uniform(-0.2, 0.9, 3))
    )
    lower = draws.uniform(-0.1, 0.15, count)
    upper = lower + draws.uniform(0.0, 0.8, count)
    names = tuple(f"A{i}" for i in range(count))
    return Constraints(names, lower, upper, 1.0, rows, float(draws.uniform(0.9, 1.5)) if draws.random() < 0.5 else None)


def possible(limits: Constraints) -> bool:
    w = cvxpy.Variable(len(limits.names))
    problem = cvxpy.Problem(cvxpy.Minimize(0), rules(w, limits))
    problem.solve(solver=cvxpy.CLARABEL)
    return problem.status in ("optimal", "optimal_inaccurate")


def only(limits: Constraints, core: tuple[str, ...]) -> Constraints:
    """The constraints that are named, and no other."""
    lower = [
        low if f"lower bound of {n}" in core else -np.inf for n, low in zip(limits.names, limits.lower, strict=True)
    ]
    upper = [
        top if f"upper bound of {n}" in core else np.inf for n, top in zip(limits.names, limits.upper, strict=True)
    ]
    return Constraints(
        limits.names, np.array(lower), np.array(upper), limits.budget if "budget" in core else None,
        tuple(row for row in limits.rows if row.name in core), limits.gross if "gross limit" in core else None,
    )  # fmt: skip


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 100_000), st.integers(2, 6))
def test_constraints_contradict_each_other_exactly_when_a_solver_finds_nothing_and_the_named_ones_suffice(
    seed: int, count: int
) -> None:
    limits = random_wishes(seed, count)
    clash = contradiction(limits)
    if clash is None:
        assert possible(limits)
        return
    assert not possible(limits)
    assert "\n" not in clash.text
    assert np.isfinite(clash.nearest).all()
    if clash.core:
        assert not possible(only(limits, clash.core))
        for name in clash.core:  # none is needless
            assert possible(only(limits, tuple(other for other in clash.core if other != name)))


def test_the_nearest_weights_miss_as_little_as_can_be() -> None:
    """Two names, at most 0.3 together, but 1 in all: whoever pays, 0.7 is missed."""
    rows = (Row("pair", np.ones(2), -np.inf, 0.3),)
    clash = contradiction(Constraints(("A", "B"), np.zeros(2), np.ones(2), 1.0, rows))
    assert clash is not None
    assert set(clash.core) == {"budget", "pair"}
    assert sum(gap for _, gap in clash.missed) == pytest.approx(0.7)


def test_a_row_in_small_units_is_judged_in_units_of_weight() -> None:
    """Coefficients of 1e-6, as daily means may be: a miss of 1e-8 is not nothing."""
    row = Row("small", np.array([1e-6, 0.0]), 5e-7, np.inf)
    limits = Constraints(("A", "B"), np.zeros(2), np.ones(2), 1.0, (row,))
    assert not limits.satisfied_by(np.array([0.49, 0.51]))
    assert limits.satisfied_by(np.array([0.5, 0.5]))
    assert contradiction(Constraints(("A", "B"), np.zeros(2), np.array([0.4, 1.0]), 1.0, (row,))) is not None
