"""VaR that knows today's volatility: GJR-GARCH-t for every asset, then filtered history or Monte Carlo on it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from kernels.device import Mode
from kernels.scenarios.cpu import Process
from models.dependence import fit_copula
from models.faults import DataFault, Fault
from models.jumps import fit_merton
from models.market_risk.order_statistics import Floats
from models.market_risk.scenario_risk import Measure, checked, measure_scenarios
from models.market_risk.simulation import (
    NOTHING,
    Jumps,
    Scenarios,
    copula_draws,
    empirical_draws,
    measure_simulated,
    resampled_draws,
    with_jumps,
)
from models.volatility import CODES, Spec, VolatilityBatch, fit_batch
from models.volatility.health import EWMA_DECAY, OK

GJR_T = Spec(process="gjr", errors="t", mean="constant", start_variance="backcast")
PATHS = 100_000
LEAST_ROWS = 100
NAMED = 20  # series in one note
LARGEST_SHARE = 0.9  # of a variance that jumps may have
LEAST_MARGIN_DOF = 2.05  # below, a variance of 1 says little of the body of the distribution


@dataclass(frozen=True)
class Conditional:
    """Fitted volatilities: `process` begins the day after the data; standardised (n, assets); dofs (assets,)."""

    process: Process
    standardised: Floats
    dofs: Floats
    notes: tuple[str, ...]


def fit_conditional(returns: Any, names: Sequence[str] = (), *, threads: int | None = None) -> Conditional:
    """GJR-GARCH(1,1) with Student-t errors on every column of simple returns (n, assets).

    Where a fit may not be used its place is taken by exponential weights of 0.94, and a note says for which series.
    """
    matrix = np.atleast_2d(np.asarray(returns, dtype=np.float64).T).T
    if len(matrix) < LEAST_ROWS:
        raise DataFault(f"{len(matrix)} returns: at least {LEAST_ROWS} are needed to fit volatilities")
    labels = tuple(names) or tuple(f"series {i + 1}" for i in range(matrix.shape[1]))
    batch = fit_batch(matrix.T, GJR_T, names=labels, standard_errors=False, threads=threads)
    part = {name: np.ascontiguousarray(batch.parameters[:, i]) for i, name in enumerate(batch.names)}
    weak = np.asarray(batch.codes != OK)
    part["omega"][weak], part["alpha"][weak] = 0.0, 1.0 - EWMA_DECAY
    part["gamma"][weak], part["beta"][weak] = 0.0, EWMA_DECAY
    nothing = np.zeros(len(labels))
    process = Process(
        mean=part["mu"],
        variance=np.ascontiguousarray(batch.next_variance),
        omega=part["omega"],
        alpha=part["alpha"],
        gamma=part["gamma"],
        beta=part["beta"],
        jump_odds=NOTHING,
        jump_mean=nothing,
        jump_sd=nothing,
        floor=-1.0,
    )
    dofs = np.maximum(part["nu"], LEAST_MARGIN_DOF)
    return Conditional(process, np.ascontiguousarray(batch.standardised.T), dofs, fallback_notes(batch, labels))


def fallback_notes(batch: VolatilityBatch, names: Sequence[str]) -> tuple[str, ...]:
    """One note a reason: which series were given exponential weights."""
    found = []
    for code in sorted(set(batch.codes.tolist()) - {OK}):
        which = [name for name, own in zip(names, batch.codes, strict=True) if own == code]
        listed = ", ".join(which[:NAMED]) + (f" and {len(which) - NAMED:,} more" if which[NAMED:] else "")
        found.append(f"EWMA_FALLBACK: {CODES[code]} for {listed}; variance by exponential weights")
    return tuple(found)


def filtered_var(
    returns: Any,
    exposures: Any,
    *,
    level: float = 0.99,
    horizon: int = 1,
    paths: int = PATHS,
    seed: int = 1,
    names: Sequence[str] = (),
    threads: int | None = None,
    device: Mode = "off",
) -> Measure:
    """Filtered historical simulation of exposures (assets,) on simple returns (n, assets).

    Barone-Adesi, Giannopoulos and Vosper (1999): the standardised residuals of one past day, all assets together, times
    today's volatilities. One step takes every past day once (n scenarios); more steps draw `paths` sequences of days,
    each asset's variance updated along the path. Standard errors are of the scenarios, not of the fits. `device`: as in
    `measure_simulated`, for the sequences.
    """
    matrix, held = checked(returns, exposures)
    fitted = fit_conditional(matrix, names, threads=threads)
    if horizon == 1:
        scenarios = fitted.process.mean + np.sqrt(fitted.process.variance) * fitted.standardised
        measure = measure_scenarios(np.maximum(scenarios, -1.0), held, level=level, method="filtered")
        idle = () if device == "off" else ("DEVICE: the CPU (past days each taken once are no simulation)",)
        return measure.noted(*idle, *fitted.notes)
    recipe = Scenarios(resampled_draws(fitted.standardised), fitted.process, horizon, seed)
    return measure_simulated(
        recipe, held, level=level, paths=paths, method="filtered", threads=threads, device=device
    ).noted(*fitted.notes)


def monte_carlo_var(
    returns: Any,
    exposures: Any,
    *,
    level: float = 0.99,
    horizon: int = 1,
    paths: int = PATHS,
    seed: int = 1,
    copula: Literal["t", "gaussian"] = "t",
    margins: Literal["t", "empirical"] = "t",
    jumps: Jumps | None = None,
    names: Sequence[str] = (),
    threads: int | None = None,
    device: Mode = "off",
) -> Measure:
    """Monte Carlo of exposures (assets,): a copula of the residuals, their margins, GJR variance, jumps if given.

    margins: the fitted Student-t of each series, or its residuals as they were. `jumps` take their share of a series'
    variance from its process and its heavy tail with them: what is left has normal margins. `device`: as in
    `measure_simulated`.
    """
    matrix, held = checked(returns, exposures)
    recipe, notes = conditional_scenarios(
        matrix, horizon=horizon, seed=seed, copula=copula, margins=margins, jumps=jumps, names=names, threads=threads
    )
    measure = measure_simulated(
        recipe, held, level=level, paths=paths, method="monte-carlo", threads=threads, device=device
    )
    return measure.noted(*notes)


def conditional_scenarios(
    returns: Floats,
    *,
    horizon: int,
    seed: int,
    copula: Literal["t", "gaussian"] = "t",
    margins: Literal["t", "empirical"] = "t",
    jumps: Jumps | None = None,
    names: Sequence[str] = (),
    threads: int | None = None,
) -> tuple[Scenarios, tuple[str, ...]]:
    """The recipe behind `monte_carlo_var`, and its notes."""
    if margins not in ("t", "empirical"):
        raise Fault(f"margins {margins!r} must be t or empirical")
    fitted = fit_conditional(returns, names, threads=threads)
    notes, process, held_dofs = list(fitted.notes), fitted.process, fitted.dofs
    if returns.shape[1] == 1:
        correlation, dof = np.ones((1, 1)), np.inf
    else:
        found = fit_copula(fitted.standardised, copula, names=tuple(names) or None)
        correlation, dof = found.correlation, found.nu
        notes += [*found.notes, f"COPULA: {copula}, {dof:.3g} degrees of freedom"]
    if jumps is not None:
        process = with_jumps(without_share(process, jumps, returns.var(axis=0)), jumps)
        draws = copula_draws(correlation, dof, np.full(len(held_dofs), np.inf))
    elif margins == "t":
        draws = copula_draws(correlation, dof, held_dofs)
    else:
        draws = empirical_draws(correlation, dof, fitted.standardised)
    return Scenarios(draws, process, horizon, seed), tuple(notes)


def fit_jumps(returns: Any, names: Sequence[str] = ()) -> tuple[Jumps, tuple[str, ...]]:
    """Merton jumps of every column of simple returns (n, assets), by maximum likelihood; none, noted, without a fit."""
    matrix = np.atleast_2d(np.asarray(returns, dtype=np.float64).T).T
    labels = tuple(names) or tuple(f"series {i + 1}" for i in range(matrix.shape[1]))
    parts, notes = np.zeros((3, len(labels))), []
    for i, name in enumerate(labels):
        found = fit_merton(matrix[:, i])
        if found.health.ok:
            parts[:, i] = [found.parameters[key] for key in ("intensity", "jump_mean", "jump_volatility")]
        else:
            notes.append(f"JUMPS_NONE: {name}: {found.health.code}")
    return Jumps(*parts), tuple(notes)


def without_share(process: Process, jumps: Jumps, variances: Floats) -> Process:
    """The process with the jumps' share of the variances (assets,) taken out, at most `LARGEST_SHARE` of it."""
    second = jumps.intensity * (jumps.mean**2 + jumps.standard_deviation**2)
    rest = 1.0 - np.minimum(second / variances, LARGEST_SHARE)
    return process._replace(variance=process.variance * rest, omega=process.omega * rest)
