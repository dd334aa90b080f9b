"""What others take for one row of the same model: ONNX Runtime, LightGBM's single-row call, a plain numba loop.

Each function returns {"name_ns": run}; run(rows) takes float64 rows (n, 32) and returns nanoseconds a row. An absent
library shows as ImportError when the peer runs.
"""

import ctypes
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from models.registry.onnx_trees import Tree
from models.registry.onnx_write import linear_onnx, mlp_onnx, trees_onnx

CALLS = 3_000
PASSES = 10
Peers = dict[str, Callable[[np.ndarray], float]]


def _median_ns(call: Callable[[int], object], rows: int) -> float:
    """Median of CALLS single calls after a tenth as warm-up."""
    taken = []
    for i in range(CALLS + CALLS // 10):
        started = time.perf_counter_ns()
        call(i % rows)
        taken.append(time.perf_counter_ns() - started)
    return float(np.median(taken[CALLS // 10 :]))


def _session(onnx_bytes: bytes) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(onnx_bytes, options, providers=["CPUExecutionProvider"])


def _runtime(make: Callable[[], bytes], dtype: Any) -> Peers:
    """ONNX Runtime, one thread: `run`, and with memory bound beforehand."""

    def run(rows: np.ndarray) -> float:
        session, rows = _session(make()), rows.astype(dtype)
        name = session.get_inputs()[0].name
        return _median_ns(lambda i: session.run(None, {name: rows[i : i + 1]}), len(rows))

    def io_binding(rows: np.ndarray) -> float:
        import onnxruntime

        session, rows = _session(make()), rows.astype(dtype)
        one, binding = rows[:1].copy(), session.io_binding()
        value = onnxruntime.OrtValue.ortvalue_from_numpy(one)
        output = session.run(None, {session.get_inputs()[0].name: one})[0]
        binding.bind_ortvalue_input(session.get_inputs()[0].name, value)
        binding.bind_ortvalue_output(
            session.get_outputs()[0].name, onnxruntime.OrtValue.ortvalue_from_numpy(np.zeros_like(output))
        )

        def call(i: int) -> None:
            value.update_inplace(rows[i : i + 1])
            session.run_with_iobinding(binding)

        return _median_ns(call, len(rows))

    return {"onnxruntime_run_ns": run, "onnxruntime_io_binding_ns": io_binding}


def linear(weights_io: np.ndarray, bias_o: np.ndarray) -> Peers:
    return _runtime(lambda: linear_onnx(weights_io, bias_o), np.float64)


def mlp(weights: list[np.ndarray], biases: list[np.ndarray]) -> Peers:
    return _runtime(lambda: mlp_onnx(weights, biases), np.float32) | {
        "numba_loop_ns": lambda rows: numba_mlp(rows, weights, biases)
    }


def gbdt(trees: list[Tree], arrays: dict[str, np.ndarray]) -> Peers:
    return _runtime(lambda: trees_onnx(trees, [0.0], 32), np.float32) | {
        "lightgbm_single_row_fast_ns": lightgbm_fast,
        "numba_loop_4_trees_ns": lambda rows: numba_trees(rows, arrays),
    }


def lightgbm_fast(rows: np.ndarray) -> float:
    """LGBM_BoosterPredictForMatSingleRowFast by ctypes; a booster of 100 trees with 64 leaves, trained on noise."""
    import lightgbm

    target = np.random.default_rng(1).normal(size=len(rows))
    parameters = {"num_leaves": 64, "max_depth": 6, "min_data_in_leaf": 1, "min_sum_hessian_in_leaf": 0.0}
    parameters |= {"num_threads": 1, "verbosity": -1, "learning_rate": 0.01}
    booster = lightgbm.train(parameters, lightgbm.Dataset(rows, target), 100)
    library, fast = lightgbm.basic._LIB, ctypes.c_void_p()
    dtype_float64, predict_raw = 1, 1
    library.LGBM_BoosterPredictForMatSingleRowFastInit(
        booster._handle, predict_raw, 0, -1, dtype_float64, rows.shape[1], b"num_threads=1", ctypes.byref(fast)
    )
    count, result = ctypes.c_int64(), np.zeros(1)
    address, stride = rows.ctypes.data, rows.strides[0]
    out = ctypes.c_void_p(result.ctypes.data)

    def call(i: int) -> None:
        library.LGBM_BoosterPredictForMatSingleRowFast(
            fast, ctypes.c_void_p(address + i * stride), ctypes.byref(count), out
        )

    taken = _median_ns(call, len(rows))
    library.LGBM_FastConfigFree(fast)
    return taken


def _least_mean_ns(run: Callable[[], object], rows: int) -> float:
    run()  # compiles
    least = float("inf")
    for _ in range(PASSES):
        started = time.perf_counter_ns()
        run()
        least = min(least, (time.perf_counter_ns() - started) / rows)
    return least


def numba_trees(rows: np.ndarray, arrays: dict[str, np.ndarray]) -> float:
    """The same perfect trees walked by a plain numba loop, four side by side; one call for all rows."""
    import numba

    features, thresholds = arrays["features_tn"].astype(np.int64), arrays["thresholds_tn"]
    leaves, values = arrays["leaves_tl"], rows.astype(np.float32)

    @numba.njit
    def evaluate(values, features, thresholds, leaves, out):
        nodes = thresholds.shape[1]
        for r in range(values.shape[0]):
            x, total = values[r], 0.0
            for t in range(0, thresholds.shape[0], 4):
                a = b = c = d = 0
                while a < nodes:
                    a = 2 * a + 1 + (x[features[t, a]] > thresholds[t, a])
                    b = 2 * b + 1 + (x[features[t + 1, b]] > thresholds[t + 1, b])
                    c = 2 * c + 1 + (x[features[t + 2, c]] > thresholds[t + 2, c])
                    d = 2 * d + 1 + (x[features[t + 3, d]] > thresholds[t + 3, d])
                total += leaves[t, a - nodes] + leaves[t + 1, b - nodes]
                total += leaves[t + 2, c - nodes] + leaves[t + 3, d - nodes]
            out[r] = total

    out = np.zeros(len(rows))
    return _least_mean_ns(lambda: evaluate(values, features, thresholds, leaves, out), len(rows))


def numba_mlp(rows: np.ndarray, weights: list[np.ndarray], biases: list[np.ndarray]) -> float:
    """The same layers as plain numba loops in float32; one call for all rows."""
    import numba

    @numba.njit
    def dense(x, weights_io, bias_o, out):
        for o in range(out.shape[0]):
            out[o] = bias_o[o]
        for i in range(x.shape[0]):
            for o in range(out.shape[0]):
                out[o] += x[i] * weights_io[i, o]

    @numba.njit
    def evaluate(values, w0, b0, w1, b1, w2, b2, out):
        first, second = np.empty_like(b0), np.empty_like(b1)
        for r in range(values.shape[0]):
            dense(values[r], w0, b0, first)
            for i in range(first.shape[0]):
                first[i] = max(first[i], np.float32(0))
            dense(first, w1, b1, second)
            for i in range(second.shape[0]):
                second[i] = max(second[i], np.float32(0))
            dense(second, w2, b2, out[r])

    values, out = rows.astype(np.float32), np.zeros((len(rows), len(biases[2])), np.float32)
    layers = [array for pair in zip(weights, biases, strict=True) for array in pair]
    return _least_mean_ns(lambda: evaluate(values, *layers, out), len(rows))
