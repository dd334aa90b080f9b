"""`--gpu off|auto|require` of `bot4 risk var` and `risk fit`, on a machine without a GPU."""

import json
from pathlib import Path
from typing import Any

import pytest

from engine.cli import main
from engine.errors import Exit
from kernels.device import Answer
from models import device
from tests.engine.verbs.risk.market import portfolio, prices

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "found", lambda: Answer(None, "no NVIDIA driver"))


def run(capsys: Capture, *arguments: str | Path) -> dict[str, Any]:
    with pytest.raises(SystemExit) as stopped:
        main(["risk", *map(str, arguments), "--json"])
    said = capsys.readouterr()
    assert stopped.value.code in (0, None), said.err
    found: dict[str, Any] = json.loads(said.out)
    return found


def refused(capsys: Capture, *arguments: str | Path) -> str:
    with pytest.raises(SystemExit) as stopped:
        main(["risk", *map(str, arguments)])
    assert stopped.value.code == Exit.USAGE
    return capsys.readouterr().err.splitlines()[-1]


def var_files(folder: Path) -> tuple[str | Path, ...]:
    return "var", "--portfolio", portfolio(folder), "--data", prices(folder), "--report", folder / "report.html"


def test_var_that_may_use_a_gpu_says_that_the_cpu_made_it_and_gives_the_same(tmp_path: Path, capsys: Capture) -> None:
    words = (*var_files(tmp_path), "--method", "monte-carlo", "--paths", "5000")
    plain, found = run(capsys, *words), run(capsys, *words, "--gpu", "auto")
    assert "DEVICE: the CPU (no NVIDIA driver)" in found["notes"]
    assert not any(note.startswith("DEVICE") for note in plain["notes"])
    assert found["var"] == plain["var"]


def test_a_gpu_that_is_required_and_missing_is_one_line(tmp_path: Path, capsys: Capture) -> None:
    words = (*var_files(tmp_path), "--method", "monte-carlo", "--paths", "5000")
    assert "a GPU is required and cannot be used: no NVIDIA driver" in refused(capsys, *words, "--gpu", "require")


def test_a_method_without_paths_refuses_the_option(tmp_path: Path, capsys: Capture) -> None:
    said = refused(capsys, *var_files(tmp_path), "--method", "historical", "--gpu", "auto")
    assert "--gpu has no meaning for --method historical" in said


def test_fit_of_dynamic_correlation_takes_the_option_and_other_models_refuse_it(
    tmp_path: Path, capsys: Capture
) -> None:
    words = ("fit", "--data", prices(tmp_path), "--report", tmp_path / "report.html")
    found = run(capsys, *words, "--model", "dcc", "--gpu", "auto")
    assert "DEVICE: the CPU (no NVIDIA driver)" in found["notes"]
    assert "a GPU is required" in refused(capsys, *words, "--model", "dcc", "--gpu", "require")
    assert "--gpu has no meaning for --model ccc" in refused(capsys, *words, "--model", "ccc", "--gpu", "auto")
