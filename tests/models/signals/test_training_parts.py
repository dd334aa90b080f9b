"""What training is made of: targets, the split with its embargo, three fits on planted truths, the score."""

import numpy as np
import pytest

from models.registry.onnx_trees import perfect
from models.signals.boosting import fit_boosting, trees_of
from models.signals.dataset import FeatureRows, forward_returns, split_by_time
from models.signals.perceptron import fit_perceptron
from models.signals.ridge import fit_ridge
from models.signals.score import hit_rate, r2, score, time_blocks
from models.signals.train import TooFewRows, TrainingPlan, train_model

SECOND_NS = 1_000_000_000


def rows_of(values, mid, time_ns, segment=None, names=("a", "b")):
    segment = np.zeros(len(mid), np.int64) if segment is None else np.asarray(segment)
    return FeatureRows(np.asarray(values, float), np.asarray(mid, float), np.asarray(time_ns), segment, names, {})


def planted(count=6_000, seed=1):
    """The return over the next second is 2a - b basis points plus noise; rows every 100 ms."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(count, 2))
    step = np.zeros(count)
    step[1:] = (2.0 * values[:-1, 0] - values[:-1, 1]) * 1e-4 + rng.normal(size=count - 1) * 1e-5
    return rows_of(values, 100.0 * np.exp(np.cumsum(step)), np.arange(count) * (SECOND_NS // 10))


# -- targets and split -------------------------------------------------------------------------------------------------


def test_target_is_the_last_price_known_at_the_horizon_and_never_crosses_a_segment():
    rows = rows_of(
        np.zeros((5, 2)), [100, 101, 102, 50, 51], [0, SECOND_NS, 2 * SECOND_NS + 1, 0, SECOND_NS], [0, 0, 0, 1, 1]
    )
    returns = forward_returns(rows, 1_000)
    np.testing.assert_allclose(returns[[0, 1, 3]], np.log([1.01, 1.0, 51 / 50]) * 1e4, atol=1e-9)
    assert np.isnan(returns[[2, 4]]).all()


def test_no_training_target_reaches_within_one_horizon_of_the_test():
    time_ns = np.arange(1_000) * (SECOND_NS // 10)
    train, test = split_by_time(time_ns, 1_000, 0.3)
    assert not (train & test).any()
    assert test.sum() == 300
    assert time_ns[test].min() - (time_ns[train].max() + SECOND_NS) >= SECOND_NS


def test_rows_out_of_order_are_refused():
    with pytest.raises(ValueError, match="order of time"):
        rows_of(np.zeros((2, 2)), [1, 1], [5, 4])


# -- fits on what is known ---------------------------------------------------------------------------------------------


def test_ridge_finds_planted_weights_in_the_units_of_the_features():
    rng = np.random.default_rng(2)
    values = rng.normal(size=(5_000, 3)) * [1.0, 1_000.0, 0.001] + [0.0, 50.0, 0.0]
    values[:, 2] = 7.0  # constant: it must weigh nothing
    weights, bias, _ = fit_ridge(values, (3.0 * values[:, :1] - 0.002 * values[:, 1:2] + 1.0))
    np.testing.assert_allclose(weights[:, 0], [3.0, -0.002, 0.0], rtol=1e-3, atol=1e-12)
    assert bias[0] == pytest.approx(1.0, abs=0.02)


def test_perceptron_learns_what_no_line_can():
    rng = np.random.default_rng(3)
    values = rng.normal(size=(4_000, 2)) * [5.0, 0.1] + [100.0, 0.0]
    returns = np.abs(values[:, :1] - 100.0)
    weights, biases, _ = fit_perceptron(values, returns)
    x = values.astype(np.float32)
    for w, b in zip(weights[:-1], biases[:-1], strict=True):
        x = np.maximum(x @ w + b, 0)
    assert r2(returns[:, 0] - returns.mean(), (x @ weights[-1] + biases[-1])[:, 0] - returns.mean()) > 0.9


def test_boosted_trees_read_out_answer_as_lightgbm_does():
    rng = np.random.default_rng(4)
    values = rng.normal(size=(3_000, 4)).astype(np.float32).astype(np.float64)
    values[::7, 1] = np.nan
    booster = fit_boosting(values, np.sign(values[:, 0]) + rng.normal(size=3_000), 20, 4)
    arrays = perfect(trees_of(booster), [0.0])
    from kernels.trees.cpu import Trees

    padded = np.zeros((len(values), 32))
    padded[:, :4] = values
    np.testing.assert_allclose(Trees(**arrays).evaluate(padded)[:, 0], booster.predict(values), rtol=1e-5, atol=1e-6)


# -- score -------------------------------------------------------------------------------------------------------------


def test_zero_forecast_scores_zero_and_a_perfect_one_scores_one():
    returns = np.random.default_rng(5).normal(size=500)
    assert r2(returns, np.zeros(500)) == 0.0
    assert r2(returns, returns) == 1.0
    assert r2(returns, -returns) == pytest.approx(-3.0)
    assert hit_rate(np.array([1.0, -1.0, 0.0, 2.0]), np.array([1.0, 1.0, 1.0, 0.0])) == 0.5


def test_standard_error_knows_that_neighbouring_targets_overlap():
    """Rows every 100 ms with a 1 s target: about ten rows are one observation, so the error is about three times that
    of independent rows."""
    rng = np.random.default_rng(6)
    steps = rng.normal(size=20_010)
    overlapping = np.convolve(steps, np.ones(10), "valid")[:20_000]
    forecast = np.convolve(rng.normal(size=20_010), np.ones(10), "valid")[:20_000]
    time_ns = np.arange(20_000) * (SECOND_NS // 10)
    naive = 1.0 / np.sqrt(20_000)
    error = score(overlapping, forecast, time_ns, 1_000)["correlation_error"]
    assert error is not None
    assert 1.8 * naive < error < 4.5 * naive


def test_blocks_outlast_the_horizon():
    blocks = time_blocks(np.arange(0, 100 * SECOND_NS, SECOND_NS), 1_000)
    assert np.bincount(blocks).tolist() == [10] * 10


# -- the whole training ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["linear", "gbdt", "mlp"])
def test_a_planted_signal_is_found_and_beats_the_baseline(kind, tmp_path):
    result = train_model(planted(), TrainingPlan(kind, horizons_ms=(100,)), tmp_path / "m")
    assert result["kind"] == kind
    assert result["score"]["r2"] > 0.7
    assert result["score"]["r2_error"] < 0.1


@pytest.mark.parametrize("kind", ["linear", "gbdt", "mlp"])
def test_noise_scores_nothing(kind, tmp_path):
    rng = np.random.default_rng(7)
    rows = rows_of(
        rng.normal(size=(6_000, 2)), np.exp(np.cumsum(rng.normal(size=6_000) * 1e-4)), np.arange(6_000) * 10**8
    )
    result = train_model(rows, TrainingPlan(kind, horizons_ms=(100,)), tmp_path / "m")
    assert result["score"]["r2"] < 0.02
    assert result["baseline"]["zero_r2"] == 0.0


def test_too_few_rows_say_how_many_are_needed(tmp_path):
    with pytest.raises(TooFewRows, match="1000 are needed"):
        train_model(planted(500), TrainingPlan("linear", horizons_ms=(100,)), tmp_path / "m")
