"""Machine code of the kernels behind every verb, made before it is asked for: `python -m models.warm_up`.

Each family runs once on a small sample in a process of its own, as many at a time as there are cores, those that take
longest first. numba keeps the result in `kernels.cache_folder()`; a second run finds it there and is quick.
"""

import multiprocessing
import os
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

ROWS = 400

Array = NDArray[np.float64]


def sample(columns: int) -> Array:
    """Returns (ROWS, columns) with changing volatility, the same at every call."""
    random = np.random.Generator(np.random.PCG64(1))
    shocks = random.standard_normal((ROWS, columns)) + 0.5 * random.standard_normal((ROWS, 1))
    wave = np.exp(0.6 * np.sin(np.arange(ROWS) / 25.0))[:, None]
    return np.asarray(0.01 * wave * shocks)


def volatility() -> None:
    from kernels.volatility.filters import ewma_filter
    from models.volatility import Spec, filter_batch, fit_batch, step

    spec = Spec()
    found = fit_batch(sample(2).T, spec, threads=1)
    filter_batch(sample(2).T, spec, found.parameters)
    filter_batch(sample(2).T, spec, found.parameters, first_variances=found.next_variance)
    ewma_filter(found.residuals[0], 0.94, found.variances[0])
    named = {"omega": 0.1, "alpha": 0.1, "gamma": 0.0, "beta": 0.8, "delta": 2.0}
    for process in ("garch", "gjr", "egarch", "aparch"):
        step(1.0, Spec(process=process), named, 0.5)  # type: ignore[arg-type]


def dependence() -> None:
    from models.dependence import ewma_covariance, fit_ccc, fit_dcc

    returns = sample(3)
    fit_ccc(returns)
    fit_dcc(returns, asymmetric=True)
    fit_dcc(returns, estimator="composite")
    ewma_covariance(returns)


def copulas() -> None:
    from models.dependence import fit_copula

    fit_copula(sample(2), "t")


def scenarios() -> None:
    from models.market_risk import elliptical_scenarios, measure_simulated

    held = np.array([0.5, 0.5])
    one_step = elliptical_scenarios(np.cov(sample(2).T), dof=5.0)  # its losses are an affine function
    for recipe in (one_step, replace(one_step, steps=2)):
        measure_simulated(recipe, held, level=0.99, paths=2_000, method="monte-carlo")


def regimes() -> None:
    from models.regimes import BayesianSettings, CusumSettings, RegimeSettings, bayesian_alarms, cusum_alarms, publish

    values = sample(1)[:, 0]
    publish(values, RegimeSettings(errors=True))
    cusum_alarms(values / values.std(), CusumSettings())
    bayesian_alarms(values / values.std(), BayesianSettings())


def jumps() -> None:
    from models.jumps import fit_jump_garch, fit_merton, lee_mykland

    values = sample(1)[:, 0]
    fit_merton(values)
    fit_jump_garch(values)
    lee_mykland(sample(10))


FAMILIES = (volatility, dependence, copulas, scenarios, regimes, jumps)


def warm_up() -> float:
    """All families; gives the seconds it took. What one raises is raised."""
    began = time.perf_counter()
    workers = min(len(os.sched_getaffinity(0)), len(FAMILIES))
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
        for done in [pool.submit(family) for family in FAMILIES]:
            done.result()
    return time.perf_counter() - began


if __name__ == "__main__":
    print(f"set-up: kernels {warm_up():.0f} s")
