from typing import Any

import numpy as np

from engine.book.stage import BookStage
from engine.gateway.fill_models import FillModels

class SimulatedVenue:
    overflow: int

    def __init__(
        self, instruments: np.ndarray[Any, Any], book: BookStage, models: FillModels | None = None
    ) -> None: ...
