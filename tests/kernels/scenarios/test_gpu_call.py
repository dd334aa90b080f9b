"""The calls of gpu.py with CuPy stood in for by numpy and the kernels run on the host: the plumbing, not CuPy."""

from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from kernels.scenarios import cpu, gpu
from tests.kernels.compiled import HOST_COMPILER, host_library, run_on_host
from tests.kernels.scenarios.test_gpu import EXPOSURES, FIRST, KERNELS, PATHS, SEED, cpu_linear, cpu_losses
from tests.kernels.scenarios.test_paths import draws, process

pytestmark = pytest.mark.skipif(HOST_COMPILER is None, reason="no C++ compiler (g++): the kernels' source was not run")


class OnDevice(np.ndarray):
    """An array that is not host memory to gpu.py's eyes: it is copied back by `get` alone."""

    def get(self, out: np.ndarray) -> None:
        out[:] = self


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library = host_library(gpu.SOURCE, KERNELS, tmp_path)

    def function(name: str) -> Any:
        def run(blocks: tuple[int], threads: tuple[int], arguments: tuple[Any, ...]) -> None:
            run_on_host(getattr(library, f"{name}_on_host"), blocks[0], threads[0], arguments)

        return run

    stream = nullcontext()
    stream.synchronize = lambda: None  # type: ignore[attr-defined]
    device = SimpleNamespace(attributes={"MultiProcessorCount": 4})
    cupy = SimpleNamespace(
        asarray=lambda each: np.asarray(each).view(OnDevice),
        empty=lambda n: np.full(n, np.nan).view(OnDevice),
        stack=np.stack,
        cuda=SimpleNamespace(get_current_stream=lambda: stream, Device=lambda: device),
    )
    monkeypatch.setattr(gpu, "library", lambda mode: (cupy, SimpleNamespace(get_function=function)))


def test_path_losses_come_back_to_the_host(stand_in: None) -> None:
    made, by, losses = draws(cpu.EMPIRICAL_MARGINS, 5.0), process(jumping=True), np.empty(PATHS)
    gpu.path_losses(*gpu.resident(made, by), 3, EXPOSURES, FIRST, SEED, losses)
    assert np.array_equal(losses, cpu_losses(made, by, 3, EXPOSURES))


def test_linear_losses_come_back_to_the_host(stand_in: None) -> None:
    made, losses = draws(cpu.SCORES, 5.0), np.empty(PATHS)
    gpu.linear_losses(made, EXPOSURES, 0.001, FIRST, SEED, losses)
    assert np.array_equal(losses, cpu_linear(made, EXPOSURES, 0.001))


def test_no_paths_are_no_launch(stand_in: None) -> None:
    gpu.linear_losses(draws(cpu.SCORES, 5.0), EXPOSURES, 0.0, 0, SEED, np.empty(0))
