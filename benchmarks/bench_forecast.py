"""One forecast, one row: the three compiled evaluators, each beside libraries and a plain numba loop in the same run.

Our evaluators are timed row by row over distinct rows by `engine/telemetry/evaluator_timer.pyx`, the clock's cost
subtracted; the linear one in groups, because a reading costs more than a row. Peers are called from Python, as their
users call them, one row at a time on one thread; the numba loops are timed in blocks of rows and so pay no call at all.
Peers that are not installed (extras `inference`, `research`) are left out. `ratio_to_peer` is to the fastest that ran.
`stage_p50_ns` is the whole forecast stage with that model (row gathered, evaluator, result written, ages looked after)
on recorded messages, book and features driven before it and not timed. `allocations` are those of the evaluator's loop.

    python -m benchmarks.bench_forecast
"""

import json
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

from benchmarks.bench_book import WARMUP_SHARE, market_records
from benchmarks.forecast_peers import (
    lightgbm_single_row,
    numba_mlp,
    numba_trees,
    runtime_bound,
    runtime_run,
    time_calls,
)
from engine.book.stage import BookStage
from engine.features.catalogue import FEATURE_NAMES
from engine.features.stage import FeatureStage
from engine.forecast.stage import ForecastStage
from engine.telemetry.evaluator_timer import time_rows
from engine.telemetry.step_timer import time_steps
from models.registry.onnx_trees import Leaf, Split, Tree, perfect
from models.registry.prepared import PreparedModel

INPUTS = 32
ROWS = 20_000
WARMUP = 2_000
ROUNDS = 3
PEER_ROWS = 2_000
TREES, DEPTH = 100, 6
WIDTHS = (32, 64, 64, 3)
LINEAR_GROUP = 16
SEED = 1

Peers = dict[str, Callable[[np.ndarray], Any]]


def forecast_linear(peers: bool = True) -> dict[str, Any]:
    """The row `forecast_linear`: 32 inputs, one output in use. Means over 16 rows; percentiles are of those means."""
    from kernels.linear.cpu import Linear

    rng = np.random.default_rng(SEED)
    weights = np.zeros((INPUTS, 4))
    weights[:, 0] = rng.normal(size=INPUTS)
    bias = np.array([0.1, 0.0, 0.0, 0.0])
    rows = market_like(rng)
    result = fastest("forecast_linear", Linear(weights, bias), rows, LINEAR_GROUP)
    arrays = {"weights_io": weights, "bias_o": bias, "link": np.array("identity")}
    result |= in_stage("linear", 1, arrays)

    def onnx() -> bytes:
        from models.registry.onnx_write import linear_onnx

        return linear_onnx(weights[:, :1], bias[:1])

    return beside(result, rows, runtime_peers(onnx, np.float64) if peers else {})


def forecast_mlp(peers: bool = True) -> dict[str, Any]:
    """The row `forecast_mlp`: 32-64-64-3, ReLU, float32."""
    from kernels.mlp.cpu import Mlp

    rng = np.random.default_rng(SEED)
    sizes = list(pairwise(WIDTHS))
    weights = [(rng.normal(size=size) / np.sqrt(size[0])).astype(np.float32) for size in sizes]
    biases = [rng.normal(size=size[1]).astype(np.float32) for size in sizes]
    rows = market_like(rng)
    result = fastest("forecast_mlp", Mlp(weights, biases), rows)
    arrays = {f"weights_io_{i}": w for i, w in enumerate(weights)} | {f"bias_o_{i}": b for i, b in enumerate(biases)}
    result |= in_stage("mlp", 3, arrays | {"activation": np.array("relu")})

    def onnx() -> bytes:
        from models.registry.onnx_write import mlp_onnx

        return mlp_onnx(weights, biases)

    others = runtime_peers(onnx, np.float32) | {"numba_loop": lambda some: numba_mlp(weights, biases, some)}
    return beside(result, rows, others if peers else {})


def forecast_gbdt(peers: bool = True) -> dict[str, Any]:
    """The row `forecast_gbdt`: 100 trees of depth 6, trained by LightGBM; drawn at random where it is not installed."""
    from kernels.trees.cpu import Trees

    rng = np.random.default_rng(SEED)
    rows = market_like(rng)
    booster = trained_booster(rng)
    trees = drawn_trees(rng) if booster is None else trees_of_booster(booster)
    arrays = perfect(trees, [0.0])
    result = fastest("forecast_gbdt", Trees(**arrays), rows) | {"trees": len(trees), "depth": DEPTH}
    result |= in_stage("gbdt", 1, arrays) | {"model": "random" if booster is None else "lightgbm"}

    def onnx() -> bytes:
        from models.registry.onnx_write import trees_onnx

        return trees_onnx(trees, [0.0], INPUTS)

    others = runtime_peers(onnx, np.float32) | {"numba_loop": lambda some: numba_trees(arrays, some)}
    if booster is not None:
        others["lightgbm_single_row_fast"] = lambda some: lightgbm_single_row(booster, some)
    return beside(result, rows, others if peers else {})


# -- ours --------------------------------------------------------------------------------------------------------------


def market_like(rng: np.random.Generator) -> np.ndarray:
    """Distinct rows of 32 features, shape (ROWS, 32)."""
    return rng.normal(size=(ROWS, INPUTS))


def fastest(name: str, evaluator: Any, rows: np.ndarray, group: int = 1) -> dict[str, Any]:
    """The round with the lowest p50: the one least disturbed by the machine."""
    best: dict[str, Any] = {}
    for _ in range(ROUNDS):
        times, _ = time_rows(evaluator, rows, WARMUP, group)
        row = times.row(name) | {"clock_overhead_ns": times.overhead_ns, "group": group}
        if not best or row["p50_ns"] < best["p50_ns"]:
            best = row
    return best | {"warmup": WARMUP}


def in_stage(kind: str, outputs: int, arrays: dict[str, Any]) -> dict[str, Any]:
    """`stage_p50_ns` and where the messages come from; the round with the least median."""
    table, records, source = market_records()
    model = PreparedModel(kind, kind, "0" * 64, FEATURE_NAMES, tuple(range(1, outputs + 1)), arrays)
    warmup, least = int(len(records) * WARMUP_SHARE), float("inf")
    for _ in range(ROUNDS):
        book = BookStage(table)
        features = FeatureStage(table, book.view())
        forecast = ForecastStage(len(table), features.view(), model, None, FEATURE_NAMES)
        times = time_steps(forecast.step(), records, warmup=warmup, before=[book.step(), features.step()])
        if forecast.counters()["computed"] < 0.95 * times.messages:
            raise ValueError("most batches made no forecast: what was timed is not what is meant")
        least = min(least, float(np.median(times.ns)))
    return {"stage_p50_ns": least, "data": source}


# -- peers -------------------------------------------------------------------------------------------------------------


def runtime_peers(onnx: Callable[[], bytes], dtype: Any) -> Peers:
    """ONNX Runtime on the same model, called in two ways."""

    def timed(call: Callable[[bytes, Any], Callable[[np.ndarray], Any]]) -> Callable[[np.ndarray], Any]:
        return lambda rows: time_calls(call(onnx(), dtype), rows.astype(dtype))

    return {"onnxruntime_run": timed(runtime_run), "onnxruntime_io_binding": timed(runtime_bound)}


def beside(result: dict[str, Any], rows: np.ndarray, peers: Peers) -> dict[str, Any]:
    """The result with p50 of each peer that could be run, and the ratio to the fastest (below 1: ours is faster)."""
    measured: dict[str, float] = {}
    absent: dict[str, str] = {}
    for name, measure in peers.items():
        try:
            measured[name] = measure(rows[:PEER_ROWS])
        except ImportError as error:
            absent[name] = str(error)
    if measured:
        peer = min(measured, key=lambda name: measured[name])
        result = result | {"peer": peer, "ratio_to_peer": result["p50_ns"] / measured[peer]}
    return result | {"peers": measured, "peers_absent": absent}


def trained_booster(rng: np.random.Generator) -> Any:
    """A LightGBM booster of 100 trees of depth 6 on noisy nonlinear data; None without LightGBM."""
    try:
        import lightgbm
    except ImportError:
        return None
    values = rng.normal(size=(20_000, INPUTS))
    target = np.sin(values[:, 0]) + values[:, 1] * values[:, 2] + rng.normal(size=len(values))
    parameters = {"max_depth": DEPTH, "num_leaves": 2**DEPTH - 1, "verbosity": -1, "num_threads": 1, "seed": SEED}
    return lightgbm.train(parameters, lightgbm.Dataset(values, target), TREES)


def trees_of_booster(booster: Any) -> list[Tree]:
    from models.signals.boosting import trees_of

    return trees_of(booster)


def drawn_trees(rng: np.random.Generator) -> list[Tree]:
    """Perfect trees with random splits."""

    def grow(depth: int) -> Tree:
        if depth == 0:
            return Leaf({0: float(np.float32(rng.normal()))})
        return Split(int(rng.integers(INPUTS)), np.float32(rng.normal()), False, grow(depth - 1), grow(depth - 1))

    return [grow(DEPTH) for _ in range(TREES)]


if __name__ == "__main__":
    print(json.dumps([forecast_linear(), forecast_gbdt(), forecast_mlp()], indent=2))
