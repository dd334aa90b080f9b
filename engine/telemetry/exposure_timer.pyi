from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.telemetry.step_timer import StepTimes
from kernels.exposure.cpu import ExposureBook

def time_orders(
    book: ExposureBook,
    orders: NDArray[Any],
    limit: float,
    exactly: bool,
    warmup: int = ...,
    group: int = ...,
    moves: int = ...,
) -> tuple[StepTimes, NDArray[np.int64]]: ...
