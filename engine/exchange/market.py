"""One market: the matching engine, everybody else's orders, and what the market-data streams say of both."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Protocol

import msgspec
import numpy as np

from engine.exchange.config import FlowSettings, SymbolSettings
from engine.exchange.events import Event, EventKind
from engine.exchange.flow import OrderFlow
from engine.exchange.matching import MatchingEngine
from ipc.instruments import instrument, to_units
from ipc.messages import Side


class Streams(Protocol):
    """Where market data goes: the server's subscribers, or a list in a test."""

    def wanted(self, stream: str) -> bool: ...

    def publish(self, stream: str, data: dict[str, Any]) -> None: ...


def unit_text(units: int, mantissa: int, exponent: int) -> str:
    """Exact decimal text with eight places, as Binance writes prices and quantities."""
    whole, rest = divmod(units * mantissa, 10**exponent)
    return f"{whole}.{rest:0{exponent}d}{'0' * (8 - exponent)}" if exponent else f"{whole}.00000000"


def atoms_text(atoms: int) -> str:
    """Money in atoms of 1e-8."""
    sign = "-" if atoms < 0 else ""
    whole, rest = divmod(abs(atoms), 100_000_000)
    return f"{sign}{whole}.{rest:08d}"


class DepthDiff:
    """Level changes since the last diff of one speed; U is always one more than the u before."""

    def __init__(self, stream: str, update_id: int) -> None:
        self.stream = stream
        self.last_id = update_id
        self.levels: tuple[dict[int, int], dict[int, int]] = ({}, {})  # bids, asks: price -> quantity

    def add(self, side: int, price_ticks: int, quantity_lots: int) -> None:
        self.levels[side - 1][price_ticks] = quantity_lots


class Market:
    """`do` runs one command and publishes what it caused; `on_events` hears of it first (the order desk)."""

    def __init__(self, settings: SymbolSettings, flow: FlowSettings, seed: tuple[int, ...], streams: Streams) -> None:
        self.settings = settings
        self.symbol = settings.symbol
        self.row: np.void = instrument(
            f"{settings.symbol}.BINANCE",
            settings.symbol,
            settings.tick_size,
            settings.lot_size,
            maker_fee_e7=settings.maker_fee_e7,
            taker_fee_e7=settings.taker_fee_e7,
            minimum_notional=settings.minimum_notional,
        )[0]
        self._tick = int(self.row["tick_mantissa"]), int(self.row["tick_exponent"])
        self._lot = int(self.row["lot_mantissa"]), int(self.row["lot_exponent"])
        self.atoms = int(self.row["atoms_numerator"]), int(self.row["atoms_denominator"])
        self.engine = MatchingEngine(order_capacity=max(65_536, 8 * flow.resting_orders_per_side))
        self.flow = OrderFlow(flow, to_units(settings.start_price, *self._tick), seed)
        self.on_events: Callable[[Market, list[Event], int], None] = lambda market, events, now_ms: None
        self.trading = True
        self._streams = streams
        if flow.events_per_s > 0:
            self.flow.seed_book(self.engine)
        name = settings.symbol.lower()
        self._trade_stream, self._quote_stream = f"{name}@trade", f"{name}@bookTicker"
        self._diffs = {
            interval_ms: DepthDiff(f"{name}@depth{suffix}", self.engine.update_id)
            for interval_ms, suffix in ((0, "@0ms"), (100, "@100ms"), (1000, ""))
        }
        self._quote = self._best()

    # -- QUERIES --

    def price_text(self, ticks: int) -> str:
        return unit_text(ticks, *self._tick)

    def quantity_text(self, lots: int) -> str:
        return unit_text(lots, *self._lot)

    def price_ticks(self, text: str) -> int:
        """Raises DecimalInexact."""
        return to_units(text, *self._tick)

    def quantity_lots(self, text: str) -> int:
        """Raises DecimalInexact."""
        return to_units(text, *self._lot)

    def value_atoms(self, price_ticks: int, quantity_lots: int) -> int:
        """Value in the quote currency, toward zero where an atom is too coarse."""
        numerator, denominator = self.atoms
        return price_ticks * quantity_lots * numerator // denominator

    def base_atoms(self, quantity_lots: int) -> int:
        return int(Decimal(quantity_lots * self._lot[0]).scaleb(8 - self._lot[1]))

    def depth(self, limit: int) -> dict[str, Any]:
        """The REST snapshot."""
        bids, asks = (
            [[self.price_text(price), self.quantity_text(lots)] for price, lots in self.engine.depth(side, limit)]
            for side in (Side.BID, Side.ASK)
        )
        return {"lastUpdateId": self.engine.update_id, "bids": bids, "asks": asks}

    def _best(self) -> tuple[int, int, int, int]:
        return (*self.engine.best(Side.BID), *self.engine.best(Side.ASK))

    # -- COMMANDS --

    def flow_step(self, now_ms: int) -> None:
        """One event of the order flow."""
        self.flow.act(self.engine)
        self.settle(now_ms)

    def settle(self, now_ms: int) -> None:
        """After any command to the engine: tells the desk, the flow and the streams what it caused."""
        events = self.engine.events()
        if not events:
            return
        self.flow.learn(events)
        self.on_events(self, events, now_ms)
        trades_wanted = self._streams.wanted(self._trade_stream)
        for event in events:
            if event[0] == EventKind.TRADE and trades_wanted:
                self._streams.publish(self._trade_stream, self._trade(event, now_ms))
            elif event[0] == EventKind.LEVEL:
                for diff in self._diffs.values():
                    diff.add(event[1], event[4], event[5])
        self.flush(0, now_ms)
        best = self._best()
        if best != self._quote and best[0] and best[2]:
            self._quote = best
            if self._streams.wanted(self._quote_stream):
                self._streams.publish(self._quote_stream, self._book_ticker(best))

    def flush(self, interval_ms: int, now_ms: int) -> None:
        """Publishes the diff of one speed, if anything changed."""
        diff = self._diffs[interval_ms]
        last_id = self.engine.update_id
        if last_id == diff.last_id:
            return
        if self._streams.wanted(diff.stream):
            bids, asks = (
                [[self.price_text(price), self.quantity_text(lots)] for price, lots in levels.items()]
                for levels in diff.levels
            )
            first_id = diff.last_id + 1
            data = {
                "e": "depthUpdate",
                "E": now_ms,
                "s": self.symbol,
                "U": first_id,
                "u": last_id,
                "b": bids,
                "a": asks,
            }
            self._streams.publish(diff.stream, data)
        diff.last_id = last_id
        for levels in diff.levels:
            levels.clear()

    def _trade(self, event: Event, now_ms: int) -> dict[str, Any]:
        return {
            "e": "trade",
            "E": now_ms,
            "s": self.symbol,
            "t": event[10],
            "p": self.price_text(event[4]),
            "q": self.quantity_text(event[5]),
            "T": now_ms,
            "m": event[1] == Side.ASK,  # the buyer was the maker
            "M": True,
        }

    def _book_ticker(self, best: tuple[int, int, int, int]) -> dict[str, Any]:
        bid, bid_lots, ask, ask_lots = best
        return {
            "u": self.engine.update_id,
            "s": self.symbol,
            "b": self.price_text(bid),
            "B": self.quantity_text(bid_lots),
            "a": self.price_text(ask),
            "A": self.quantity_text(ask_lots),
        }


def frame_text(stream: str, data: dict[str, Any], combined: bool) -> str:
    """The text of one market-data frame."""
    body: object = {"stream": stream, "data": data} if combined else data
    return msgspec.json.encode(body).decode()
