from typing import Any

import numpy as np

from engine.book.stage import BookStage
from engine.core import Core
from engine.execution.stage import ExecutionStage
from engine.gateway.simulated import SimulatedVenue

FILL: np.dtype[np.void]
SAMPLE: np.dtype[np.void]

class BacktestLoop:
    market_records: int
    orders_sent: int
    fills_seen: int
    allocations: int
    pause_at_ns: int
    paused: bool
    now_ns: int

    def __init__(
        self,
        core: Core,
        venue: SimulatedVenue,
        book: BookStage,
        execution: ExecutionStage,
        instruments: np.ndarray[Any, Any],
        *,
        time_step_ns: int,
        sample_step_ns: int,
    ) -> None: ...
    def refusals(self) -> dict[int, int]: ...
    def run(self, records: np.ndarray[Any, Any], start: int) -> int: ...
    @property
    def nearly_full(self) -> bool: ...
    def tell(self, records: np.ndarray[Any, Any]) -> None: ...
    def finish(self) -> bool: ...
    def take_outputs(self) -> np.ndarray[Any, Any]: ...
    def take_fills(self) -> np.ndarray[Any, Any]: ...
    def take_samples(self) -> np.ndarray[Any, Any]: ...
