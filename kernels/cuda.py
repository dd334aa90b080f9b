"""A kernels.cu on the GPU, by CuPy: what every gpu.py of this folder shares. CuPy is imported once a GPU was found."""

import re
from functools import cache
from pathlib import Path
from typing import Any

from kernels.device import GpuMissing, Mode, gpu

OPTIONS = ("--fmad=false", "-std=c++17")  # fused products are written out; nothing else may be fused
BLOCKS_AN_SM = 16


@cache
def library(source: Path, mode: Mode) -> tuple[Any, Any]:
    """CuPy and the compiled source (NVRTC, once a process). Raises GpuMissing when there is no GPU or no CuPy."""
    if gpu("require" if mode != "off" else "off") is None:
        raise GpuMissing(f"the GPU is switched off: {source.parent.name} is computed by the CPU's kernels")
    try:
        import cupy
    except ImportError as error:
        raise GpuMissing(f"there is a GPU, but CuPy is missing ({error}): install the extra gpu") from error
    return cupy, cupy.RawModule(code=text_of(source), options=OPTIONS, backend="nvrtc")


def text_of(source: Path) -> str:
    """The source with what it includes of ours in the place of the #include: NVRTC takes one text."""
    included = r'^#include "(.+)"$'
    return re.sub(included, lambda found: text_of(source.parent / found[1]), source.read_text(), flags=re.MULTILINE)


def multiprocessors(cupy: Any) -> int:
    return int(cupy.cuda.Device().attributes["MultiProcessorCount"])


def blocks_for(items: int, threads: int, multiprocessors: int) -> int:
    """Blocks of so many threads for that many items: as many as keep the GPU busy, threads take several items."""
    return max(1, min(-(-items // threads), multiprocessors * BLOCKS_AN_SM))
