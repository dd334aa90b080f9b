"""ONNX Runtime sessions: on the device asked for, or one clear line."""

import sys

import numpy as np
import pytest

from models.extras import ExtraMissing
from models.inference.session import Session, SessionFailed
from models.registry.onnx_write import linear_onnx, mlp_onnx


def test_float32_and_float64_models_are_evaluated_in_their_own_type():
    weights = np.random.default_rng(1).normal(size=(4, 2))
    rows = np.random.default_rng(2).normal(size=(5, 4))
    double = Session(linear_onnx(weights, np.zeros(2)), 4, 2)
    np.testing.assert_allclose(double.evaluate(rows), rows @ weights, rtol=1e-12)
    layers = [weights.astype(np.float32), np.ones((2, 1), np.float32)]
    single = Session(mlp_onnx(layers, [np.zeros(2, np.float32), np.zeros(1, np.float32)]), 4, 1)
    expected = np.maximum(rows @ weights, 0).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(single.evaluate(rows), expected, rtol=1e-5, atol=1e-6)
    assert double.provider == "CPUExecutionProvider"


def test_gpu_that_the_library_does_not_have_is_refused_not_replaced(monkeypatch):
    with pytest.warns(UserWarning, match="CUDAExecutionProvider"), pytest.raises(SessionFailed, match="not on the GPU"):
        Session(linear_onnx(np.ones((4, 1)), np.zeros(1)), 4, 1, on_gpu=True)


def test_rubbish_and_models_of_another_shape_are_one_line():
    with pytest.raises(SessionFailed, match="refuses the model") as caught:
        Session(b"rubbish", 4, 1)
    assert "\n" not in str(caught.value)
    with pytest.raises(SessionFailed, match="fails on a row"):
        Session(linear_onnx(np.ones((4, 1)), np.zeros(1)), 5, 1)
    with pytest.raises(SessionFailed, match=r"answers \(1, 1\) to one row; its manifest says \(1, 2\)"):
        Session(linear_onnx(np.ones((4, 1)), np.zeros(1)), 4, 2)


def test_missing_library_says_which_extra_brings_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ExtraMissing, match=r"onnxruntime is not installed .*extra 'inference'"):
        Session(b"", 1, 1)
