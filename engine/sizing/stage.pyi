from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.sizing.config import SizingSettings
from engine.stage import Stage

SIZING_VIEW: np.dtype[np.void]

class SizingStage(Stage):
    def __init__(
        self,
        instruments: NDArray[Any],
        strategies: int,
        features: object = ...,
        settings: Sequence[SizingSettings] = ...,
        feature_names: Sequence[str] = ...,
        *,
        forecast: object = ...,
        results: object = ...,
        risk: object = ...,
        accounts: object = ...,
    ) -> None: ...
