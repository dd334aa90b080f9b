"""`bot4 model train|ls|check`: the agreed keys, the same twice, a slot in the core, and every way to be refused."""

import shutil
import subprocess
import sys

import pytest

from engine import assembly
from engine.config import Config
from engine.errors import UserError
from engine.pipeline import FEATURE_NAMES
from engine.replay.training import check_model, list_models, train_model
from models import extras
from tests.architecture.tree import PROJECT

RECORDING = "binance_ws/spot_btcusdt_20240808.gz"
KEYS = {"model", "kind", "rows_train", "rows_test", "horizon_ms", "score", "baseline", "sha256", "path"}


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("tapes")


@pytest.fixture
def trained(data, cache, tmp_path):
    return train_model([data / RECORDING], "linear", 1_000, tmp_path / "m", cache)


def with_model(path):
    return Config(models=(str(path),))


def test_training_answers_with_the_agreed_keys_and_standard_errors(trained):
    assert set(trained) == KEYS
    assert trained["rows_train"] > trained["rows_test"] > 100
    assert {"r2", "r2_error", "correlation", "correlation_error", "hit_rate", "hit_rate_error"} < set(trained["score"])
    assert trained["baseline"]["zero_r2"] == 0.0
    assert trained["baseline"]["imbalance_sign_r2_error"] > 0.0


def test_the_same_training_twice_is_the_same_model(data, cache, tmp_path, trained):
    again = train_model([data / RECORDING], "linear", 1_000, tmp_path / "other" / "m", cache)
    assert again["sha256"] == trained["sha256"]


def test_a_trained_model_takes_a_slot_of_the_core(trained):
    (model,) = assembly.models_of(with_model(trained["path"]))
    assert model.sha256 == trained["sha256"]
    assert len(model.columns(FEATURE_NAMES)) == len(model.features)
    assert check_model(trained["path"])["whole"] is True


def test_the_default_configuration_has_a_model_that_ships():
    (model,) = assembly.models_of(Config())
    assert model.name == "linear"
    names = [row["model"] for row in list_models()]
    assert names == ["gbdt", "linear"]
    for name in names:
        assert check_model(name)["score"]["r2_error"] > 0.0


@pytest.mark.parametrize("name", ["manifest.json", "prepared.npz", "model.onnx"])
def test_a_flipped_byte_in_any_file_is_refused_with_exit_code_3(trained, tmp_path, name):
    path = tmp_path / "m" / name
    content = bytearray(path.read_bytes())
    for place in {len(content) // 3, len(content) // 2, len(content) - 2}:
        flipped = content.copy()
        flipped[place] ^= 1
        path.write_bytes(flipped)
        with pytest.raises(UserError, match=name) as raised:
            assembly.models_of(with_model(tmp_path / "m"))
        assert raised.value.exit_code == 3
        assert "\n" not in str(raised.value)
        with pytest.raises(UserError) as raised:
            check_model(tmp_path / "m")
        assert raised.value.exit_code == 3


def test_a_missing_model_is_refused_with_exit_code_2_and_a_mend():
    with pytest.raises(UserError, match="bot4 model ls") as raised:
        assembly.models_of(with_model("nowhere"))
    assert raised.value.exit_code == 2


def test_a_missing_file_of_a_model_is_refused_with_exit_code_2(trained, tmp_path):
    (tmp_path / "m" / "prepared.npz").unlink()
    with pytest.raises(UserError, match=r"prepared\.npz is not there") as raised:
        assembly.models_of(with_model(tmp_path / "m"))
    assert raised.value.exit_code == 2


def test_a_damaged_model_is_listed_with_its_error(trained, tmp_path):
    shutil.copytree(tmp_path / "m", tmp_path / "n")
    (tmp_path / "n" / "manifest.json").write_text("{}")
    found = {row["model"]: row for row in list_models(tmp_path)}
    assert "error" not in found["m"]
    assert "not a model manifest" in found["n"]["error"]


def test_wrong_arguments_and_a_taken_output_are_one_line(data, cache, trained, tmp_path):
    files = [data / RECORDING]
    with pytest.raises(UserError, match="linear, gbdt or mlp"):
        train_model(files, "forest", 1_000, tmp_path / "x", cache)
    with pytest.raises(UserError, match="already holds a model"):
        train_model(files, "linear", 1_000, tmp_path / "m", cache)
    with pytest.raises(UserError, match="usable feature rows"):
        train_model(files, "linear", 300_000, tmp_path / "x", cache)


def test_without_lightgbm_one_line_names_the_extra_and_how_to_get_it(data, cache, tmp_path, monkeypatch):
    def absent(name):
        raise ImportError(f"No module named {name!r}")

    monkeypatch.setattr(extras.importlib, "import_module", absent)
    with pytest.raises(UserError, match="research") as raised:
        train_model([data / RECORDING], "gbdt", 1_000, tmp_path / "x", cache)
    assert "requirements/research.txt" in str(raised.value)
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "x").exists()


def test_the_core_loads_its_model_without_any_extra_installed():
    """In a process where the libraries of the extras cannot be imported."""
    code = (
        "import sys\n"
        "for name in ('onnx', 'onnxruntime', 'lightgbm', 'sklearn'): sys.modules[name] = None\n"
        "import engine.run, engine.core_process\n"
        "from engine import assembly\n"
        "from engine.config import Config\n"
        "for model in assembly.models_of(Config(models=('linear', 'gbdt'))): model.evaluator()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
