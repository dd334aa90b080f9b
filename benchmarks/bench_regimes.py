"""Regimes: one online step of the filter, and a fit beside hmmlearn's to the same likelihood.

`regime_step` is one bar of a two-state filter. `regime_fit` is one EM to convergence from one start on 2,000 returns,
hmmlearn from the same start with the same tolerance, by turns; `full` is what `fit_hmm` does by default: five starts
and standard errors. The least of ROUNDS each.

    python -m benchmarks.bench_regimes
"""

import json
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit

from kernels.regimes import cpu
from models.regimes import fit_hmm
from models.regimes.hidden_markov import TOLERANCE, VARIANCE_FLOOR

STEPS, RETURNS, ROUNDS = 200_000, 2_000, 9
Array = np.ndarray[Any, np.dtype[np.float64]]


def returns_of_two_regimes(n: int, seed: int = 1) -> Array:
    """Two regimes of 50 bars on average, deviations 1 and 3."""
    random = np.random.default_rng(seed)
    state = np.cumsum(random.random(n) < 0.02) % 2
    return random.normal(size=n) * np.where(state == 0, 1.0, 3.0)


@njit(cache=True)
def steps(values: Array, transition: Array, means: Array, variances: Array, probabilities: Array) -> None:
    scratch = np.empty(means.size)
    for t in range(values.size):
        cpu.filter_step(values[t], transition, means, variances, probabilities, scratch)


def timing_s(run: Callable[[], object]) -> float:
    """One timing; the caller takes the least of several."""
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


def regime_step() -> dict[str, Any]:
    """The row `regime_step`: ns of one bar, two states, the median of ROUNDS means."""
    values = returns_of_two_regimes(STEPS)
    transition = np.array([[0.98, 0.02], [0.02, 0.98]])
    model = (transition, np.zeros(2), np.array([1.0, 9.0]), np.full(2, 0.5))
    steps(values[:10], *model)
    found = sorted(timing_s(lambda: steps(values, *model)) for _ in range(ROUNDS))
    return {"name": "regime_step", "count": STEPS, "p50_ns": found[ROUNDS // 2] / STEPS * 1e9}


def one_start(values: Array) -> float:
    """EM from one start to convergence; the log-likelihood."""
    start = (np.full(2, 0.5), np.array([[0.95, 0.05], [0.05, 0.95]]), np.zeros(2), np.array([0.3, 3.0]))
    loglik, _, _ = cpu.expectation_maximisation(
        values, *start, VARIANCE_FLOOR, False, 2_000, TOLERANCE, np.empty((values.size, 2)), np.empty(values.size)
    )
    return float(loglik)


def hmmlearn_start(values: Array) -> float:
    """The same with hmmlearn, its prior on variances off."""
    from hmmlearn.hmm import GaussianHMM

    model = GaussianHMM(
        2, "diag", covars_prior=0.0, covars_weight=1.0, n_iter=2_000, tol=TOLERANCE, init_params="", params="stmc"
    )
    model.startprob_, model.transmat_ = np.full(2, 0.5), np.array([[0.95, 0.05], [0.05, 0.95]])
    model.means_, model.covars_ = np.zeros((2, 1)), np.array([[0.3], [3.0]])
    model.fit(values[:, None])
    return float(model.score(values[:, None]))


def regime_fit(peers: bool = True) -> dict[str, Any]:
    """The row `regime_fit`: milliseconds, the peer's, their ratio (above 1: ours is faster), both log-likelihoods."""
    values = returns_of_two_regimes(RETURNS)
    values /= values.std()
    logliks = {"bot4": one_start(values)}
    fit_hmm(values)
    ours, full, theirs = [], [], []
    if peers:
        logliks["hmmlearn"] = hmmlearn_start(values)
    for _ in range(ROUNDS):
        ours.append(timing_s(lambda: one_start(values)))
        full.append(timing_s(lambda: fit_hmm(values)))
        if peers:
            theirs.append(timing_s(lambda: hmmlearn_start(values)))
    row: dict[str, Any] = {"name": "regime_fit", "ms": min(ours) * 1e3, "full_ms": min(full) * 1e3, "logliks": logliks}
    if peers:
        row |= {"peer": "hmmlearn", "peer_ms": min(theirs) * 1e3, "ratio_to_peer": min(theirs) / min(ours)}
    return row


if __name__ == "__main__":
    print(json.dumps([regime_step(), regime_fit()], indent=2))
