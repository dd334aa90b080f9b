"""Bars that outlive the process: as they were, or begun anew with a line that says so."""

from pathlib import Path

import numpy as np
import pytest

from engine.risk_models.remembered import load, save


def test_what_was_saved_is_loaded_and_the_next_takes_its_place(tmp_path: Path) -> None:
    path, first = tmp_path / "risk_bars.npy", np.array([[1e-4, -2e-4], [0.0, 3e-5]])
    save(path, first)
    assert np.array_equal(load(path, 2), first)
    save(path, first[:1])
    assert np.array_equal(load(path, 2), first[:1])
    assert [file.name for file in tmp_path.iterdir()] == ["risk_bars.npy"]


def test_nothing_saved_is_no_bars_and_no_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert load(tmp_path / "risk_bars.npy", 3).shape == (0, 3)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    "spoiled", [b"", b"rubbish", np.ones((4, 3)), np.ones((4, 2), dtype=np.float32), np.full((4, 2), np.nan)]
)
def test_what_cannot_be_used_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], spoiled: bytes | np.ndarray
) -> None:
    path = tmp_path / "risk_bars.npy"
    if isinstance(spoiled, bytes):
        path.write_bytes(spoiled)
    else:
        np.save(path, spoiled)
    assert load(path, 2).shape == (0, 2)
    assert capsys.readouterr().err.startswith("HISTORY_LOST: risk_bars.npy")


def test_a_file_cut_short_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "risk_bars.npy"
    save(path, np.ones((50, 2)))
    path.write_bytes(path.read_bytes()[:-100])
    assert len(load(path, 2)) == 0
    assert capsys.readouterr().err.startswith("HISTORY_LOST")
