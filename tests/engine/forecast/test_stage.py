"""The forecast stage: when it forecasts, from what, and when a forecast no longer counts."""

import numpy as np
import pytest

from engine.forecast.config import ForecastSettings
from engine.forecast.stage import ForecastStage
from engine.stage import FORECAST_VIEW
from ipc.messages import Flag, Kind, Refusal, messages
from models.registry.prepared import PreparedModel

from .feature_table import FeatureTable

MS = 1_000_000
NAMES = tuple(f"f{i}" for i in range(32))


def linear_model(weights, name="line", features=("f0", "f1"), sha256="ab" * 32, role="active"):
    weights_io = np.zeros((32, 4))
    weights_io[: len(weights), 0] = weights
    arrays = {"weights_io": weights_io, "bias_o": np.zeros(4), "link": np.array("identity")}
    return PreparedModel(name, "linear", sha256, features, (1000,), arrays, role)


def external_model(sha256="cd" * 32, horizons_ms=(100, 1000), role="active"):
    return PreparedModel("deep", "onnx", sha256, ("f0",), horizons_ms, {}, role)


def batch(time_ns, instrument=0, kind=Kind.LEVEL, flags=Flag.LAST):
    record = messages(1)
    record["kind"], record["instrument"], record["flags"] = kind, instrument, flags
    record["event_time_ns"] = record["receive_time_ns"] = time_ns
    return record


def result(time_ns, values, slot=0, instrument=0):
    records = messages(len(values))
    records["kind"], records["instrument"], records["quantity_lots"] = Kind.FORECAST, instrument, slot
    records["event_time_ns"] = records["receive_time_ns"] = time_ns
    records["order_id"] = np.arange(len(values))
    records["extra"] = np.array(values, dtype=np.float64).view(np.int64)
    records["flags"][-1] = Flag.LAST
    return records


def change(slot, number):
    record = messages(1)
    record["kind"], record["order_id"], record["extra"] = Kind.MODEL, slot, number
    return record


@pytest.fixture
def table():
    return FeatureTable(2)


def stage_of(table, *models, **settings):
    stage = ForecastStage(2, table.capsule, models, ForecastSettings(**settings), NAMES)
    return stage, stage.rows(FORECAST_VIEW)


def test_forecast_is_the_model_on_the_feature_row_with_the_row_times(table):
    stage, rows = stage_of(table, linear_model([2.0, -1.0]))
    table.set([3.0, 1.0], 5 * MS)
    stage.drive(batch(5 * MS))
    assert rows[0]["values"].tolist() == [5.0, 0.0, 0.0, 0.0]
    assert (rows[0]["ready"], rows[0]["model"], rows[0]["receive_time_ns"]) == (1, 0, 5 * MS)
    assert (rows[1]["ready"], rows[1]["model"]) == (0, -1)


def test_features_are_found_by_name_not_by_place(table):
    stage, rows = stage_of(table, linear_model([1.0, 10.0], features=("f7", "f2")))
    table.set(np.arange(32.0), MS)
    stage.drive(batch(MS))
    assert rows[0]["values"][0] == 7.0 + 20.0


def test_records_before_the_end_of_a_batch_make_no_forecast(table):
    stage, _ = stage_of(table, linear_model([1.0]))
    table.set([1.0], MS)
    stage.drive(batch(MS, flags=0))
    assert stage.counters()["computed"] == 0


def test_forecast_is_made_at_most_every_third_batch(table):
    stage, rows = stage_of(table, linear_model([1.0]), every_batches=3)
    seen = []
    for i in range(7):
        table.set([float(i)], i * MS)
        stage.drive(batch(i * MS))
        seen.append(rows[0]["values"][0])
    assert seen == [0, 0, 0, 3, 3, 3, 6]


def test_forecast_ends_at_once_when_the_features_end(table):
    stage, rows = stage_of(table, linear_model([1.0]), every_batches=10)
    table.set([1.0], MS)
    stage.drive(batch(MS))
    table.set([1.0], 2 * MS, ready=0)
    stage.drive(batch(2 * MS, kind=Kind.BOOK_STATE))
    assert rows[0]["ready"] == 0
    table.set([4.0], 3 * MS)
    stage.drive(batch(3 * MS))
    assert (rows[0]["ready"], rows[0]["values"][0]) == (1, 4.0)


def test_forecast_that_is_not_finite_is_not_ready(table):
    stage, rows = stage_of(table, linear_model([1.0]))
    for value in (np.nan, np.inf, -np.inf):
        table.set([value], MS)
        stage.drive(batch(MS))
        assert rows[0]["ready"] == 0


def test_forecast_older_than_the_limit_by_core_time_is_not_ready(table):
    stage, rows = stage_of(table, linear_model([1.0]), maximum_age_ms=10)
    table.set([1.0], 100 * MS)
    stage.drive(batch(100 * MS))
    stage.drive(batch(110 * MS, kind=Kind.TIME))
    assert rows[0]["ready"] == 1
    stage.drive(batch(110 * MS + 1, kind=Kind.TIME))
    assert rows[0]["ready"] == 0
    assert stage.counters()["expired"] == 1


def test_another_instrument_moves_core_time_too(table):
    stage, rows = stage_of(table, linear_model([1.0]), maximum_age_ms=10)
    table.set([1.0], 100 * MS)
    stage.drive(batch(100 * MS))
    stage.drive(batch(200 * MS, instrument=1))
    assert rows[0]["ready"] == 0


def test_model_change_takes_effect_at_the_next_batch_only(table):
    second = linear_model([-1.0], sha256="12" * 32, role="shadow")
    stage, rows = stage_of(table, linear_model([1.0]), second)
    table.set([1.0], MS)
    stage.drive(batch(MS))
    said = stage.drive(change(1, second.number))
    assert len(said) == 0
    assert (rows[0]["model"], rows[0]["values"][0]) == (0, 1.0)
    stage.drive(batch(2 * MS))
    assert (rows[0]["model"], rows[0]["values"][0]) == (1, -1.0)


def test_change_to_a_model_that_is_not_in_its_slot_is_refused_as_a_message(table):
    model = linear_model([1.0])
    stage, _ = stage_of(table, model)
    for slot, number in ((0, 77), (1, model.number), (-1, model.number), (8, model.number)):
        said = stage.drive(change(slot, number))
        assert said["kind"].tolist() == [Kind.REFUSAL]
        assert said["extra"].tolist() == [Refusal.FORECAST_MISSING]
        assert said["quantity_lots"].tolist() == [number]
    assert stage.counters()["models_refused"] == 4
    assert stage.counters()["active"] == 0


def test_results_of_the_inference_process_land_whole_and_keep_their_age(table):
    stage, rows = stage_of(table, external_model(), maximum_age_ms=50)
    table.set([0.0], 100 * MS)
    stage.drive(batch(100 * MS))
    records = result(90 * MS, [1.5, -2.5])
    stage.drive(records[:1])
    assert rows[0]["ready"] == 0
    stage.drive(records[1:])
    assert rows[0]["values"].tolist() == [1.5, -2.5, 0.0, 0.0]
    assert (rows[0]["ready"], rows[0]["receive_time_ns"]) == (1, 90 * MS)
    stage.drive(batch(141 * MS, kind=Kind.TIME))
    assert rows[0]["ready"] == 0


@pytest.mark.parametrize(
    "records",
    [
        result(90 * MS, [1.0, 2.0], slot=1),
        result(90 * MS, [1.0, 2.0], instrument=2),
        result(90 * MS, [1.0, 2.0])[1:],
        result(90 * MS, [1.0, 2.0, 3.0]),
        result(20 * MS, [1.0, 2.0]),
        result(90 * MS, [1.0, np.nan]),
    ],
    ids=["other slot", "unknown instrument", "first value lost", "too many values", "too old", "not a number"],
)
def test_result_that_does_not_fit_never_becomes_a_forecast(table, records):
    stage, rows = stage_of(table, external_model(), maximum_age_ms=50)
    table.set([0.0], 100 * MS)
    stage.drive(batch(100 * MS))
    stage.drive(records)
    assert rows["ready"].tolist() == [0, 0]


def test_result_for_a_model_with_an_evaluator_is_ignored(table):
    stage, rows = stage_of(table, linear_model([1.0]))
    table.set([3.0], MS)
    stage.drive(batch(MS))
    stage.drive(result(2 * MS, [9.0]))
    assert rows[0]["values"][0] == 3.0
    assert stage.counters()["results_ignored"] == 1


def test_result_older_than_the_one_it_would_replace_is_ignored(table):
    stage, rows = stage_of(table, external_model(horizons_ms=(100,)))
    table.set([0.0], 100 * MS)
    stage.drive(batch(100 * MS))
    stage.drive(result(95 * MS, [2.0]))
    stage.drive(result(94 * MS, [1.0]))
    assert rows[0]["values"][0] == 2.0


def test_without_a_model_nothing_is_ever_ready(table):
    stage, rows = stage_of(table)
    table.set([1.0], MS)
    stage.drive(batch(MS))
    stage.drive(result(MS, [1.0]))
    assert rows["ready"].tolist() == [0, 0]


def test_snapshot_and_restore_continue_alike(table):
    def run(stage, start):
        for i in range(start, start + 5):
            table.set([float(i)], i * MS)
            stage.drive(batch(i * MS))
        return stage.snapshot()

    model = linear_model([1.0])
    stage, _ = stage_of(table, model, every_batches=4)
    middle = run(stage, 0)
    other, _ = stage_of(table, model, every_batches=4)
    other.restore(middle)
    assert run(stage, 5) == run(other, 5)


def test_nine_models_and_unknown_features_are_refused(table):
    with pytest.raises(ValueError, match="9 models: there are 8 slots"):
        stage_of(table, *[linear_model([1.0])] * 9)
    with pytest.raises(ValueError, match="features that this build has not: depth"):
        stage_of(table, linear_model([1.0], features=("depth",)))


@pytest.mark.parametrize("settings", [{"every_batches": 0}, {"maximum_age_ms": 0}])
def test_settings_outside_their_limits_name_the_field(settings):
    with pytest.raises(ValueError, match=next(iter(settings))):
        ForecastSettings(**settings)
