"""Every kernels.cu as CuPy gives it to NVRTC, for every GPU, where NVRTC is found (the extra gpu brings it).

What nvcc compiles is tested beside each kernels.cu; this is the compiler that a user's machine runs.
"""

import ctypes
import importlib.util
from ctypes.util import find_library
from pathlib import Path

import pytest

from kernels import cuda
from kernels.dependence import gpu as dependence
from kernels.scenarios import gpu as scenarios
from kernels.volatility import gpu as volatility
from tests.kernels.compiled import ARCHITECTURES


def nvrtc_path() -> str | None:
    """libnvrtc of the system, or of the wheel nvidia-cuda-nvrtc."""
    spec = importlib.util.find_spec("nvidia")
    folders = [] if spec is None else list(spec.submodule_search_locations or [])
    found = sorted(str(path) for folder in folders for path in Path(folder).glob("*/lib/libnvrtc.so.*"))
    return find_library("nvrtc") or (found[-1] if found else None)


PATH = nvrtc_path()


def compiled(text: str, architecture: int) -> tuple[int, str, int]:
    """NVRTC's code (0 is success), its log, and the size of the machine code."""
    for beside in Path(str(PATH)).parent.glob("libnvrtc-builtins.so.*"):  # a wheel's: NVRTC asks the loader for it
        ctypes.CDLL(str(beside))
    library, program, size = ctypes.CDLL(str(PATH)), ctypes.c_void_p(), ctypes.c_size_t()
    assert library.nvrtcCreateProgram(ctypes.byref(program), text.encode(), b"kernels.cu", 0, None, None) == 0
    wanted = [*cuda.OPTIONS, f"--gpu-architecture=sm_{architecture}", "--ptxas-options=--warn-on-spills"]
    options = (ctypes.c_char_p * len(wanted))(*(each.encode() for each in wanted))
    code = library.nvrtcCompileProgram(program, len(wanted), options)
    library.nvrtcGetProgramLogSize(program, ctypes.byref(size))
    log = ctypes.create_string_buffer(size.value)
    library.nvrtcGetProgramLog(program, log)
    library.nvrtcGetCUBINSize(program, ctypes.byref(size))
    library.nvrtcDestroyProgram(ctypes.byref(program))
    return code, log.value.decode(), size.value


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.skipif(PATH is None, reason="no libnvrtc: nothing was compiled as CuPy would")
@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize(
    "source", [scenarios.SOURCE, volatility.SOURCE, dependence.SOURCE], ids=lambda p: p.parent.name
)
def test_nvrtc_compiles_what_cupy_gives_it_without_spills(source: Path, architecture: int) -> None:
    code, log, size = compiled(cuda.text_of(source), architecture)
    assert code == 0, log
    assert "spill" not in log.lower(), log
    assert size > 0
