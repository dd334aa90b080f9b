"""Faults on purpose, seeded: at which point, what happens, how often.

Points: `market` (a market-data frame; method "depth": the REST snapshot fails), `request` (an order request, before the
exchange looks at it), `answer` (to an order request: what it did is done), `event` (of the user data stream).
Actions: drop; duplicate; reorder (held back until the next one of its point has passed); delay; disconnect (instead of
sending or reading it); disconnect_after; rubbish (sent before it).
"""

import random
from collections.abc import Callable

from engine.exchange.config import Fault

RUBBISH = ('{"e":"depthUpdate","E":', "\x00\x01not json", "[[[[", '{"stream":5}', "{}", '"', '{"id":{},"status":"x"}')

Send = Callable[[str], None]


class Misbehaviour:
    def __init__(self, seed: int, faults: tuple[Fault, ...] = ()) -> None:
        self._random = random.Random(seed)
        self._active: list[list[Fault | int]] = []
        self.done: dict[str, int] = {}  # "point/action" -> how often
        self.set(faults)

    def set(self, faults: tuple[Fault, ...]) -> None:
        """Replaces all faults; () ends the misbehaviour."""
        self._active = [[fault, 0] for fault in faults]

    def choose(self, point: str, method: str = "") -> Fault | None:
        """The fault that befalls this frame, if any."""
        for entry in self._active:
            fault, used = entry
            assert isinstance(fault, Fault)
            assert isinstance(used, int)
            if fault.point != point or (fault.method and fault.method != method):
                continue
            if fault.count and used >= fault.count:
                continue
            if self._random.random() >= fault.probability:
                continue
            entry[1] = used + 1
            name = f"{point}/{fault.action}"
            self.done[name] = self.done.get(name, 0) + 1
            return fault
        return None

    def rubbish(self) -> str:
        return self._random.choice(RUBBISH)
