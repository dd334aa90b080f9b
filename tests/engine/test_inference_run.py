"""A whole run with a model that has no evaluator: the inference process answers, the journal replays without it."""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from engine.features.catalogue import FEATURE_NAMES
from engine.journal.reader import Journal
from ipc.messages import Kind
from models.registry.onnx_write import linear_onnx
from models.registry.store import Manifest, save_model
from tests.engine.verbs.command import bot4


def external_model(folder: Path) -> None:
    weights = np.random.default_rng(1).normal(size=(32, 1))
    manifest = Manifest(name="deep", kind="onnx", features=FEATURE_NAMES, horizons_ms=(1_000,))
    save_model(folder, manifest, linear_onnx(weights, np.zeros(1)))


@pytest.mark.slow
def test_forecasts_of_the_inference_process_are_inputs_of_a_run_that_replays(tmp_path: Path) -> None:
    """Started in another folder than the project, with the model named as it lies there."""
    external_model(tmp_path / "deep")
    (tmp_path / "bot4.toml").write_text(
        'models = ["deep"]\n[run]\ndirectory = "runs"\ninstance = "inference"\n[features]\nwarmup_ms = 500\n'
    )
    finished = bot4("run", "--strategy", "momentum", "--seconds", "5", "--json", cwd=tmp_path)
    assert finished.returncode == 0, finished.stderr
    result = json.loads(finished.stdout)
    assert result["replay"]["identical"] is True
    assert result["events"] == []
    (run,) = (tmp_path / "runs").glob("*/manifest.json")
    kinds: Counter[int] = Counter()
    for block in Journal.open(run.parent).blocks(0):
        kinds.update(block.records["kind"].tolist())
    assert kinds[Kind.FORECAST] > 20


@pytest.mark.slow
def test_a_run_from_another_folder_finds_a_strategy_file_that_lies_there(tmp_path: Path) -> None:
    made = bot4("strategy", "new", "mine", cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    (tmp_path / "bot4.toml").write_text('[run]\ninstance = "inference"\n')
    finished = bot4("run", "--strategy", "mine.py", "--seconds", "1", "--json", cwd=tmp_path)
    assert finished.returncode == 0, finished.stderr
    assert json.loads(finished.stdout)["replay"]["identical"] is True
