"""What the session knows of one order, and the reports that follow from what the venue says of it.

The rules that keep fills whole, whatever is lost, doubled or late on the way:
* a trade is reported once by its id; the cumulative quantity in a report is the sum of the trades reported;
* when the venue's cumulative quantity is ahead of that sum, a fill is missing: nothing is reported until the trades
  have been fetched, so that a final report is really the last;
* what is final stays final.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

from engine.gateway.attempts import Attempt
from engine.gateway.order_message import OrderMessage
from engine.gateway.reports import Report
from engine.gateway.symbols import Symbol
from ipc.messages import Liquidity, Refusal, ReportKind

NS_PER_MS = 1_000_000
_FINAL_STATUS = {
    "CANCELED": ReportKind.CANCELLED,
    "REJECTED": ReportKind.REJECTED,
    "EXPIRED": ReportKind.EXPIRED,
    "EXPIRED_IN_MATCH": ReportKind.EXPIRED,
}


class Standing(IntEnum):
    SENT = 1  # no word yet
    LIVE = 2  # the venue has it
    DOUBT = 3  # unknown: to be queried, or being queried
    FINISHED = 4


@dataclass
class Order:
    """A new order or a replacement, by its number."""

    number: int
    symbol: Symbol
    side: int
    quantity_lots: int
    attempt_ns: int
    client_id: str
    replaces: int = 0
    standing: Standing = Standing.SENT
    venue_order_id: int = 0
    filled_lots: int = 0
    replaced_by: int = 0  # the replacement on its way
    trades: set[int] = field(default_factory=set)
    deferred: list[OrderMessage] = field(default_factory=list)  # what waits until a doubt is resolved
    querying: bool = False
    recheck: bool = False  # a fill was found missing while an answer was on its way
    query_at_ns: int = 0
    word_ns: int = 0  # when the venue was last heard of it
    missed_ns: int = 0  # when the venue, which had it, first did not find it
    page_from: int = -1  # the first trade id of the page asked for; -1: the newest

    @classmethod
    def of(cls, message: OrderMessage, symbol: Symbol, client_id: str, now_ns: int) -> "Order":
        return cls(
            message.order_id,
            symbol,
            message.side,
            message.quantity_lots,
            now_ns,
            client_id,
            replaces=message.target_order_id,
            word_ns=now_ns,
        )

    @classmethod
    def of_attempt(cls, attempt: Attempt, symbol: Symbol, client_id: str, now_ns: int) -> "Order":
        """`now_ns` counts as its attempt: what another process read from a clock says nothing by ours."""
        return cls(
            attempt.number,
            symbol,
            attempt.side,
            attempt.quantity_lots,
            now_ns,
            client_id,
            replaces=attempt.target_order_id,
            standing=Standing.DOUBT,
        )

    @property
    def open(self) -> bool:
        return self.standing != Standing.FINISHED


class OrderWords:
    """Turns the venue's words about an order into reports. `missing` is called when a fill has to be fetched."""

    def __init__(self, say: Callable[[Report], None], missing: Callable[[Order], None]) -> None:
        self._say, self._missing = say, missing

    def accepted(self, order: Order, venue_order_id: int, time_ms: int) -> None:
        """It lives; said again after a doubt."""
        order.venue_order_id = venue_order_id or order.venue_order_id
        if order.standing in (Standing.SENT, Standing.DOUBT):
            order.standing = Standing.LIVE
            self._tell(order, ReportKind.ACCEPTED, time_ms)

    def doubted(self, order: Order, code: Refusal) -> None:
        """Nobody knows: to be queried."""
        if order.standing not in (Standing.DOUBT, Standing.FINISHED):
            order.standing = Standing.DOUBT
            self._tell(order, ReportKind.UNKNOWN, 0, code)

    def ended(self, order: Order, kind: ReportKind, time_ms: int, code: Refusal = Refusal.NONE) -> None:
        if order.open:
            if kind == ReportKind.CANCELLED and order.replaced_by:
                kind = ReportKind.REPLACED
            order.standing = Standing.FINISHED
            self._tell(order, kind, time_ms, code)

    def traded(self, order: Order, trade: dict[str, Any], cumulative_lots: int) -> None:
        """One trade: {"id", "price", "qty", "commission", "commissionAsset", "time", "isMaker"} in the venue's text.

        `cumulative_lots` is the venue's sum after it, or 0 where it does not tell.
        """
        trade_id = int(trade["id"])
        symbol, price, lots = (
            order.symbol,
            order.symbol.price_ticks(trade["price"]),
            order.symbol.quantity_lots(trade["qty"]),
        )
        if trade_id in order.trades:
            return
        if cumulative_lots and order.open and order.filled_lots + lots < cumulative_lots:
            self._missing(order)
            return
        maker = bool(trade["isMaker"])
        report = Report(
            kind=ReportKind.FILL,
            order_id=order.number,
            instrument=symbol.index,
            side=order.side,
            event_time_ns=int(trade["time"]) * NS_PER_MS,
            price_ticks=price,
            quantity_lots=lots,
            cumulative_lots=order.filled_lots + lots,
            venue_order_id=order.venue_order_id,
            trade_id=trade_id,
            fee_atoms=symbol.fee_atoms(trade["commission"], trade["commissionAsset"], price, lots, maker),
            liquidity=Liquidity.MAKER if maker else Liquidity.TAKER,
        )
        order.trades.add(trade_id)
        order.filled_lots += lots
        if order.filled_lots >= order.quantity_lots:
            order.standing = Standing.FINISHED
        self._say(report)

    def status(self, order: Order, result: dict[str, Any]) -> None:
        """What order.status or a cancel's answer says. With a fill missing, the trades are fetched first."""
        order.venue_order_id = int(result["orderId"])
        order.quantity_lots = order.symbol.quantity_lots(result["origQty"])
        executed = order.symbol.quantity_lots(result["executedQty"])
        if executed > order.filled_lots:
            self._missing(order)
            return
        time_ms = int(result.get("updateTime") or result.get("transactTime") or 0)
        kind = _FINAL_STATUS.get(result["status"])
        if kind is not None:
            self.ended(order, kind, time_ms)
        elif result["status"] in ("NEW", "PARTIALLY_FILLED"):
            self.accepted(order, order.venue_order_id, time_ms)

    def event(self, order: Order, event: dict[str, Any]) -> None:
        """One executionReport."""
        execution, time_ms = event["x"], int(event["T"])
        order.venue_order_id = int(event["i"])
        if execution == "NEW":
            self.accepted(order, order.venue_order_id, time_ms)
        elif execution == "TRADE":
            self.accepted(order, order.venue_order_id, time_ms)
            trade = {
                "id": event["t"],
                "price": event["L"],
                "qty": event["l"],
                "commission": event["n"],
                "commissionAsset": event["N"],
                "time": time_ms,
                "isMaker": event["m"],
            }
            self.traded(order, trade, order.symbol.quantity_lots(event["z"]))
        elif event["X"] in _FINAL_STATUS:
            if order.symbol.quantity_lots(event["z"]) > order.filled_lots:
                self._missing(order)
            else:
                self.ended(order, _FINAL_STATUS[event["X"]], time_ms)

    def _tell(self, order: Order, kind: ReportKind, time_ms: int, code: Refusal = Refusal.NONE) -> None:
        self._say(
            Report(
                kind=kind,
                order_id=order.number,
                instrument=order.symbol.index,
                side=order.side,
                event_time_ns=time_ms * NS_PER_MS,
                code=code,
                cumulative_lots=order.filled_lots,
                venue_order_id=order.venue_order_id,
            )
        )
