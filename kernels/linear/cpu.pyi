import numpy as np
from numpy.typing import ArrayLike, NDArray

class Linear:
    """A linear or logistic model of 32 inputs and 4 outputs, prepared for evaluation without the GIL.

    weights_io: shape (32, 4), float64. bias_o: shape (4,). link: "identity" or "logistic".
    Raises ValueError for other shapes, an unknown link or a weight that is not finite.
    """

    def __init__(self, weights_io: ArrayLike, bias_o: ArrayLike, link: str = "identity") -> None: ...
    def evaluate(self, rows: ArrayLike) -> NDArray[np.float64]:
        """Outputs of many rows, shape (n, 32) to (n, 4), one by one through the compiled function."""
