"""A stand-in for the core: makes numbered orders, keeps what the reports say, deduplicates fills by trade id."""

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from engine import clock
from engine.exchange.server import ExchangeServer
from engine.gateway.config import GatewaySettings
from engine.gateway.credentials import Credentials
from engine.gateway.order_message import read_order
from engine.gateway.session import BinanceSession
from ipc.instruments import instrument
from ipc.messages import (
    MESSAGE,
    ORDER_DETAIL,
    REPORT_DETAIL,
    Action,
    Flag,
    Kind,
    OrderType,
    Refusal,
    ReportKind,
    Side,
    TimeInForce,
)

RUN_ID = "test-run"
TABLE = instrument("BTCUSDT.BINANCE", "BTCUSDT", "0.01", "0.00001")
QUICK = {
    "receive_window_ms": 300,
    "clock_error_ms": 100,
    "ack_timeout_ms": 150,
    "query_retry_ms": 40,
    "reconcile_interval_ms": 250,
    "connect_timeout_ms": 300,
    "reconnect_interval_ms": 10,
    "reconnect_interval_limit_ms": 40,
    "orders_per_10_s": 1_000_000,
    "request_weight_per_minute": 1_000_000,
}
FINAL = {
    ReportKind.CANCELLED,
    ReportKind.REPLACED,
    ReportKind.REJECTED,
    ReportKind.EXPIRED,
    ReportKind.NOT_FOUND,
}


def order_message(
    number: int,
    *,
    action: Action = Action.NEW,
    side: Side = Side.BID,
    price_ticks: int = 0,
    quantity_lots: int = 0,
    order_type: OrderType = OrderType.LIMIT,
    time_in_force: TimeInForce = TimeInForce.GTC,
    target: int = 0,
) -> np.ndarray:
    """An ORDER and its detail as execution writes them."""
    records = np.zeros(2, dtype=MESSAGE)
    head, detail = records[0], records[1:].view(ORDER_DETAIL)[0]
    head["kind"], head["flags"], head["side"] = Kind.ORDER, Flag.MORE, side
    head["order_id"], head["price_ticks"], head["quantity_lots"] = number, price_ticks, quantity_lots
    detail["kind"], detail["flags"], detail["action"] = Kind.DETAIL, Flag.LAST, action
    detail["order_type"], detail["time_in_force"], detail["target_order_id"] = order_type, time_in_force, target
    return records


@dataclass
class Known:
    """What the reports say of one order."""

    side: int
    quantity_lots: int
    kinds: list[ReportKind] = field(default_factory=list)
    codes: list[Refusal] = field(default_factory=list)
    trades: dict[int, int] = field(default_factory=dict)  # trade id -> lots

    @property
    def filled_lots(self) -> int:
        return sum(self.trades.values())

    @property
    def final(self) -> bool:
        return bool(FINAL & set(self.kinds)) or self.filled_lots >= self.quantity_lots


class Book:
    """Every order sent, and what was reported of it."""

    def __init__(self) -> None:
        self.orders: dict[int, Known] = {}
        self.doubled_fills = 0
        self.number = 0

    def take(self, records: np.ndarray) -> None:
        head, detail = records[0], records[1:].view(REPORT_DETAIL)[0]
        known = self.orders[int(head["order_id"])]
        kind = ReportKind(int(head["extra"]) & 0xFF)
        if kind == ReportKind.FILL:
            trade_id = int(detail["trade_id"])
            self.doubled_fills += trade_id in known.trades
            known.trades[trade_id] = int(head["quantity_lots"])
            assert int(detail["cumulative_lots"]) <= known.quantity_lots
        known.kinds.append(kind)
        known.codes.append(Refusal(int(head["extra"]) >> 8))

    @property
    def position_lots(self) -> int:
        return sum(k.filled_lots if k.side == Side.BID else -k.filled_lots for k in self.orders.values())

    def open_numbers(self) -> list[int]:
        return [number for number, known in self.orders.items() if not known.final]

    def kinds(self) -> Counter[ReportKind]:
        return Counter(kind for known in self.orders.values() for kind in known.kinds)

    async def until(self, condition: object, seconds: float = 8.0) -> None:
        assert callable(condition)
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"waited {seconds} s in vain; open: {self.open_numbers()}"
            await asyncio.sleep(0.002)

    def check(self, exchange: ExchangeServer, doubled_requests: bool = False) -> None:
        """Our word against the exchange's ledger: nothing lost, nothing doubled, the same position."""
        ledger = exchange.ledger
        for number, known in self.orders.items():
            entry = ledger.orders.get(f"{RUN_ID}-{number}")
            where = f"order {number}: {known} against {entry}"
            if entry is None:
                assert ReportKind.REJECTED in known.kinds or ReportKind.NOT_FOUND in known.kinds, where
                continue
            assert entry["received"] == 1 or doubled_requests, where
            assert entry["filled_lots"] == known.filled_lots, where
            assert ReportKind.NOT_FOUND not in known.kinds, where
            assert known.final == (entry["state"] != "accepted"), where
        names = {f"{RUN_ID}-{number}" for number in self.orders}
        assert set(ledger.orders) <= names
        assert ledger.positions.get("bot4/BTCUSDT", 0) == self.position_lots

    def note(self, message: np.ndarray) -> None:
        """Remembers an order about to be sent."""
        detail = message[1:].view(ORDER_DETAIL)[0]
        if detail["action"] in (Action.NEW, Action.REPLACE):
            self.orders[self.number] = Known(int(message[0]["side"]), int(message[0]["quantity_lots"]))


class Trader(Book):
    """Orders straight into a session."""

    def __init__(self, credentials: Credentials, address: str, **settings: object) -> None:
        super().__init__()
        values = {**QUICK, "address": f"ws://{address}/ws-api/v3", **settings}
        self.settings = GatewaySettings(**values)  # type: ignore[arg-type]
        self.session = BinanceSession(self.settings, credentials, TABLE, RUN_ID, self.take)
        self._polling: asyncio.Task[None] | None = None

    # -- COMMANDS --

    async def start(self) -> None:
        await self.session.start()
        self._polling = asyncio.create_task(self._poll())
        await self.until(lambda: self.session.connection.ready)

    async def stop(self) -> None:
        if self._polling is not None:
            self._polling.cancel()
            await asyncio.gather(self._polling, return_exceptions=True)
        await self.session.stop()

    async def _poll(self) -> None:
        while True:
            self.session.poll(clock.utc_ns())
            await asyncio.sleep(0.001)

    def send(self, **fields: object) -> int:
        """Submits as the gateway process would; what it would refuse is a rejection. Returns the number."""
        self.number += 1
        message = order_message(self.number, **fields)  # type: ignore[arg-type]
        self.note(message)
        refusal = self.session.refusal(read_order(message))
        if refusal == Refusal.NONE:
            self.session.submit(read_order(message))
        elif self.number in self.orders:
            self.orders[self.number].kinds.append(ReportKind.REJECTED)
            self.orders[self.number].codes.append(refusal)
        return self.number

    def limit(self, side: Side, price_ticks: int, quantity_lots: int = 100, **more: object) -> int:
        return self.send(side=side, price_ticks=price_ticks, quantity_lots=quantity_lots, **more)

    def cancel(self, number: int) -> int:
        return self.send(action=Action.CANCEL, target=number)
