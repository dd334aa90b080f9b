from typing import Any

import numpy as np

from engine.book.config import BookSettings
from engine.gateway.fill_models import FillModels
from ipc.ring import Consumer

class PaperMarket:
    def __init__(
        self,
        instruments: np.ndarray[Any, Any],
        consumer: Consumer,
        models: FillModels,
        settings: BookSettings | None = None,
    ) -> None: ...
    def overflow(self) -> int: ...
    def submit(self, order: np.ndarray[Any, Any], now_ns: int) -> None: ...
    def advance(self, now_ns: int, out: np.ndarray[Any, Any]) -> int: ...
