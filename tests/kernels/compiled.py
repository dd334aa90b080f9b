"""CUDA sources compiled without a GPU: for the architectures we ship to, and for the host, where they are run."""

import ctypes
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np

PROJECT = Path(__file__).resolve().parents[2]
ARCHITECTURES = (80, 86, 89, 90, 100, 120)
GCC = ("-std=c++17", "-O2", "-ffp-contract=off", "-Wall", "-Wextra", "-Werror", "-Wno-unknown-pragmas")
WATCHED = "libasan" in os.environ.get("LD_PRELOAD", "")  # then every address and every overflow is: see test_memory.py
SANITISERS = ("-fsanitize=address,undefined", "-fno-sanitize-recover=undefined") if WATCHED else ()
HOST_COMPILER, NVCC = shutil.which("g++"), shutil.which("nvcc")


def assembler_report(source: Path, target: Path) -> str:
    """What ptxas says of every kernel on every architecture; CalledProcessError with nvcc's words when it fails."""
    wanted = [f"-gencode=arch=compute_{number},code=sm_{number}" for number in ARCHITECTURES]
    options = ("--fmad=false", "-std=c++17", "-fatbin", "-Xptxas", "-v,-warn-spills")
    command = [str(NVCC), *options, *wanted, str(source), "-o", str(target)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def host_library(source: Path, kernels: tuple[str, ...], folder: Path) -> ctypes.CDLL:
    """The source as a shared library of the host with `<kernel>_on_host` for each kernel."""
    names = "\n".join(f"ON_HOST({kernel})" for kernel in kernels)
    text = f'#include "{PROJECT / "kernels" / "cuda_on_host.h"}"\n#include "{source}"\n{names}\n'
    (folder / "on_host.cpp").write_text(text)
    target = folder / "on_host.so"
    command = [
        str(HOST_COMPILER),
        *GCC,
        *SANITISERS,
        "-shared",
        "-fPIC",
        str(folder / "on_host.cpp"),
        "-o",
        str(target),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return ctypes.CDLL(str(target))


def run_on_host(run: Any, blocks: int, threads: int, arguments: tuple[Any, ...]) -> None:
    """Runs `<kernel>_on_host`: each argument is a numpy scalar, or an array, whose address is the argument."""
    held = [np.array(each.ctypes.data if isinstance(each, np.ndarray) else each) for each in arguments]
    run(
        (ctypes.c_uint)(blocks), (ctypes.c_uint)(threads), (ctypes.c_void_p * len(held))(*(a.ctypes.data for a in held))
    )
