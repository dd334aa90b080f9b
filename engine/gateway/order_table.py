"""The orders of a session by their numbers: the open ones, and the last of those that ended."""

from collections import OrderedDict

from engine import clock
from engine.gateway.order_message import OrderMessage
from engine.gateway.orders import Order
from engine.gateway.symbols import Symbol


class OrderTable:
    """`remembered`: how many that ended are kept, to tell a late repetition from news."""

    def __init__(self, run_id: str, symbols: list[Symbol], remembered: int) -> None:
        self._run_id, self._symbols, self._remembered = run_id, symbols, remembered
        self.open: dict[int, Order] = {}
        self.finished: OrderedDict[int, Order] = OrderedDict()

    # -- QUERIES --

    def client_id(self, number: int) -> str:
        return f"{self._run_id}-{number}"

    def number_of(self, client_id: str) -> int | None:
        """Of an order of this run, None of another's."""
        prefix, _, number = client_id.rpartition("-")
        return int(number) if prefix == self._run_id and number.isdecimal() else None

    def find(self, number: int) -> Order | None:
        return self.open.get(number) or self.finished.get(number)

    # -- COMMANDS --

    def track(self, message: OrderMessage, now_ns: int = 0) -> Order:
        """The order of a new order or a replacement; one that waited is there already."""
        number = message.order_id
        order = self.open.get(number)
        if order is None:
            symbol = self._symbols[message.instrument]
            order = Order.of(message, symbol, self.client_id(number), now_ns or clock.utc_ns())
            self.open[number] = order
        return order

    def put_away(self, order: Order) -> None:
        """An order that has ended."""
        if self.open.pop(order.number, None) is None:
            return
        self.finished[order.number] = order
        while len(self.finished) > self._remembered:
            self.finished.popitem(last=False)
        target = self.open.get(order.replaces)
        if target is not None and target.replaced_by == order.number:
            target.replaced_by = 0
