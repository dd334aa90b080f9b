"""What the forecast benchmark is held against: ONNX Runtime, LightGBM and plain numba loops, one row at a time.

Each measures the median nanoseconds a row and raises ImportError when its library is not there.
"""

import ctypes
import time
from collections.abc import Callable
from typing import Any

import numpy as np

WARMUP_CALLS = 200
BLOCK_ROWS = 50  # of a numba loop, timed together
BLOCKS = 200


def time_calls(call: Callable[[np.ndarray], Any], rows: np.ndarray) -> float:
    """Median nanoseconds of a call with one row, shape (1, inputs), the clock included (about 0.1 us)."""
    single = [np.ascontiguousarray(rows[i : i + 1]) for i in range(len(rows))]
    for row in single[:WARMUP_CALLS]:
        call(row)
    elapsed = np.empty(len(single))
    for i, row in enumerate(single):
        started = time.perf_counter_ns()
        call(row)
        elapsed[i] = time.perf_counter_ns() - started
    return float(np.median(elapsed))


# -- ONNX Runtime ------------------------------------------------------------------------------------------------------


def session_of(onnx_bytes: bytes) -> Any:
    """One thread, on the CPU. Raises ImportError."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(onnx_bytes, options, providers=["CPUExecutionProvider"])


def runtime_run(onnx_bytes: bytes, dtype: Any) -> Callable[[np.ndarray], Any]:
    """session.run, as most people call it."""
    session = session_of(onnx_bytes)
    name = session.get_inputs()[0].name
    return lambda row: session.run(None, {name: row})


def runtime_bound(onnx_bytes: bytes, dtype: Any) -> Callable[[np.ndarray], Any]:
    """With input and output bound once; the row is copied into place."""
    import onnxruntime

    session = session_of(onnx_bytes)
    inputs, outputs = session.get_inputs()[0], session.get_outputs()[0]
    value = onnxruntime.OrtValue.ortvalue_from_numpy(np.zeros((1, inputs.shape[1]), dtype))
    output_dtype = np.float64 if outputs.type == "tensor(double)" else np.float32
    answer = onnxruntime.OrtValue.ortvalue_from_numpy(np.zeros((1, outputs.shape[1]), output_dtype))
    binding = session.io_binding()
    binding.bind_ortvalue_input(inputs.name, value)
    binding.bind_ortvalue_output(outputs.name, answer)

    def call(row: np.ndarray) -> None:
        value.update_inplace(row)
        session.run_with_iobinding(binding)

    return call


# -- LightGBM ----------------------------------------------------------------------------------------------------------


def lightgbm_single_row(booster: Any, rows: np.ndarray) -> float:
    """LGBM_BoosterPredictForMatSingleRowFast: the fastest way in that LightGBM offers. Raises ImportError."""
    import lightgbm.basic

    library, handle = lightgbm.basic._LIB, booster._handle
    fast, written = ctypes.c_void_p(), ctypes.c_int64()
    answer = (ctypes.c_double * 1)()
    double, predict_normal = 1, 0
    code = library.LGBM_BoosterPredictForMatSingleRowFastInit(
        handle, predict_normal, 0, -1, double, rows.shape[1], b"num_threads=1", ctypes.byref(fast)
    )
    if code:
        raise RuntimeError("LightGBM refused the single-row configuration")
    address = {}

    def call(row: np.ndarray) -> None:
        library.LGBM_BoosterPredictForMatSingleRowFast(fast, address[id(row)], ctypes.byref(written), answer)

    kept = [np.ascontiguousarray(rows[i : i + 1], dtype=np.float64) for i in range(len(rows))]
    address.update({id(row): ctypes.c_void_p(row.ctypes.data) for row in kept})
    elapsed = np.empty(len(kept))
    for row in kept[:WARMUP_CALLS]:
        call(row)
    for i, row in enumerate(kept):
        started = time.perf_counter_ns()
        call(row)
        elapsed[i] = time.perf_counter_ns() - started
    library.LGBM_FastConfigFree(fast)
    return float(np.median(elapsed))


# -- plain numba loops -------------------------------------------------------------------------------------------------


def time_blocks(evaluate: Callable[[np.ndarray, np.ndarray], None], rows: np.ndarray) -> float:
    """Median nanoseconds a row over blocks of rows."""
    answers = np.zeros((BLOCK_ROWS, 4))
    elapsed = np.empty(BLOCKS)
    evaluate(rows[:BLOCK_ROWS], answers)
    for i in range(BLOCKS):
        start = i * BLOCK_ROWS % (len(rows) - BLOCK_ROWS)
        block = rows[start : start + BLOCK_ROWS]
        started = time.perf_counter_ns()
        evaluate(block, answers)
        elapsed[i] = (time.perf_counter_ns() - started) / BLOCK_ROWS
    return float(np.median(elapsed))


def numba_trees(arrays: dict[str, np.ndarray], rows: np.ndarray) -> float:
    """Perfect trees, four side by side, floats compared as floats: what a good afternoon with numba gives."""
    import numba

    count = len(arrays["features_tn"]) // 4 * 4
    features = arrays["features_tn"].astype(np.int64)[:count]
    thresholds, leaves = arrays["thresholds_tn"][:count], arrays["leaves_tl"][:count]
    compiled = numba.njit(four_trees)
    rows32 = rows.astype(np.float32)
    return time_blocks(lambda block, answers: compiled(features, thresholds, leaves, block, answers), rows32)


def four_trees(
    features: np.ndarray, thresholds: np.ndarray, leaves: np.ndarray, rows: np.ndarray, answers: np.ndarray
) -> None:
    nodes = thresholds.shape[1]
    for i in range(rows.shape[0]):
        row, total = rows[i], 0.0
        for t in range(0, features.shape[0], 4):
            a = b = c = d = 0
            while a < nodes:
                a = 2 * a + 1 + int(row[features[t, a]] > thresholds[t, a])
                b = 2 * b + 1 + int(row[features[t + 1, b]] > thresholds[t + 1, b])
                c = 2 * c + 1 + int(row[features[t + 2, c]] > thresholds[t + 2, c])
                d = 2 * d + 1 + int(row[features[t + 3, d]] > thresholds[t + 3, d])
            total += (
                leaves[t, a - nodes] + leaves[t + 1, b - nodes] + leaves[t + 2, c - nodes] + leaves[t + 3, d - nodes]
            )
        answers[i, 0] = total


def numba_mlp(weights: list[np.ndarray], biases: list[np.ndarray], rows: np.ndarray) -> float:
    """Three dense layers, the inner loop over neurons."""
    import numba

    compiled = numba.njit(three_layers)
    rows32 = rows.astype(np.float32)
    return time_blocks(lambda block, answers: compiled(*weights, *biases, block, answers), rows32)


def three_layers(
    w0: np.ndarray,
    w1: np.ndarray,
    w2: np.ndarray,
    b0: np.ndarray,
    b1: np.ndarray,
    b2: np.ndarray,
    rows: np.ndarray,
    answers: np.ndarray,
) -> None:
    first, second, last = np.empty_like(b0), np.empty_like(b1), np.empty_like(b2)
    for i in range(rows.shape[0]):
        row = rows[i]
        first[:] = b0
        for j in range(w0.shape[0]):
            for k in range(w0.shape[1]):
                first[k] += row[j] * w0[j, k]
        second[:] = b1
        for j in range(w1.shape[0]):
            value = max(first[j], np.float32(0.0))
            for k in range(w1.shape[1]):
                second[k] += value * w1[j, k]
        last[:] = b2
        for j in range(w2.shape[0]):
            value = max(second[j], np.float32(0.0))
            for k in range(w2.shape[1]):
                last[k] += value * w2[j, k]
        for k in range(last.shape[0]):
            answers[i, k] = last[k]
