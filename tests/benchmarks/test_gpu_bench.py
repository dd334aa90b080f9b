"""What `make gpu-test` and `make gpu-bench` say without a GPU, and the crossover table on rows made up here."""

import pytest

from benchmarks import gpu as command
from benchmarks.gpu_scenarios import Row, crossover, table
from kernels.device import probe

ROWS = [
    Row(10_000, 10, 1.0, 2.0, True),
    Row(100_000, 10, 10.0, 4.0, True),
    Row(1_000_000, 10, 100.0, 5.0, True),
    Row(10_000, 50, 3.0, 1.0, True),
    Row(100_000, 50, 1.0, 2.0, False),
]


@pytest.mark.skipif(probe().gpu is not None, reason="there is a GPU")
@pytest.mark.parametrize("what", ["gpu-test", "gpu-bench"])
def test_without_a_gpu_nothing_is_run_and_that_is_said(what: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main([what]) == 0
    assert "nothing was run" in capsys.readouterr().out
    assert command.main([what, "--require"]) == 1
    assert "a GPU is required" in capsys.readouterr().err


def test_crossover_is_where_the_gpu_wins_for_good() -> None:
    assert crossover(ROWS, 10) == 100_000
    assert crossover(ROWS, 50) is None


def test_table_names_the_crossover_and_what_differs() -> None:
    said = table(ROWS)
    assert "10 assets: the GPU wins from 100,000 paths" in said
    assert "50 assets: the CPU wins" in said
    assert said.count("DIFFERENT") == 1


def test_result_file_is_named_after_the_gpu() -> None:
    assert command.slug("NVIDIA GeForce RTX 4090 (Laptop)") == "nvidia-geforce-rtx-4090-laptop"
