from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

class StepTimes:
    ns: NDArray[np.float64]
    overhead_ns: float
    resolution_ns: float
    messages: int

    def __init__(self, ns: NDArray[np.float64], overhead_ns: float, resolution_ns: float, messages: int) -> None: ...
    def row(self, name: str) -> dict[str, Any]: ...

def time_steps(
    step: object, records: NDArray[Any], warmup: int = ..., group: int = ..., before: Sequence[object] = ...
) -> StepTimes: ...
