"""The table of volatility fits on CPU and GPU: on rows made up here, and run with numpy in CuPy's place."""

from pathlib import Path

import pytest

from benchmarks.gpu_volatility import Row, crossover, table, timed_fit, timed_step
from kernels.device import Gpu
from kernels.volatility import gpu
from models import device
from tests.kernels.compiled import HOST_COMPILER, host_library
from tests.kernels.stand_in import stand_in
from tests.kernels.volatility.test_gpu import KERNELS

MADE_UP = [
    Row("garch", 64, 2_500, 1.0, 2.0, True),
    Row("garch", 512, 2_500, 10.0, 4.0, True),
    Row("garch", 4_096, 2_500, 100.0, 5.0, True),
    Row("step", 64, 1, 3e-6, 1e-6, True),
    Row("step", 512, 1, 1e-6, 2e-6, False),
]


def test_crossover_is_where_the_gpu_wins_for_good() -> None:
    assert crossover(MADE_UP, "garch") == 512
    assert crossover(MADE_UP, "step") is None
    assert crossover(MADE_UP, "gjr-t") is None


def test_table_names_the_crossover_and_what_differs() -> None:
    said = table(MADE_UP)
    assert "garch: the GPU wins from 512 series" in said
    assert "step: the CPU wins" in said
    assert said.count("DIFFERENT") == 1


@pytest.fixture
def simulator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if HOST_COMPILER is None:
        pytest.skip("no C++ compiler (g++): the kernels' source was not run")
    made = stand_in(host_library(gpu.SOURCE, KERNELS, tmp_path))
    monkeypatch.setattr(gpu, "library", lambda mode: made)
    monkeypatch.setattr(device, "found", lambda: device.Answer(Gpu("stand-in", (9, 0), 1 << 30, (13, 0))))


@pytest.mark.parametrize("what", ["garch", "gjr-t"])
def test_a_row_of_fits_is_timed_and_its_answers_are_the_same(simulator: None, what: str) -> None:
    row = timed_fit(what, 5, 600)  # type: ignore[arg-type]
    assert row.same
    assert row.cpu_s > 0.0 < row.gpu_s


def test_a_row_of_steps_is_timed_and_its_answers_are_the_same(simulator: None) -> None:
    row = timed_step(40)
    assert row.same
    assert row.cpu_s > 0.0 < row.gpu_s
