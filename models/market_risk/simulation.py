"""Scenario sets: a recipe of arrays and a seed from which any path can be made, alone or among a million.

VaR needs every path's loss but the returns of the tail only. As path k is a function of (seed, k), the losses are made
first and the tail's paths are made a second time: no matrix of scenarios is ever stored.
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import special

from kernels.device import Mode
from kernels.scenarios import cpu, gpu, tables
from kernels.scenarios.cpu import Draws, Process
from models.device import on_gpu
from models.faults import Fault
from models.market_risk.order_statistics import Floats, empirical_cvar, empirical_var, tail_of
from models.market_risk.scenario_risk import Measure, contributions_of, each, portfolio_losses, short_tail

NOTHING = np.zeros((0, 0))
NO_TABLE = np.zeros((0, 0, 0))
NO_TABLE.setflags(write=False)  # all tables are alike to the compiler: one machine code for every recipe
LARGEST_STEPS = 1 << 24
PIECES = 6  # of work a thread
LEAST_BLOCKS = 8  # a thread is worth starting for
INCREMENTAL_PATHS = 100_000  # most paths whose returns are kept at once


@dataclass(frozen=True)
class Jumps:
    """Merton jumps a step: intensity (expected number), mean and standard deviation of one jump, each (assets,)."""

    intensity: Floats
    mean: Floats
    standard_deviation: Floats


@dataclass(frozen=True)
class Scenarios:
    """`draws` and `process` of `kernels/scenarios/cpu.py`, over `steps` steps, all drawn under `seed`."""

    draws: Draws
    process: Process
    steps: int
    seed: int

    def __post_init__(self) -> None:
        if not 1 <= self.steps < LARGEST_STEPS:
            raise Fault(f"horizon is {self.steps}: 1 to {LARGEST_STEPS - 1:,} steps")
        if not 0 <= self.seed < 1 << 64:
            raise Fault(f"seed is {self.seed}: 0 to 2^64 - 1")

    @property
    def assets(self) -> int:
        return len(self.process.mean)

    @property
    def linear(self) -> bool:
        """Whether a portfolio's loss is an affine function of one step's normals and mixing factor."""
        free = self.process.floor == -np.inf and len(self.process.jump_odds) == 0
        return free and self.steps == 1 and self.draws.kind == cpu.SCORES

    def losses(self, exposures: Floats, paths: int, *, first: int = 0, threads: int | None = None) -> Floats:
        """Losses of paths first ... first + paths - 1, (paths,); the same whatever the number of threads."""
        held = self.checked(exposures)
        losses, seed = np.empty(paths), np.uint64(self.seed)
        direction, expected = self.line(held) if self.linear else (np.empty(0), 0.0)

        def part(start: int, stop: int) -> None:
            words, work, gains = self.memory()
            mine = losses[start:stop]
            if self.linear:
                cpu.linear_losses(self.draws, direction, expected, first + start, seed, mine, words, work)
            else:
                cpu.path_losses(
                    self.draws, self.process, self.steps, held, first + start, seed, mine, words, work, gains
                )

        shared_out(part, paths, threads)
        return losses

    def returns(self, paths: NDArray[np.int64], *, threads: int | None = None) -> Floats:
        """Simple returns over the horizon of the paths of these numbers: (len(paths), assets)."""
        numbers = np.ascontiguousarray(paths, dtype=np.int64)
        found = np.empty((len(numbers), self.assets))

        def part(start: int, stop: int) -> None:
            cpu.path_returns(
                self.draws, self.process, self.steps, numbers[start:stop], np.uint64(self.seed), found[start:stop],
                *self.memory(),
            )  # fmt: skip

        shared_out(part, len(numbers), threads)
        return found

    def checked(self, exposures: Floats) -> Floats:
        """The exposures, (assets,) float64; Fault for another number of them."""
        held = np.ascontiguousarray(exposures, dtype=np.float64)
        if held.shape != (self.assets,):
            raise Fault(f"exposures {held.shape}: one for each of {self.assets} assets is needed")
        return held

    def line(self, exposures: Floats) -> tuple[Floats, float]:
        """Direction and expected gain of `linear` losses; in numpy's order, not BLAS's, which may depend on threads."""
        scales = exposures * np.sqrt(self.process.variance)
        return np.sum(self.draws.lower * scales[:, None], axis=0), float(np.sum(exposures * self.process.mean))

    def memory(self) -> tuple[NDArray[np.uint64], Floats, Floats]:
        """Words, work and gains of one thread."""
        shapes = (2 * self.assets + 4, cpu.BLOCK), (self.assets, cpu.BLOCK)
        return np.empty((3, cpu.BLOCK), np.uint64), np.empty(shapes[0]), np.empty(shapes[1])


@dataclass(frozen=True)
class ResidentScenarios:
    """`Scenarios` whose draws and process lie in the GPU's memory: the same losses and returns to the bit."""

    scenarios: Scenarios
    draws: Draws
    process: Process

    @classmethod
    def of(cls, scenarios: Scenarios) -> "ResidentScenarios":
        """Raises GpuMissing."""
        return cls(scenarios, *gpu.resident(scenarios.draws, scenarios.process, mode="require"))

    def losses(self, exposures: Floats, paths: int, *, threads: int | None = None) -> Floats:
        """As `Scenarios.losses`; `threads` are of the CPU and mean nothing here."""
        made, losses = self.scenarios, np.empty(paths)
        held = made.checked(exposures)
        if made.linear:
            gpu.linear_losses(self.draws, *made.line(held), 0, made.seed, losses, mode="require")
        else:
            gpu.path_losses(self.draws, self.process, made.steps, held, 0, made.seed, losses, mode="require")
        return losses

    def returns(self, paths: NDArray[np.int64], *, threads: int | None = None) -> Floats:
        """As `Scenarios.returns`."""
        numbers = np.ascontiguousarray(paths, dtype=np.int64)
        made = self.scenarios
        return gpu.path_returns(self.draws, self.process, made.steps, numbers, made.seed, mode="require")


def shared_out(part: Callable[[int, int], None], count: int, threads: int | None) -> None:
    """Calls `part(start, stop)` for pieces that cover `count`, each whole blocks, in as many threads.

    More pieces than threads, so that a thread that loses its core holds up only its own piece.
    """
    workers = len(os.sched_getaffinity(0)) if threads is None else threads
    blocks = -(-count // cpu.BLOCK)
    workers = max(1, min(workers, blocks // LEAST_BLOCKS))
    if workers == 1:
        part(0, count)
        return
    pieces = min(PIECES * workers, blocks // LEAST_BLOCKS)
    ends = [min(count, blocks * i // pieces * cpu.BLOCK) for i in range(pieces + 1)]
    with ThreadPoolExecutor(workers) as pool:
        for done in [pool.submit(part, *ends[i : i + 2]) for i in range(pieces)]:
            done.result()


def measure_simulated(
    scenarios: Scenarios,
    exposures: Floats,
    *,
    level: float,
    paths: int,
    method: str,
    incremental: bool = True,
    threads: int | None = None,
    device: Mode = "off",
) -> Measure:
    """VaR, CVaR, standard errors and contributions of exposures (assets,) on that many paths.

    `device` off, auto or require a GPU: the answer is the same to the bit, and a note DEVICE says where it was made.
    """
    held = np.ascontiguousarray(exposures, dtype=np.float64)

    def measured(made: Scenarios | ResidentScenarios) -> Measure:
        tail = tail_of(made.losses(held, paths, threads=threads), level)
        var, cvar = contributions_of(tail, made.returns(tail.places, threads=threads), held)
        errors = tail.standard_error_var(), tail.standard_error_cvar()
        notes = short_tail(tail, errors[1])
        found = Measure(method, level, scenarios.steps, paths, var.total, cvar.total, *errors, var, cvar, notes)
        return with_incremental(found, made, held, threads) if incremental else found

    on_device, notes = on_gpu(device, lambda: measured(ResidentScenarios.of(scenarios)))
    measure = measured(scenarios) if on_device is None else on_device
    return replace(measure, notes=(*notes, *measure.notes))


def with_incremental(
    measure: Measure, scenarios: Scenarios | ResidentScenarios, exposures: Floats, threads: int | None
) -> Measure:
    """Adds what each position adds: the difference on the same paths, at most `INCREMENTAL_PATHS` of them."""
    used = min(measure.observations, INCREMENTAL_PATHS)
    returns = scenarios.returns(np.arange(used), threads=threads)
    losses = portfolio_losses(returns, exposures)
    found = []
    for statistic in (empirical_var, empirical_cvar):
        without = [
            each(statistic, (losses + returns[:, i] * exposures[i])[:, None], measure.level)[0]
            for i in range(len(exposures))
        ]
        found.append(statistic(losses, measure.level) - np.array(without))
    notes = () if used == measure.observations else (f"INCREMENTAL_PATHS: on the first {used:,} paths",)
    return replace(
        measure,
        var_contributions=replace(measure.var_contributions, incremental=found[0]),
        cvar_contributions=replace(measure.cvar_contributions, incremental=found[1]),
        notes=(*measure.notes, *notes),
    )


# -- recipes ---------------------------------------------------------------------------------------------------------


def elliptical_scenarios(
    covariance: Floats, *, dof: float = np.inf, mean: Floats | None = None, seed: int = 1
) -> Scenarios:
    """One step of a multivariate Student-t, or normal, with this covariance (assets, assets) and mean (assets,)."""
    deviations = np.sqrt(np.diag(covariance))
    unit = 1.0 if np.isinf(dof) else np.sqrt((dof - 2.0) / dof)
    draws = copula_draws(covariance / np.outer(deviations, deviations), dof)
    draws = draws._replace(lower=unit * draws.lower)
    return Scenarios(draws, constant_process(deviations**2, mean), 1, seed)


def copula_draws(correlation: Floats, dof: float, margin_dofs: Floats | None = None) -> Draws:
    """Innovations under a t, or Gaussian, copula; margins Student-t of variance 1, or none: the scores themselves.

    Faults: dof of a margin at or below 2, a correlation matrix that is not positive definite.
    """
    if not dof > 0.0:
        raise Fault(f"degrees of freedom of the copula are {dof:g}: they must be positive")
    try:
        lower = np.ascontiguousarray(np.linalg.cholesky(correlation))
    except np.linalg.LinAlgError:
        raise Fault(
            "the correlation matrix is not positive definite: a series is a combination of others; "
            "leave one out or repair the matrix (models.dependence.nearest_correlation)"
        ) from None
    mixing = NO_TABLE if np.isinf(dof) else tables.mixing_table(float(dof))
    draws = Draws(cpu.SCORES, lower, tables.normal_table(), mixing, NO_TABLE, NOTHING)
    if margin_dofs is None:
        return draws
    margins = np.stack([tables.t_margin_table(float(dof), float(each)) for each in margin_dofs])
    margins.setflags(write=False)
    return draws._replace(kind=cpu.T_MARGINS, margins=margins)


def empirical_draws(correlation: Floats, dof: float, observed: Floats) -> Draws:
    """Innovations under a t, or Gaussian, copula with the margins of `observed` (n, assets)."""
    ordered = np.ascontiguousarray(np.sort(observed, axis=0).T)
    margins = tables.probability_table(float(dof))[None]
    draws = copula_draws(correlation, dof)
    return draws._replace(kind=cpu.EMPIRICAL_MARGINS, margins=margins, observed=ordered)


def resampled_draws(observed: Floats) -> Draws:
    """Innovations that are whole rows of `observed` (n, assets): what happened together stays together."""
    by_asset = np.ascontiguousarray(observed.T)
    return Draws(cpu.RESAMPLED, NOTHING, tables.normal_table(), NO_TABLE, NO_TABLE, by_asset)


def constant_process(variance: Floats, mean: Floats | None = None) -> Process:
    """Returns mean + sqrt(variance) z at every step, not floored."""
    nothing = np.zeros(len(variance))
    center = nothing if mean is None else np.ascontiguousarray(mean, dtype=np.float64)
    held = np.ascontiguousarray(variance, dtype=np.float64)
    return Process(center, held, nothing, nothing, nothing, nothing + 1.0, NOTHING, nothing, nothing, -np.inf)


def with_jumps(process: Process, jumps: Jumps) -> Process:
    """The process with Merton jumps beside its own shocks, its mean lowered by what they add on average."""
    counts = np.arange(max(2, int(np.ceil(jumps.intensity.max() + 12.0 * np.sqrt(jumps.intensity.max()) + 8.0))))
    odds = special.pdtr(counts[None, :], jumps.intensity[:, None])
    return process._replace(
        mean=process.mean - jumps.intensity * jumps.mean,
        jump_odds=np.ascontiguousarray(odds),
        jump_mean=np.ascontiguousarray(jumps.mean, dtype=np.float64),
        jump_sd=np.ascontiguousarray(jumps.standard_deviation, dtype=np.float64),
    )
