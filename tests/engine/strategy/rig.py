"""A strategy stage with views that a test writes, and a small venue that answers its intents."""

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from engine.stage import ACCOUNT_VIEW, BOOK_VIEW, FEATURE_VIEW, FORECAST_VIEW, REPORT_VIEW
from engine.strategy.bound import bind
from engine.strategy.loader import Strategy
from engine.strategy.stage import FixedView, StrategyStage
from ipc.instruments import instrument
from ipc.messages import (
    MESSAGE,
    ORDER_DETAIL,
    REPORT_DETAIL,
    Action,
    BookState,
    Flag,
    Kind,
    Liquidity,
    OrderState,
    ReportKind,
    Side,
)

START_NS = 1_700_000_000_000_000_000
MILLISECOND_NS = 1_000_000


def instruments(count: int = 1) -> np.ndarray:
    rows = [instrument(f"COIN{i}USDT.BINANCE", f"COIN{i}USDT", "0.01", "0.00001") for i in range(count)]
    return np.concatenate(rows)


class Rig:
    """Strategies given as (strategy, instrument row, params); uncompiled without a cache folder."""

    def __init__(
        self,
        strategies: Sequence[tuple[Strategy, int, dict[str, int | float]]],
        cache_folder: Path | None,
        instrument_count: int = 1,
    ) -> None:
        self.bound = bind(strategies, cache_folder)
        table = instruments(instrument_count)
        self.book = np.zeros(instrument_count, BOOK_VIEW)
        self.features = np.zeros(instrument_count, FEATURE_VIEW)
        self.forecast = np.zeros(instrument_count, FORECAST_VIEW)
        self.account = np.zeros(len(strategies), ACCOUNT_VIEW)
        self.report = np.zeros(1, REPORT_VIEW)
        arrays = (self.book, self.features, self.forecast, self.account, self.report)
        self.views = [FixedView(array) for array in arrays]
        self.stage = StrategyStage(table, self.bound, *(view.capsule() for view in self.views))
        self.now_ns = START_NS
        self.orders = 0

    # -- messages in --

    def send(self, kind: int, row: int = 0, **fields: int) -> np.ndarray:
        """One message now; returns what the strategies said."""
        message = np.zeros(2, MESSAGE)
        message["kind"] = kind
        message["instrument"] = row
        message["flags"] = Flag.LAST
        message["receive_time_ns"] = message["event_time_ns"] = self.now_ns
        for name, value in fields.items():
            message[name] = value
        return self.stage.drive(message[:1])

    def quote(self, bid: int, ask: int, bid_lots: int = 5, ask_lots: int = 5, row: int = 0) -> np.ndarray:
        """A valid book with these best prices, and the update that made it."""
        book = self.book[row]
        book["state"] = BookState.VALID
        book["receive_time_ns"] = self.now_ns
        book["bid_price_ticks"], book["ask_price_ticks"] = bid - np.arange(10), ask + np.arange(10)
        book["bid_quantity_lots"], book["ask_quantity_lots"] = bid_lots, ask_lots
        return self.send(Kind.LEVEL, row)

    def tell(self, strategy: int, event: int, detail: dict[str, int] | None = None, **fields: int) -> np.ndarray:
        """A report that execution has judged to be news for a strategy."""
        self.report[0] = np.zeros((), REPORT_VIEW)
        for name, value in {"strategy": strategy, "applied": 1, "event": event, **fields}.items():
            self.report[0][name] = value
        message = np.zeros(2, MESSAGE)
        message["kind"] = Kind.REPORT, Kind.DETAIL
        message["flags"] = Flag.MORE, Flag.LAST
        message["receive_time_ns"] = message["event_time_ns"] = self.now_ns
        for name, value in (detail or {}).items():
            message[1:].view(REPORT_DETAIL)[name] = value
        return self.stage.drive(message)


def details(said: np.ndarray) -> np.ndarray:
    """The second records of messages of two."""
    return said[1::2].view(ORDER_DETAIL)


class Venue:
    """Takes every intent at once; fills and cancels by a seeded random walk. Drives a rig for whole sessions."""

    def __init__(self, rig: Rig, seed: int) -> None:
        self.rig, self.random, self.said = rig, random.Random(seed), []
        self.mid = [10_000 + 500 * row for row in range(len(rig.book))]

    def take(self, said: np.ndarray) -> None:
        """Applies what the strategies asked for to their accounts."""
        self.said.append(said.tobytes())
        for message, detail in zip(said[::2], details(said), strict=True):
            if message["kind"] != Kind.INTENT:
                continue
            self.rig.orders += 1
            account = self.rig.account[detail["strategy"]]
            working = account["working"]
            if detail["action"] != Action.NEW:
                working[working["order_id"] == detail["target_order_id"]] = 0
            free = np.flatnonzero(working["order_id"] == 0)
            if detail["action"] != Action.CANCEL and len(free):
                state = self.random.choice((OrderState.ACCEPTED, OrderState.ACCEPTED, OrderState.PENDING))
                price, lots, side = (int(message[name]) for name in ("price_ticks", "quantity_lots", "side"))
                sent = (self.rig.orders, side, state, price, lots, 0, int(detail["tag"]), self.rig.now_ns)
                working[free[0]] = sent
            account["open_orders"] = np.count_nonzero(working["order_id"])

    def fill_one(self, strategy: int) -> None:
        """Fills a random working order of a strategy whole, and tells it."""
        account = self.rig.account[strategy]
        slots = np.flatnonzero(account["working"]["order_id"])
        if not len(slots):
            return
        slot = int(self.random.choice(slots))
        order = account["working"][slot].copy()
        account["working"][slot] = np.zeros((), order.dtype)
        lots = int(order["remaining_lots"])
        account["position_lots"] += lots if order["side"] == Side.BID else -lots
        account["open_orders"] -= 1
        self.take(
            self.rig.tell(
                strategy,
                ReportKind.FILL,
                {"liquidity": Liquidity.MAKER, "trade_id": self.rig.orders},
                order_id=int(order["order_id"]),
                side=int(order["side"]),
                price_ticks=int(order["price_ticks"]),
                quantity_lots=lots,
                fee_atoms=lots * 7,
                tag=int(order["tag"]),
            )
        )

    def batch(self) -> None:
        """One step of the session: mostly a book update, sometimes a trade, an invalid book, a fill or time."""
        rig, row = self.rig, self.random.randrange(len(self.rig.book))
        rig.now_ns += self.random.randrange(1, 60) * MILLISECOND_NS
        self.mid[row] += self.random.choice((-3, -1, 0, 0, 1, 3))
        rig.forecast["ready"] = 1
        rig.forecast["values"] = self.random.gauss(0.0, 30.0)
        rig.features["values"] = self.random.gauss(0.0, 1.0)
        what = self.random.random()
        bid, spread = self.mid[row], self.random.randrange(1, 5)
        if what < 0.7:
            lots = self.random.randrange(0 if what < 0.02 else 1, 50), self.random.randrange(1, 50)
            self.take(rig.quote(bid, bid + spread, *lots, row))
        elif what < 0.8:
            side = self.random.choice((Side.BID, Side.ASK))
            self.take(rig.send(Kind.TRADE, row, price_ticks=bid, quantity_lots=3, side=side))
        elif what < 0.83:
            rig.book[row]["state"] = self.random.choice((BookState.GAP, BookState.STALE, BookState.SUSPECT))
            self.take(rig.send(Kind.BOOK_STATE, row, extra=int(rig.book[row]["state"])))
        elif what < 0.93:
            self.fill_one(self.random.randrange(len(rig.account)))
        else:
            self.take(rig.send(Kind.TIME))
        rig.account["working"]["state"][rig.account["working"]["state"] == OrderState.PENDING] = OrderState.ACCEPTED


def session(rig: Rig, seed: int, batches: int) -> dict[str, Any]:
    """Everything that a session of so many batches produced."""
    venue = Venue(rig, seed)
    for _ in range(batches):
        venue.batch()
    return {"said": b"".join(venue.said), "orders": rig.orders, "snapshot": rig.stage.snapshot()}
