"""What `make gpu-test` and `make gpu-bench` say without a GPU, and the crossover table on rows made up here."""

import json
from pathlib import Path

import pytest

from benchmarks import gpu as command
from benchmarks import gpu_dependence, gpu_scenarios, gpu_volatility
from benchmarks.gpu_dependence import Row as DependenceRow
from benchmarks.gpu_scenarios import Row, crossover, table
from benchmarks.gpu_volatility import Row as VolatilityRow
from kernels.device import Gpu, probe

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


def test_one_file_holds_every_part_and_its_crossovers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fits, dynamics = [VolatilityRow("garch", 64, 2_500, 2.0, 1.0, True)], [DependenceRow("all", 5, 9, 1.0, 2.0, True)]
    for module, made in ((gpu_scenarios, ROWS[:3]), (gpu_volatility, fits), (gpu_dependence, dynamics)):
        monkeypatch.setattr(module, "rows", lambda made=made: made)
    assert command.run_bench(Gpu("Made up", (9, 0), 1, (13, 0)), tmp_path) == 0
    assert "garch: the GPU wins from 64 series" in capsys.readouterr().out
    document = json.loads((tmp_path / "gpu-made-up.json").read_text())
    assert document["crossover"] == {"scenarios": {"10": 100_000}, "garch": {"garch": 64}, "dcc": {"all": None}}
    assert [document[part][0]["ratio"] for part in ("scenarios", "garch", "dcc")] == [0.5, 2.0, 0.5]
    assert document["gpu"]["name"] == "Made up"


def test_a_part_that_is_timed_alone_leaves_the_others_in_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made_up, dynamics = Gpu("Made up", (9, 0), 1, (13, 0)), [DependenceRow("all", 5, 9, 2.0, 1.0, True)]
    monkeypatch.setattr(gpu_scenarios, "rows", lambda: ROWS[:3])
    monkeypatch.setattr(gpu_dependence, "rows", lambda: dynamics)
    for part in ("scenarios", "dcc"):
        assert command.run_bench(made_up, tmp_path, [part]) == 0
    document = json.loads((tmp_path / "gpu-made-up.json").read_text())
    assert document["crossover"] == {"scenarios": {"10": 100_000}, "dcc": {"all": 5}}
    assert "garch" not in document


def test_answers_that_differ_end_with_1(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (gpu_volatility, gpu_dependence):
        monkeypatch.setattr(module, "rows", list)
    monkeypatch.setattr(gpu_scenarios, "rows", lambda: ROWS)
    assert command.run_bench(Gpu("Made up", (9, 0), 1, (13, 0)), tmp_path) == 1
