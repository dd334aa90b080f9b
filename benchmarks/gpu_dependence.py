"""The search for the dynamics of correlation on CPU and GPU, and where the GPU begins to win.

From standardised residuals in host memory to a and b: grid of starts, search, and for the GPU the way of the data there
and the capture of its graphs. `all` is the likelihood of all series at once (two-step estimator), `pairs` that of all
pairs (composite). The CPU's search runs in one thread, as a fit does. The two are interleaved, the least of up to
`ROUNDS` is taken (one where the CPU takes long), and the tops they find are compared.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.gpu_timing import in_turns, smallest_won
from kernels.dependence.gpu import DynamicsLikelihood, Kind
from models.dependence.composite import CompositeLikelihood
from models.dependence.likelihood import CorrelationLikelihood, negative_moments, second_moments
from models.dependence.two_step import DynamicsEstimate, fit_dynamics

ROWS = 2_500
ASSETS: dict[Kind, tuple[int, ...]] = {"all": (5, 10, 20, 50, 100), "pairs": (5, 20, 50, 100, 200, 500)}
SEED = 1
LONGEST_CPU_S = 90.0  # larger sizes are not timed once one took this long
SAME_TOP = 1e-8  # of the log-likelihood

Floats = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class Row:
    """One size. `same`: whether the tops that both find are equally high, to 1e-8 of the log-likelihood."""

    likelihood: Kind
    assets: int
    rows: int
    cpu_s: float
    gpu_s: float
    same: bool

    @property
    def ratio(self) -> float:
        return self.cpu_s / self.gpu_s


def residuals(assets: int, rows: int) -> Floats:
    """Standardised residuals (rows, assets) with one common factor whose weight drifts."""
    random = np.random.default_rng(SEED)
    state, drift = 0.0, np.empty(rows)
    for t, shock in enumerate(random.standard_normal(rows)):
        state = 0.97 * state + 0.2 * shock
        drift[t] = state
    own = random.uniform(-0.5, 0.5, assets)
    loading = 0.8 / (1.0 + np.exp(-(drift[:, None] + own)))
    factor, noise = random.standard_normal((rows, 1)), random.standard_normal((rows, assets))
    return np.ascontiguousarray(loading * factor + np.sqrt(1.0 - loading**2) * noise)


def timed(likelihood: Kind, assets: int, rows: int = ROWS) -> Row:
    """Both, interleaved, after the GPU's kernels were compiled."""
    standardised = residuals(assets, rows)
    arrays = standardised, second_moments(standardised), negative_moments(standardised)
    sample = CorrelationLikelihood(*arrays) if likelihood == "all" else CompositeLikelihood(*arrays)
    found: dict[str, DynamicsEstimate] = {}

    def on_cpu() -> None:
        found["cpu"] = fit_dynamics(sample.loglik, rows, None)

    def on_gpu() -> None:
        held = DynamicsLikelihood(*arrays, kind=likelihood, mode="require")
        slopes = (lambda point: held.scores(point[None])[1][0, :2]) if likelihood == "pairs" else None
        found["gpu"] = fit_dynamics(sample.loglik, rows, None, many=held.logliks, slopes=slopes)

    sample.loglik(0.03, 0.9)
    DynamicsLikelihood(*arrays, kind=likelihood, mode="require").logliks(np.array([[0.03, 0.9]]))
    times = in_turns(on_cpu, on_gpu)
    tops = found["cpu"].loglik, found["gpu"].loglik
    same = abs(tops[0] - tops[1]) <= SAME_TOP * abs(tops[0])
    return Row(likelihood, assets, rows, *times, same)


def rows() -> list[Row]:
    """All sizes that the CPU does in the time allowed."""
    done: list[Row] = []
    for likelihood, sizes in ASSETS.items():
        for assets in sizes:
            if any(each.cpu_s > LONGEST_CPU_S for each in done if each.likelihood == likelihood):
                break
            done.append(timed(likelihood, assets))
    return done


def crossover(done: list[Row], likelihood: Kind) -> int | None:
    """The fewest assets at which the GPU is faster, and stays so with all larger numbers; None: with none timed."""
    return smallest_won((row.assets, row.ratio) for row in done if row.likelihood == likelihood)


def table(done: list[Row]) -> str:
    """For a person, with the crossover of each likelihood."""
    lines = [f"{'likelihood':>10} {'assets':>6} {'rows':>6} {'CPU s':>9} {'GPU s':>9} {'CPU/GPU':>8}  top"]
    lines += [
        f"{row.likelihood:>10} {row.assets:>6} {row.rows:>6,} {row.cpu_s:>9.4f} {row.gpu_s:>9.4f} {row.ratio:>8.2f}  "
        + ("same" if row.same else "DIFFERENT")
        for row in done
    ]
    for likelihood in dict.fromkeys(row.likelihood for row in done):
        least = crossover(done, likelihood)
        lines.append(
            f"likelihood of {likelihood}: " + (f"the GPU wins from {least} assets" if least else "the CPU wins")
        )
    return "\n".join(lines)
