from enum import IntEnum

from engine.core import Core
from ipc.counters import Counters
from ipc.ring import Consumer, Producer

COUNTERS: tuple[str, ...]
HISTOGRAMS: tuple[str, ...]
STEP_BEFORE: int
STEP_INPUT_JOURNALED: int
STEP_DECIDED: int
STEP_OUTPUTS_JOURNALED: int
STEP_PUBLISHED: int
STEP_SEALED: int

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
    def crash_at(self, input: int, step: int) -> None: ...
    def run(self) -> Ending: ...
