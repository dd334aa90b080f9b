"""Maximum likelihood for hundreds of series at once, one thread per core over independent series."""

import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels.device import GpuMissing, Mode
from kernels.volatility import gpu
from kernels.volatility.cpu import filter_range, fit_range
from models.device import on_gpu
from models.faults import Fault
from models.volatility import health
from models.volatility.data import Sample, sample_of
from models.volatility.persistence import persistence
from models.volatility.scaling import mean_parameters, rescale, unscale
from models.volatility.spec import Spec

CHUNK = 8  # series a thread takes at a time
TOLERANCE = 1e-9  # of the log-likelihood still to be gained
POLISHED = 1e-10  # a tolerance below asks for a last Newton step too
ITERATIONS = 200
COVARIANCES = ("hessian", "opg", "robust")

Array = NDArray[np.float64]


@dataclass(frozen=True)
class VolatilityBatch:
    """Fits of many series under one spec; all in the data's units, rows in the order of the returns given.

    `codes` index `health.CODES`; where not OK, variances and next_variance are those of EWMA(0.94).
    """

    spec: Spec
    names: tuple[str, ...]  # of the columns of parameters
    parameters: Array  # (series, k)
    standard_errors: dict[str, Array]  # hessian, opg, robust: (series, k); NaN where the matrix is singular
    covariances: Array  # (series, 3, k, k) in the same order; empty without standard errors
    logliks: Array  # (series,)
    converged: NDArray[np.bool_]
    evaluations: NDArray[np.int64]
    persistence: Array
    codes: NDArray[np.int64]
    start_variances: Array  # before the first return
    variances: Array  # (series, n)
    residuals: Array  # (series, n), returns minus mean
    next_variance: Array  # (series,), one step ahead of the last return
    n: int
    dropped: int  # first returns lost to lags of the mean
    threads: int
    seconds: float
    notes: tuple[str, ...] = ()  # DEVICE, where a GPU was asked for

    @property
    def standardised(self) -> Array:
        """Residuals over their standard deviations, (series, n)."""
        return np.asarray(self.residuals / np.sqrt(self.variances))

    @property
    def healthy(self) -> NDArray[np.bool_]:
        return np.asarray(self.codes == health.OK)


def cores() -> int:
    return len(os.sched_getaffinity(0))


def fit_batch(
    returns: NDArray[Any],
    spec: Spec,
    *,
    warm: NDArray[Any] | None = None,
    regressors: NDArray[Any] | None = None,
    regressor_names: Sequence[str] = (),
    names: Sequence[str] = (),
    standard_errors: bool = True,
    threads: int | None = None,
    tolerance: float = TOLERANCE,
    device: Mode = "off",
) -> VolatilityBatch:
    """Fits each row of returns (series, n), log or simple, in any unit.

    warm: parameters (series, k) of an earlier fit, in the data's units, where the search begins; a NaN row starts
    afresh. regressors (n, m): columns shared by all series (mean "regressors"); with mean "var1" and no matrix they are
    the lags of all series. names: of the series, for messages. threads: None takes one per core. device: see
    `models.device.on_gpu`; the GPU has the models that `kernels.volatility.gpu.fits` names, and takes any number of
    series, few ones too.
    Raises DataFault for data that cannot be fitted, Fault for arguments and for a GPU that is required and missing.
    """
    began = time.perf_counter()
    sample = sample_of(returns, spec, regressors, names)
    m = mean_parameters(spec, sample.regressor_scales)
    labels = spec.names(tuple(regressor_names) or tuple(f"x{j}" for j in range(m)))
    results = Results.empty(sample, len(labels), standard_errors)
    warm_scaled = warm_of(warm, spec, sample, len(labels))
    codes = np.array(spec.codes(m))
    search = tolerance, ITERATIONS, standard_errors, tolerance < POLISHED

    def on_device() -> bool:
        if not gpu.fits(codes):
            raise GpuMissing("it fits garch and gjr with mean zero or constant, no other model")
        found = gpu.Found(*results.found())
        gpu.fit_range(sample.returns, sample.scales, codes, warm_scaled, *search, found, mode="require")
        return True

    def by_cpu(rows: slice) -> None:
        given = sample.returns[rows], sample.scales[rows], sample.regressors, codes
        if done:
            filter_range(*given, *(array[rows] for array in results.filtered()))
        else:
            fit_range(*given, warm_scaled[rows], *search, *(array[rows] for array in results.arrays()))

    done, notes = on_gpu(device, on_device)
    used = min(threads or cores(), max(1, -(-len(sample.returns) // CHUNK)))
    in_threads(by_cpu, len(sample.returns), used)
    return in_units(spec, labels, sample, results, used, notes, began)


def in_threads(work: Callable[[slice], None], series: int, threads: int) -> None:
    """CHUNK series at a time."""
    chunks = [slice(first, first + CHUNK) for first in range(0, series, CHUNK)]
    if threads == 1:
        for rows in chunks:
            work(rows)
        return
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, chunks))


@dataclass(frozen=True)
class Results:
    """What `fit_range` fills, in the order of its arguments."""

    theta: Array
    logliks: Array
    converged: NDArray[np.bool_]
    evaluations: NDArray[np.int64]
    presamples: Array
    covariances: Array
    variances: Array
    residuals: Array
    following: Array
    levels: Array

    @staticmethod
    def empty(sample: Sample, k: int, standard_errors: bool) -> "Results":
        s, n = sample.returns.shape
        return Results(
            np.empty((s, k)), np.empty(s), np.empty(s, np.bool_), np.empty(s, np.int64), np.empty(s),
            np.full((s, 3, k, k) if standard_errors else (s, 0, 0, 0), np.nan), np.empty((s, n)), np.empty((s, n)),
            np.empty(s), np.empty((s, 2)),
        )  # fmt: skip

    def arrays(self) -> tuple[NDArray[Any], ...]:
        return tuple(self.__dict__.values())

    def found(self) -> tuple[NDArray[Any], ...]:
        """What the search fills, in the order of `gpu.Found`."""
        return self.theta, self.logliks, self.converged, self.evaluations, self.covariances

    def filtered(self) -> tuple[NDArray[Any], ...]:
        """What `filter_range` takes and fills."""
        return self.theta, self.presamples, self.variances, self.residuals, self.following, self.levels


def warm_of(warm: NDArray[Any] | None, spec: Spec, sample: Sample, k: int) -> Array:
    s = len(sample.returns)
    if warm is None:
        return np.full((s, k), np.nan)
    if np.shape(warm) != (s, k):
        raise Fault(f"warm has shape {np.shape(warm)}; it needs one row of {k} parameters per series, {(s, k)}")
    return rescale(spec, warm, sample.scales, sample.regressor_scales)


def in_units(
    spec: Spec,
    names: tuple[str, ...],
    sample: Sample,
    results: Results,
    threads: int,
    notes: tuple[str, ...],
    began: float,
) -> VolatilityBatch:
    """Results in the data's units, judged; EWMA where the judgement is not OK."""
    n, covariances = sample.returns.shape[1], results.covariances
    parameters, jacobian = unscale(spec, results.theta, sample.scales, sample.regressor_scales)
    if covariances.size:
        covariances = jacobian[:, None] @ covariances @ jacobian.transpose(0, 2, 1)[:, None]
    share = persistence(spec, results.theta)
    codes = health.judge(results.converged, share, results.following, results.levels)
    for i in np.flatnonzero(codes != health.OK).tolist():
        results.following[i] = health.replace(results.residuals[i], results.variances[i])
    with np.errstate(invalid="ignore"):
        errors = np.sqrt(np.diagonal(covariances, axis1=2, axis2=3)) if covariances.size else None
    return VolatilityBatch(
        spec, names, parameters,
        {} if errors is None else {kind: errors[:, i] for i, kind in enumerate(COVARIANCES)},
        covariances, results.logliks - n * np.log(sample.scales), results.converged, results.evaluations, share, codes,
        results.presamples, results.variances, results.residuals, results.following, n, sample.dropped, threads,
        time.perf_counter() - began, notes,
    )  # fmt: skip
