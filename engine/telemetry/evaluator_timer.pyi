import numpy as np
from numpy.typing import NDArray

from engine.telemetry.step_timer import StepTimes
from kernels.linear.cpu import Linear
from kernels.mlp.cpu import Mlp
from kernels.trees.cpu import Trees

def time_rows(
    evaluator: Linear | Trees | Mlp, rows: NDArray[np.float64], warmup: int = ..., group: int = ...
) -> tuple[StepTimes, NDArray[np.float64]]: ...
def ticks_of_nothing() -> NDArray[np.int64]: ...
