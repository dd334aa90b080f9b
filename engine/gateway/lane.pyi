import numpy as np

from engine.gateway.attempts import AttemptRecord
from engine.gateway.connection import Connection
from engine.gateway.halt import HaltWord
from engine.gateway.order_text import OrderText
from engine.gateway.orders import Order
from engine.gateway.rate_limit import RateLimits
from ipc.ring import Consumer

class OrderLane:
    request_id: int
    send_called_ns: int
    def __init__(
        self,
        consumer: Consumer,
        attempts: AttemptRecord,
        halt: HaltWord,
        text: OrderText,
        limits: RateLimits,
        connection: Connection | None,
        open_orders: dict[int, Order],
    ) -> None: ...
    def has_room(self, number: int) -> bool: ...
    def records(self) -> np.ndarray: ...
    def next(self) -> int: ...
    def done(self) -> None: ...
    def may_send(self, now_ns: int) -> bool: ...
    def mark(self, now_ns: int) -> None: ...
    def send(self) -> None: ...
