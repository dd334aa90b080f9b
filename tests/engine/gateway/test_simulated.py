"""The simulated venue on a market made by hand: who is filled, by how much, and what cancels do to a queue place."""

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from engine.config import Config
from engine.gateway.fill_models import FillModels
from engine.replay.backtest import backtest
from engine.replay.tape import write_tape
from ipc.instruments import instrument
from ipc.messages import MESSAGE, BookState, Flag, Kind, Side, Source

BID, ASK, LOTS = 600_000, 600_010, 1_000  # of the first order; the second asks for twice as much
START_NS, STEP_NS = 1_700_000_000_000_000_000, 10_000_000
TWO_BIDS = """
from engine.strategy.api import BID, VALID, place


class State:
    done: int


def on_book(state, book, orders):
    if book.state == VALID and not state.done:
        state.done = 1
        place(orders, BID, book.bid_price_ticks[0], 1_000)
        place(orders, BID, book.bid_price_ticks[0], 2_000)
"""


class MadeMarket:
    """Records of one instrument, each call a step of time later."""

    def __init__(self) -> None:
        self._records: list[Any] = []
        self._add(Kind.BOOK_STATE, extra=BookState.SYNCING)
        self.level(Side.BID, BID, 5_000, Flag.SNAPSHOT)
        self.level(Side.ASK, ASK, 5_000, Flag.SNAPSHOT | Flag.LAST)
        self._add(Kind.BOOK_STATE, extra=BookState.VALID)
        self.level(Side.BID, BID - 10, 700)  # the strategy sees a valid book and bids behind 5,000 lots

    def _add(self, kind: Kind, **fields: int) -> None:
        record = np.zeros(1, MESSAGE)
        record["kind"], record["sequence"] = kind, len(self._records)
        record["receive_time_ns"] = record["event_time_ns"] = START_NS + STEP_NS * len(self._records)
        record["flags"] = Flag.LAST | Source.MARKET << 12
        for name, value in fields.items():
            record[name] = value
        self._records.append(record)

    def level(self, side: Side, price: int, lots: int, flags: int = Flag.LAST) -> None:
        flags |= Source.MARKET << 12
        self._add(
            Kind.LEVEL, side=side, price_ticks=price, quantity_lots=lots, flags=flags, order_id=len(self._records)
        )

    def sold(self, price: int, lots: int) -> None:
        self._add(Kind.TRADE, side=Side.ASK, price_ticks=price, quantity_lots=lots, order_id=len(self._records))

    def fills(self, folder: Path, queue: str = "trades_only") -> list[tuple[int, int]]:
        """(order number, lots) of each fill of the two bids."""
        (folder / "two_bids.py").write_text(TWO_BIDS)
        instruments = instrument("BTCUSDT.BINANCE", "BTCUSDT", "0.01", "0.00001")
        write_tape(folder / "made.tape", instruments, [np.concatenate(self._records)])
        config = msgspec.structs.replace(Config(), paper=FillModels(queue=queue))
        strategy = str(folder / "two_bids.py")
        outcome = backtest([folder / "made.tape"], strategy, config, compiled=False, cache=folder)
        assert outcome.result["orders"] == 2
        return [(int(fill["order_id"]), int(fill["quantity_lots"])) for fill in outcome.fills]


@pytest.fixture
def market() -> MadeMarket:
    return MadeMarket()


def test_nothing_is_filled_before_those_ahead_have_traded(market: MadeMarket, tmp_path: Path) -> None:
    market.sold(BID, 5_000)
    assert market.fills(tmp_path) == []


def test_lots_that_one_of_my_orders_took_are_not_there_for_the_next(market: MadeMarket, tmp_path: Path) -> None:
    market.sold(BID, 5_400)
    market.sold(BID, 1_000)
    assert market.fills(tmp_path) == [(1, 400), (1, 600), (2, 400)]


def test_a_trade_through_my_price_fills_me_whole(market: MadeMarket, tmp_path: Path) -> None:
    market.sold(BID - 1, 1)
    assert market.fills(tmp_path) == [(1, LOTS), (2, 2 * LOTS)]


def test_my_place_never_lies_behind_the_end_of_the_queue(market: MadeMarket, tmp_path: Path) -> None:
    market.level(Side.BID, BID, 300)
    market.sold(BID, 400)
    assert market.fills(tmp_path) == [(1, 100)]


def test_proportional_takes_traded_lots_for_no_cancels(market: MadeMarket, tmp_path: Path) -> None:
    market.level(Side.BID, BID, 10_000)  # as many joined behind
    market.sold(BID, 2_000)  # 3,000 are left ahead of 8,000
    market.level(Side.BID, BID, 8_000)  # the same 2,000: nobody cancelled
    market.level(Side.BID, BID, 4_000)  # half of them cancelled: 1,500 ahead
    market.sold(BID, 1_600)
    assert market.fills(tmp_path, "proportional") == [(1, 100)]


def test_trades_only_lets_nobody_cancel_ahead(market: MadeMarket, tmp_path: Path) -> None:
    market.level(Side.BID, BID, 10_000)
    market.sold(BID, 2_000)
    market.level(Side.BID, BID, 4_000)
    market.sold(BID, 3_100)
    assert market.fills(tmp_path) == [(1, 100)]
