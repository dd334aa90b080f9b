"""The whole book stage against the reference book: any messages in any order, two instruments."""

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.book.config import BookSettings
from engine.book.reference import ReferenceBook
from engine.book.stage import BookStage
from engine.stage import BOOK_VIEW
from ipc.messages import BookReason, BookState, Flag, Kind, Side, Source
from tests.engine.book.records import MS, FeedScript, instruments

SETTINGS = BookSettings(window_ticks=64, stale_after_ms=40, disagreement_ms=10)

bid_price = st.integers(95, 101)
ask_price = st.integers(101, 107)
lots = st.integers(0, 2)
bids = st.dictionaries(bid_price, lots, max_size=3)
asks = st.dictionaries(ask_price, lots, max_size=3)
best = st.tuples(st.integers(99, 100), st.integers(1, 2))
event = st.one_of(
    st.tuples(st.just("snapshot"), bids, asks),
    st.tuples(st.just("head"), bids, asks),
    st.tuples(st.just("diff"), bids, asks),
    st.tuples(st.just("diff"), bids, asks),
    st.tuples(st.just("diff"), bids, asks),
    st.tuples(st.just("quote"), st.integers(-2, 3), st.booleans()),
    st.tuples(st.just("quote"), st.integers(-2, 3), st.booleans()),
    st.tuples(st.just("state"), st.sampled_from([BookState.VALID, BookState.GAP, BookState.SYNCING]), st.none()),
    st.tuples(st.just("wait"), st.integers(1, 60), st.none()),
    st.tuples(st.just("lap"), st.sampled_from([Source.MARKET, Source.REPORTS]), st.none()),
    st.tuples(st.just("tick"), st.none(), st.none()),
    st.tuples(st.just("status"), st.integers(0, 1), st.none()),
)


class Market:
    """Two feeds, each with its own clock; a quote is true to the reference's book or false, its id near the book's."""

    def __init__(self) -> None:
        self.feeds = [FeedScript(0), FeedScript(1)]
        self.books = [ReferenceBook(row, SETTINGS.stale_after_ms * MS, SETTINGS.disagreement_ms * MS) for row in (0, 1)]

    def say(self, row: int, event: tuple[Any, ...]) -> np.ndarray:
        feed, book = self.feeds[row], self.books[row]
        name, first, second = event
        if name in ("snapshot", "head", "diff"):
            if name != "diff":
                feed.state(BookState.SYNCING, BookReason.START)
            if first or second:
                feed.batch(first, second, snapshot=name != "diff")
            if name == "snapshot":
                feed.state(BookState.VALID)
        elif name == "quote":
            bid, ask = book.bids.best() or (1, 1), book.asks.best() or (2, 2)
            feed.quote(bid if second else (bid[0], bid[1] + 1), ask, max(1, feed.update_id + first))
        elif name == "state":
            feed.state(first, BookReason.MISSING_UPDATE if first == BookState.GAP else BookReason.NONE)
        elif name == "wait":
            feed.at(feed.time_ms + first).add(Kind.TIME)
        elif name == "lap":
            feed.add(Kind.LAPPED, extra=first, quantity_lots=3)
        else:
            feed.add(Kind.TICK_CHANGE if name == "tick" else Kind.TRADING_STATUS, extra=first or 0)
        return feed.records()


def split(records: np.ndarray) -> list[np.ndarray]:
    return np.split(records, np.flatnonzero((records["flags"] & Flag.MORE) == 0)[:-1] + 1) if len(records) else []


def assert_same(stage: BookStage, book: ReferenceBook) -> None:
    view = stage.rows(BOOK_VIEW)[book.instrument]
    assert (BookState(view["state"]), BookReason(view["reason"])) == book.state()
    assert stage.bbo_comparisons(book.instrument) == (book.compared, book.equal)
    counts = [view[name] for name in ("gaps", "crossed", "batches", "update_id")]
    assert counts == [book.gaps, book.crossed, book.batches, book.update_id]
    assert stage.best_levels(book.instrument, Side.BID, 99) == book.bids.best_levels(99)
    assert stage.best_levels(book.instrument, Side.ASK, 99) == book.asks.best_levels(99)


@given(events=st.lists(st.tuples(st.integers(0, 1), event), max_size=40))
@settings(max_examples=150, deadline=None)
def test_the_stage_agrees_with_the_reference_book_after_every_message(events: list[tuple[int, Any]]) -> None:
    stage, market = BookStage(instruments(2), SETTINGS), Market()
    for row, said in [(0, ("snapshot", {100: 2}, {101: 2})), *events]:
        for message in split(market.say(row, said)):
            stage.drive(message)
            rows = [dict(zip(message.dtype.names, record, strict=True)) for record in message.tolist()]
            for book in market.books:
                book.take(rows)
                assert_same(stage, book)
