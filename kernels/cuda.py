"""A kernels.cu on the GPU, by CuPy: what every gpu.py of this folder shares. CuPy is imported once a GPU was found."""

import re
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from kernels.device import GpuMissing, Mode, gpu

OPTIONS = ("--fmad=false", "-std=c++17")  # fused products are written out; nothing else may be fused
BLOCKS_AN_SM = 16
WARP = 32


@cache
def library(source: Path, mode: Mode) -> tuple[Any, Any]:
    """CuPy and the compiled source (NVRTC, once a process). Raises GpuMissing when there is no GPU or no CuPy."""
    if gpu("require" if mode != "off" else "off") is None:
        raise GpuMissing(f"the GPU is switched off: {source.parent.name} is computed by the CPU's kernels")
    try:
        import cupy
    except ImportError as error:
        raise GpuMissing(f"there is a GPU, but CuPy is missing ({error}): install the extra gpu") from error
    try:
        module = cupy.RawModule(code=text_of(source), options=OPTIONS, backend="nvrtc")
        module.compile()
    except Exception as error:  # driver, runtime, compiler: whatever CuPy says, a GPU that it cannot use is none
        raise GpuMissing(f"there is a GPU, but CuPy cannot use it: {error}") from error
    return cupy, module


def text_of(source: Path) -> str:
    """The source with what it includes of ours in the place of the #include: NVRTC takes one text."""
    included = r'^#include "(.+)"$'
    return re.sub(included, lambda found: text_of(source.parent / found[1]), source.read_text(), flags=re.MULTILINE)


def on_device(cupy: Any, array: Any) -> Any:
    """The array in device memory, C-ordered as kernels read it; one that is there stays. On the current stream."""
    return cupy.asarray(np.ascontiguousarray(array) if isinstance(array, np.ndarray) else array)


def room_for(cupy: Any, doubles: int, what: str) -> None:
    """Raises GpuMissing where the device has not that much memory free, counting what CuPy holds unused."""
    needed = 8 * doubles
    free = cupy.cuda.runtime.memGetInfo()[0] + cupy.get_default_memory_pool().free_bytes()
    if needed > free:
        raise GpuMissing(f"{what} need {needed / 2**30:.2f} GiB of the GPU's memory and {free / 2**30:.2f} are free")


def multiprocessors(cupy: Any) -> int:
    return int(cupy.cuda.Device().attributes["MultiProcessorCount"])


def blocks_for(items: int, threads: int, multiprocessors: int) -> int:
    """Blocks of so many threads for that many items: as many as keep the GPU busy, threads take several items."""
    return max(1, min(-(-items // threads), multiprocessors * BLOCKS_AN_SM))


def shape_for(items: int, most: int, multiprocessors: int) -> tuple[int, int]:
    """Blocks, and threads of each: `most`, or a warp where that many would leave multiprocessors idle."""
    threads = most if items > most * multiprocessors else WARP
    return blocks_for(items, threads, multiprocessors), threads
