from typing import Any

import numpy as np

from engine.core import Core
from engine.gateway.simulated import SimulatedVenue

class CoreTimer:
    input_count: int
    order_count: int
    allocations: int
    minor_faults: int
    ns_per_tick: float

    def __init__(self, core: Core, venue: SimulatedVenue, room: int) -> None: ...
    @property
    def input_ns(self) -> np.ndarray[Any, Any]: ...
    @property
    def first_ns(self) -> np.ndarray[Any, Any]: ...
    @property
    def order_ns(self) -> np.ndarray[Any, Any]: ...
    @property
    def orders_made(self) -> np.ndarray[Any, Any]: ...
    def run(
        self,
        records: np.ndarray[Any, Any],
        warmup: int,
        interval_ns: int,
        stall_at: int = -1,
        stall_ns: int = 0,
    ) -> None: ...
