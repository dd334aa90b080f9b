"""Fits of many volatility models on CPU and GPU, one bar of all of them, and where the GPU begins to win.

`garch` and `gjr-t` are `fit_batch` from returns in host memory to parameters, three kinds of standard errors and
variances there: the CPU with as many threads as there are cores, the GPU with the way of the data there and back.
`step` is one bar of all series, returns in and variances out: on the CPU a compiled loop over `gjr_step` in one thread,
on the GPU the launch of a graph. The two are interleaved, the least of `ROUNDS` is taken, and the answers are compared.
"""

from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numba import njit

from benchmarks.bench_volatility import simulated
from benchmarks.gpu_timing import in_turns, smallest_won
from kernels.volatility.gpu import LiveVariances
from kernels.volatility.steps import gjr_step
from models.volatility import Spec, fit_batch

What = Literal["garch", "gjr-t", "step"]
SPECS: dict[What, Spec] = {"garch": Spec(), "gjr-t": Spec(process="gjr", errors="t")}
SERIES = (64, 128, 256, 512, 1024, 2048, 4096, 8192)
RETURNS, BARS = 2_500, 200
SAME_LOGLIK = 1e-6

Floats = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class Row:
    """One size. `same`: log-likelihoods to 1e-6 and convergence of the fits, variances of the step to the bit."""

    what: What
    series: int
    returns: int
    cpu_s: float
    gpu_s: float
    same: bool

    @property
    def ratio(self) -> float:
        return self.cpu_s / self.gpu_s


def timed_fit(what: What, series: int, returns: int = RETURNS) -> Row:
    """All series fitted by both."""
    sample, spec = simulated(series, returns, what == "gjr-t"), SPECS[what]
    found: dict[str, Any] = {}

    def on_cpu() -> None:
        found["cpu"] = fit_batch(sample, spec)

    def on_gpu() -> None:
        found["gpu"] = fit_batch(sample, spec, device="require")

    on_cpu()
    on_gpu()
    times = in_turns(on_cpu, on_gpu)
    cpu, of_gpu = found["cpu"], found["gpu"]
    close = np.abs(cpu.logliks - of_gpu.logliks) <= SAME_LOGLIK
    same = bool(np.all(close & (cpu.converged == of_gpu.converged)))
    return Row(what, series, returns, *times, same)


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def step_all(parameters: Floats, returns: Floats, variances: Floats) -> None:
    """One bar of every series; parameters (5, series) as `LiveVariances` takes them."""
    for i in range(returns.size):
        mu, omega, alpha, gamma, beta = parameters[:, i]
        variances[i] = gjr_step(returns[i] - mu, variances[i], omega, alpha, gamma, beta)


def timed_step(series: int) -> Row:
    """One bar of BARS, on average."""
    random = np.random.default_rng(1)
    parameters = np.stack([random.uniform(0.0, top, series) for top in (0.1, 0.1, 0.1, 0.1, 0.8)])
    bars, variances = random.standard_normal((BARS, series)), np.ones(series)
    live, last = LiveVariances(parameters, variances, mode="require"), np.empty(series)

    def on_cpu() -> None:
        for bar in bars:
            step_all(parameters, bar, variances)

    def on_gpu() -> None:
        for bar in bars:
            last[:] = live.step(bar)

    on_cpu()
    on_gpu()
    cpu_s, gpu_s = in_turns(on_cpu, on_gpu)
    return Row("step", series, 1, cpu_s / BARS, gpu_s / BARS, np.array_equal(variances, last))


def rows() -> list[Row]:
    """All sizes."""
    fits = [timed_fit(what, series) for what in SPECS for series in SERIES]
    return [*fits, *(timed_step(series) for series in SERIES)]


def crossover(done: list[Row], what: What) -> int | None:
    """The fewest series at which the GPU is faster, and stays so with all larger numbers; None: with none timed."""
    return smallest_won((row.series, row.ratio) for row in done if row.what == what)


def table(done: list[Row]) -> str:
    """For a person, with the crossover of each kind."""
    lines = [f"{'what':>6} {'series':>6} {'returns':>7} {'CPU s':>10} {'GPU s':>10} {'CPU/GPU':>8}  answers"]
    lines += [
        f"{row.what:>6} {row.series:>6,} {row.returns:>7,} {row.cpu_s:>10.6f} {row.gpu_s:>10.6f} {row.ratio:>8.2f}  "
        + ("same" if row.same else "DIFFERENT")
        for row in done
    ]
    for what in get_args(What):
        fewest = crossover(done, what)
        lines.append(f"{what}: " + (f"the GPU wins from {fewest:,} series" if fewest else "the CPU wins"))
    return "\n".join(lines)
