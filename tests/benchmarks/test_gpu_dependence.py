"""The table of the dynamics of correlation on CPU and GPU: on rows made up here, and run with numpy in CuPy's place."""

from pathlib import Path

import pytest

from benchmarks.gpu_dependence import Row, crossover, table, timed
from kernels.dependence import gpu
from tests.kernels.compiled import HOST_COMPILER, host_library
from tests.kernels.dependence.test_gpu import KERNELS
from tests.kernels.stand_in import stand_in

MADE_UP = [
    Row("all", 5, 2_500, 1.0, 2.0, True),
    Row("all", 20, 2_500, 10.0, 4.0, True),
    Row("all", 50, 2_500, 100.0, 5.0, True),
    Row("pairs", 5, 2_500, 3.0, 1.0, True),
    Row("pairs", 20, 2_500, 1.0, 2.0, False),
]


def test_crossover_is_where_the_gpu_wins_for_good() -> None:
    assert crossover(MADE_UP, "all") == 20
    assert crossover(MADE_UP, "pairs") is None


def test_table_names_the_crossover_and_what_differs() -> None:
    said = table(MADE_UP)
    assert "likelihood of all: the GPU wins from 20 assets" in said
    assert "likelihood of pairs: the CPU wins" in said
    assert said.count("DIFFERENT") == 1


@pytest.mark.skipif(HOST_COMPILER is None, reason="no C++ compiler (g++): the kernels' source was not run")
@pytest.mark.parametrize("likelihood", ["all", "pairs"])
def test_a_row_is_timed_and_its_tops_are_the_same(
    likelihood: gpu.Kind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = stand_in(host_library(gpu.SOURCE, KERNELS, tmp_path))
    monkeypatch.setattr(gpu, "library", lambda mode: made)
    row = timed(likelihood, 4, rows=300)
    assert row.same
    assert row.cpu_s > 0.0 < row.gpu_s
