from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from engine.sizing.config import SizingSettings
from engine.stage import Stage
from models.registry.prepared import PreparedModel

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
        holdings: object = ...,
        models: Sequence[PreparedModel] = ...,
    ) -> None: ...
