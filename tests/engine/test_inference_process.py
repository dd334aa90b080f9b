"""The inference process: same features as the core, newest row first, results that the forecast stage takes."""

import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest

from engine.book.stage import BookStage
from engine.config import Config
from engine.errors import Exit, UserError
from engine.features.catalogue import FEATURE_NAMES
from engine.features.stage import FeatureStage
from engine.forecast.stage import ForecastStage
from engine.inference_process import InferenceProcess, InferenceProcessSettings, external_models
from engine.journal.manifest import Manifest as RunManifest
from engine.journal.manifest import write_manifest
from engine.run_files import RunFiles
from engine.stage import FEATURE_VIEW, FORECAST_VIEW
from ipc.counters import Counters
from ipc.instruments import instrument
from ipc.messages import Flag, Kind, messages
from ipc.ring import Ring
from models.registry.onnx_write import linear_onnx
from models.registry.prepared import PreparedModel
from models.registry.store import Manifest, load_model, save_model
from tests.engine.forecast.market import opening, updates

PROJECT = Path(__file__).resolve().parents[2]
TABLE = instrument("BTCUSDT.BINANCE", "BTCUSDT", "0.01", "0.00001")
EPOCH = 77
WEIGHTS = np.random.default_rng(1).normal(size=(32, 2))


class Run:
    """The rings and files of a run with one external model, and the core's side of them."""

    def __init__(self, folder: Path, result_records: int = 1 << 10) -> None:
        self.files = RunFiles("r1", folder / "run", folder / "shared")
        self.files.make()
        np.save(self.files.instruments, TABLE)
        manifest = Manifest(name="deep", kind="onnx", features=FEATURE_NAMES, horizons_ms=(100, 1000))
        save_model(folder / "deep", manifest, linear_onnx(WEIGHTS, np.zeros(2)))
        self.model = load_model(folder / "deep")
        self.config = Config(models=(str(folder / "deep"),))
        market = Ring.create(self.files.ring("market"), 1 << 12, lossy=True, epoch=EPOCH)
        results = Ring.create(self.files.ring("results"), result_records, lossy=False, epoch=EPOCH, consumers=["core"])
        self.market, self.results = market.producer(), results.consumer("core", 0)
        self.settings = InferenceProcessSettings(
            run_id="r1", directory=str(self.files.directory), shared=str(self.files.shared), epoch=EPOCH
        )

    def process(self) -> InferenceProcess:
        return InferenceProcess(self.files, self.settings, self.config, external_models(self.config, "off"))

    def received(self) -> np.ndarray:
        out = messages(1 << 12)
        return out[: max(0, self.results.receive(out))].copy()

    def counter(self, name: str) -> int:
        return Counters.attach(self.files.counters("inference")).value(name)


@pytest.fixture
def run(tmp_path):
    return Run(tmp_path)


def features_of(records):
    book = BookStage(TABLE)
    features = FeatureStage(TABLE, book.view())
    ends = np.flatnonzero(records["flags"] & Flag.LAST) + 1
    for start, end in zip([0, *ends[:-1]], ends, strict=True):
        book.drive(records[start:end])
        features.drive(records[start:end])
    return features


def test_results_are_the_model_on_the_features_that_the_core_computes(run):
    records = np.concatenate([opening(), updates(400)])
    process = run.process()
    run.market.send(records.copy())
    process.turn()
    said = run.received()
    features = features_of(records)
    row = features.rows(FEATURE_VIEW)[0]
    assert row["ready"] == 1
    assert said["kind"].tolist() == [Kind.FORECAST] * 2
    assert said["flags"].tolist() == [0, Flag.LAST]
    assert said["receive_time_ns"].tolist() == [row["receive_time_ns"]] * 2
    np.testing.assert_allclose(said["extra"].view(np.float64), row["values"] @ WEIGHTS, rtol=1e-9)
    forecast = ForecastStage(1, features.view(), [run.model], None, FEATURE_NAMES)
    forecast.drive(records[-1:])
    forecast.drive(said)
    landed = forecast.rows(FORECAST_VIEW)[0]
    assert (landed["ready"], landed["model"]) == (1, 0)
    np.testing.assert_array_equal(landed["values"][:2], said["extra"].view(np.float64))
    process.close()


def test_newest_row_wins_and_the_rest_are_counted(run):
    process = run.process()
    run.market.send(np.concatenate([opening(), updates(400)]))
    process.turn()
    assert len(run.received()) == 2
    assert run.counter("evaluated") == 1
    assert run.counter("overtaken") > 100
    process.turn()
    assert len(run.received()) == 0
    process.close()


def test_result_without_room_is_dropped_and_counted_and_nothing_waits(tmp_path):
    run = Run(tmp_path, result_records=16)
    process = run.process()
    records = np.concatenate([opening(), updates(430)])
    run.market.send(records[:-40].copy())
    process.turn()
    for record in records[-40:]:
        run.market.send(record.reshape(1).copy())
        process.turn()
    assert run.counter("dropped") > 10
    assert len(run.received()) <= 16
    process.close()


def test_lapped_process_says_nothing_until_the_next_snapshot(run):
    process = run.process()
    run.market.send(np.concatenate([opening(), updates(400)]))
    process.turn()
    assert len(run.received()) == 2
    for seed in range(20):
        run.market.send(updates(400, seed))
    process.turn()
    assert run.counter("lapped_records") > 0
    while run.counter("records") + run.counter("lapped_records") < 26 + 480 * 21:
        process.turn()
    assert len(run.received()) == 0
    start_ns = opening()["receive_time_ns"][0] + 400 * 10**9
    run.market.send(np.concatenate([opening(start_ns), updates(400, 3, start_ns)]))
    process.turn()
    assert len(run.received()) == 2
    process.close()


def test_models_with_an_evaluator_are_left_to_the_core(run):
    assert [model.slot for model in external_models(run.config, "off")] == [0]
    assert external_models(Config(models=("linear",)), "off") == []


def test_wrong_bytes_and_a_missing_folder_are_one_line_with_the_right_code(run, tmp_path):
    path = tmp_path / "deep" / "model.onnx"
    path.write_bytes(path.read_bytes()[:-1] + b"\0")
    with pytest.raises(UserError, match=r"model\.onnx: the bytes do not fit") as caught:
        external_models(run.config, "off")
    assert caught.value.exit_code == Exit.INTEGRITY
    with pytest.raises(UserError, match="no model at") as caught:
        external_models(Config(models=("nowhere",)), "off")
    assert caught.value.exit_code == Exit.USAGE
    assert "\n" not in str(caught.value)


def test_process_runs_as_a_child_and_ends_cleanly_on_sigterm(run, tmp_path):
    config = msgspec.to_builtins(run.config, enc_hook=str)
    write_manifest(run.files.directory, RunManifest(run_id="r1", config=config))
    run.files.settings("inference").parent.mkdir(exist_ok=True)
    path = run.files.settings("inference")
    path.write_bytes(msgspec.json.encode(run.settings))
    command = [sys.executable, "-m", "engine.child", "inference", str(path)]
    with subprocess.Popen(command, cwd=PROJECT, stderr=subprocess.PIPE) as child:
        run.market.send(np.concatenate([opening(), updates(400)]))
        assert run.results.sleep(30.0), child.poll()
        child.send_signal(signal.SIGTERM)
        assert child.wait(20) == 0
        assert child.stderr is not None
        assert child.stderr.read() == b""
    assert len(run.received()) == 2


def test_external_model_is_a_prepared_model_without_arrays(run):
    assert isinstance(run.model, PreparedModel)
    assert not run.model.compiled
