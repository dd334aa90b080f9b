from enum import IntEnum

from engine.core import Core
from ipc.counters import Counters
from ipc.ring import Consumer, Producer

COUNTERS: tuple[str, ...]
HISTOGRAMS: tuple[str, ...]
CRASH_POINTS: bool

class CrashPoint(IntEnum):
    STEP_BEFORE = 0
    STEP_INPUT_JOURNALED = 1
    STEP_DECIDED = 2
    STEP_OUTPUTS_JOURNALED = 3
    STEP_BETWEEN_ORDERS = 4
    STEP_PUBLISHED = 5
    STEP_SEALED = 6

class Ending(IntEnum):
    STOPPED = 0
    FAULTED = 1

def stamp_counter_ns() -> float: ...

class CoreLoop:
    def __init__(
        self,
        core: Core,
        journal: Producer,
        orders: Producer,
        sources: dict[int, Consumer],
        counters: Counters,
        *,
        strategy: int,
        ns_per_tick: float,
        made: int = 0,
    ) -> None: ...
    def epoch(self) -> int: ...
    def stop(self) -> None: ...
    def crash_at(self, input: int, step: int, orders: int = 0) -> None: ...
    def run(self) -> Ending: ...
