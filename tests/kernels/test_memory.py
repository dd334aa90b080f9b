"""Kernels run on the host under gcc's sanitisers: no address outside its array, no undefined arithmetic.

A GPU would not say: it reads what lies beside an array, and CUDA's own checker needs one.
"""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.kernels.compiled import HOST_COMPILER, PROJECT, WATCHED, host_library, run_on_host

BESIDE = """
extern "C" __global__ void beside(int n, double *values) { values[n] = 1.0; }
"""
SOURCES = [f"tests/kernels/{name}/test_gpu.py" for name in ("dependence", "scenarios", "volatility")]


def sanitiser() -> str | None:
    """Path of gcc's libasan, to be loaded before Python's own allocations."""
    if HOST_COMPILER is None:
        return None
    said = subprocess.run([HOST_COMPILER, "-print-file-name=libasan.so"], capture_output=True, text=True, check=False)
    found = said.stdout.strip()
    return found if "/" in found else None


def watched(*tests: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"LD_PRELOAD": str(sanitiser()), "ASAN_OPTIONS": "detect_leaks=0"}
    command = [sys.executable, "-m", "pytest", "-q", "-s", "-p", "no:cacheprovider", *tests]
    return subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.skipif(not WATCHED, reason="run by the test below, with the sanitiser loaded")
def test_a_write_beside_an_array_ends_the_process(tmp_path: Path) -> None:
    (tmp_path / "kernels.cu").write_text(BESIDE)
    library = host_library(tmp_path / "kernels.cu", ("beside",), tmp_path)
    run_on_host(library.beside_on_host, 1, 1, (np.int32(5_000), np.zeros(5_000)))


@pytest.mark.slow
@pytest.mark.timeout(600)  # half a minute alone
@pytest.mark.skipif(sanitiser() is None or WATCHED, reason="no g++ with libasan: no address was checked")
def test_kernels_keep_to_their_arrays() -> None:
    planted = watched(f"{__file__}::test_a_write_beside_an_array_ends_the_process")
    assert "heap-buffer-overflow" in planted.stderr + planted.stdout
    clean = watched(*SOURCES, "-k", "host and not compile")
    assert clean.returncode == 0, (clean.stdout + clean.stderr)[-3_000:]
