from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.stage import Stage
from engine.strategy.bound import BoundStrategy
from engine.strategy.config import StrategySettings

ACTIVITY_VIEW: np.dtype[np.void]

class StrategyStage(Stage):
    bytes_per_instance: int

    def __init__(
        self,
        instruments: NDArray[Any],
        strategies: Sequence[BoundStrategy],
        book: object = ...,
        features: object = ...,
        forecast: object = ...,
        accounts: object = ...,
        report: object = ...,
        settings: StrategySettings | None = ...,
    ) -> None: ...
    def state(self, strategy: int) -> NDArray[Any]: ...
    def failed(self) -> dict[int, str]: ...

class FixedView:
    def __init__(self, rows: NDArray[Any]) -> None: ...
    def capsule(self) -> object: ...
