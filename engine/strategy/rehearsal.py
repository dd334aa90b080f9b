"""A strategy's rehearsal: a seeded market of its own, once compiled and once not, held against each other to the bit.

The market is no model of anything: it exists to reach every branch. Prices walk, books empty and turn invalid, features
and forecasts jump, orders are confirmed late, filled, rejected or cancelled, time passes in leaps. Both stages see the
same memory; after every message they must have said the same and hold the same state.
"""

import random
from typing import Any

import numpy as np

from engine.errors import Exit
from engine.stage import ACCOUNT_VIEW, BOOK_VIEW, FEATURE_VIEW, FORECAST_VIEW, REPORT_VIEW
from engine.strategy.bound import BoundStrategy
from engine.strategy.contract import StrategyError
from engine.strategy.loader import Strategy
from engine.strategy.machine_code import Compiled
from engine.strategy.stage import FixedView, StrategyStage
from ipc.instruments import instrument
from ipc.messages import (
    MESSAGE,
    ORDER_DETAIL,
    REPORT_DETAIL,
    Action,
    BookState,
    Command,
    Flag,
    Kind,
    Liquidity,
    OrderState,
    ReportKind,
    Side,
)

MESSAGES = 3_000
START_NS = 1_700_000_000_000_000_000
MILLISECOND_NS = 1_000_000
ORDERLY = 0.9  # of the books are VALID

Array = np.ndarray[Any, Any]


def rehearse(strategy: Strategy, compiled: Compiled, messages: int = MESSAGES, seed: int = 1) -> dict[str, int]:
    """{"messages", "intents", "refusals"} of a rehearsal.

    Raises StrategyError (exit code 1) when the strategy is switched off in it, or when the two part.
    """
    market = _Market(seed)
    views = [FixedView(rows) for rows in (market.book, market.features, market.forecast, market.account, market.report)]
    book, features, forecast, account, report = (view.capsule() for view in views)
    table = instrument("BTCUSDT.BINANCE", "BTCUSDT", "0.01", "0.00001")
    fast, plain = (
        StrategyStage(table, [BoundStrategy(strategy, 0, {}, code)], book, features, forecast, account, report)
        for code in (compiled, None)
    )
    counts = {"messages": messages, "intents": 0, "refusals": 0}
    for number in range(1, messages + 1):
        message = market.stop() if number == messages else market.next()
        said, other = fast.drive(message), plain.drive(message)
        if plain.failed() and fast.failed():
            why = plain.failed()[0] or "State holds a number that is not finite"
            raise StrategyError(f"{strategy.path.name}: switched off in a rehearsal: {why}", Exit.FAILED)
        if said.tobytes() != other.tobytes() or fast.state(0).tobytes() != plain.state(0).tobytes():
            raise StrategyError(_parting(strategy, number, fast, plain), Exit.FAILED)
        counts["intents"] += int(np.count_nonzero(said["kind"] == Kind.INTENT))
        counts["refusals"] += int(np.count_nonzero(said["kind"] == Kind.REFUSAL))
        market.take(said)
    return counts


def _parting(strategy: Strategy, number: int, fast: StrategyStage, plain: StrategyStage) -> str:
    """Where compiled and uncompiled part, with the first field of State that differs or the error that one has not."""
    told = f"{strategy.path.name}: compiled and uncompiled part at message {number} of a rehearsal"
    if plain.failed():
        return f"{told}: uncompiled it fails with {plain.failed()[0]}, compiled it goes on"
    one, other = fast.state(0)[0], plain.state(0)[0]
    for name in one.dtype.names or ():
        if one[name].tobytes() != other[name].tobytes():
            return f"{told}: state.{name} is {one[name]} compiled, {other[name]} uncompiled"
    return f"{told}: they ask for different orders"


class _Market:
    """The rows that the views show, and the messages that go with them."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.book, self.features = np.zeros(1, BOOK_VIEW), np.zeros(1, FEATURE_VIEW)
        self.forecast, self.account = np.zeros(1, FORECAST_VIEW), np.zeros(1, ACCOUNT_VIEW)
        self.report = np.zeros(1, REPORT_VIEW)
        self.now_ns, self.mid_ticks, self.orders = START_NS, 6_000_000, 0

    def next(self) -> Array:
        """The next message, with the views as they are when it is dispatched."""
        self.now_ns += int(self.random.expovariate(1 / 20) * MILLISECOND_NS) + 1
        working = self.account["working"][0]
        under_way = np.flatnonzero(working["state"] == OrderState.PENDING)
        live = np.flatnonzero(working["order_id"])
        chance = self.random.random()
        if len(under_way) and chance < 0.3:
            return self._report(
                int(under_way[0]), self.random.choice((ReportKind.ACCEPTED,) * 9 + (ReportKind.REJECTED,))
            )
        if len(live) and chance < 0.4:
            return self._report(int(self.random.choice(live)), ReportKind.FILL)
        if chance < 0.75:
            return self._update()
        if chance < 0.85:
            side = self.random.choice((Side.BID, Side.ASK))
            return self._message(
                Kind.TRADE, side=side, price_ticks=self.mid_ticks, quantity_lots=self.random.randint(1, 9_999)
            )
        if chance < 0.95:
            return self._message(Kind.TIME)
        bits = int(np.float64(self.random.gauss(0.0, 1.0)).view(np.int64))
        return self._message(Kind.RISK_VALUE, order_id=self.random.randint(1, 3), extra=bits)

    def stop(self) -> Array:
        return self._message(Kind.COMMAND, extra=Command.STOP)

    def take(self, said: Array) -> None:
        """Every order asked for gets a slot and is under way; a cancel and a replaced order are gone at once."""
        account, heads = self.account[0], said["kind"] == Kind.INTENT
        working = account["working"]
        for place in np.flatnonzero(heads):
            head, detail = said[place], said[place + 1 : place + 2].view(ORDER_DETAIL)[0]
            working[working["order_id"] == detail["target_order_id"]] = 0
            free = np.flatnonzero(working["order_id"] == 0)
            if detail["action"] != Action.CANCEL and len(free) and head["quantity_lots"] > 0:
                self.orders += 1
                lots, price = head["quantity_lots"], head["price_ticks"]
                row = (self.orders, head["side"], OrderState.PENDING, price, lots, 0, detail["tag"], self.now_ns)
                working[free[0]] = row
        account["open_orders"] = np.count_nonzero(working["order_id"])

    # -- messages --

    def _message(self, kind: int, **fields: int) -> Array:
        message = np.zeros(1, MESSAGE)
        message["kind"], message["flags"] = kind, Flag.LAST
        message["event_time_ns"] = message["receive_time_ns"] = self.now_ns
        for name, value in fields.items():
            message[name] = value
        return message

    def _update(self) -> Array:
        self.mid_ticks = max(100, self.mid_ticks + self.random.choice((-40, -3, -1, 0, 0, 1, 3, 40)))
        book, spread = self.book[0], self.random.choice((1, 1, 2, 5, 60))
        valid = self.random.random() < ORDERLY
        book["state"] = BookState.VALID if valid else self.random.choice(list(BookState))
        book["receive_time_ns"] = book["event_time_ns"] = self.now_ns
        for side, first, step in (("bid", self.mid_ticks, -1), ("ask", self.mid_ticks + spread, 1)):
            levels = self.random.choice((10, 10, 10, 10, 3, 1, 0))
            book[f"{side}_count"] = levels
            book[f"{side}_price_ticks"] = (first + step * np.arange(10)) * (np.arange(10) < levels)
            book[f"{side}_quantity_lots"] = [self.random.randint(1, 99_999) * (i < levels) for i in range(10)]
        for row in (self.features[0], self.forecast[0]):
            row["ready"] = self.random.random() < ORDERLY
            row["values"] = [self.random.gauss(0.0, 20.0) for _ in row["values"]]
        return self._message(Kind.LEVEL)

    def _report(self, slot: int, event: ReportKind) -> Array:
        """A report of the order in a slot, and what it does to the account."""
        account = self.account[0]
        order = account["working"][slot].copy()
        lots = int(order["remaining_lots"])
        report = self.report[0]
        self.report[0] = np.zeros((), REPORT_VIEW)
        report["applied"], report["event"] = 1, event
        for name in ("order_id", "side", "price_ticks", "tag"):
            report[name] = order[name]
        if event == ReportKind.ACCEPTED:
            account["working"][slot]["state"], report["remaining_lots"] = OrderState.ACCEPTED, lots
        else:
            account["working"][slot] = np.zeros((), order.dtype)
            account["open_orders"] -= 1
        if event == ReportKind.FILL:
            report["quantity_lots"], report["fee_atoms"] = lots, lots * 7
            account["position_lots"] += lots if order["side"] == Side.BID else -lots
            account["fills"] += 1
        pair = np.concatenate([self._message(Kind.REPORT, flags=Flag.MORE), self._message(Kind.DETAIL)])
        detail = pair[1:].view(REPORT_DETAIL)
        detail["trade_id"], detail["liquidity"] = self.orders, self.random.choice((Liquidity.MAKER, Liquidity.TAKER))
        return pair
