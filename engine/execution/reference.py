"""Execution written slowly: dictionaries, unbounded Python integers, one obvious rule after the other.

The truth that engine/execution/stage.pyx is held to (tests/engine/execution/test_stage_reference.py). It keeps every
order and every trade id for ever, so it has no capacity; everything else is the same, in the same order.
"""

from dataclasses import dataclass, field

from engine.execution.transitions import TRANSITIONS, OrderEvent, resolve
from ipc.messages import OPEN_STATES, OrderState, Refusal, ReportKind, Side

_GONE = {Refusal.ORDER_UNKNOWN, Refusal.VENUE_UNKNOWN_ORDER, Refusal.VENUE_TIMEOUT, Refusal.VENUE_DISCONNECTED}
_EVENTS = {
    ReportKind.ACCEPTED: OrderEvent.ACCEPTED,
    ReportKind.CANCELLED: OrderEvent.CANCELLED,
    ReportKind.REPLACED: OrderEvent.REPLACED,
    ReportKind.REJECTED: OrderEvent.REJECTED,
    ReportKind.CANCEL_REJECTED: OrderEvent.CANCEL_REJECTED,
    ReportKind.EXPIRED: OrderEvent.EXPIRED,
    ReportKind.UNKNOWN: OrderEvent.IN_DOUBT,
    ReportKind.NOT_FOUND: OrderEvent.NOT_FOUND,
}
_QUIET = {OrderState.PENDING, OrderState.ACCEPTED, OrderState.PARTLY_FILLED}
_AWAITED = {OrderState.PENDING, OrderState.CANCEL_PENDING, OrderState.REPLACE_PENDING, OrderState.UNKNOWN}


@dataclass
class Order:
    order_id: int
    strategy: int
    side: int
    price_ticks: int
    quantity_lots: int
    replaces: int = 0
    state: int = OrderState.NONE
    filled_lots: int = 0
    cumulative_lots: int = 0
    acknowledged: bool = False
    request: int = 0
    deadline_ns: int | None = None

    @property
    def remaining_lots(self) -> int:
        return max(self.quantity_lots - self.filled_lots, 0)

    @property
    def is_open(self) -> bool:
        return self.state in OPEN_STATES

    @property
    def word_is_due(self) -> bool:
        return self.is_open and (self.state in _AWAITED or self.cumulative_lots > self.filled_lots)


@dataclass
class Account:
    """Average cost in integers: realised - cost is exactly the cash that flowed."""

    position_lots: int = 0
    cost_tick_lots: int = 0
    realised_tick_lots: int = 0
    fees_atoms: int = 0
    fills: int = 0
    refusals: int = 0

    def book(self, lots: int, price_ticks: int, fee_atoms: int) -> None:
        """A fill of signed lots. A partial close takes its share of the cost toward zero, the rest stays open."""
        closing = 0
        if self.position_lots * lots < 0:
            closing = min(abs(lots), abs(self.position_lots)) * (1 if lots > 0 else -1)
            taken = abs(self.cost_tick_lots) * abs(closing) // abs(self.position_lots)
            share = taken if self.cost_tick_lots > 0 else -taken
            self.realised_tick_lots += -closing * price_ticks - share
            self.cost_tick_lots -= share
        self.cost_tick_lots += (lots - closing) * price_ticks
        self.position_lots += lots
        self.fees_atoms += fee_atoms
        self.fills += 1


@dataclass
class ReferenceExecution:
    strategies: int
    ack_timeout_ns: int
    orders: dict[int, Order] = field(default_factory=dict)
    numbers: int = 0
    now_ns: int = 0
    trades: set[tuple[int, int]] = field(default_factory=set)
    duplicates: int = 0
    unknown: int = 0

    def __post_init__(self) -> None:
        self.accounts = [Account() for _ in range(self.strategies)]
        self.total = Account()

    # -- QUERIES --

    def open_lots(self, side: int, strategy: int | None = None) -> int:
        """Worst case of what may still fill on a side."""
        return sum(
            order.remaining_lots
            for order in self.orders.values()
            if order.is_open and order.side == side and strategy in (None, order.strategy)
        )

    def open_orders(self, strategy: int | None = None) -> int:
        return sum(order.is_open and strategy in (None, order.strategy) for order in self.orders.values())

    # -- COMMANDS --

    def send_new(self, strategy: int, side: int, price_ticks: int, quantity_lots: int, target: int = 0) -> int:
        """A NEW, or with a target a REPLACE. Returns a Refusal, 0 when sent."""
        if target:
            refusal = self._may_change(target, strategy, OrderEvent.REPLACE_SENT)
            if refusal:
                return refusal
        if quantity_lots <= 0:
            return Refusal.QUANTITY_ZERO
        self.numbers += 1
        order = Order(self.numbers, strategy, side, price_ticks, quantity_lots, target)
        self.orders[self.numbers] = order
        self._move(order, OrderEvent.SENT)
        if target:
            self.orders[target].request = self.numbers
            self._move(self.orders[target], OrderEvent.REPLACE_SENT)
        return 0

    def send_cancel(self, strategy: int, target: int) -> int:
        refusal = self._may_change(target, strategy, OrderEvent.CANCEL_SENT)
        if not refusal:
            self.numbers += 1
            self.orders[target].request = self.numbers
            self._move(self.orders[target], OrderEvent.CANCEL_SENT)
        return refusal

    def report(self, order_id: int, kind: int, code: int = 0, cumulative_lots: int = 0) -> None:
        """Any report but a fill."""
        order = self.orders.get(order_id)
        if order is None:
            self.unknown += 1
            return
        event = _EVENTS[ReportKind(kind)]
        if kind == ReportKind.CANCEL_REJECTED and code in _GONE:
            event = OrderEvent.IN_DOUBT
        if event is OrderEvent.ACCEPTED:
            order.acknowledged = True
        if order.cumulative_lots < cumulative_lots <= order.quantity_lots:
            order.cumulative_lots = cumulative_lots
        if event in (OrderEvent.REJECTED, OrderEvent.CANCEL_REJECTED) or (event is OrderEvent.IN_DOUBT and code):
            self.accounts[order.strategy].refusals += 1
            self.total.refusals += 1
        self._move(order, event)
        replaced = self.orders.get(order.replaces)
        if event in (OrderEvent.REJECTED, OrderEvent.NOT_FOUND) and replaced and replaced.request == order_id:
            self._move(replaced, OrderEvent.REPLACE_REFUSED)

    def fill(
        self, order_id: int, price: int, lots: int, *, trade_id: int, cumulative_lots: int, fee_atoms: int
    ) -> None:
        order = self.orders.get(order_id)
        if order is None:
            self.unknown += 1
            return
        highest = max(order.cumulative_lots, cumulative_lots)
        beyond = cumulative_lots > 0 and order.filled_lots + lots > highest
        if (trade_id, order.side) in self.trades or beyond:
            self.duplicates += 1
            return
        if trade_id > 0:
            self.trades.add((trade_id, order.side))
        for account in (self.accounts[order.strategy], self.total):
            account.book(lots if order.side == Side.BID else -lots, price, fee_atoms)
        order.filled_lots += lots
        order.cumulative_lots = max(highest, order.filled_lots)
        order.acknowledged = True
        whole = order.filled_lots >= order.quantity_lots
        self._move(order, OrderEvent.FILLED if whole else OrderEvent.PARTLY_FILLED)

    def time(self, now_ns: int) -> list[int]:
        """Core time goes on; returns the orders to be asked for."""
        self.now_ns = max(self.now_ns, now_ns)
        overdue = [o for o in self.orders.values() if o.deadline_ns is not None and o.deadline_ns <= self.now_ns]
        for order in overdue:
            self._move(order, OrderEvent.TIMED_OUT)
            order.deadline_ns = self.now_ns + self.ack_timeout_ns
        return sorted(order.order_id for order in overdue)

    def lapped(self) -> list[int]:
        for order in self.orders.values():
            if order.is_open:
                self._move(order, OrderEvent.LAPPED)
                order.deadline_ns = self.now_ns
        return self.time(self.now_ns)

    def _may_change(self, target: int, strategy: int, event: OrderEvent) -> int:
        order = self.orders.get(target)
        if order is None or order.strategy != strategy:
            return Refusal.ORDER_UNKNOWN
        if order.request or TRANSITIONS[order.state, event] < 0:
            return Refusal.ORDER_NOT_CANCELLABLE
        return 0

    def _move(self, order: Order, event: OrderEvent) -> None:
        before, after = order.state, int(TRANSITIONS[order.state, event])
        if after < 0:
            return
        order.state = resolve(after, order.acknowledged, order.filled_lots)
        if not order.is_open or order.state in _QUIET:
            order.request = 0
        if not order.word_is_due:
            order.deadline_ns = None
        elif order.state != before or order.deadline_ns is None:
            order.deadline_ns = self.now_ns + self.ack_timeout_ns
