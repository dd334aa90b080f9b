"""Dynamic conditional correlation: a whole fit of 20 and of 100 assets over 2,500 days, standard errors included.

Returns are simulated from a DCC process. `dcc_fit` is the two-step estimator with correlation targeting: GARCH(1,1) of
every asset, dynamics, correlations, and standard errors that count the first step. `warm` starts from a fit of the data
without its last 20 rows, as a live refit does. `online_step` is one bar without refitting. `dcc_fit_100` is the
composite likelihood over all 4,950 pairs.

No peer installs beside this project (mgarch 0.3.0 needs numpy 1.26). `reference` is what a user would write with what
does install: `arch` for the margins, then scipy over the plain numpy likelihood (kernels/dependence/reference.py), with
no standard errors for the dynamics; timed once, in the same run. `small` is 3 assets by 1,000 rows, the size at which
the yardsticks state mgarch.

    python -m benchmarks.bench_dependence
"""

import json
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from kernels.dependence import reference
from models.dependence import DependenceFit, OnlineDependence, fit_dcc
from models.dependence.two_step import fit_dynamics

ROWS, ASSETS, MANY = 2_500, 20, 100
ROUNDS = 7
STEPS = 2_000
REFIT_ROWS = 20
A, B, CORRELATION = 0.03, 0.95, 0.4
OMEGA, ALPHA, BETA = 5e-6, 0.06, 0.90
BURN = 200

Array = np.ndarray[Any, np.dtype[np.float64]]


def simulated(n: int, assets: int, seed: int = 1) -> Array:
    """Daily returns (n, assets) of a DCC process with GARCH(1,1) margins."""
    rng = np.random.default_rng(seed)
    target = CORRELATION + (1 - CORRELATION) * np.eye(assets)
    variances, quasi = np.full(assets, OMEGA / (1 - ALPHA - BETA)), target.copy()
    out = np.empty((n + BURN, assets))
    for t in range(n + BURN):
        e = np.linalg.cholesky(reference.correlations(quasi)) @ rng.normal(size=assets)
        out[t] = e * np.sqrt(variances)
        variances = OMEGA + ALPHA * out[t] ** 2 + BETA * variances
        quasi = (1 - A - B) * target + A * np.outer(e, e) + B * quasi
    return out[BURN:]


def seconds(run: Callable[[], object]) -> float:
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


def row_of(name: str, returns: Array, estimator: str, rounds: int) -> dict[str, Any]:
    """Cold and warm fits by turns: the median and the extremes of `rounds`, and what was found."""
    earlier = fit_dcc(returns[:-REFIT_ROWS], estimator=estimator)
    cold, warm, found = [], [], earlier
    for _ in range(rounds):
        began = time.perf_counter()
        found = fit_dcc(returns, estimator=estimator)
        cold.append(time.perf_counter() - began)
        warm.append(seconds(lambda: fit_dcc(returns, estimator=estimator, warm=earlier)))
    return {
        "name": name,
        "count": rounds,
        "p50_ns": float(np.median(cold)) * 1e9,
        "min_ns": min(cold) * 1e9,
        "max_ns": max(cold) * 1e9,
        "warm_p50_ns": float(np.median(warm)) * 1e9,
        "assets": returns.shape[1],
        "rows": len(returns),
        "a": found.parameters["dcc.a"],
        "b": found.parameters["dcc.b"],
        "standard_error_a": found.standard_errors["robust"]["dcc.a"],
        "standard_error_b": found.standard_errors["robust"]["dcc.b"],
        "true_a": A,
        "true_b": B,
        "health": found.health.code,
    }


def least_fit_ns(returns: Array, estimator: str) -> float:
    """Least of ROUNDS fits, after one that is not counted."""
    fit_dcc(returns, estimator=estimator)
    return min(seconds(lambda: fit_dcc(returns, estimator=estimator)) for _ in range(ROUNDS)) * 1e9


def online_step_ns(fit: DependenceFit, returns: Array) -> float:
    """Least mean of ROUNDS over STEPS bars, called from Python."""
    online = OnlineDependence(fit, returns[-1])
    rows = returns[:STEPS]

    def run() -> None:
        for row in rows:
            online.step(row)

    return min(seconds(run) for _ in range(ROUNDS)) / len(rows) * 1e9


def reference_fit(returns: Array) -> dict[str, float]:
    """arch for each margin, then scipy over the numpy likelihood; what it found and how long it took."""
    from arch import arch_model

    began = time.perf_counter()
    fits = [arch_model(100 * column, mean="Constant").fit(disp="off") for column in returns.T]
    standardised = np.column_stack([each.std_resid for each in fits])
    target = standardised.T @ standardised / len(standardised)
    none = np.zeros_like(target)

    def loglik(a: float, b: float) -> float:
        return float(reference.dcc_logliks(standardised, target, none, a, b).sum())

    found = fit_dynamics(loglik, len(standardised), None)
    return {"seconds": time.perf_counter() - began, "a": float(found.parameters[0]), "b": float(found.parameters[1])}


def dcc_fit(peers: bool = True) -> dict[str, Any]:
    """The row `dcc_fit`: 20 assets by 2,500 rows, two-step."""
    returns = simulated(ROWS, ASSETS)
    row = row_of("dcc_fit", returns, "two-step", ROUNDS)
    row["online_step_ns"] = online_step_ns(fit_dcc(returns), returns)
    small = simulated(1_000, 3)
    for estimator in ("two-step", "joint"):
        row[f"small_{estimator}_ns"] = least_fit_ns(small, estimator)
    if peers:
        row["reference"] = reference_fit(returns)
        row["ratio_to_reference"] = row["reference"]["seconds"] * 1e9 / row["p50_ns"]
    return row


def dcc_fit_100() -> dict[str, Any]:
    """The row `dcc_fit_100`: 100 assets by 2,500 rows, composite likelihood over all pairs."""
    return row_of("dcc_fit_100", simulated(ROWS, MANY), "composite", 3)


if __name__ == "__main__":
    print(json.dumps([dcc_fit(), dcc_fit_100()], indent=2))
