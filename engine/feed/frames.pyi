from collections.abc import Callable
from typing import Any

import picows

from engine.feed.sync import FeedHandler
from ipc.counters import Counters
from ipc.doorbell import BellRope
from ipc.ring import Producer

WIRE_FRAMES: int

class FeedLane:
    rope: BellRope | None
    frames: int
    def __init__(self, handler: FeedHandler, producer: Producer, counters: Counters) -> None: ...
    def accept(self, frame: bytes, received_ns: int) -> None: ...

class Frames(picows.WSListener):
    def __init__(
        self,
        on_frame: Callable[[Any, int], None],
        on_too_large: Callable[[int, int], None],
        limit_bytes: int,
        lane: FeedLane | None = None,
    ) -> None: ...
