"""The order desk: what a client's order is from the moment it is received to its last fill.

It checks what Binance's filters check, gives the order to the market, keeps the ledger, and tells the account's user
data stream (executionReport). Names and codes follow Binance's spot API (errors.md, user-data-stream.md). One thing is
simpler than there: commission is always paid in the quote currency, so that what is bought is what is owned.
"""

import re
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from engine.exchange.accounts import Account
from engine.exchange.events import Event, EventKind, Reject
from engine.exchange.ledger import Ledger
from engine.exchange.market import Market, atoms_text
from ipc.instruments import DecimalInexact
from ipc.messages import OrderType, Side, TimeInForce

DECIMAL = re.compile(r"[0-9]{1,18}(\.[0-9]{1,18})?")
OPEN = ("NEW", "PARTIALLY_FILLED")
SIDES = {"BUY": Side.BID, "SELL": Side.ASK}
TYPES = {"LIMIT": OrderType.LIMIT, "MARKET": OrderType.MARKET, "LIMIT_MAKER": OrderType.LIMIT_MAKER}
TIMES_IN_FORCE = {"GTC": TimeInForce.GTC, "IOC": TimeInForce.IOC, "FOK": TimeInForce.FOK}


class ApiError(Exception):
    """A refusal with Binance's code; `data` goes into the answer's error object."""

    def __init__(self, code: int, text: str, status: int = 400, data: dict[str, Any] | None = None) -> None:
        super().__init__(text)
        self.code, self.text, self.status, self.data = code, text, status, data


@dataclass
class Trade:
    trade_id: int
    price_ticks: int
    lots: int
    fee_atoms: int
    maker: bool
    time_ms: int


@dataclass
class VenueOrder:
    account: Account
    market: Market
    client_id: str
    side: str
    order_type: str
    time_in_force: str
    price_ticks: int
    lots: int
    time_ms: int
    order_id: int = 0
    status: str = "NEW"
    filled_lots: int = 0
    value_atoms: int = 0
    update_ms: int = 0
    locked_atoms: int = 0
    trades: list[Trade] = field(default_factory=list)

    @property
    def buys(self) -> bool:
        return self.side == "BUY"

    @property
    def lock_asset(self) -> str:
        settings = self.market.settings
        return settings.quote_asset if self.buys else settings.base_asset

    def lock_for(self, lots: int) -> int:
        if self.order_type == "MARKET":
            return 0
        return self.market.value_atoms(self.price_ticks, lots) if self.buys else self.market.base_atoms(lots)

    def fields(self) -> dict[str, Any]:
        """What order.place, order.cancel and order.status have in common."""
        market = self.market
        return {
            "symbol": market.symbol,
            "orderId": self.order_id,
            "orderListId": -1,
            "clientOrderId": self.client_id,
            "price": market.price_text(self.price_ticks),
            "origQty": market.quantity_text(self.lots),
            "executedQty": market.quantity_text(self.filled_lots),
            "origQuoteOrderQty": "0.00000000",
            "cummulativeQuoteQty": atoms_text(self.value_atoms),
            "status": self.status,
            "timeInForce": self.time_in_force,
            "type": self.order_type,
            "side": self.side,
            "selfTradePreventionMode": "EXPIRE_MAKER",
        }


Tell = Callable[[str, dict[str, Any]], None]  # (account name, event)


class Desk:
    """All client orders of all markets."""

    def __init__(self, markets: dict[str, Market], ledger: Ledger, tell: Tell, remembered: int = 100_000) -> None:
        self._markets = markets
        self._ledger = ledger
        self._tell = tell
        self._by_order_id: dict[tuple[str, int], VenueOrder] = {}
        self._by_client_id: dict[tuple[str, str, str], VenueOrder] = {}
        self._open: dict[int, VenueOrder] = {}  # by identity of the order object
        self._closed: deque[VenueOrder] = deque()
        self._remembered = remembered
        self._automatic = 0
        for market in markets.values():
            market.on_events = self._on_events

    # -- QUERIES --

    def find(self, account: Account, market: Market, order_id: int | None, client_id: str | None) -> VenueOrder | None:
        if order_id is not None:
            order = self._by_order_id.get((market.symbol, order_id))
            if (
                order is None
                or order.account is not account
                or (client_id is not None and order.client_id != client_id)
            ):
                return None
            return order
        return self._by_client_id.get((account.name, market.symbol, client_id or ""))

    def open_orders(self, account: Account, market: Market | None) -> list[VenueOrder]:
        return [order for order in self._open.values() if order.account is account and market in (None, order.market)]

    def trades(self, account: Account, market: Market, order_id: int | None) -> list[tuple[VenueOrder, Trade]]:
        """Trades of one order, or of all, by trade id."""
        orders = self._by_order_id.values() if order_id is None else [self._by_order_id.get((market.symbol, order_id))]
        found = [
            (order, trade)
            for order in orders
            if order is not None and order.account is account and order.market is market
            for trade in order.trades
        ]
        return sorted(found, key=lambda pair: pair[1].trade_id)

    # -- COMMANDS --

    def place(self, order: VenueOrder) -> None:
        """Takes an order in. Raises ApiError when it is refused; the ledger has it either way."""
        if not order.client_id:
            self._automatic += 1
            order.client_id = f"auto-{self._automatic}"
        market, account = order.market, order.account
        key = (account.name, market.symbol, order.client_id)
        previous = self._by_client_id.get(key)
        if previous is not None and previous.status in OPEN:
            self._note("received", order)
            self._note("duplicate", order)
            raise ApiError(-2010, "Duplicate order sent.")
        self._note("received", order, side=order.side, price_ticks=order.price_ticks, lots=order.lots)
        try:
            self._check(order)
            self._enter(order, key)
        except ApiError as error:
            self._note("rejected", order, code=error.code, text=error.text)
            raise
        market.settle(order.time_ms)

    def cancel(self, order: VenueOrder | None, cancel_id: str, now_ms: int) -> dict[str, Any]:
        """The body of order.cancel's answer. Raises ApiError -2011 when there is nothing to cancel."""
        if order is None or order.status not in OPEN:
            raise ApiError(-2011, "Unknown order sent.")
        if not cancel_id:
            self._automatic += 1
            cancel_id = f"auto-{self._automatic}"
        order.market.engine.cancel(order.order_id)
        order.status, order.update_ms = "CANCELED", now_ms
        self._close(order)
        self._note("cancelled", order, filled_lots=order.filled_lots)
        self._report(order, "CANCELED", now_ms, c=cancel_id, C=order.client_id)
        order.market.settle(now_ms)
        return {
            **order.fields(),
            "origClientOrderId": order.client_id,
            "clientOrderId": cancel_id,
            "transactTime": now_ms,
        }

    # -- the pieces --

    def _check(self, order: VenueOrder) -> None:
        """Binance's filters, in its order of complaint."""
        market, account = order.market, order.account
        if not market.trading:
            raise ApiError(-2010, "Market is closed.")
        if order.lots <= 0 or order.lots > int(market.row["maximum_quantity_lots"]):
            raise ApiError(-1013, "Filter failure: LOT_SIZE")
        price = order.price_ticks
        if order.order_type == "MARKET":
            price = market.engine.best(Side.ASK if order.buys else Side.BID)[0]
            if not price:
                raise ApiError(-2010, "Order book liquidity is less than symbol minimum quantity.")
        elif price <= 0 or price > int(market.row["maximum_price_ticks"]):
            raise ApiError(-1013, "Filter failure: PRICE_FILTER")
        value = market.value_atoms(price, order.lots)
        if value < int(market.row["minimum_notional_atoms"]):
            raise ApiError(-1013, "Filter failure: NOTIONAL")
        if not account.can_lock(order.lock_asset, value if order.buys else market.base_atoms(order.lots)):
            raise ApiError(-2010, "Account has insufficient balance for requested action.")

    def _enter(self, order: VenueOrder, key: tuple[str, str, str]) -> None:
        market, account = order.market, order.account
        order.update_ms = order.time_ms
        order.order_id = market.engine.submit(
            account.owner,
            SIDES[order.side],
            TYPES[order.order_type],
            TIMES_IN_FORCE[order.time_in_force],
            order.price_ticks,
            order.lots,
        )
        first = market.engine.events()[0]
        if first[0] == EventKind.REJECTED:
            if first[10] == Reject.WOULD_TAKE:
                raise ApiError(-2010, "Order would immediately match and take.")
            raise ApiError(-2010, "Filter failure: EXCHANGE_MAX_NUM_ORDERS")
        order.locked_atoms = order.lock_for(order.lots)
        account.lock(order.lock_asset, order.locked_atoms)
        self._by_order_id[market.symbol, order.order_id] = order
        self._by_client_id[key] = order
        self._open[id(order)] = order

    def _on_events(self, market: Market, events: list[Event], now_ms: int) -> None:
        for event in events:
            kind, order_id = event[0], event[2]
            order = self._by_order_id.get((market.symbol, order_id))
            if kind == EventKind.TRADE:
                maker = self._by_order_id.get((market.symbol, event[7]))
                if order is not None:
                    self._fill(order, event, event[6], False, now_ms)
                if maker is not None:
                    self._fill(maker, event, event[9], True, now_ms)
            elif order is None:
                continue
            elif kind == EventKind.ACCEPTED:
                self._note("accepted", order, order_id=order_id)
                self._report(order, "NEW", now_ms)
            elif kind in (EventKind.EXPIRED, EventKind.PREVENTED):
                prevented = kind == EventKind.PREVENTED
                order.status, order.update_ms = "EXPIRED_IN_MATCH" if prevented else "EXPIRED", now_ms
                self._close(order)
                self._note("expired", order, filled_lots=order.filled_lots)
                self._report(order, "TRADE_PREVENTION" if prevented else "EXPIRED", now_ms)

    def _fill(self, order: VenueOrder, event: Event, remaining: int, maker: bool, now_ms: int) -> None:
        market, price, lots, trade_id = order.market, event[4], event[5], event[10]
        value = market.value_atoms(price, lots)
        rate = market.settings.maker_fee_e7 if maker else market.settings.taker_fee_e7
        trade = Trade(trade_id, price, lots, value * rate // 10_000_000, maker, now_ms)
        order.trades.append(trade)
        order.filled_lots += lots
        order.value_atoms += value
        order.status, order.update_ms = "PARTIALLY_FILLED" if remaining else "FILLED", now_ms
        release = order.lock_for(lots)
        order.locked_atoms -= release
        order.account.lock(order.lock_asset, -release)
        order.account.settle_trade(market, order.buys, price, lots, trade.fee_atoms)
        if remaining == 0:
            self._close(order)
        self._note(
            "fill", order, side=order.side, trade_id=trade_id, price_ticks=price, lots=lots, remaining_lots=remaining
        )
        self._report(order, "TRADE", now_ms, trade=trade)

    def _close(self, order: VenueOrder) -> None:
        order.account.lock(order.lock_asset, -order.locked_atoms)
        order.locked_atoms = 0
        if self._open.pop(id(order), None) is not None:
            self._closed.append(order)
        while len(self._closed) > self._remembered:
            self._forget(self._closed.popleft())

    def _forget(self, order: VenueOrder) -> None:
        symbol = order.market.symbol
        self._by_order_id.pop((symbol, order.order_id), None)
        key = (order.account.name, symbol, order.client_id)
        if self._by_client_id.get(key) is order:
            del self._by_client_id[key]

    def _note(self, event: str, order: VenueOrder, **more: Any) -> None:
        self._ledger.write(event, order.account.name, order.market.symbol, order.client_id, **more)

    def _report(self, order: VenueOrder, execution: str, now_ms: int, trade: Trade | None = None, **more: Any) -> None:
        """One executionReport."""
        market = order.market
        event: dict[str, Any] = {
            "e": "executionReport",
            "E": now_ms,
            "s": market.symbol,
            "c": order.client_id,
            "S": order.side,
            "o": order.order_type,
            "f": order.time_in_force,
            "q": market.quantity_text(order.lots),
            "p": market.price_text(order.price_ticks),
            "P": "0.00000000",
            "F": "0.00000000",
            "g": -1,
            "C": "",
            "x": execution,
            "X": order.status,
            "r": "NONE",
            "i": order.order_id,
            "l": market.quantity_text(trade.lots if trade else 0),
            "z": market.quantity_text(order.filled_lots),
            "L": market.price_text(trade.price_ticks if trade else 0),
            "n": atoms_text(trade.fee_atoms) if trade else "0",
            "N": market.settings.quote_asset if trade else None,
            "T": now_ms,
            "t": trade.trade_id if trade else -1,
            "I": 0,
            "w": execution == "NEW" and order.order_type != "MARKET",
            "m": trade.maker if trade else False,
            "M": False,
            "O": order.time_ms,
            "Z": atoms_text(order.value_atoms),
            "Y": atoms_text(market.value_atoms(trade.price_ticks, trade.lots)) if trade else "0.00000000",
            "Q": "0.00000000",
            "W": order.time_ms,
            "V": "EXPIRE_MAKER",
            **more,
        }
        self._tell(order.account.name, event)


def exact(convert: Callable[[str], int], text: Any, failure: str) -> int:
    """A decimal parameter as ticks or lots. Raises ApiError in Binance's words."""
    if not isinstance(text, str) or not DECIMAL.fullmatch(text):
        raise ApiError(-1102, f"Mandatory parameter '{failure.lower()}' was not sent, was empty/null, or malformed.")
    try:
        return convert(text)
    except DecimalInexact:
        raise ApiError(-1013, f"Filter failure: {failure}") from None
