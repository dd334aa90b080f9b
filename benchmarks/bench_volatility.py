"""Volatility: one bar online, and hundreds of maximum likelihood fits beside a loop over `arch`.

`garch_step` is `kernels.volatility.steps.garch_step` in a compiled loop, each step waiting for the one before.
`garch_batch_fit` fits 500 simulated series of 2,500 returns with all three kinds of standard errors, one thread a core;
`one_thread` is the same on one. `arch` fits PEER_SERIES of the same series in the same run, by turns with ours, its
default (robust) standard errors included, one after the other as its users do; its time a series is carried over to all
500 (`peer_extrapolated_from`). `loglik_deficit` is the most that ours lies below arch's on these series, negative when
never. `garch_batch_fit_gjr_t` is the same for GJR with Student t errors; `warm_refit` starts from the fit without the
last 20 returns.

    python -m benchmarks.bench_volatility
"""

import json
import os
import statistics
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit

from kernels.volatility.steps import garch_step as step
from models.volatility import Spec, fit_batch

SERIES, RETURNS = 500, 2_500
PEER_SERIES, ROUNDS = 15, 5
STEPS = 1_000_000
BURN = 300
REFIT = 20
Array = np.ndarray[Any, np.dtype[np.float64]]


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def steps(residuals: Array, omega: float, alpha: float, beta: float) -> float:
    variance = 1.0
    for t in range(residuals.size):
        variance = step(residuals[t], variance, omega, alpha, beta)
    return variance


def timings_s(run: Callable[[], object], rounds: int) -> list[float]:
    """How long each round took."""
    found = []
    for _ in range(rounds):
        began = time.perf_counter()
        run()
        found.append(time.perf_counter() - began)
    return found


def least_s(run: Callable[[], object], rounds: int = 1) -> float:
    """The least of several timings."""
    return min(timings_s(run, rounds))


def garch_step() -> dict[str, Any]:
    """The row `garch_step`: one bar, the median and the least of the rounds' means."""
    residuals = np.random.default_rng(1).standard_normal(STEPS)
    steps(residuals[:10], 0.05, 0.05, 0.9)
    found = timings_s(lambda: steps(residuals, 0.05, 0.05, 0.9), 9)
    p50_ns, min_ns = (each / STEPS * 1e9 for each in (statistics.median(found), min(found)))
    return {"name": "garch_step", "count": STEPS, "p50_ns": p50_ns, "min_ns": min_ns}


def simulated(series: int, n: int, leverage: bool, seed: int = 1) -> Array:
    """Daily returns in percent (series, n) of GARCH or GJR processes as they are estimated on shares.

    Alpha 0.03 to 0.12, persistence 0.90 to 0.99, volatility 0.7 to 2.2; with leverage gamma 0.02 to 0.12 and Student t
    errors of 5 to 12 degrees.
    """
    random = np.random.default_rng(seed)
    alpha, persistence = random.uniform(0.03, 0.12, series), random.uniform(0.90, 0.99, series)
    gamma = random.uniform(0.02, 0.12, series) if leverage else np.zeros(series)
    beta = persistence - alpha - 0.5 * gamma
    level = random.uniform(0.5, 5.0, series)
    degrees = random.uniform(5.0, 12.0, series)
    variance, found = level.copy(), np.empty((n + BURN, series))
    for t in range(n + BURN):
        z = (
            random.standard_t(degrees) * np.sqrt((degrees - 2) / degrees)
            if leverage
            else random.standard_normal(series)
        )
        found[t] = np.sqrt(variance) * z
        variance = level * (1 - persistence) + (alpha + gamma * (z < 0)) * found[t] ** 2 + beta * variance
    return np.ascontiguousarray(found[BURN:].T) + 0.05


def arch_fit(returns: Array, spec: Spec) -> float:
    """One fit as a user of arch writes it, standard errors read; its log-likelihood."""
    from arch import arch_model

    words: dict[str, Any] = {"o": 1} if spec.process == "gjr" else {}
    model = arch_model(returns, mean="Constant", vol="GARCH", dist=spec.errors, rescale=False, **words)
    found = model.fit(disp="off", show_warning=False)
    found.std_err  # noqa: B018 - computed when read
    return float(found.loglikelihood)


def batch_row(name: str, spec: Spec, peers: bool) -> dict[str, Any]:
    """Ours on all series and the peer on a few of them, by turns; the least of the rounds of each."""
    returns = simulated(SERIES, RETURNS, spec.process == "gjr")
    batch = fit_batch(returns, spec)
    chosen = np.linspace(0, SERIES - 1, PEER_SERIES).astype(int)
    logliks = np.array([arch_fit(returns[i], spec) for i in chosen]) if peers else np.empty(0)
    ours, alone, theirs = [], [], np.full((ROUNDS, PEER_SERIES), np.inf)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for turn in range(ROUNDS):
            ours.append(least_s(lambda: fit_batch(returns, spec)))
            alone.append(least_s(lambda: fit_batch(returns, spec, threads=1)))
            for place, i in enumerate(chosen if peers else []):
                theirs[turn, place] = least_s(lambda i=i: arch_fit(returns[i], spec))  # type: ignore[misc]
    earlier = fit_batch(returns[:, :-REFIT], spec, standard_errors=False).parameters
    warm = least_s(lambda: fit_batch(returns, spec, warm=earlier, standard_errors=False), ROUNDS)
    row: dict[str, Any] = {
        "name": name, "count": SERIES, "returns": RETURNS,
        "p50_ns": statistics.median(ours) * 1e9, "ms": min(ours) * 1e3, "one_thread_ms": min(alone) * 1e3,
        "per_series_us": min(ours) / SERIES * 1e6, "warm_refit_ms": warm * 1e3, "threads": batch.threads,
        "cores": len(os.sched_getaffinity(0)), "evaluations": float(batch.evaluations.mean()),
        "converged": float(batch.converged.mean()),
    }  # fmt: skip
    if peers:
        whole = float(theirs.min(axis=0).mean()) * SERIES
        row |= {
            "peer": "arch, a loop", "peer_ms": whole * 1e3, "peer_extrapolated_from": PEER_SERIES,
            "ratio_to_peer": whole / min(ours), "one_thread_ratio": whole / min(alone),
            "loglik_deficit": float(np.max(logliks - batch.logliks[chosen])),
        }  # fmt: skip
    return row


def garch_batch_fit(peers: bool = True) -> dict[str, Any]:
    """The row `garch_batch_fit`: ms for all series, the peer's, their ratio (above 1: ours is faster)."""
    return batch_row("garch_batch_fit", Spec(), peers)


def garch_batch_fit_gjr_t(peers: bool = True) -> dict[str, Any]:
    """The row `garch_batch_fit_gjr_t`."""
    return batch_row("garch_batch_fit_gjr_t", Spec(process="gjr", errors="t"), peers)


if __name__ == "__main__":
    print(json.dumps([garch_step(), garch_batch_fit(), garch_batch_fit_gjr_t()], indent=2))
