"""Snapshot and diffs brought together by the venue's rules, and what is said when they cannot be."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.feed.config import FeedConfig
from engine.feed.sync import FeedHandler
from engine.feed.sync_reference import Diff, ReferenceSync, Said
from ipc.instruments import Contract
from ipc.messages import BookReason, BookState, Flag, Kind, Refusal
from tests.engine.feed.frames import PERP_ROW, RECEIVED_NS, SPOT_ROW, instruments, perp_diff, snapshot, spot_diff


@pytest.fixture
def spot() -> FeedHandler:
    return FeedHandler(instruments(), Contract.SPOT)


@pytest.fixture
def perp() -> FeedHandler:
    return FeedHandler(instruments(), Contract.LINEAR)


def said(records: np.ndarray[Any, Any]) -> list[Said]:
    """Batches of records as the reference names them; every batch must end with LAST."""
    result: list[Said] = []
    for record in records:
        kind, last = record["kind"], bool(record["flags"] & Flag.LAST)
        if kind == Kind.BOOK_STATE:
            result.append(("state", int(record["extra"]), int(record["quantity_lots"])))
        elif kind == Kind.REFUSAL:
            result.append(("refusal", int(record["extra"]), int(record["quantity_lots"])))
        elif last:
            result.append(("snapshot" if record["flags"] & Flag.SNAPSHOT else "diff", int(record["order_id"]), 0))
    assert len(records) == 0 or records[-1]["flags"] & Flag.LAST
    return result


def state(value: BookState, reason: BookReason = BookReason.NONE) -> Said:
    return "state", value, reason


def synchronise(handler: FeedHandler) -> None:
    """Book valid at update 10."""
    handler.accept(snapshot(8), RECEIVED_NS, SPOT_ROW)
    assert said(handler.accept(spot_diff(9, 10), RECEIVED_NS))[-1] == state(BookState.VALID)


def test_diffs_wait_for_the_snapshot_and_those_it_contains_are_dropped(spot: FeedHandler) -> None:
    for first, last in ((1, 3), (4, 6), (7, 9), (10, 11)):
        assert len(spot.accept(spot_diff(first, last), RECEIVED_NS)) == 0
    records = spot.accept(snapshot(7), RECEIVED_NS + 5, SPOT_ROW)
    assert said(records) == [
        ("refusal", Refusal.UPDATE_BEFORE_SNAPSHOT, 2),
        state(BookState.SYNCING),
        ("snapshot", 7, 0),
        ("diff", 9, 0),
        ("diff", 11, 0),
        state(BookState.VALID),
    ]
    assert set(records["receive_time_ns"].tolist()) == {RECEIVED_NS + 5}  # in order of time, as the core learns them
    assert not spot.snapshot_wanted(SPOT_ROW)


def test_a_book_is_valid_only_when_a_diff_has_joined_the_snapshot(spot: FeedHandler) -> None:
    assert said(spot.accept(snapshot(8), RECEIVED_NS, SPOT_ROW)) == [state(BookState.SYNCING), ("snapshot", 8, 0)]
    assert said(spot.accept(spot_diff(7, 8), RECEIVED_NS)) == [("refusal", Refusal.UPDATE_BEFORE_SNAPSHOT, 1)]
    assert said(spot.accept(spot_diff(9, 9), RECEIVED_NS)) == [("diff", 9, 0), state(BookState.VALID)]


def test_a_missing_diff_is_one_gap_and_nothing_follows_until_the_next_snapshot(spot: FeedHandler) -> None:
    synchronise(spot)
    gap = spot.accept(spot_diff(12, 13), RECEIVED_NS)
    assert said(gap) == [state(BookState.GAP, BookReason.MISSING_UPDATE)]
    assert len(spot.accept(spot_diff(14, 15), RECEIVED_NS)) == 0
    assert spot.snapshot_wanted(SPOT_ROW)
    assert said(spot.accept(snapshot(14), RECEIVED_NS, SPOT_ROW))[-2:] == [("diff", 15, 0), state(BookState.VALID)]
    assert spot.counts(SPOT_ROW)["gaps"] == 1


def test_a_diff_delivered_twice_is_refused_and_changes_nothing(spot: FeedHandler) -> None:
    synchronise(spot)
    assert said(spot.accept(spot_diff(9, 10), RECEIVED_NS)) == [("refusal", Refusal.UPDATE_DUPLICATE, 10)]
    assert said(spot.accept(spot_diff(11, 11), RECEIVED_NS)) == [("diff", 11, 0)]
    assert spot.refusal_counts[Refusal.UPDATE_DUPLICATE] == 1


def test_a_diff_that_is_refused_shows_as_a_gap_at_the_next(spot: FeedHandler) -> None:
    synchronise(spot)
    records = spot.accept(spot_diff(11, 11, [("1.001", "1")]), RECEIVED_NS)
    assert said(records) == [("refusal", Refusal.DECIMAL_INEXACT, spot.last_frame.offset)]
    assert said(spot.accept(spot_diff(12, 12), RECEIVED_NS)) == [state(BookState.GAP, BookReason.MISSING_UPDATE)]


def test_a_snapshot_older_than_the_first_diff_is_not_used_and_another_is_wanted(spot: FeedHandler) -> None:
    spot.accept(spot_diff(20, 21), RECEIVED_NS)
    too_old = spot.accept(snapshot(18), RECEIVED_NS, SPOT_ROW)
    assert said(too_old) == [state(BookState.SYNCING, BookReason.SNAPSHOT_TOO_OLD)]
    assert spot.snapshot_wanted(SPOT_ROW)
    assert said(spot.accept(snapshot(19), RECEIVED_NS, SPOT_ROW))[-1] == state(BookState.VALID)


def test_a_snapshot_of_a_valid_book_is_not_needed(spot: FeedHandler) -> None:
    synchronise(spot)
    assert len(spot.accept(snapshot(12), RECEIVED_NS, SPOT_ROW)) == 0
    assert spot.counts(SPOT_ROW)["snapshots_unneeded"] == 1


def test_futures_join_by_the_venues_rule_and_by_the_previous_id(perp: FeedHandler) -> None:
    perp.accept(perp_diff(100, 110, 90), RECEIVED_NS)
    perp.accept(perp_diff(120, 130, 110), RECEIVED_NS)
    assert said(perp.accept(snapshot(115, [], []), RECEIVED_NS, PERP_ROW))[-2:] == [
        ("diff", 130, 0),
        state(BookState.VALID),
    ]
    assert said(perp.accept(perp_diff(140, 150, 130), RECEIVED_NS)) == [("diff", 150, 0)]
    gap = perp.accept(perp_diff(170, 180, 160), RECEIVED_NS)
    assert said(gap) == [state(BookState.GAP, BookReason.MISSING_UPDATE)]


def test_a_lost_connection_is_told_at_once_for_every_book_of_the_market(spot: FeedHandler) -> None:
    synchronise(spot)
    records = spot.disconnect(RECEIVED_NS)
    assert records["instrument"].tolist() == [SPOT_ROW]
    assert said(records) == [state(BookState.SYNCING, BookReason.DISCONNECTED)]
    assert len(spot.accept(spot_diff(100, 101), RECEIVED_NS)) == 0  # another session's ids: no gap
    assert spot.counts(SPOT_ROW)["gaps"] == 0


def test_a_full_buffer_drops_the_older_half_and_counts_it() -> None:
    handler = FeedHandler(instruments(), Contract.SPOT, FeedConfig(buffered_diffs=8))
    for update in range(1, 21):
        handler.accept(spot_diff(update, update), RECEIVED_NS)
    counts = handler.counts(SPOT_ROW)
    assert counts["buffered"] <= 8
    assert counts["dropped"] + counts["buffered"] == 20
    kept_from = counts["dropped"] + 1
    assert said(handler.accept(snapshot(kept_from - 2), RECEIVED_NS, SPOT_ROW))[0] == state(
        BookState.SYNCING, BookReason.SNAPSHOT_TOO_OLD
    )
    records = handler.accept(snapshot(kept_from - 1), RECEIVED_NS, SPOT_ROW)
    diffs = [update for what, update, _ in said(records) if what == "diff"]
    assert diffs == list(range(kept_from, 21))


def test_a_buffer_full_of_records_keeps_the_newest_diffs_whole() -> None:
    config = FeedConfig(buffered_records=10, max_frame_records=10, snapshot_levels=5)
    handler = FeedHandler(instruments(), Contract.SPOT, config)
    for update in range(1, 9):
        handler.accept(spot_diff(update, update, [(str(price), "1") for price in range(1, 4)]), RECEIVED_NS)
    kept_from = handler.counts(SPOT_ROW)["dropped"] + 1
    records = handler.accept(snapshot(kept_from - 1), RECEIVED_NS, SPOT_ROW)
    levels = records[(records["kind"] == Kind.LEVEL) & (records["flags"] & Flag.SNAPSHOT == 0)]
    assert levels["order_id"].tolist() == [update for update in range(kept_from, 9) for _ in range(3)]
    assert levels["price_ticks"].tolist() == [100, 200, 300] * (9 - kept_from)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("diff"), st.integers(1, 4), st.sampled_from([0, 0, 0, 0, 1, -2])),
        st.tuples(st.just("snapshot"), st.integers(-6, 3), st.just(0)),
        st.just(("disconnect", 0, 0)),
    ),
    max_size=30,
)


@settings(max_examples=200, deadline=None)
@given(STEPS, st.booleans())
def test_the_handler_says_what_the_reference_says(steps: list[tuple[str, int, int]], is_spot: bool) -> None:
    """Streams with jumps (1) and repetitions (-2) in their ids, snapshots before and behind them, lost connections."""
    config = FeedConfig(buffered_diffs=64, buffered_records=64, max_frame_records=64, snapshot_levels=32)
    handler = FeedHandler(instruments(), Contract.SPOT if is_spot else Contract.LINEAR, config)
    row = SPOT_ROW if is_spot else PERP_ROW
    reference = ReferenceSync(is_spot)
    last = 100
    for what, size, jump in steps:
        if what == "diff":
            previous = last + jump * 5
            diff = (
                Diff(previous + 1, previous + size, -1)
                if is_spot
                else Diff(previous + 2, previous + 1 + size, previous)
            )
            last = diff.last
            frame = spot_diff(diff.first, diff.last) if is_spot else perp_diff(diff.first, diff.last, diff.previous)
            assert said(handler.accept(frame, RECEIVED_NS)) == reference.on_diff(diff)
        elif what == "snapshot":
            records = handler.accept(snapshot(last + size, [], []), RECEIVED_NS, row)
            assert said(records) == reference.on_snapshot(last + size)
        else:
            assert said(handler.disconnect(RECEIVED_NS)) == reference.on_disconnect()
        assert handler.counts(row)["state"] == reference.state
