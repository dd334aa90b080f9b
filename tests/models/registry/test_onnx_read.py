"""Arrays prepared from ONNX, evaluated by the compiled code, against ONNX Runtime on the same ONNX bytes."""

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from models.registry.onnx_read import NotCompilable, prepare
from models.registry.onnx_trees import Leaf, Split, float32_not_above
from models.registry.onnx_write import linear_onnx, mlp_onnx, trees_onnx
from models.registry.prepared import PreparedModel

from .folders import NAMES, random_tree


def compiled(onnx_bytes, rows, outputs):
    kind, arrays = prepare(onnx_bytes)
    model = PreparedModel("m", kind, "0" * 64, NAMES, tuple(range(1, outputs + 1)), arrays)
    padded = np.zeros((len(rows), 32))
    padded[:, : rows.shape[1]] = rows
    return model.evaluator().evaluate(padded)[:, :outputs]


def runtime(onnx_bytes, rows, dtype=np.float32):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(onnx_bytes, options, providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: rows.astype(dtype)})[0].astype(np.float64)


def size_of(tree):
    """Largest sum that the leaves can make: what a float32 sum may lose digits of."""
    if isinstance(tree, Leaf):
        return max(map(abs, tree.value_by_output.values()))
    return max(size_of(tree.left), size_of(tree.right))


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32), outputs=st.integers(1, 4), depth=st.integers(1, 8))
def test_trees_agree_with_onnx_runtime_on_nan_exact_thresholds_and_extremes(seed, outputs, depth):
    rng = np.random.default_rng(seed)
    pool = np.concatenate([rng.normal(size=12), [0.0, 1e-45, 3.4e38, -3.4e38]]).astype(np.float32)
    trees = [random_tree(rng, depth, pool, outputs) for _ in range(15)]
    # ONNX Runtime 1.31 leaves the base out of an output that no leaf of the row adds to; so each gets one
    trees.append(Leaf(dict.fromkeys(range(outputs), 0.5)))
    base = [float(np.float32(value)) for value in rng.normal(size=outputs)]
    rows = rng.choice(np.concatenate([pool, [np.nan, np.inf, -np.inf, -0.0]]), (64, 32))
    onnx_bytes = trees_onnx(trees, base, 32)
    scale = sum(map(size_of, trees)) + max(map(abs, base))
    got, expected = compiled(onnx_bytes, rows, outputs), runtime(onnx_bytes, rows)
    np.testing.assert_allclose(got, expected, rtol=1e-6, atol=1e-6 * scale)


@pytest.mark.parametrize("mode", ["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GT", "BRANCH_GTE"])
@pytest.mark.parametrize("tracks_true", [0, 1])
def test_every_split_mode_agrees_with_onnx_runtime_at_the_threshold(mode, tracks_true):
    model = onnx.load_model_from_string(
        trees_onnx([Split(0, np.float32(0.5), False, Leaf({0: 1.0}), Leaf({0: 2.0}))], [0.0], 1)
    )
    for attribute in model.graph.node[0].attribute:
        if attribute.name == "nodes_modes":
            attribute.strings[0] = mode.encode()
        if attribute.name == "nodes_missing_value_tracks_true":
            attribute.ints[0] = tracks_true
    below, above = np.nextafter(np.float32(0.5), np.float32([0, 1]))
    rows = np.array([[0.5], [below], [above], [np.nan], [np.inf], [-np.inf]], dtype=np.float32)
    onnx_bytes = model.SerializeToString()
    np.testing.assert_array_equal(compiled(onnx_bytes, rows, 1), runtime(onnx_bytes, rows))


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32), link=st.sampled_from(["identity", "logistic"]), inputs=st.integers(1, 32))
def test_linear_agrees_with_onnx_runtime(seed, link, inputs):
    rng = np.random.default_rng(seed)
    weights, bias = rng.normal(size=(inputs, 3)), rng.normal(size=3)
    rows = rng.normal(size=(32, inputs)) * 10.0 ** rng.integers(-3, 3, (32, inputs))
    onnx_bytes = linear_onnx(weights, bias, link)
    scale = np.abs(rows) @ np.abs(weights) + np.abs(bias) if link == "identity" else 1.0
    difference = np.abs(compiled(onnx_bytes, rows, 3) - runtime(onnx_bytes, rows, np.float64))
    assert (difference <= 1e-12 * scale).all() if link == "identity" else (difference <= 1e-6).all()


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32), activation=st.sampled_from(["relu", "tanh"]), width=st.integers(1, 90))
def test_perceptron_agrees_with_onnx_runtime(seed, activation, width):
    rng = np.random.default_rng(seed)
    sizes = ((32, width), (width, 64), (64, 3))
    weights = [rng.normal(size=s).astype(np.float32) / np.float32(np.sqrt(s[0])) for s in sizes]
    biases = [rng.normal(size=s[1]).astype(np.float32) for s in sizes]
    rows = rng.normal(size=(64, 32))
    onnx_bytes = mlp_onnx(weights, biases, activation)
    expected = runtime(onnx_bytes, rows)
    np.testing.assert_allclose(
        compiled(onnx_bytes, rows, 3), expected, rtol=1e-6, atol=1e-6 * np.abs(expected).max() * 4
    )


def test_not_a_number_in_a_row_makes_linear_and_perceptron_forecasts_not_a_number():
    rows = np.zeros((1, 32))
    rows[0, 5] = np.nan
    rng = np.random.default_rng(1)
    assert np.isnan(compiled(linear_onnx(rng.normal(size=(32, 1)), np.zeros(1)), rows, 1)).all()
    weights = [rng.normal(size=(32, 8)).astype(np.float32), rng.normal(size=(8, 1)).astype(np.float32)]
    assert np.isnan(compiled(mlp_onnx(weights, [np.zeros(8, np.float32), np.zeros(1, np.float32)]), rows, 1)).all()


def test_matmul_and_add_are_read_like_gemm():
    rng = np.random.default_rng(1)
    weights, bias = rng.normal(size=(4, 2)), rng.normal(size=2)
    nodes = [helper.make_node("MatMul", ["x", "w"], ["s"]), helper.make_node("Add", ["b", "s"], ["y"])]
    constants = [numpy_helper.from_array(weights, "w"), numpy_helper.from_array(bias, "b")]
    x = helper.make_tensor_value_info("x", TensorProto.DOUBLE, [None, 4])
    y = helper.make_tensor_value_info("y", TensorProto.DOUBLE, [None, 2])
    graph = helper.make_graph(nodes, "g", [x], [y], constants)
    kind, arrays = prepare(helper.make_model(graph).SerializeToString())
    assert kind == "linear"
    np.testing.assert_array_equal(arrays["weights_io"][:4, :2], weights)
    np.testing.assert_array_equal(arrays["bias_o"][:2], bias)


@pytest.mark.parametrize(("operator", "text"), [("Softmax", "operator Softmax"), ("Sin", "operator Sin")])
def test_graph_without_a_compiled_evaluator_says_why(operator, text):
    model = onnx.load_model_from_string(linear_onnx(np.ones((4, 1)), np.zeros(1)))
    model.graph.node.append(helper.make_node(operator, ["forecast"], ["other"]))
    with pytest.raises(NotCompilable, match=text):
        prepare(model.SerializeToString())


def test_trees_deeper_than_eight_have_no_compiled_evaluator():
    tree = Leaf({0: 1.0})
    for _ in range(9):
        tree = Split(0, np.float32(0), False, tree, Leaf({0: 0.0}))
    with pytest.raises(NotCompilable, match="trees deeper than 8"):
        prepare(trees_onnx([tree], [0.0], 1))


@given(value=st.floats(allow_nan=False), x=st.floats(width=32, allow_nan=False))
def test_threshold_rounded_down_to_float32_splits_float32_values_alike(value, x):
    assert (x <= value) == bool(np.float32(x) <= float32_not_above(value))
