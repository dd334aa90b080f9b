"""Losses and returns of scenario paths on a GPU: kernels.cu by CuPy, called as cpu.py is, with the same bits.

CuPy is imported only once a GPU was asked for and found. Arrays that are on the device stay there: `resident` moves
`Draws` and `Process` once, and their losses may be device memory too.
"""

from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from kernels import cuda
from kernels.device import Mode
from kernels.scenarios.cpu import Draws, Floats, Process

SOURCE = Path(__file__).with_name("kernels.cu")
THREADS = 128  # a block, as in kernels.cu
SCRATCH_BYTES = 1 << 30  # most; with more paths than fit, threads take several

Array = Any  # numpy.ndarray or cupy.ndarray of float64
library = partial(cuda.library, SOURCE)
PROCESS_ROWS = ("mean", "variance", "omega", "alpha", "gamma", "beta", "jump_mean", "jump_sd")


class Grid(NamedTuple):
    """Blocks of `threads` threads, and the doubles of scratch memory they need."""

    blocks: int
    threads: int
    scratch: int


def grid(paths: int, rows: int, multiprocessors: int, threads: int = THREADS) -> Grid:
    """The grid for that many paths with `rows` doubles of scratch each, on that many multiprocessors."""
    blocks = cuda.blocks_for(paths, threads, multiprocessors)
    if rows:
        blocks = max(1, min(blocks, SCRATCH_BYTES // (8 * rows * threads)))
    return Grid(blocks, threads, blocks * threads * rows)


def scratch_rows(assets: int, steps: int) -> int:
    """Doubles a path needs at once: innovations, and with more steps than one gains and variances."""
    return assets if steps == 1 else 3 * assets


def common_arguments(draws: Draws, process: Process, rows: Array, steps: int) -> tuple[Any, ...]:
    """First arguments of `path_losses` and `path_returns`: numpy scalars and arrays. `rows`: see PROCESS_ROWS."""
    counts = process.jump_odds.shape[1] if len(process.jump_odds) else 0
    integers = draws.kind, rows.shape[1], draws.margins.shape[1], draws.mixing.shape[1], draws.observed.shape[1]
    return (
        *map(np.int32, integers),
        np.int32(counts),
        *(draws.lower, draws.normal, draws.mixing, draws.margins, draws.observed),
        *(rows, process.jump_odds, np.float64(process.floor), np.int32(steps)),
    )


def path_arguments(
    common: tuple[Any, ...], exposures: Array, first: int, seed: int, losses: Array, scratch: Array
) -> tuple[Any, ...]:
    """Arguments of the kernel `path_losses`, in its order."""
    return (*common, exposures, np.int64(first), np.uint64(seed), np.int64(len(losses)), losses, scratch)


def return_arguments(
    common: tuple[Any, ...], numbers: Array, seed: int, returns: Array, scratch: Array
) -> tuple[Any, ...]:
    """Arguments of the kernel `path_returns`, in its order; returns (assets, n)."""
    return (*common, numbers, np.uint64(seed), np.int64(len(numbers)), returns, scratch)


def linear_arguments(
    draws: Draws, direction: Array, expected: float, first: int, seed: int, losses: Array
) -> tuple[Any, ...]:
    """Arguments of the kernel `linear_losses`, in its order."""
    return (
        *(np.int32(len(direction)), np.int32(draws.mixing.shape[1]), draws.normal, draws.mixing, direction),
        *(np.float64(expected), np.int64(first), np.uint64(seed), np.int64(len(losses)), losses),
    )


def process_rows(process: Process, stack: Any = np.stack) -> Array:
    """(8, assets): what kernels.cu reads of a process, one row after the other."""
    return stack([getattr(process, name) for name in PROCESS_ROWS])


def moved(cupy: Any, arrays: Any) -> Any:
    """A named tuple with its arrays in device memory; those that are there stay."""
    return type(arrays)(*(cuda.on_device(cupy, field) if hasattr(field, "shape") else field for field in arrays))


def resident(draws: Draws, process: Process, *, mode: Mode = "auto") -> tuple[Draws, Process]:
    """The same with every array in device memory, ready for any stream. Raises GpuMissing."""
    cupy, _ = library(mode)
    held = moved(cupy, draws), moved(cupy, process)
    cupy.cuda.get_current_stream().synchronize()
    return held


def path_losses(
    draws: Draws,
    process: Process,
    steps: int,
    exposures: Array,
    first: int,
    seed: int,
    losses: Array,
    *,
    mode: Mode = "auto",
    stream: Any = None,
) -> None:
    """losses (n,) of paths first, first + 1 ...: `cpu.path_losses`. Arrays of the host or the device.

    `stream`: a cupy stream, or None for the current one. Host losses are there on return; device losses when the
    stream gets there. Raises GpuMissing when there is no GPU, `mode` is "off", or too little memory is free on it.
    """
    cupy, module = library(mode)
    with stream or cupy.cuda.get_current_stream():
        held, by = moved(cupy, draws), moved(cupy, process)
        out = cupy.empty(len(losses)) if isinstance(losses, np.ndarray) else losses
        shape = grid(len(losses), scratch_rows(len(exposures), steps), cuda.multiprocessors(cupy))
        cuda.room_for(cupy, shape.scratch, f"paths of {len(exposures)} assets")
        common = common_arguments(held, by, process_rows(by, cupy.stack), steps)
        arguments = path_arguments(common, cuda.on_device(cupy, exposures), first, seed, out, cupy.empty(shape.scratch))
        launch(module.get_function("path_losses"), shape, arguments, out, losses)


def path_returns(
    draws: Draws,
    process: Process,
    steps: int,
    paths: Array,
    seed: int,
    *,
    mode: Mode = "auto",
    stream: Any = None,
) -> Floats:
    """Returns (n, assets) over the horizon of the paths (n,) int64 of these numbers: `cpu.path_returns`, on the host.

    Raises GpuMissing: see `path_losses`.
    """
    cupy, module = library(mode)
    assets = len(process.mean)
    found = np.empty((assets, len(paths)))
    with stream or cupy.cuda.get_current_stream():
        held, by, numbers = moved(cupy, draws), moved(cupy, process), cuda.on_device(cupy, paths)
        shape = grid(len(paths), scratch_rows(assets, steps), cuda.multiprocessors(cupy))
        cuda.room_for(cupy, shape.scratch + found.size, f"returns of {len(paths):,} paths of {assets} assets")
        out = cupy.empty(found.shape)
        common = common_arguments(held, by, process_rows(by, cupy.stack), steps)
        arguments = return_arguments(common, numbers, seed, out, cupy.empty(shape.scratch))
        launch(module.get_function("path_returns"), shape, arguments, out, found)
    return np.ascontiguousarray(found.T)


def linear_losses(
    draws: Draws,
    direction: Array,
    expected: float,
    first: int,
    seed: int,
    losses: Array,
    *,
    mode: Mode = "auto",
    stream: Any = None,
) -> None:
    """losses (n,) of one step of SCORES without jumps: `cpu.linear_losses`. See `path_losses`."""
    cupy, module = library(mode)
    with stream or cupy.cuda.get_current_stream():
        held = draws._replace(normal=cuda.on_device(cupy, draws.normal), mixing=cuda.on_device(cupy, draws.mixing))
        out = cupy.empty(len(losses)) if isinstance(losses, np.ndarray) else losses
        arguments = linear_arguments(held, cuda.on_device(cupy, direction), expected, first, seed, out)
        shape = grid(len(losses), 0, cuda.multiprocessors(cupy))
        launch(module.get_function("linear_losses"), shape, arguments, out, losses)


def launch(kernel: Any, shape: Grid, arguments: tuple[Any, ...], on_device: Array, found: Array) -> None:
    """Runs the kernel on the current stream; what is of the host is copied back and waited for."""
    if found.size == 0:
        return
    kernel((shape.blocks,), (shape.threads,), arguments)
    if isinstance(found, np.ndarray):
        on_device.get(out=found)
