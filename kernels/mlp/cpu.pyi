from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

class Mlp:
    """A multilayer perceptron in float32, at most 32 inputs, 6 hidden layers of at most 256 neurons, 4 outputs.

    weights: one (in, out) array for each layer, the output layer last. biases: one (out,) array for each.
    activation: "relu" or "tanh", of the hidden layers. Raises ValueError for shapes that do not fit.
    """

    def __init__(self, weights: Sequence[ArrayLike], biases: Sequence[ArrayLike], activation: str = "relu") -> None: ...
    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Any]) -> Self:
        """From the arrays of a model file: weights_io_0, bias_o_0, weights_io_1, ..., activation."""
    def evaluate(self, rows: ArrayLike) -> NDArray[np.float64]:
        """Outputs of many rows, shape (n, 32) to (n, 4), one by one through the compiled function."""
