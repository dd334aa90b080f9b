"""Open orders at the venue that this session does not know: asked for after each log-on.

One of another client (a run that died with its machine, another programme, a person) is nobody's business here, but it
takes part in the account's balance and can fill: it is named in the log and counted, for the operator. One that bears
this run's id is taken in as an order in doubt, so that the core hears of it and no order of ours rests unseen.
"""

import sys
from collections.abc import Callable
from typing import Any

from engine.gateway.connection import Answer, Connection
from engine.gateway.orders import NS_PER_MS
from engine.gateway.rate_limit import RateLimits
from engine.gateway.symbols import Symbol
from ipc.messages import Side

OPEN_ORDERS_WEIGHT = 6

# number, symbol, side, quantity in lots
TakeIn = Callable[[int, Symbol, Side, int], None]


def side_of(name: str) -> Side:
    """Of the venue's word."""
    return Side.BID if name == "BUY" else Side.ASK


class Strangers:
    """number_of: of a client id, None when it is another's. `take_in` is called for a number that it may not know."""

    def __init__(
        self,
        connection: Connection,
        limits: RateLimits,
        symbols: list[Symbol],
        number_of: Callable[[str], int | None],
        take_in: TakeIn,
    ) -> None:
        self._connection, self._limits, self._symbols = connection, limits, symbols
        self._number_of, self._take_in = number_of, take_in
        self._unasked: list[Symbol] = []
        self._named: set[str] = set()

    # -- QUERIES --

    @property
    def found(self) -> int:
        """Orders of others that were found open, ever."""
        return len(self._named)

    # -- COMMANDS --

    def begin(self) -> None:
        """A log-on."""
        self._unasked = list(self._symbols)

    def poll(self, now_ns: int) -> None:
        """Asks for one symbol after the other, as the venue's limits allow."""
        if self._unasked and self._limits.may_request(now_ns // NS_PER_MS, OPEN_ORDERS_WEIGHT):
            symbol = self._unasked.pop()
            self._connection.request(
                "openOrders.status",
                {"symbol": symbol.name},
                lambda answer: self._told(symbol, answer),
                weight=OPEN_ORDERS_WEIGHT,
            )

    # -- the pieces --

    def _told(self, symbol: Symbol, answer: Answer | None) -> None:
        if answer is None or answer["status"] != 200:
            return  # asked again at the next log-on; what is ours is asked for by its number all the same
        for order in answer["result"]:
            number = self._number_of(str(order["clientOrderId"]))
            if number is None:
                self._name(symbol, order)
            else:
                self._take_in(number, symbol, side_of(order["side"]), symbol.quantity_lots(order["origQty"]))

    def _name(self, symbol: Symbol, order: dict[str, Any]) -> None:
        client_id = str(order["clientOrderId"])[:64]
        if client_id not in self._named:
            self._named.add(client_id)
            print(
                f"not of this run, and open at the venue: {symbol.name} {str(order['side'])[:8]} "
                f"{str(order['origQty'])[:32]} at {str(order['price'])[:32]}, client order id {client_id}",
                file=sys.stderr,
            )
