"""One forecast: the forecast stage over recorded messages, book and features driven before it and not timed.

Every batch whose feature row is ready makes one forecast. Each is timed on its own by `engine/telemetry/step_timer.pyx`
(the clock's cost subtracted): the row gathered, the model, the result written. `evaluator_ns` is the compiled evaluator
alone, mean of a loop over distinct recorded rows; the peers compute the same model (LightGBM: one of the same size) on
the same rows in the same run, median of single calls, the numba loop as a mean like ours. What a peer costs from Python
is part of its figure: that is how it would be called.

Models: 32 features, one output (MLP three). linear; 100 full trees of depth 6 with thresholds drawn from the rows; MLP
32-64-64-3 with ReLU. Untrained: the time does not depend on what they say.

    python -m benchmarks.bench_forecast
"""

import json
import time
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from benchmarks import forecast_peers
from benchmarks.bench_book import WARMUP_SHARE, market_records
from engine.book.stage import BookStage
from engine.features.catalogue import FEATURE_NAMES
from engine.features.stage import FeatureStage
from engine.forecast.stage import ForecastStage
from engine.replay.feature_rows import FEATURE_ROW, FeatureRowCollector
from engine.telemetry.step_timer import time_steps
from models.registry.onnx_trees import Leaf, Split, Tree, perfect
from models.registry.prepared import INPUTS, OUTPUTS, PreparedModel

ROUNDS = 3
PASSES = 10
TREES, DEPTH = 100, 6
MLP_SIZES = ((INPUTS, 64), (64, 64), (64, 3))


@cache
def recorded() -> tuple[np.ndarray, np.ndarray, str, np.ndarray]:
    """(instrument table, messages, where from, feature rows (n, 32)): every row that the messages make ready."""
    table, records, source = market_records()
    rows = np.zeros(len(records), dtype=FEATURE_ROW)
    _, count = FeatureRowCollector(table, 0).take(records, rows)
    if count < 1_000:
        raise ValueError(f"only {count} feature rows became ready: too few to time")
    return table, records, source, np.ascontiguousarray(rows["values"][:count])


def scales() -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of each recorded feature, so that a random model is not one big number."""
    rows = recorded()[3]
    return rows.mean(axis=0), np.maximum(rows.std(axis=0), 1e-9)


def prepared(kind: str, outputs: int, arrays: dict[str, Any]) -> PreparedModel:
    return PreparedModel(kind, kind, "0" * 64, tuple(FEATURE_NAMES), tuple(range(1, outputs + 1)), arrays)


def linear_model() -> PreparedModel:
    weights_io = np.zeros((INPUTS, OUTPUTS))
    weights_io[:, 0] = np.random.default_rng(1).normal(size=INPUTS) / scales()[1]
    return prepared("linear", 1, {"weights_io": weights_io, "bias_o": np.zeros(OUTPUTS), "link": np.array("identity")})


def random_trees() -> list[Tree]:
    """Full trees; a threshold is a recorded value of its feature, so rows take all ways."""
    rng, rows = np.random.default_rng(1), recorded()[3]

    def tree(depth: int) -> Tree:
        if depth == 0:
            return Leaf({0: float(np.float32(rng.normal()))})
        feature = int(rng.integers(INPUTS))
        threshold = np.float32(rows[rng.integers(len(rows)), feature])
        return Split(feature, threshold, False, tree(depth - 1), tree(depth - 1))

    return [tree(DEPTH) for _ in range(TREES)]


def mlp_layers() -> tuple[list[np.ndarray], list[np.ndarray]]:
    rng, (mean, scale) = np.random.default_rng(1), scales()
    weights = [rng.normal(size=size) / np.sqrt(size[0]) for size in MLP_SIZES]
    weights[0] = weights[0] / scale[:, None]
    biases = [-mean @ weights[0], np.zeros(64), np.zeros(3)]
    return [w.astype(np.float32) for w in weights], [b.astype(np.float32) for b in biases]


def mlp_model() -> PreparedModel:
    weights, biases = mlp_layers()
    arrays: dict[str, Any] = {"activation": np.array("relu")}
    for number, (w, b) in enumerate(zip(weights, biases, strict=True)):
        arrays |= {f"weights_io_{number}": w, f"bias_o_{number}": b}
    return prepared("mlp", 3, arrays)


def time_stage(name: str, model: PreparedModel) -> dict[str, Any]:
    """The round with the least median; only rounds in which every timed batch after the warm-up made a forecast."""
    table, records, source, _ = recorded()
    warmup, best = int(len(records) * WARMUP_SHARE), {}
    for _ in range(ROUNDS):
        book = BookStage(table)
        features = FeatureStage(table, book.view())
        forecast = ForecastStage(len(table), features.view(), model, None, FEATURE_NAMES)
        times = time_steps(forecast.step(), records, warmup=warmup, before=[book.step(), features.step()])
        row = times.row(name)
        if forecast.counters()["computed"] < 0.95 * row["count"]:
            raise ValueError("most batches made no forecast: what was timed is not what is meant")
        if not best or row["p50_ns"] < best["p50_ns"]:
            best = row | {"clock_overhead_ns": times.overhead_ns, "clock_resolution_ns": times.resolution_ns}
    return best | {"warmup": warmup, "data": source}


def least_mean_ns(run: Callable[[np.ndarray], object]) -> float:
    """Least mean of PASSES passes over all recorded rows."""
    rows, least = recorded()[3], float("inf")
    for _ in range(PASSES):
        started = time.perf_counter_ns()
        run(rows)
        least = min(least, (time.perf_counter_ns() - started) / len(rows))
    return least


def measure(name: str, model: PreparedModel, peers: dict[str, Callable[[np.ndarray], float]]) -> dict[str, Any]:
    """The row of a model, `evaluator_ns` and the peers beside it; a peer whose library is absent is left out."""
    row = time_stage(name, model) | {"evaluator_ns": least_mean_ns(model.evaluator().evaluate)}
    figures = {}
    for peer, run in peers.items():
        try:
            figures[peer] = run(recorded()[3])
        except ImportError:
            continue
    return row | ({"peers": figures} if peers else {})


def forecast_linear(peers: bool = True) -> dict[str, Any]:
    """The row `forecast_linear`: name, count, p50_ns, p99_ns, p999_ns, max_ns, per_s, evaluator_ns, peers."""
    model = linear_model()
    found = forecast_peers.linear(model.arrays["weights_io"][:, :1], np.zeros(1)) if peers else {}
    return measure("forecast_linear", model, found)


def forecast_gbdt(peers: bool = True) -> dict[str, Any]:
    """The row `forecast_gbdt`, as `forecast_linear`; 100 full trees of depth 6."""
    trees = random_trees()
    arrays = perfect(trees, [0.0])
    return measure("forecast_gbdt", prepared("gbdt", 1, arrays), forecast_peers.gbdt(trees, arrays) if peers else {})


def forecast_mlp(peers: bool = True) -> dict[str, Any]:
    """The row `forecast_mlp`, as `forecast_linear`; 32-64-64-3."""
    return measure("forecast_mlp", mlp_model(), forecast_peers.mlp(*mlp_layers()) if peers else {})


if __name__ == "__main__":
    print(json.dumps([forecast_linear(), forecast_gbdt(), forecast_mlp()], indent=2))
