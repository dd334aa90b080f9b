from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

class Trees:
    """An ensemble of regression trees of 32 inputs and 4 outputs, prepared for evaluation without the GIL.

    Arrays as in `kernels.trees.reference`. Raises ValueError for shapes that do not fit, trees deeper than 8, features
    or outputs that do not exist, and thresholds or leaves that are not numbers.
    """

    ARRAYS: ClassVar[tuple[str, ...]]

    def __init__(
        self,
        features_tn: ArrayLike,
        thresholds_tn: ArrayLike,
        nan_right_tn: ArrayLike,
        leaves_tl: ArrayLike,
        output_t: ArrayLike,
        base_o: ArrayLike,
    ) -> None: ...
    def evaluate(self, rows: ArrayLike) -> NDArray[np.float64]:
        """Outputs of many rows, shape (n, 32) to (n, 4), one by one through the compiled function."""
