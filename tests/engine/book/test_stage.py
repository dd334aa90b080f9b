"""The book stage: what it shows, and when it may be trusted."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.book.config import BookSettings
from engine.book.reference import ReferenceLevels
from engine.book.stage import BookStage
from engine.stage import BOOK_VIEW
from ipc.messages import BookReason, BookState, Kind, Side, Source
from tests.engine.book.records import FeedScript, instruments

BIDS = {100: 5, 99: 4, 97: 9}
ASKS = {101: 6, 103: 2}


def valid_book(count: int = 2, **fields: int) -> tuple[BookStage, FeedScript]:
    stage, feed = BookStage(instruments(count), BookSettings(**fields)), FeedScript()
    stage.drive(feed.snapshot(BIDS, ASKS).records())
    return stage, feed


def view(stage: BookStage, row: int = 0) -> np.void:
    return stage.rows(BOOK_VIEW)[row]


def state(stage: BookStage, row: int = 0) -> tuple[BookState, BookReason]:
    return BookState(view(stage, row)["state"]), BookReason(view(stage, row)["reason"])


VALID = (BookState.VALID, BookReason.NONE)


def test_a_book_is_syncing_before_the_first_snapshot() -> None:
    stage = BookStage(instruments())
    assert state(stage) == (BookState.SYNCING, BookReason.START)
    stage.drive(FeedScript().batch(BIDS, ASKS).records())
    assert state(stage) == (BookState.SYNCING, BookReason.START)
    assert view(stage)["bid_count"] == 0


def test_a_snapshot_makes_the_book_valid_and_shows_its_levels() -> None:
    stage, _ = valid_book()
    row = view(stage)
    assert state(stage) == VALID
    assert state(stage, 1) == (BookState.SYNCING, BookReason.START)
    assert row["bid_price_ticks"][:4].tolist() == [100, 99, 97, 0]
    assert row["bid_quantity_lots"][:4].tolist() == [5, 4, 9, 0]
    assert row["ask_price_ticks"][:3].tolist() == [101, 103, 0]
    assert (row["bid_count"], row["ask_count"], row["update_id"], row["batches"]) == (3, 2, 1, 1)


def test_a_snapshot_replaces_the_book_before_it() -> None:
    stage, feed = valid_book()
    stage.drive(feed.snapshot({90: 1}, {91: 1}).records())
    assert stage.best_levels(0, Side.BID, 5) == [(90, 1)]
    assert stage.best_levels(0, Side.ASK, 5) == [(91, 1)]


def test_the_view_changes_at_the_end_of_a_batch_only() -> None:
    stage, feed = valid_book()
    records = feed.batch({100: 0, 98: 7}, {102: 3}).records()
    stage.drive(records[:2])
    assert view(stage)["bid_price_ticks"][0] == 100
    assert stage.quantity(0, Side.BID, 98) == 7
    stage.drive(records[2:])
    assert view(stage)["bid_price_ticks"][:3].tolist() == [99, 98, 97]
    assert view(stage)["ask_price_ticks"][:3].tolist() == [101, 102, 103]


def test_diffs_that_follow_the_snapshot_before_the_feed_says_valid_are_applied() -> None:
    stage, feed = BookStage(instruments()), FeedScript()
    feed.state(BookState.SYNCING).batch(BIDS, ASKS, snapshot=True).batch({100: 8}, {}).state(BookState.VALID)
    stage.drive(feed.records())
    assert stage.quantity(0, Side.BID, 100) == 8
    assert state(stage) == VALID


def test_a_gap_invalidates_until_the_next_snapshot() -> None:
    stage, feed = valid_book()
    stage.drive(feed.state(BookState.GAP, BookReason.MISSING_UPDATE).batch({100: 77}, {}).records())
    assert state(stage) == (BookState.GAP, BookReason.MISSING_UPDATE)
    assert view(stage)["gaps"] == 1
    assert stage.quantity(0, Side.BID, 100) == 5
    stage.drive(feed.state(BookState.VALID).records())
    assert state(stage) == (BookState.GAP, BookReason.MISSING_UPDATE)
    stage.drive(feed.snapshot(BIDS, ASKS).records())
    assert state(stage) == VALID


def test_a_lap_of_the_market_ring_invalidates_every_book() -> None:
    stage, feed = valid_book()
    stage.drive(feed.add(Kind.LAPPED, quantity_lots=10, extra=Source.REPORTS).records())
    assert state(stage) == VALID
    stage.drive(feed.add(Kind.LAPPED, quantity_lots=10, extra=Source.MARKET).records())
    assert state(stage) == state(stage, 1) == (BookState.GAP, BookReason.LAPPED)


def test_half_a_snapshot_after_a_lap_is_never_believed() -> None:
    stage, feed = valid_book()
    lost_head = feed.snapshot(BIDS, ASKS).records()[2:]
    lap = feed.add(Kind.LAPPED, quantity_lots=2, extra=Source.MARKET).records()
    stage.drive(np.concatenate([lap, lost_head]))
    assert state(stage) == (BookState.GAP, BookReason.LAPPED)


def test_a_quiet_book_is_stale_and_recovers_with_the_next_update() -> None:
    stage, feed = valid_book(stale_after_ms=100)
    stage.drive(feed.at(100).add(Kind.TIME).records())
    assert state(stage) == VALID
    stage.drive(feed.at(100.1).add(Kind.TIME).records())
    assert state(stage) == (BookState.STALE, BookReason.QUIET)
    stage.drive(feed.at(150).batch({98: 1}, {}).records())
    assert state(stage) == VALID
    stage.drive(feed.at(250).add(Kind.TIME).records())
    assert state(stage) == VALID
    stage.drive(feed.at(251).add(Kind.TIME).records())
    assert state(stage) == (BookState.STALE, BookReason.QUIET)


def test_a_book_that_was_not_quiet_when_looked_at_is_looked_at_again() -> None:
    stage, feed = valid_book(stale_after_ms=40)
    stage.drive(feed.at(30).batch({98: 1}, {}).at(41).add(Kind.TIME).records())
    assert state(stage) == VALID
    stage.drive(feed.at(71).add(Kind.TIME).records())
    assert state(stage) == (BookState.STALE, BookReason.QUIET)


def test_a_quiet_book_is_found_while_others_keep_the_loop_busy() -> None:
    stage, _ = valid_book(stale_after_ms=100)
    other = FeedScript(row=1).snapshot(BIDS, ASKS)
    for time_ms in range(0, 200, 10):
        other.at(time_ms).batch({98: 1 + time_ms}, {})
    stage.drive(other.records())
    assert state(stage) == (BookState.STALE, BookReason.QUIET)
    assert state(stage, 1) == VALID


def test_a_crossed_book_is_suspect_until_a_batch_ends_uncrossed() -> None:
    stage, feed = valid_book()
    stage.drive(feed.batch({101: 1}, {}).records())
    assert state(stage) == (BookState.SUSPECT, BookReason.CROSSED)
    assert view(stage)["crossed"] == 1
    stage.drive(feed.batch({}, {101: 0}).records())
    assert state(stage) == VALID


def test_a_level_that_crosses_inside_a_batch_only_does_no_harm() -> None:
    stage, feed = valid_book()
    stage.drive(feed.batch({102: 1}, {101: 0, 102: 0}).records())
    assert state(stage) == VALID
    assert view(stage)["crossed"] == 0


def test_capacity_exceeded_makes_the_book_suspect_until_the_next_snapshot() -> None:
    stage, feed = valid_book(window_ticks=64, overflow_levels=4)
    stage.drive(feed.batch({-1_000 - i: 1 for i in range(5)}, {}).records())
    assert state(stage) == (BookState.SUSPECT, BookReason.CAPACITY)
    stage.drive(feed.batch({98: 1}, {}).records())
    assert state(stage) == (BookState.SUSPECT, BookReason.CAPACITY)
    stage.drive(feed.snapshot(BIDS, ASKS).records())
    assert state(stage) == VALID


def test_a_tick_change_invalidates_and_forgets_prices_in_old_ticks() -> None:
    stage, feed = valid_book()
    stage.drive(feed.trade(101, 2, Side.BID).add(Kind.FUNDING, price_ticks=102).records())
    assert (view(stage)["trade_price_ticks"], view(stage)["mark_price_ticks"]) == (101, 102)
    stage.drive(feed.add(Kind.TICK_CHANGE).batch({1000: 1}, {}).records())
    assert state(stage) == (BookState.SYNCING, BookReason.TICK_CHANGED)
    assert view(stage)["bid_count"] == view(stage)["trade_price_ticks"] == view(stage)["mark_price_ticks"] == 0


def test_a_halted_venue_makes_the_book_suspect_until_it_trades_again() -> None:
    stage, feed = valid_book()
    stage.drive(feed.add(Kind.TRADING_STATUS, extra=0).snapshot(BIDS, ASKS).records())
    assert state(stage) == (BookState.SUSPECT, BookReason.VENUE_HALTED)
    stage.drive(feed.add(Kind.TRADING_STATUS, extra=1).records())
    assert state(stage) == VALID


def test_a_trade_is_shown() -> None:
    stage, feed = valid_book()
    stage.drive(feed.at(3).trade(101, 2, Side.BID).trade(100, 4, Side.ASK).records())
    row = view(stage)
    assert (row["trades"], row["trade_price_ticks"], row["trade_quantity_lots"], row["trade_side"]) == (2, 100, 4, 2)


RIGHT = ((100, 5), (101, 6))
WRONG = ((100, 4), (101, 6))


@pytest.mark.parametrize("quotes_first", [True, False])
def test_an_update_is_compared_with_the_last_quote_of_at_most_its_id(quotes_first: bool) -> None:
    stage, feed = valid_book()
    feed.quote(*WRONG, update_id=1)
    if quotes_first:
        feed.quote(*WRONG, update_id=5).quote(*RIGHT, update_id=9).quote(*WRONG, update_id=11)
        feed.batch({97: 8}, {}, update_id=10)
    else:
        feed.batch({97: 8}, {}, update_id=10)
        feed.quote(*WRONG, update_id=5).quote(*RIGHT, update_id=9).quote(*WRONG, update_id=11)
    stage.drive(feed.records())
    assert stage.bbo_comparisons(0) == (1, 1)


def test_a_disagreement_with_the_venue_is_suspect_only_when_it_lasts() -> None:
    stage, feed = valid_book(disagreement_ms=50)
    stage.drive(feed.quote(*WRONG, update_id=1).records())
    for time_ms, expected in ((0, VALID), (50, VALID), (51, (BookState.SUSPECT, BookReason.BBO_DISAGREES))):
        number = 10 + 2 * time_ms
        feed.at(time_ms).batch({97: 8}, {}, update_id=number).quote(*WRONG, update_id=number + 1)
        stage.drive(feed.records())
        assert state(stage) == expected
    stage.drive(feed.batch({97: 8}, {}, update_id=500).quote(*RIGHT, update_id=500).quote(*RIGHT, 501).records())
    assert state(stage) == VALID
    assert stage.bbo_comparisons(0) == (4, 1)


def test_quotes_of_another_session_are_not_compared() -> None:
    stage, feed = valid_book()
    feed.quote(*WRONG, update_id=900).batch({97: 8}, {}, update_id=2).quote(*WRONG, update_id=3)
    stage.drive(feed.records())
    assert stage.bbo_comparisons(0) == (0, 0)


@pytest.mark.parametrize("fields", [{"instrument": 2}, {"side": 0}, {"side": 3}])
def test_a_record_that_cannot_be_is_a_fault(fields: dict[str, int]) -> None:
    stage, feed = valid_book()
    with pytest.raises(RuntimeError, match="fault"):
        stage.drive(feed.add(Kind.LEVEL, **({"side": 1, "price_ticks": 1} | fields)).records())


def test_a_restored_snapshot_goes_on_as_the_original() -> None:
    stage, feed = valid_book()
    copy = BookStage(instruments())
    copy.restore(stage.snapshot())
    records = feed.batch({100: 0}, {104: 4}).trade(101, 1, Side.BID).records()
    stage.drive(records)
    copy.drive(records)
    assert view(stage).tobytes() == view(copy).tobytes()
    assert stage.snapshot() == copy.snapshot()


Changes = dict[int, int]  # price to quantity
levels = st.dictionaries(st.one_of(st.integers(80, 120), st.integers(-500, 700)), st.integers(0, 3), max_size=8)


@given(batches=st.lists(st.tuples(levels, levels).filter(any), max_size=25))
@settings(max_examples=80, deadline=None)
def test_the_view_agrees_with_the_reference_on_any_batches(
    batches: list[tuple[dict[int, int], dict[int, int]]],
) -> None:
    stage, feed = BookStage(instruments(1), BookSettings(window_ticks=64)), FeedScript()
    bids, asks = ReferenceLevels(Side.BID), ReferenceLevels(Side.ASK)
    stage.drive(feed.snapshot({100: 1}, {101: 1}).records())
    bids.set(100, 1)
    asks.set(101, 1)
    for changed_bids, changed_asks in batches:
        stage.drive(feed.batch(changed_bids, changed_asks).records())
        for side, changed in ((bids, changed_bids), (asks, changed_asks)):
            for price, quantity in changed.items():
                side.set(price, quantity)
        row = view(stage)
        for name, side in (("bid", bids), ("ask", asks)):
            best = side.best_levels(10) + [(0, 0)] * 10
            assert list(zip(row[f"{name}_price_ticks"], row[f"{name}_quantity_lots"], strict=True)) == best[:10]
            assert row[f"{name}_count"] == len(side)
        crossed = bool(bids.best() and asks.best() and bids.best()[0] >= asks.best()[0])
        assert (row["state"] == BookState.SUSPECT) == crossed
