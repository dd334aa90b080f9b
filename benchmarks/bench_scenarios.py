"""Monte Carlo VaR with 50 component CVaRs: 50 assets, 100,000 paths, beside numpy and scipy in the same run.

`var_mc`: a multivariate Student-t(5), linear portfolio. The peer `numpy` is the vectorised way with all BLAS threads:
normals, times the Cholesky factor, times the mixing factor, losses, VaR, tail means by asset. `numpy_projected` is
numpy with our algebra: losses from one matrix-vector product, the tail alone multiplied out. `ratio_to_peer` is to
`numpy`; `ratio_to_projected` beside it.

`var_mc_copula`: the same t(5) copula with Student-t margins of 4, 5 and 6 degrees of freedom. Peers: `scipy_stats`
(t.cdf, then t.ppf) and `scipy_special` (stdtr, stdtrit), the same formula without scipy.stats' checks; `ratio_to_peer`
is to the first, `ratio_to_special` beside it. `empirical_ns` is ours with empirical margins of 500 observations.

Ours uses as many threads as there are cores; `one_thread_ns` says what one does. Rounds are interleaved, the least of
each is taken. Both sides make every random number anew; ours also gives standard errors. `agreement` is the distance of
the two VaRs in standard errors of both.

    python -m benchmarks.bench_scenarios
"""

import json
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import special, stats

from models.market_risk.order_statistics import Floats
from models.market_risk.scenario_risk import Measure
from models.market_risk.simulation import (
    Scenarios,
    constant_process,
    copula_draws,
    elliptical_scenarios,
    empirical_draws,
    measure_simulated,
)

ASSETS, PATHS, DOF, LEVEL = 50, 100_000, 5.0, 0.99
ROUNDS, PEER_ROUNDS, SLOW_ROUNDS = 15, 7, 2
SEED = 1

Peer = Callable[[], tuple[float, Floats]]


def market() -> tuple[Floats, Floats]:
    """Covariance (assets, assets) with one common factor, and positive weights (assets,) that sum to 1."""
    random = np.random.default_rng(SEED)
    deviations = random.uniform(0.008, 0.03, ASSETS)
    loadings = random.uniform(0.3, 0.8, ASSETS)
    correlation = np.outer(loadings, loadings)
    np.fill_diagonal(correlation, 1.0)
    return correlation * np.outer(deviations, deviations), random.dirichlet(np.ones(ASSETS))


def tail_measure(losses: Floats, returns: Callable[[Any], Floats], weights: Floats) -> tuple[float, Floats]:
    """VaR and component CVaRs (assets,): what both sides must come to."""
    rank = (len(losses) + 1) * LEVEL
    lower = int(rank)
    pair = np.partition(losses, (lower - 1, lower))[lower - 1 : lower + 1]
    tail = np.flatnonzero(losses >= pair[1])
    return float(pair[0] + (rank - lower) * (pair[1] - pair[0])), -weights * returns(tail).mean(axis=0)


def numpy_t(covariance: Floats, weights: Floats, *, projected: bool) -> Peer:
    root = np.linalg.cholesky(covariance) * np.sqrt((DOF - 2.0) / DOF)
    random = np.random.default_rng(SEED)

    def run() -> tuple[float, Floats]:
        normals = random.standard_normal((PATHS, ASSETS))
        mixing = np.sqrt(DOF / random.chisquare(DOF, PATHS))
        if projected:
            losses = -mixing * (normals @ (root.T @ weights))
            return tail_measure(losses, lambda tail: (normals[tail] @ root.T) * mixing[tail, None], weights)
        returns = (normals @ root.T) * mixing[:, None]
        return tail_measure(-(returns @ weights), lambda tail: returns[tail], weights)

    return run


def scipy_copula(covariance: Floats, weights: Floats, dofs: Floats, *, bare: bool) -> Peer:
    deviations = np.sqrt(np.diag(covariance))
    root = np.linalg.cholesky(covariance / np.outer(deviations, deviations))
    units = deviations * np.sqrt((dofs - 2.0) / dofs)
    random = np.random.default_rng(SEED)

    def run() -> tuple[float, Floats]:
        mixing = np.sqrt(DOF / random.chisquare(DOF, PATHS))
        scores = (random.standard_normal((PATHS, ASSETS)) @ root.T) * mixing[:, None]
        if bare:
            returns = special.stdtrit(dofs, special.stdtr(DOF, scores)) * units
        else:
            returns = stats.t.ppf(stats.t.cdf(scores, DOF), dofs) * units
        return tail_measure(-(returns @ weights), lambda tail: returns[tail], weights)

    return run


def timed(run: Callable[[], Any]) -> tuple[float, Any]:
    began = time.perf_counter()
    found = run()
    return (time.perf_counter() - began) * 1e9, found


def compared(name: str, scenarios: Scenarios, weights: Floats, peers: dict[str, tuple[Peer, int]]) -> dict[str, Any]:
    """Ours, on all cores and on one, by turns with the peers: a round of each, the least of each."""

    def ours(threads: int | None = None) -> Measure:
        return measure_simulated(
            scenarios, weights, level=LEVEL, paths=PATHS, method=name, incremental=False, threads=threads
        )

    measure = ours()
    times: list[float] = []
    single: list[float] = []
    theirs: dict[str, list[float]] = {peer: [] for peer in peers}
    vars_: dict[str, list[float]] = {peer: [] for peer in peers}
    for number in range(ROUNDS):
        times.append(timed(ours)[0])
        single.append(timed(lambda: ours(1))[0])
        for peer, (run, rounds) in peers.items():
            if number < rounds:
                took, found = timed(run)
                theirs[peer].append(took)
                vars_[peer].append(found[0])
    row: dict[str, Any] = {
        "name": name,
        "count": ROUNDS,
        "p50_ns": float(np.median(times)),
        "min_ns": min(times),
        "max_ns": max(times),
        "one_thread_ns": min(single),
        "assets": ASSETS,
        "paths": PATHS,
        "var": measure.var,
        "standard_error": measure.standard_error,
        "cvar": measure.cvar,
        "component_sum_error": float(abs(measure.cvar_contributions.component.sum() - measure.cvar)),
    }
    row["peers"] = {peer: min(taken) for peer, taken in theirs.items()}
    row["agreement"] = {
        peer: abs(float(np.mean(found)) - measure.var)
        / (measure.standard_error * float(np.sqrt(1.0 + 1.0 / len(found))))
        for peer, found in vars_.items()
    }
    return row


def var_mc(peers: bool = True) -> dict[str, Any]:
    """The row `var_mc`: multivariate t(5)."""
    covariance, weights = market()
    by = {
        "numpy": (numpy_t(covariance, weights, projected=False), PEER_ROUNDS),
        "numpy_projected": (numpy_t(covariance, weights, projected=True), PEER_ROUNDS),
    }
    row = compared("var_mc", elliptical_scenarios(covariance, dof=DOF, seed=SEED), weights, by if peers else {})
    if peers:
        row["ratio_to_peer"] = row["peers"]["numpy"] / row["min_ns"]
        row["ratio_to_projected"] = row["peers"]["numpy_projected"] / row["min_ns"]
    return row


def var_mc_copula(peers: bool = True) -> dict[str, Any]:
    """The row `var_mc_copula`: t(5) copula, Student-t margins."""
    covariance, weights = market()
    deviations = np.sqrt(np.diag(covariance))
    correlation, dofs = covariance / np.outer(deviations, deviations), 4.0 + np.arange(ASSETS) % 3
    process = constant_process(np.diag(covariance))
    scenarios = Scenarios(copula_draws(correlation, DOF, dofs), process, 1, SEED)
    by = {
        "scipy_stats": (scipy_copula(covariance, weights, dofs, bare=False), SLOW_ROUNDS),
        "scipy_special": (scipy_copula(covariance, weights, dofs, bare=True), SLOW_ROUNDS),
    }
    row = compared("var_mc_copula", scenarios, weights, by if peers else {})
    observed = np.random.default_rng(SEED).standard_t(4.0, (500, ASSETS)) * np.sqrt(0.5)
    empirical = Scenarios(empirical_draws(correlation, DOF, observed), process, 1, SEED)
    row["empirical_ns"] = min(timed(lambda: empirical.losses(weights, PATHS))[0] for _ in range(5))
    if peers:
        row["ratio_to_peer"] = row["peers"]["scipy_stats"] / row["min_ns"]
        row["ratio_to_special"] = row["peers"]["scipy_special"] / row["min_ns"]
    return row


if __name__ == "__main__":
    for each in (var_mc, var_mc_copula):
        print(json.dumps(each(), indent=2))
