"""One question, one answer, by a deadline: whatever happens, a status comes back and nothing is thrown.

The clock starts when `optimise` is called. Exact methods are begun only when they can be expected to end in time; the
rest of the time goes to methods that hold a feasible portfolio at every moment. An answer is always feasible to 1e-7.
"""

import time
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from models.construction.black_litterman import Posterior, View, black_litterman
from models.construction.constraints import Array, Constraints
from models.construction.feasible import FeasibleSet
from models.construction.hierarchical import hierarchical_risk_parity
from models.construction.markowitz import (
    VARIANCE,
    Found,
    Objective,
    max_sharpe,
    mean_variance,
    utility_criterion,
    with_target,
)
from models.construction.mean_cvar import TailRisk, mean_cvar
from models.construction.moments import usable_covariance
from models.construction.polyhedron import contradiction
from models.construction.programme import FACTOR_FLOPS
from models.construction.risk_parity import long_only, risk_parity
from models.faults import Fault

Method = Literal["markowitz", "black-litterman", "risk-parity", "hrp", "mean-cvar"]

OVERHEAD = 0.1  # part of the time limit kept for checks at both ends
NAMING_S = 0.5  # the most that naming a contradiction may take


@dataclass(frozen=True)
class Problem:
    """What to hold. Of one period: means (n,), covariance (n, n) positive definite, scenarios (s, n) for mean-cvar.

    objective: for markowitz and black-litterman; mean-cvar takes min-variance as least CVaR, utility as mean less
    risk_aversion x CVaR, and target-return. rate: return of cash per period,
    not for black-litterman, whose means are over cash already. risk_budgets: of parity, equal when None.
    """

    method: Method
    constraints: Constraints
    means: Array
    covariance: Array
    objective: Objective = "max-sharpe"
    risk_aversion: float = 2.5
    target_return: float = 0.0
    rate: float = 0.0
    scenarios: Array | None = None
    level: float = 0.95
    risk_budgets: Array | None = None
    market_weights: Array | None = None
    views: tuple[View, ...] = ()
    tau: float = 0.05


@dataclass(frozen=True)
class Answer:
    """weights (n,), None only when there is no feasible portfolio, or none was found in time.

    status: optimal | nearly_optimal (solver's reduced tolerance) | best_feasible (the exact method had no answer) |
    time_limit | infeasible | refused (a question without sense) | failed.
    objective: Sharpe ratio, utility, variance, CVaR criterion or largest miss of a risk budget, by method.
    gap: how much better the optimum can be at most, in units of the objective; None where no bound is known.
    nearest: when infeasible, the weights that miss the constraints by least, and what they miss by how much: for
    information, never to be held.
    """

    weights: Array | None
    objective: float
    status: str
    gap: float | None
    seconds: float
    constraints_active: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    nearest: Array | None = None
    missed: tuple[tuple[str, float], ...] = ()


def optimise(problem: Problem, *, time_limit_s: float = 1.0, last_good: Array | None = None) -> Answer:
    """The answer by the time limit. `last_good`: weights to start from, and to fall back on."""
    began = time.perf_counter()
    try:
        answer = _answer(problem, began, time_limit_s, last_good)
    except Fault as fault:
        answer = Answer(None, np.nan, "refused", None, 0.0, (), (str(fault),))
    except Exception as error:  # the loop that asks must go on: what went wrong is in the notes
        answer = Answer(None, np.nan, "failed", None, 0.0, (), (f"FAILED: {type(error).__name__}: {error}",))
    if answer.weights is None and answer.status in ("failed", "time_limit"):
        answer = fall_back(problem, answer, last_good)
    seconds = time.perf_counter() - began
    return replace(answer, seconds=seconds)


def fall_back(problem: Problem, answer: Answer, last_good: Array | None) -> Answer:
    """The last good answer in place of none, when it is still feasible."""
    if last_good is None or last_good.shape != problem.means.shape or not problem.constraints.satisfied_by(last_good):
        return answer
    notes = (*answer.notes, "LAST_GOOD: the last good weights are given")
    active = tuple(problem.constraints.active_at(last_good))
    return Answer(last_good, np.nan, answer.status, None, 0.0, active, notes)


def _answer(problem: Problem, began: float, time_limit_s: float, last_good: Array | None) -> Answer:
    if not (np.isfinite(time_limit_s) and time_limit_s > 0.0):
        raise Fault(f"the time limit must be above 0 and finite, is {time_limit_s} s")
    deadline = began + time_limit_s * (1.0 - OVERHEAD)
    check(problem)
    problem, repairs = sound(problem, time_limit_s)
    constraints = problem.constraints
    if problem.method == "risk-parity":
        constraints = long_only(constraints)
    elif problem.objective == "target-return" and problem.method != "hrp":
        constraints = with_target(constraints, _believed(problem)[0], problem.target_return)
    inside = FeasibleSet(constraints)
    start = None if _crossed(constraints) else inside.start(last_good, deadline)
    if start is None or not constraints.satisfied_by(start):
        clash = contradiction(constraints, max(deadline - time.perf_counter(), min(NAMING_S, time_limit_s)))
        if clash is not None:
            text = f"no portfolio satisfies all constraints: {clash.text}{reach(problem, deadline)}"
            return Answer(None, np.nan, "infeasible", None, 0.0, (), (text,), clash.nearest, clash.missed)
        note = "NO_PORTFOLIO_YET: the time limit came before a feasible portfolio was found"
        return Answer(None, np.nan, "time_limit", None, 0.0, (), (note,))
    found = _found(problem, inside, start, deadline)
    weights = found.weights
    active = () if weights is None else tuple(constraints.active_at(weights))
    return Answer(
        weights, found.value, STATUS.get(found.status, found.status), found.gap, 0.0, active, repairs + found.notes
    )


def sound(problem: Problem, time_limit_s: float) -> tuple[Problem, tuple[str, ...]]:
    """The problem with a covariance that is positive definite, repaired and noted where it was not.

    Where the check alone could take a tenth of the time it is left out: descent does without, and says BEST_SO_FAR.
    """
    n = len(problem.means)
    if n**3 / 3.0 / FACTOR_FLOPS > OVERHEAD * time_limit_s:
        return problem, ()
    try:
        np.linalg.cholesky(problem.covariance)
        return problem, ()
    except np.linalg.LinAlgError:
        covariance, notes = usable_covariance(problem.covariance, problem.constraints.names)
        return replace(problem, covariance=covariance), notes


def reach(problem: Problem, deadline: float) -> str:
    """When it is the return target that is out of reach: what can be had."""
    if problem.objective != "target-return":
        return ""
    means = _believed(problem)[0]
    best = (
        None if _crossed(problem.constraints) else FeasibleSet(problem.constraints).vertex(-means, deadline + NAMING_S)
    )
    if best is None or not problem.constraints.satisfied_by(best):
        return ""
    return f"; the other constraints allow a mean of {float(means @ best):.4g} a period at most"


STATUS = {"nearly": "nearly_optimal"}


def _crossed(constraints: Constraints) -> bool:
    return bool((constraints.lower > constraints.upper).any())


def _believed(problem: Problem) -> tuple[Array, Array]:
    """Means and covariance, moved by the views of Black-Litterman."""
    if problem.method != "black-litterman":
        return problem.means, problem.covariance
    found = posterior_of(problem)
    return found.means, found.covariance


def posterior_of(problem: Problem) -> Posterior:
    """Black-Litterman's, from the problem's market (equal weights when none is given) and views."""
    n = len(problem.means)
    market = np.full(n, 1.0 / n) if problem.market_weights is None else problem.market_weights
    return black_litterman(
        problem.covariance, market, problem.views, risk_aversion=problem.risk_aversion, tau=problem.tau
    )


def _found(problem: Problem, inside: FeasibleSet, start: Array, deadline: float) -> Found:
    if problem.method == "risk-parity":
        n = len(start)
        budgets = np.full(n, 1.0 / n) if problem.risk_budgets is None else problem.risk_budgets
        return risk_parity(problem.covariance, budgets, inside, start, deadline)
    if problem.method == "hrp":
        return hierarchical_risk_parity(problem.covariance, inside, start, deadline)
    means, covariance = _believed(problem)
    if problem.method == "mean-cvar":
        assert problem.scenarios is not None
        weight = 1.0 / problem.risk_aversion if problem.objective == "utility" else 0.0
        return mean_cvar(TailRisk(problem.scenarios, problem.level, means, weight), inside, start, deadline)
    if problem.objective == "max-sharpe":
        cash = 0.0 if problem.method == "black-litterman" else problem.rate  # implied returns are over cash already
        return max_sharpe(means - cash, covariance, inside, start, deadline)
    if problem.objective == "utility":
        found = mean_variance(means, covariance, inside, utility_criterion(problem.risk_aversion), start, deadline)
        return Found(found.weights, -found.value, found.gap, found.status, found.notes)
    return mean_variance(means, covariance, inside, VARIANCE, start, deadline)


def check(problem: Problem) -> None:
    """Raises Fault naming what cannot be used; cheap for large problems."""
    names, n = problem.constraints.names, len(problem.constraints.names)
    if n == 0:
        raise Fault("there is no name to hold")
    if problem.means.shape != (n,) or problem.covariance.shape != (n, n):
        raise Fault(f"means {problem.means.shape} and covariance {problem.covariance.shape} are not those of {n} names")
    for label, values in (("mean", problem.means), ("variance", np.diag(problem.covariance))):
        wrong = ~np.isfinite(values) if label == "mean" else ~(values > 0.0) | ~np.isfinite(values)
        if wrong.any():
            i = int(np.argmax(wrong))
            raise Fault(f"{names[i]}: its {label} is {values[i]:g}; mend it or leave the name out")
    if not np.isfinite(float(problem.covariance.sum())):
        raise Fault("the covariance holds a value that is not finite")
    if not (np.isfinite(problem.risk_aversion) and problem.risk_aversion > 0.0):
        raise Fault(f"risk aversion must be above 0 and finite, is {problem.risk_aversion}")
    if problem.method == "risk-parity" and not (problem.constraints.budget or 0.0) > 0.0:
        raise Fault(f"risk parity needs a budget above 0, is {problem.constraints.budget}")
    budgets = problem.risk_budgets
    if budgets is not None and not (budgets.shape == (n,) and (budgets > 0).all() and abs(budgets.sum() - 1) < 1e-9):
        raise Fault("risk budgets must be above 0 and sum to 1, one for each name")
    if problem.method == "mean-cvar":
        if problem.scenarios is None or problem.scenarios.ndim != 2 or problem.scenarios.shape[1] != n:
            raise Fault("mean-cvar needs scenarios, a row for each and a column for each name")
        if not np.isfinite(float(problem.scenarios.sum())):
            raise Fault("a scenario holds a value that is not finite")
        if not 0.0 < problem.level < 1.0:
            raise Fault(f"the CVaR level must lie between 0 and 1, is {problem.level}")
        if problem.objective == "max-sharpe":
            raise Fault("mean-cvar has no max-sharpe; choose min-variance (least CVaR), utility or target-return")
