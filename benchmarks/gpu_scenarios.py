"""Losses of scenarios and the returns of their tail on CPU and GPU, and where the GPU begins to win.

A multivariate Student-t(5) over five steps of constant variance, so that every path draws and correlates all its
assets; the losses of all paths, then the returns of one path in a hundred, as a VaR with contributions needs them. The
CPU uses as many threads as there are cores. The GPU has draws and process in its memory; its time goes from the call to
losses and returns in host memory. The two are interleaved, the least of up to `ROUNDS` is taken (one where the CPU
takes long), and what they give is compared bit for bit.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.gpu_timing import in_turns, smallest_won
from models.market_risk.simulation import ResidentScenarios, Scenarios, constant_process, copula_draws

PATHS = (10_000, 100_000, 1_000_000)
ASSETS = (10, 50, 200, 500)
STEPS, DOF, SEED = 5, 5.0, 1
TAIL = 100  # one path in so many is made a second time
LONGEST_CPU_S = 60.0  # larger sizes are not timed once one took this long

Floats = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class Row:
    """One size. `same`: whether losses and returns of both are the same to the bit."""

    paths: int
    assets: int
    cpu_s: float
    gpu_s: float
    same: bool

    @property
    def ratio(self) -> float:
        return self.cpu_s / self.gpu_s


def market(assets: int) -> tuple[Scenarios, Floats]:
    """Scenarios with one common factor, and exposures (assets,)."""
    random = np.random.default_rng(SEED)
    loadings = random.uniform(0.3, 0.8, assets)
    correlation = np.outer(loadings, loadings)
    np.fill_diagonal(correlation, 1.0)
    variance = random.uniform(0.008, 0.03, assets) ** 2
    made = Scenarios(copula_draws(correlation, DOF), constant_process(variance), STEPS, SEED)
    return made, random.dirichlet(np.ones(assets))


def timed(paths: int, assets: int) -> Row:
    """Both, interleaved, after one call of each on few paths that compiles what there is to compile."""
    scenarios, exposures = market(assets)
    resident = ResidentScenarios.of(scenarios)
    tail = np.arange(0, paths, TAIL)
    found: dict[str, tuple[Floats, Floats]] = {}

    def on_cpu() -> None:
        found["cpu"] = scenarios.losses(exposures, paths), scenarios.returns(tail)

    def on_gpu() -> None:
        found["gpu"] = resident.losses(exposures, paths), resident.returns(tail)

    for made in (scenarios, resident):
        made.losses(exposures, 10)
        made.returns(tail[:1])
    times = in_turns(on_cpu, on_gpu)
    same = all(np.array_equal(one, other) for one, other in zip(*found.values(), strict=True))
    return Row(paths, assets, *times, same)


def rows() -> list[Row]:
    """All sizes that the CPU does in the time allowed."""
    done: list[Row] = []
    for assets in ASSETS:
        for paths in PATHS:
            if any(each.cpu_s > LONGEST_CPU_S for each in done):
                return done
            done.append(timed(paths, assets))
    return done


def crossover(done: list[Row], assets: int) -> int | None:
    """The smallest number of paths at which the GPU is faster, and stays so at all larger ones; None: at none timed."""
    return smallest_won((row.paths, row.ratio) for row in done if row.assets == assets)


def table(done: list[Row]) -> str:
    """For a person, with the crossover of each number of assets."""
    lines = [f"{'assets':>6} {'paths':>9} {'CPU s':>9} {'GPU s':>9} {'CPU/GPU':>8}  bits"]
    lines += [
        f"{row.assets:>6} {row.paths:>9,} {row.cpu_s:>9.4f} {row.gpu_s:>9.4f} {row.ratio:>8.2f}  "
        + ("same" if row.same else "DIFFERENT")
        for row in done
    ]
    for assets in dict.fromkeys(row.assets for row in done):
        least = crossover(done, assets)
        lines.append(f"{assets} assets: " + (f"the GPU wins from {least:,} paths" if least else "the CPU wins"))
    return "\n".join(lines)
