from typing import Any

import numpy as np

from engine.features.config import FeatureSettings
from engine.stage import Stage

class FeatureStage(Stage):
    def __init__(
        self, instruments: np.ndarray[Any, Any], book_view: object, settings: FeatureSettings | None = None
    ) -> None: ...
