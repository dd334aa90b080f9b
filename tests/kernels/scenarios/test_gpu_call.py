"""The calls of gpu.py with CuPy stood in for by numpy and the kernels run on the host: the plumbing, not CuPy."""

from pathlib import Path

import numpy as np
import pytest

from kernels.scenarios import cpu, gpu
from tests.kernels.compiled import HOST_COMPILER, host_library
from tests.kernels.scenarios.test_gpu import (
    EXPOSURES,
    FIRST,
    KERNELS,
    PATHS,
    SEED,
    TAIL,
    cpu_linear,
    cpu_losses,
    cpu_returns,
)
from tests.kernels.scenarios.test_paths import draws, process
from tests.kernels.stand_in import stand_in

pytestmark = pytest.mark.skipif(HOST_COMPILER is None, reason="no C++ compiler (g++): the kernels' source was not run")


@pytest.fixture
def on_device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = stand_in(host_library(gpu.SOURCE, KERNELS, tmp_path))
    monkeypatch.setattr(gpu, "library", lambda mode: found)


def test_path_losses_come_back_to_the_host(on_device: None) -> None:
    made, by, losses = draws(cpu.EMPIRICAL_MARGINS, 5.0), process(jumping=True), np.empty(PATHS)
    gpu.path_losses(*gpu.resident(made, by), 3, EXPOSURES, FIRST, SEED, losses)
    assert np.array_equal(losses, cpu_losses(made, by, 3, EXPOSURES))


def test_returns_of_a_tail_come_back_to_the_host_by_path(on_device: None) -> None:
    made, by = draws(cpu.T_MARGINS, 5.0), process(jumping=True)
    found = gpu.path_returns(*gpu.resident(made, by), 3, TAIL, SEED)
    assert found.flags.c_contiguous
    assert np.array_equal(found, cpu_returns(made, by, 3, TAIL))


def test_linear_losses_come_back_to_the_host(on_device: None) -> None:
    made, losses = draws(cpu.SCORES, 5.0), np.empty(PATHS)
    gpu.linear_losses(made, EXPOSURES, 0.001, FIRST, SEED, losses)
    assert np.array_equal(losses, cpu_linear(made, EXPOSURES, 0.001))


def test_no_paths_are_no_launch(on_device: None) -> None:
    gpu.linear_losses(draws(cpu.SCORES, 5.0), EXPOSURES, 0.0, 0, SEED, np.empty(0))
    assert gpu.path_returns(draws(0, 5.0), process(jumping=False), 1, TAIL[:0], SEED).shape == (0, len(EXPOSURES))
