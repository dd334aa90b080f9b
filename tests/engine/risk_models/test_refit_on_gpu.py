"""A refit of the risk process whose configuration allows a GPU where there is none."""

import numpy as np
import pytest

from engine.risk_models.config import RiskProcessConfig
from engine.risk_models.refit import refit
from engine.risk_models.refitter import Snapshot
from kernels.device import Answer
from models import device

RETURNS = 0.01 * np.random.default_rng(3).standard_normal((300, 3))
SETTINGS = RiskProcessConfig(minimum_bars=60, fit_bars=200, history_bars=400, gpu="auto")


def test_a_refit_that_may_use_a_gpu_is_the_cpus_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "found", lambda: Answer(None, "no NVIDIA driver"))
    snapshot = Snapshot(RETURNS, 300, None)
    off = RiskProcessConfig(minimum_bars=60, fit_bars=200, history_bars=400)
    plain, found = refit(snapshot, off, 100), refit(snapshot, SETTINGS, 100)
    assert "DEVICE: the CPU (no NVIDIA driver)" in found.notes
    assert not any(note.startswith("DEVICE") for note in plain.notes)
    np.testing.assert_array_equal(found.whitened, plain.whitened)


def test_margins_and_dependence_each_ask_for_the_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(device, "found", lambda: asked.append("asked") or Answer(None, "no NVIDIA driver"))
    refit(Snapshot(RETURNS, 300, None), SETTINGS, 100)
    assert len(asked) == 2
