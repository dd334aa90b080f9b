"""A thousand market makers on one core: what one update of the book costs the strategy stage, and each copy's memory.

The row is of the updates of recorded spot BTCUSDT, the book stage before it untimed; each copy has an account of its
own with two working orders that never move, so once the market has gone from them all copies ask for two replacements
at once, every 50 ms (in p99), and at most updates between see that it is too early to ask again (p50). Beside the row
the two extremes, on one book:

    quiet     both quotes of every copy are where they should be: it looks and leaves them
    busy      every copy asks for two new orders at every update: the most that it can be made to say

There is no peer: none calls many strategies with one update.

    python -m benchmarks.bench_strategies
"""

import json
from typing import Any

import numpy as np

from benchmarks.bench_book import market_records
from engine.assembly import cache_folder
from engine.book.stage import BookStage
from engine.stage import ACCOUNT_VIEW, BOOK_VIEW
from engine.strategy.bound import BoundStrategy, bind
from engine.strategy.contract import ORDERS
from engine.strategy.loader import load
from engine.strategy.stage import ACTIVITY_VIEW, FixedView, StrategyStage
from engine.telemetry.step_timer import StepTimes, time_steps
from ipc.instruments import instrument
from ipc.messages import MESSAGE, BookState, Flag, Kind, OrderState, Side

COPIES = 1_000
ROUNDS = 3
WARMUP_SHARE = 0.1
SYNTHETIC_UPDATES = 3_000
BID, ASK = 6_180_000, 6_180_001
HALF_SPREAD_TICKS = 2
BYTES_OF_PLACE = 3 * 8  # a copy's timer interval, group and slot


def strategies_1000() -> dict[str, Any]:
    """The row `strategies_1000`: name, count, p50_ns, p99_ns, p999_ns, max_ns, per_s, allocations of one update.

    Also ns_per_copy, bytes_total and bytes_per_copy, and the extremes `quiet`, `busy` and `one_copy` (quiet).
    """
    row = recorded(COPIES)
    row["quiet"], row["busy"] = synthetic(COPIES, quoting=True), synthetic(COPIES, quoting=False)
    row["one_copy"] = synthetic(1, quoting=True)
    return row


def market_makers(copies: int, **params: int | float) -> list[BoundStrategy]:
    return bind([(load("market_maker"), 0, dict(params))] * copies, cache_folder())


def accounts(copies: int, bid_ticks: int, ask_ticks: int) -> np.ndarray:
    """ACCOUNT_VIEW, shape (copies,): flat, with an accepted bid and ask at these prices."""
    rows = np.zeros(copies, ACCOUNT_VIEW)
    rows["open_orders"] = 2
    for slot, (side, price_ticks) in enumerate(((Side.BID, bid_ticks), (Side.ASK, ask_ticks))):
        order_id = 1 + slot + 2 * np.arange(copies)
        working = {"order_id": order_id, "side": side, "state": OrderState.ACCEPTED, "price_ticks": price_ticks}
        for name, value in {**working, "remaining_lots": 100, "tag": 1 + slot}.items():
            rows["working"][name][:, slot] = value
    return rows


# -- on recorded data --------------------------------------------------------------------------------------------------


def recorded(copies: int) -> dict[str, Any]:
    """The round with the least median."""
    table, records, source = market_records()
    bound, warmup = market_makers(copies), int(len(records) * WARMUP_SHARE)
    opening = BookStage(table)
    opening.drive(records[:warmup], capacity=1)
    start = opening.rows(BOOK_VIEW)[0]
    bid_ticks, ask_ticks = int(start["bid_price_ticks"][0]), int(start["ask_price_ticks"][0])
    best: dict[str, Any] = {}
    for _ in range(ROUNDS):
        book = BookStage(table)
        rows = FixedView(accounts(copies, bid_ticks, ask_ticks))
        stage = StrategyStage(table, bound, book.view(), accounts=rows.capsule())
        times = time_steps(stage.step(), records, warmup=warmup, before=[book.step()])
        activity = stage.rows(ACTIVITY_VIEW)[0]
        updates = ends_of_updates(records)
        if activity["faults"] or activity["calls"] != copies * np.count_nonzero(updates):
            raise ValueError(f"the copies did not do what is to be timed: {activity}")
        row = row_of("strategies_1000", times, times.ns[updates[-len(times.ns) :]], copies)
        if not best or row["p50_ns"] < best["p50_ns"]:
            best = row | memory(stage, bound) | {"intents_per_update": float(activity["intents"]) / int(updates.sum())}
    return best | {"warmup": warmup, "data": source}


def ends_of_updates(records: np.ndarray) -> np.ndarray:
    """Of the market messages, which end a batch that concerns the book, bool, shape (messages,)."""
    market = records[records["kind"] < Kind.TIME]  # a QUOTE's second record is one too
    first = market["flags"] & Flag.QUOTE_SIDE == 0
    last = np.append(first[1:], True)  # of its message: there stands LAST
    return (market["flags"][last] & Flag.LAST != 0) & (market["kind"][first] != Kind.TRADE)


# -- the extremes ------------------------------------------------------------------------------------------------------


def synthetic(copies: int, *, quoting: bool) -> dict[str, Any]:
    """The round with the least median, on one book that does not change."""
    table = instrument("BTCUSDT.BINANCE", "BTCUSDT", "0.01", "0.00001")
    bound = market_makers(copies, requote_interval_ms=0)
    book_row = np.zeros(1, BOOK_VIEW)
    book_row["state"] = BookState.VALID
    book_row["bid_price_ticks"], book_row["ask_price_ticks"] = BID - np.arange(10), ASK + np.arange(10)
    book_row["bid_quantity_lots"] = book_row["ask_quantity_lots"] = 500_000
    quotes = accounts(copies, BID - HALF_SPREAD_TICKS, ASK + HALF_SPREAD_TICKS)
    records = np.zeros(SYNTHETIC_UPDATES, MESSAGE)
    records["kind"], records["flags"] = Kind.LEVEL, Flag.LAST
    records["receive_time_ns"] = 1_700_000_000_000_000_000 + np.arange(SYNTHETIC_UPDATES) * 1_000_000
    best: dict[str, Any] = {}
    for _ in range(ROUNDS):
        book, rows = FixedView(book_row), FixedView(quotes if quoting else np.zeros(copies, ACCOUNT_VIEW))
        stage = StrategyStage(table, bound, book.capsule(), accounts=rows.capsule())
        times = time_steps(stage.step(), records, warmup=int(SYNTHETIC_UPDATES * WARMUP_SHARE))
        activity = stage.rows(ACTIVITY_VIEW)[0]
        asked = 0 if quoting else 2 * copies * SYNTHETIC_UPDATES
        if activity["faults"] or activity["calls"] != copies * SYNTHETIC_UPDATES or activity["intents"] != asked:
            raise ValueError(f"the copies did not do what is to be timed: {activity}")
        row = row_of("quiet" if quoting else "busy", times, times.ns, copies)
        if not best or row["p50_ns"] < best["p50_ns"]:
            best = row
    return best


# -- the row -----------------------------------------------------------------------------------------------------------


def row_of(name: str, times: StepTimes, ns: np.ndarray, copies: int) -> dict[str, Any]:
    """The row of the updates among what was timed."""
    timed = StepTimes(ns, times.overhead_ns, times.resolution_ns, len(ns), times.allocations, times.minor_faults)
    row = timed.row(name)
    return row | {"copies": copies, "ns_per_copy": row["p50_ns"] / copies, "minor_faults": times.minor_faults}


def memory(stage: StrategyStage, bound: list[BoundStrategy]) -> dict[str, int]:
    """Bytes of the stage and its account rows; the machine code is shared and not among them."""
    blocks = sum(len(block) for block in stage.snapshot().values())
    each = bound[0].strategy.params.dtype.itemsize + ACCOUNT_VIEW.itemsize + BYTES_OF_PLACE
    total = blocks + ORDERS.itemsize + len(bound) * each
    return {"bytes_total": total, "bytes_per_copy": -(-total // len(bound))}


if __name__ == "__main__":
    print(json.dumps(strategies_1000(), indent=2))
