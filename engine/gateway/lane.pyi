from collections.abc import Callable, Sequence

import numpy as np

from engine.gateway.attempts import AttemptRecord
from engine.gateway.connection import Connection
from engine.gateway.halt import HaltWord
from engine.gateway.order_text import OrderText
from engine.gateway.orders import Order
from engine.gateway.rate_limit import RateLimits
from ipc.counters import Counters
from ipc.doorbell import Doorbell
from ipc.ring import Consumer, Ring

class OrderLane:
    seen_ns: int
    lost: int
    witness: Callable[[str], None] | None
    def __init__(
        self,
        consumer: Consumer,
        attempts: AttemptRecord,
        halt: HaltWord,
        text: OrderText,
        limits: RateLimits,
        connection: Connection | None,
        open_orders: dict[int, Order],
        core_rings: Sequence[Ring] = (),
    ) -> None: ...
    def has_room(self, number: int) -> bool: ...
    def records(self) -> np.ndarray: ...
    def sent(self) -> list[tuple[np.ndarray, int, int]]: ...
    def next(self) -> int: ...
    def done(self) -> None: ...
    def pass_on(self, last_number: int, durable_number: int, now_ns: int) -> int: ...
    def mark(self, now_ns: int) -> None: ...
    def follow(self, journal: Counters) -> None: ...
    def wait(self, bell: Doorbell, sockets: int, sleep_ns: int, last_number: int, durable_number: int) -> int: ...
