"""GARCH and GJR of many series on a GPU: kernels.cu by CuPy.

CuPy is imported only once a GPU was asked for and found. A fit is the CPU's search step for step with sums in another
order and elementary functions of our own (kernels/elementary.cuh): a log-likelihood is the CPU's to 1e-6, parameters to
1e-4 standard errors, and the same whatever the GPU. Of the CPU's models it has GARCH and GJR, zero or constant mean,
every density and every start variance: see `fits`.

A fit brings parameters back, not variances: two arrays as large as the returns take longer on their way than the CPU
takes to make them (`cpu.filter_range`). Where they are wanted on the device, `filtered` leaves them there.
"""

from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kernels import cuda
from kernels.device import Mode
from kernels.volatility import GARCH, GJR, REGRESSORS
from kernels.volatility.types import Codes

SOURCE = Path(__file__).with_name("kernels.cu")
THREADS = 32  # a block, as in kernels.cu; one thread a series
MEMORY_ROWS = 48 * 7  # doubles that the search of one series needs, BLOCKS * MOST of search.cuh
SHARE_OF_FREE = 0.5  # of the device's free memory that one go of `fit_range` takes
STEP_ROWS = 5  # mu, omega, alpha, gamma, beta

Array = Any  # numpy.ndarray or cupy.ndarray of float64
library = partial(cuda.library, SOURCE)


class Resident(NamedTuple):
    """Returns in device memory (n, series), over their scales (series,): the same series can be fitted again."""

    returns: Array
    scales: Array


class Found(NamedTuple):
    """What a fit fills: arrays of the host, a row a series; theta and covariance in the unit of returns / scale."""

    theta: Array
    logliks: Array
    converged: Array
    evaluations: Array
    covariance: Array  # (series, 3, k, k), or anything empty without standard errors


class Filtered(NamedTuple):
    """What follows from a theta, in the data's units: arrays of the device, the series last."""

    presamples: Array  # (series,) variances before the first return
    following: Array  # (series,) after the last
    levels: Array  # (2, series) mean squares of the residuals, mean variances
    variances: Array  # (n, series)
    residuals: Array  # (n, series)


def fits(codes: Codes) -> bool:
    """Whether the GPU has that model: GARCH or GJR without regressors."""
    return bool(codes[1] != REGRESSORS and codes[2] in (GARCH, GJR))


def blocks(count: int) -> int:
    return -(-count // THREADS)


def model_arguments(codes: Codes, n: int, count: int) -> tuple[Any, ...]:
    """First arguments of every kernel but `garch_step`: series, returns, mean coefficients, process, errors, start."""
    return tuple(map(np.int32, (count, n, codes[0], codes[2], codes[3], codes[4])))


def series_at_once(n: int, k: int, free_bytes: int) -> int:
    """How many series of n returns and k parameters fit into the memory that one go takes; at least one."""
    each = 8 * (3 * n + MEMORY_ROWS + 6 * k * k + 4 * k + 16)  # returns, over their scale, turned round; the search
    return max(1, int(free_bytes * SHARE_OF_FREE) // each)


def resident(returns: Array, scales: Array, *, mode: Mode = "auto") -> Resident:
    """Returns (series, n) and their scales (series,) in device memory, ready for any stream. Raises GpuMissing."""
    cupy, _ = library(mode)
    held = moved(cupy, returns, scales)
    cupy.cuda.get_current_stream().synchronize()
    return held


def moved(cupy: Any, returns: Array, scales: Array) -> Resident:
    by = cupy.asarray(scales)
    return Resident(cupy.ascontiguousarray((cupy.asarray(returns) / by[:, None]).T), by)


def fit(
    held: Resident,
    codes: Codes,
    warm: Array,
    tolerance: float,
    iterations: int,
    errors: bool,
    polish: bool,
    found: Found,
    *,
    mode: Mode = "auto",
    stream: Any = None,
) -> None:
    """The search of `cpu.fit_range` for resident series; warm (series, k) of the host. On return `found` is filled.

    `stream`: a cupy stream, or None for the current one. Raises GpuMissing when there is no GPU or `mode` is "off",
    ValueError for a model that `fits` refuses.
    """
    if not fits(codes):
        raise ValueError("the GPU fits GARCH and GJR with zero or constant mean")
    cupy, module = library(mode)
    (n, count), k = held.returns.shape, warm.shape[1]
    model, grid = model_arguments(codes, n, count), ((blocks(count),), (THREADS,))
    with stream or cupy.cuda.get_current_stream():
        theta, logliks = cupy.empty((k, count)), cupy.empty(count)
        converged, evaluations = cupy.empty(count, np.int64), cupy.empty(count, np.int64)
        covariance = cupy.empty((3, k, k, count) if errors else 0)
        memory = cupy.empty((MEMORY_ROWS, count))
        given = held.returns, cuda.on_device(cupy, warm.T)
        settings = np.int32(iterations), np.int32(errors), np.int32(polish), np.float64(tolerance)
        out = theta, logliks, converged, evaluations, covariance
        module.get_function("garch_fit")(*grid, (*model, *settings, *given, *out, memory))
        if errors:
            module.get_function("garch_scores")(*grid, (*model, held.returns, covariance, memory))
        for on_device, of_the_host in zip(out, found, strict=True):
            if on_device.size:
                fetch(cupy, on_device, of_the_host)


def filtered(held: Resident, codes: Codes, theta: Array, *, mode: Mode = "auto", stream: Any = None) -> Filtered:
    """Variances and residuals of resident series at theta (series, k) of the host; they stay on the device.

    They are there when the stream gets there. Raises as `fit` does.
    """
    if not fits(codes):
        raise ValueError("the GPU filters GARCH and GJR with zero or constant mean")
    cupy, module = library(mode)
    n, count = held.returns.shape
    with stream or cupy.cuda.get_current_stream():
        shapes = count, count, (2, count), (n, count), (n, count)
        out = Filtered(*(cupy.empty(shape) for shape in shapes))
        given = held.returns, held.scales, cuda.on_device(cupy, theta.T)
        arguments = (*model_arguments(codes, n, count), *given, *out)
        module.get_function("garch_filter")((blocks(count),), (THREADS,), arguments)
    return out


def fetch(cupy: Any, on_device: Array, of_the_host: Array) -> None:
    """Series, last on the device, first on the host."""
    axes = (on_device.ndim - 1, *range(on_device.ndim - 1))
    turned = cupy.ascontiguousarray(on_device.transpose(axes))
    if turned.dtype == of_the_host.dtype and of_the_host.flags.c_contiguous:
        turned.get(out=of_the_host)
        return
    there = np.empty(turned.shape, turned.dtype)
    turned.get(out=there)
    of_the_host[:] = there


def fit_range(
    returns: Array,
    scales: Array,
    codes: Codes,
    warm: Array,
    tolerance: float,
    iterations: int,
    errors: bool,
    polish: bool,
    found: Found,
    *,
    mode: Mode = "auto",
    stream: Any = None,
) -> None:
    """`fit` of host arrays (series, n) and (series,), in as many goes as the device's memory asks for."""
    cupy, _ = library(mode)
    free = cupy.cuda.runtime.memGetInfo()[0] + cupy.get_default_memory_pool().free_bytes()
    most = series_at_once(returns.shape[1], warm.shape[1], free)
    for first in range(0, len(returns), most):
        rows = slice(first, first + most)
        with stream or cupy.cuda.get_current_stream():
            held = moved(cupy, returns[rows], scales[rows])
        part = Found(*(each[rows] for each in found))
        fit(held, codes, warm[rows], tolerance, iterations, errors, polish, part, mode=mode, stream=stream)


def step_parameters(codes: Codes, theta: NDArray[np.float64]) -> NDArray[np.float64]:
    """(STEP_ROWS, series) for `LiveVariances` from parameters (series, k) in the data's units."""
    m, tilted = int(codes[0]), codes[2] == GJR
    none = np.zeros(len(theta))
    mean, gamma = theta[:, 0] if m else none, theta[:, m + 2] if tilted else none
    return np.stack([mean, theta[:, m], theta[:, m + 1], gamma, theta[:, m + 2 + int(tilted)]])


class LiveVariances:
    """Variances of all series, one bar at a time: parameters and variances stay on the device.

    A bar is one launch of a CUDA graph: returns there, the step, variances back. parameters (STEP_ROWS, series) as
    `step_parameters` gives them, variances (series,) of the bar to come. `stream`: a cupy stream that is not the
    default one, which cannot be captured, or None for one of its own. Raises GpuMissing. One thread at a time.
    """

    def __init__(self, parameters: Array, variances: Array, *, mode: Mode = "auto", stream: Any = None) -> None:
        cupy, module = library(mode)
        self._stream = stream or cupy.cuda.Stream(non_blocking=True)
        count = len(variances)
        self._bar, self._after = pinned(cupy, count), pinned(cupy, count)
        with self._stream:
            self._parameters = cuda.on_device(cupy, parameters)
            self._variances = cuda.on_device(cupy, variances).copy()
            self._returns = cupy.empty(count)
            kernel = module.get_function("garch_step")
            held = self._parameters, self._returns, self._variances
            kernel((1,), (THREADS,), (np.int32(0), *held))  # does nothing but load the kernel: a capture cannot
            self._stream.synchronize()
            self._stream.begin_capture()
            self._copy(cupy, self._returns.data.ptr, self._bar.ctypes.data, "memcpyHostToDevice")
            kernel((blocks(count),), (THREADS,), (np.int32(count), *held))
            self._copy(cupy, self._after.ctypes.data, self._variances.data.ptr, "memcpyDeviceToHost")
            self._graph = self._stream.end_capture()

    def _copy(self, cupy: Any, target: int, source: int, kind: str) -> None:
        runtime = cupy.cuda.runtime
        runtime.memcpyAsync(target, source, self._bar.nbytes, getattr(runtime, kind), self._stream.ptr)

    def step(self, returns: NDArray[np.float64]) -> NDArray[np.float64]:
        """The next bar's variances (series,) from this bar's returns (series,); overwritten by the next call."""
        self._bar[:] = returns
        self._graph.launch(self._stream)
        self._stream.synchronize()
        return self._after


def pinned(cupy: Any, count: int) -> NDArray[np.float64]:
    """Host memory (count,) that the device copies from and to by itself."""
    memory = cupy.cuda.alloc_pinned_memory(8 * count)
    return np.frombuffer(memory, np.float64, count)
