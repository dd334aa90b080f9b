"""ONNX graphs of the three kinds of model that Bot4 trains. Needs the `onnx` package (extra `research`)."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.extras import optional
from models.registry.onnx_trees import Leaf, Tree

OPSET = 18
OPSET_ML = 3
IR_VERSION = 9
INPUT, OUTPUT = "features", "forecast"


def _model(nodes: list[Any], constants: dict[str, NDArray[Any]], shape: tuple[int, int], data_type: int) -> bytes:
    onnx = optional("onnx")

    output_type = data_type if nodes[-1].op_type != "TreeEnsembleRegressor" else onnx.TensorProto.FLOAT
    graph = onnx.helper.make_graph(
        nodes,
        "bot4",
        [onnx.helper.make_tensor_value_info(INPUT, data_type, ["rows", shape[0]])],
        [onnx.helper.make_tensor_value_info(OUTPUT, output_type, ["rows", shape[1]])],
        [onnx.numpy_helper.from_array(np.ascontiguousarray(value), name) for name, value in constants.items()],
    )
    opsets = [onnx.helper.make_opsetid("", OPSET), onnx.helper.make_opsetid("ai.onnx.ml", OPSET_ML)]
    model = onnx.helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="bot4")
    return bytes(model.SerializeToString(deterministic=True))


def linear_onnx(weights_io: NDArray[np.float64], bias_o: NDArray[np.float64], link: str = "identity") -> bytes:
    """One Gemm in float64, and Sigmoid for link "logistic"."""
    onnx = optional("onnx")

    last = OUTPUT if link == "identity" else "sum"
    nodes = [onnx.helper.make_node("Gemm", [INPUT, "weights", "bias"], [last])]
    if link == "logistic":
        nodes.append(onnx.helper.make_node("Sigmoid", [last], [OUTPUT]))
    constants = {"weights": np.asarray(weights_io, np.float64), "bias": np.asarray(bias_o, np.float64)}
    rows, columns = weights_io.shape
    return _model(nodes, constants, (rows, columns), onnx.TensorProto.DOUBLE)


def mlp_onnx(weights: list[NDArray[np.float32]], biases: list[NDArray[np.float32]], activation: str = "relu") -> bytes:
    """Gemm and Relu or Tanh in float32; weights are (in, out)."""
    onnx = optional("onnx")

    nodes, constants, x = [], {}, INPUT
    last = len(weights) - 1
    for number, (w, b) in enumerate(zip(weights, biases, strict=True)):
        constants[f"w{number}"], constants[f"b{number}"] = np.asarray(w, np.float32), np.asarray(b, np.float32)
        total = OUTPUT if number == last else f"sum{number}"
        nodes.append(onnx.helper.make_node("Gemm", [x, f"w{number}", f"b{number}"], [total]))
        if number < last:
            x = f"x{number}"
            nodes.append(onnx.helper.make_node({"relu": "Relu", "tanh": "Tanh"}[activation], [total], [x]))
    return _model(nodes, constants, (weights[0].shape[0], weights[-1].shape[1]), onnx.TensorProto.FLOAT)


def trees_onnx(trees: list[Tree], base_values: list[float], inputs: int) -> bytes:
    """One TreeEnsembleRegressor, BRANCH_LEQ, float32."""
    onnx = optional("onnx")

    columns: dict[str, list[Any]] = {name: [] for name in NODE_COLUMNS + TARGET_COLUMNS}
    for tree_id, tree in enumerate(trees):
        _write(tree, tree_id, [0], columns)
    node = onnx.helper.make_node(
        "TreeEnsembleRegressor",
        [INPUT],
        [OUTPUT],
        domain="ai.onnx.ml",
        n_targets=len(base_values),
        base_values=base_values,
        aggregate_function="SUM",
        post_transform="NONE",
        **columns,
    )
    return _model([node], {}, (inputs, len(base_values)), onnx.TensorProto.FLOAT)


NODE_COLUMNS = tuple(
    f"nodes_{what}"
    for what in (
        *("treeids", "nodeids", "featureids", "modes", "values", "truenodeids", "falsenodeids"),
        "missing_value_tracks_true",
    )
)
TARGET_COLUMNS = ("target_treeids", "target_nodeids", "target_ids", "target_weights")


def _write(tree: Tree, tree_id: int, next_id: list[int], columns: dict[str, list[Any]]) -> int:
    """Appends a node and what hangs below it; returns its number. A parent comes before its children."""
    node_id = next_id[0]
    next_id[0] += 1
    place = len(columns["nodes_nodeids"])
    if isinstance(tree, Leaf):
        row: tuple[Any, ...] = (tree_id, node_id, 0, "LEAF", 0.0, 0, 0, 0)
        for output, value in sorted(tree.value_by_output.items()):
            for name, cell in zip(TARGET_COLUMNS, (tree_id, node_id, output, value), strict=True):
                columns[name].append(cell)
    else:
        threshold = float(tree.threshold)
        row = (tree_id, node_id, tree.feature, "BRANCH_LEQ", threshold, 0, 0, int(not tree.nan_right))
    for name, cell in zip(NODE_COLUMNS, row, strict=True):
        columns[name].append(cell)
    if not isinstance(tree, Leaf):
        columns["nodes_truenodeids"][place] = _write(tree.left, tree_id, next_id, columns)
        columns["nodes_falsenodeids"][place] = _write(tree.right, tree_id, next_id, columns)
    return node_id
