"""From an ONNX graph to the flat arrays of the compiled evaluators. Needs the `onnx` package (extra `research`).

What is understood: Gemm or MatMul + Add, with Relu, Tanh or a last Sigmoid between and after them; and one
TreeEnsembleRegressor. Anything else raises NotCompilable: such a model is evaluated by the inference process.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.extras import optional
from models.registry.onnx_trees import read_trees

Arrays = dict[str, NDArray[Any]]
PASSED_OVER = frozenset({"Identity", "Cast", "Flatten"})
INPUTS = 32
OUTPUTS = 4


class NotCompilable(ValueError):
    """A graph that no compiled evaluator can compute."""


def prepare(onnx_bytes: bytes) -> tuple[str, Arrays]:
    """Kind of evaluator ("linear", "gbdt", "mlp") and its arrays. Raises NotCompilable, with the reason."""
    onnx = optional("onnx")
    graph = onnx.load_model_from_string(onnx_bytes).graph
    nodes = [node for node in graph.node if node.op_type not in PASSED_OVER]
    if [node.op_type for node in nodes] == ["TreeEnsembleRegressor"]:
        attributes = {a.name: onnx.helper.get_attribute_value(a) for a in nodes[0].attribute}
        try:
            return "gbdt", read_trees(attributes)
        except ValueError as error:
            raise NotCompilable(str(error)) from None
    constants = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    return _dense(_layers(nodes, constants))


def _attribute(node: Any, name: str, default: Any) -> Any:
    for attribute in node.attribute:
        if attribute.name == name:
            return attribute.f if attribute.type == attribute.FLOAT else attribute.i
    return default


def _gemm(node: Any, constants: Arrays) -> tuple[NDArray[Any], NDArray[Any]]:
    if any(name not in constants for name in node.input[1:]) or _attribute(node, "transA", 0):
        raise NotCompilable("a Gemm whose weights are not constants")
    if _attribute(node, "alpha", 1.0) != 1.0 or _attribute(node, "beta", 1.0) != 1.0:
        raise NotCompilable("a Gemm with alpha or beta other than 1")
    weights = constants[node.input[1]].T if _attribute(node, "transB", 0) else constants[node.input[1]]
    bias = constants[node.input[2]].reshape(-1) if len(node.input) > 2 else np.zeros(weights.shape[1], weights.dtype)
    return weights, np.broadcast_to(bias, weights.shape[1:])


def _layers(nodes: list[Any], constants: Arrays) -> list[tuple[NDArray[Any], NDArray[Any], str]]:
    """(weights_io, bias_o, activation) of a plain chain of dense layers."""
    layers: list[tuple[NDArray[Any], NDArray[Any], str]] = []
    for node in nodes:
        if node.op_type == "Gemm":
            layers.append((*_gemm(node, constants), ""))
        elif node.op_type == "MatMul" and node.input[1] in constants:
            weights = constants[node.input[1]]
            layers.append((weights, np.zeros(weights.shape[1], weights.dtype), ""))
        elif node.op_type == "Add" and layers and not layers[-1][2]:
            bias = next((constants[name] for name in node.input if name in constants), None)
            if bias is None or bias.size != layers[-1][1].size:
                raise NotCompilable("an Add that is not a layer's bias")
            layers[-1] = (layers[-1][0], layers[-1][1] + bias.reshape(-1), "")
        elif node.op_type in ("Relu", "Tanh", "Sigmoid") and layers and not layers[-1][2]:
            layers[-1] = (*layers[-1][:2], node.op_type.lower())
        else:
            raise NotCompilable(f"operator {node.op_type} at this place")
    if not layers:
        raise NotCompilable("no layer")
    return layers


def _dense(layers: list[tuple[NDArray[Any], NDArray[Any], str]]) -> tuple[str, Arrays]:
    if len(layers) == 1:
        return "linear", _linear(*layers[0])
    activations = {activation for _, _, activation in layers[:-1]}
    if layers[-1][2] or len(activations) != 1 or not activations <= {"relu", "tanh"}:
        raise NotCompilable("hidden layers must all be Relu or all Tanh, and the last layer linear")
    arrays: Arrays = {"activation": np.array(activations.pop())}
    for number, (weights, bias, _) in enumerate(layers):
        arrays[f"weights_io_{number}"] = np.ascontiguousarray(weights, dtype=np.float32)
        arrays[f"bias_o_{number}"] = np.ascontiguousarray(bias, dtype=np.float32)
    return "mlp", arrays


def _linear(weights: NDArray[Any], bias: NDArray[Any], activation: str) -> Arrays:
    inputs, outputs = weights.shape
    if inputs > INPUTS or outputs > OUTPUTS or activation not in ("", "sigmoid"):
        raise NotCompilable(
            f"a linear model of {inputs} inputs and {outputs} outputs ending in {activation or 'nothing'}"
        )
    weights_io, bias_o = np.zeros((INPUTS, OUTPUTS)), np.zeros(OUTPUTS)
    weights_io[:inputs, :outputs], bias_o[:outputs] = weights, bias
    return {"weights_io": weights_io, "bias_o": bias_o, "link": np.array("logistic" if activation else "identity")}
