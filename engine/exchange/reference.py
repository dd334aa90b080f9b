"""The matching engine as one would explain it: lists, loops and no speed. The oracle of `matching.pyx`.

Order ids are serial numbers here (the fast engine's are `serial << 24 | slot`); everything else is equal.
"""

from dataclasses import dataclass

from engine.exchange.events import Event, EventKind, Reject
from ipc.messages import OrderType, Side, TimeInForce

SLOT_BITS = 24


@dataclass
class Resting:
    order_id: int
    owner: int
    side: int
    price_ticks: int
    remaining_lots: int


class ReferenceEngine:
    """Same commands and queries as MatchingEngine; a side is a list of orders in priority order."""

    def __init__(self, order_capacity: int = 65_536) -> None:
        self.order_capacity = order_capacity
        self.book: dict[int, list[Resting]] = {Side.BID: [], Side.ASK: []}
        self.update_id = 0
        self.trade_id = 0
        self._serial = 0
        self._events: list[Event] = []

    # -- QUERIES --

    @property
    def resting(self) -> int:
        return len(self.book[Side.BID]) + len(self.book[Side.ASK])

    def events(self) -> list[Event]:
        return self._events

    def depth(self, side: int, limit: int) -> list[tuple[int, int]]:
        totals: dict[int, int] = {}
        for order in self.book[side]:
            totals[order.price_ticks] = totals.get(order.price_ticks, 0) + order.remaining_lots
        return sorted(totals.items(), reverse=side == Side.BID)[:limit]

    def quantity_at(self, side: int, price_ticks: int) -> int:
        return sum(order.remaining_lots for order in self.book[side] if order.price_ticks == price_ticks)

    # -- COMMANDS --

    def submit(
        self, owner: int, side: int, order_type: int, time_in_force: int, price_ticks: int, quantity_lots: int
    ) -> int:
        self._events = []
        return self._enter(owner, side, order_type, time_in_force, price_ticks, quantity_lots)

    def cancel(self, order_id: int) -> int:
        self._events = []
        return self._withdraw(order_id)

    def replace(
        self,
        order_id: int,
        owner: int,
        side: int,
        order_type: int,
        time_in_force: int,
        price_ticks: int,
        quantity_lots: int,
    ) -> int:
        self._events = []
        if not self._withdraw(order_id):
            return 0
        return self._enter(owner, side, order_type, time_in_force, price_ticks, quantity_lots)

    # -- the pieces --

    def _say(self, kind: EventKind, side: int, order_id: int, owner: int, price: int, quantity: int, left: int) -> None:
        self._events.append((kind, side, order_id, owner, price, quantity, left, 0, 0, 0, 0))

    def _say_level(self, side: int, price: int) -> None:
        self.update_id += 1
        quantity = self.quantity_at(side, price)
        self._events.append((EventKind.LEVEL, side, 0, 0, price, quantity, 0, 0, 0, 0, self.update_id))

    def _reject(self, side: int, order_id: int, owner: int, price: int, quantity: int, reason: Reject) -> int:
        self._events.append(
            (EventKind.REJECTED, side, order_id, owner, price, quantity, quantity, 0, 0, 0, reason),
        )
        return order_id

    def _withdraw(self, order_id: int) -> int:
        for orders in self.book.values():
            for order in orders:
                if order.order_id == order_id:
                    orders.remove(order)
                    left = order.remaining_lots
                    self._say(EventKind.CANCELLED, order.side, order_id, order.owner, order.price_ticks, left, 0)
                    self._say_level(order.side, order.price_ticks)
                    return left
        return 0

    def _reachable(self, side: int, order_type: int, price: int) -> list[Resting]:
        """Orders of the other side that this one may trade with, in the order it would meet them."""
        other = self.book[Side.ASK if side == Side.BID else Side.BID]
        if order_type == OrderType.MARKET:
            return list(other)
        return [o for o in other if (o.price_ticks <= price if side == Side.BID else o.price_ticks >= price)]

    def _enter(self, owner: int, side: int, order_type: int, tif: int, price: int, quantity: int) -> int:
        self._serial += 1
        order_id = self._serial
        rests = order_type == OrderType.LIMIT_MAKER or (order_type == OrderType.LIMIT and tif == TimeInForce.GTC)
        reachable = self._reachable(side, order_type, price)
        if order_type == OrderType.LIMIT_MAKER and reachable:
            return self._reject(side, order_id, owner, price, quantity, Reject.WOULD_TAKE)
        if rests and self.resting >= self.order_capacity:
            return self._reject(side, order_id, owner, price, quantity, Reject.BOOK_FULL)
        self._say(EventKind.ACCEPTED, side, order_id, owner, price, quantity, quantity)
        others = sum(o.remaining_lots for o in reachable if owner == 0 or o.owner != owner)
        if tif == TimeInForce.FOK and order_type != OrderType.LIMIT_MAKER and others < quantity:
            self._say(EventKind.EXPIRED, side, order_id, owner, price, quantity, 0)
            return order_id
        left = self._match(order_id, owner, side, reachable, quantity)
        if left and rests:
            self._rest(Resting(order_id, owner, side, price, left))
        elif left:
            self._say(EventKind.EXPIRED, side, order_id, owner, price, left, 0)
        return order_id

    def _match(self, order_id: int, owner: int, side: int, reachable: list[Resting], left: int) -> int:
        for position, maker in enumerate(reachable):
            if left == 0:
                break
            if owner != 0 and maker.owner == owner:
                lots = maker.remaining_lots
                self.book[maker.side].remove(maker)
                self._say(EventKind.PREVENTED, maker.side, maker.order_id, owner, maker.price_ticks, lots, 0)
            else:
                left = self._trade(order_id, owner, side, maker, left)
            last_at_price = position + 1 == len(reachable) or reachable[position + 1].price_ticks != maker.price_ticks
            if last_at_price or left == 0:
                self._say_level(maker.side, maker.price_ticks)
        return left

    def _trade(self, order_id: int, owner: int, side: int, maker: Resting, left: int) -> int:
        lots = min(left, maker.remaining_lots)
        maker.remaining_lots -= lots
        if maker.remaining_lots == 0:
            self.book[maker.side].remove(maker)
        self.trade_id += 1
        taker_left, maker_left = left - lots, maker.remaining_lots
        self._events.append(
            (
                EventKind.TRADE,
                side,
                order_id,
                owner,
                maker.price_ticks,
                lots,
                taker_left,
                maker.order_id,
                maker.owner,
                maker_left,
                self.trade_id,
            )
        )
        return taker_left

    def _rest(self, order: Resting) -> None:
        orders = self.book[order.side]
        better = sum(
            o.price_ticks >= order.price_ticks if order.side == Side.BID else o.price_ticks <= order.price_ticks
            for o in orders
        )
        orders.insert(better, order)
        self._say_level(order.side, order.price_ticks)
