"""Model folders: written, read back, and refused when any byte of them is wrong."""

import json

import numpy as np
import pytest

from models.registry.prepared import model_number
from models.registry.store import Manifest, ModelCorrupt, ModelMissing, load_manifest, load_model, load_onnx, save_model

from .folders import NAMES, folder_of, onnx_of

KINDS = ("linear", "gbdt", "mlp")
FILES = ("manifest.json", "model.onnx", "prepared.npz")


@pytest.mark.parametrize("kind", KINDS)
def test_model_read_back_is_the_kind_found_in_the_onnx_and_evaluates(tmp_path, kind):
    model = load_model(folder_of(tmp_path, kind))
    assert (model.kind, model.features, model.compiled) == (kind, NAMES, True)
    assert np.isfinite(model.evaluator().evaluate(np.zeros((1, 32)))).all()
    assert model.number == model_number(model.sha256) < 2**63


@pytest.mark.parametrize("kind", KINDS)
def test_same_model_written_twice_has_the_same_hash(tmp_path, kind):
    first, second = folder_of(tmp_path / "a", kind), folder_of(tmp_path / "b", kind)
    assert load_manifest(first).sha256 == load_manifest(second).sha256
    assert (first / "prepared.npz").read_bytes() == (second / "prepared.npz").read_bytes()


@pytest.mark.parametrize("file", FILES)
def test_flipped_byte_anywhere_is_found(tmp_path, file):
    path = folder_of(tmp_path, "linear") / file
    content = path.read_bytes()
    rng = np.random.default_rng(1)
    for place in rng.integers(0, len(content), 40):
        for bit in (1, 32):
            changed = bytearray(content)
            changed[place] ^= bit
            if file == "manifest.json" and content[place : place + 1].isspace() and chr(changed[place]).isspace():
                continue
            path.write_bytes(bytes(changed))
            with pytest.raises(ModelCorrupt, match=str(path)):
                load_model(path.parent)


def test_cut_file_is_found(tmp_path):
    path = folder_of(tmp_path, "linear") / "prepared.npz"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ModelCorrupt, match=r"prepared\.npz: the bytes do not fit the hash"):
        load_model(path.parent)


def test_missing_model_and_missing_file_are_said_in_one_line(tmp_path):
    with pytest.raises(ModelMissing, match=r"no model at .*nowhere: manifest\.json is not there") as caught:
        load_model(tmp_path / "nowhere")
    assert "\n" not in str(caught.value)
    folder = folder_of(tmp_path, "linear")
    (folder / "prepared.npz").unlink()
    with pytest.raises(ModelMissing, match=r"prepared\.npz is not there"):
        load_model(folder)


def test_base_install_needs_only_manifest_and_prepared_arrays(tmp_path):
    folder = folder_of(tmp_path, "gbdt")
    (folder / "model.onnx").unlink()
    assert load_model(folder).compiled


def test_unknown_field_and_other_schema_version_are_refused(tmp_path):
    path = folder_of(tmp_path, "linear") / "manifest.json"
    fields = json.loads(path.read_text())
    path.write_text(json.dumps(fields | {"colour": 1}))
    with pytest.raises(ModelCorrupt, match="colour"):
        load_model(path.parent)
    path.write_text(json.dumps(fields | {"schema_version": 2}))
    with pytest.raises(ModelCorrupt, match="schema version 2; this build reads 1"):
        load_model(path.parent)


def test_manifest_whose_features_are_no_row_is_refused(tmp_path):
    save_model(tmp_path / "m", Manifest(name="m", kind="onnx", features=(), horizons_ms=(1,)), onnx_of("linear"))
    with pytest.raises(ModelCorrupt, match="1 to 32 features"):
        load_model(tmp_path / "m")


def test_a_model_is_never_overwritten(tmp_path):
    folder_of(tmp_path, "linear")
    with pytest.raises(FileExistsError, match="already holds a model"):
        folder_of(tmp_path, "gbdt")


def test_model_without_evaluator_keeps_its_onnx_and_no_arrays(tmp_path):
    save_model(tmp_path / "m", Manifest(name="m", kind="onnx", features=NAMES, horizons_ms=(1,)), onnx_of("mlp"))
    model = load_model(tmp_path / "m")
    assert not model.compiled
    with pytest.raises(ValueError, match="no compiled evaluator"):
        model.evaluator()
    manifest, content = load_onnx(tmp_path / "m")
    assert content == onnx_of("mlp")
    assert manifest.sha256 == model.sha256
