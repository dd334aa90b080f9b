"""The live session against a venue that misbehaves: what the core is told, and how soon the book is back."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import numpy as np
import pytest

from engine.feed.config import FeedConfig
from engine.feed.session import FeedSession
from engine.feed.sync import FeedHandler
from ipc.instruments import Contract
from ipc.messages import BookReason, BookState, Kind, Refusal
from tests.engine.feed.frames import SPOT_ROW, instruments, spot_diff
from tests.engine.feed.venue import Venue, quote

CONFIG = FeedConfig(
    max_frame_bytes=4_096,
    buffered_records=1_024,
    max_frame_records=1_024,
    snapshot_levels=100,
    resync_interval_ms=40,
    resync_interval_limit_ms=200,
    reconnect_interval_ms=20,
    reconnect_interval_limit_ms=100,
    heartbeat_ms=150,
    heartbeat_timeout_ms=150,
)


class Core:
    """What reached the market ring."""

    def __init__(self) -> None:
        self.records: list[np.void] = []

    def publish(self, records: np.ndarray[Any, Any], received_ns: int) -> None:
        assert all(records["receive_time_ns"] == received_ns)
        self.records.extend(records.copy())

    def states(self) -> list[tuple[BookState, BookReason]]:
        return [
            (BookState(int(r["extra"])), BookReason(int(r["quantity_lots"])))
            for r in self.records
            if r["kind"] == Kind.BOOK_STATE
        ]

    def refusals(self) -> list[Refusal]:
        return [Refusal(int(r["extra"])) for r in self.records if r["kind"] == Kind.REFUSAL]

    def updates(self, kind: Kind = Kind.LEVEL) -> list[int]:
        return [int(r["order_id"]) for r in self.records if r["kind"] == kind]

    @property
    def valid(self) -> bool:
        return bool(self.states()) and self.states()[-1][0] == BookState.VALID


async def until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    for _ in range(int(seconds / 0.01)):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("did not come about")


@pytest.fixture
async def venue() -> AsyncIterator[Venue]:
    venue = Venue()
    venue.address = await venue.start()  # type: ignore[attr-defined]
    yield venue
    await venue.stop()


@pytest.fixture
def core() -> Core:
    return Core()


@pytest.fixture
async def session(venue: Venue, core: Core) -> AsyncIterator[FeedSession]:
    address: str = venue.address  # type: ignore[attr-defined]
    session = FeedSession(
        FeedHandler(instruments(), Contract.SPOT, CONFIG),
        {"BTCUSDT": SPOT_ROW},
        f"ws://{address}",
        f"http://{address}/depth",
        CONFIG,
        core.publish,
        seed=1,
    )
    await session.start()
    yield session
    await session.stop()


async def synchronised(venue: Venue, core: Core) -> None:
    """Connects, sends two diffs, and waits until the book is VALID."""
    await asyncio.wait_for(venue.connected.wait(), 10)
    venue.book_id = venue.last_id
    await venue.diff()
    await venue.diff()
    await until(lambda: core.valid)


async def test_one_connection_asks_for_every_stream_and_the_book_becomes_valid(
    venue: Venue, core: Core, session: FeedSession
) -> None:
    await synchronised(venue, core)
    assert venue.queries == ["btcusdt@depth@100ms/btcusdt@trade/btcusdt@bookTicker"]
    assert core.states() == [(BookState.SYNCING, BookReason.NONE), (BookState.VALID, BookReason.NONE)]
    assert venue.snapshots == 1
    await venue.send(quote(2))
    await until(lambda: core.updates(Kind.QUOTE) == [2, 2])


async def test_a_lost_connection_is_told_at_once_and_the_book_comes_back(
    venue: Venue, core: Core, session: FeedSession
) -> None:
    await synchronised(venue, core)
    await venue.disconnect()
    await until(lambda: core.states()[-1] == (BookState.SYNCING, BookReason.DISCONNECTED))
    assert session.cuts == 1
    venue.last_id += 1_000  # the venue went on without us
    await synchronised(venue, core)
    assert session.connections == 2
    assert (BookState.GAP, BookReason.MISSING_UPDATE) not in core.states()


async def test_a_dropped_diff_is_one_gap_and_one_snapshot_mends_it(
    venue: Venue, core: Core, session: FeedSession
) -> None:
    await synchronised(venue, core)
    venue.book_id = venue.last_id + 3
    await venue.diff(skipped=2)
    await until(lambda: core.states()[-1][0] == BookState.GAP)
    await venue.diff()
    await until(lambda: core.valid)
    assert core.states().count((BookState.GAP, BookReason.MISSING_UPDATE)) == 1
    assert venue.snapshots == 2
    assert session.cuts == 0


async def test_snapshots_that_are_refused_are_asked_for_again_at_a_growing_distance(
    venue: Venue, core: Core, session: FeedSession
) -> None:
    venue.refuse_snapshots = 3
    started = asyncio.get_running_loop().time()
    await synchronised(venue, core)
    elapsed_ms = (asyncio.get_running_loop().time() - started) * 1_000
    assert venue.snapshots == 4
    assert session.snapshots_failed == 3
    assert elapsed_ms >= (40 + 80 + 160) / 2  # each wait is jittered down to half at most
    assert "429" in session.last_error


async def test_rubbish_is_refused_and_counted_and_the_connection_lives_on(
    venue: Venue, core: Core, session: FeedSession
) -> None:
    await synchronised(venue, core)
    for frame in (b"rubbish", b'{"stream":"x","data":{"e":"kline"}}', spot_diff(3, 3).replace(b"BTC", b"XRP")):
        await venue.send(frame)
    await venue.diff()
    await until(lambda: venue.last_id in core.updates())
    assert core.refusals() == [
        Refusal.FRAME_MALFORMED,
        Refusal.FRAME_UNKNOWN_STREAM,
        Refusal.FRAME_UNKNOWN_SYMBOL,
    ]
    assert core.valid
    assert session.cuts == 0


async def test_a_message_in_pieces_is_put_together(venue: Venue, core: Core, session: FeedSession) -> None:
    await synchronised(venue, core)
    await venue.fragments(spot_diff(3, 3, [("42.00", "7")]), 11)
    await until(lambda: core.updates()[-1] == 3)
    assert int(core.records[-1]["price_ticks"]) == 4_200


async def test_a_frame_too_large_whole_or_in_pieces_is_refused_and_the_next_is_taken(
    venue: Venue, core: Core, session: FeedSession
) -> None:
    await synchronised(venue, core)
    large = spot_diff(3, 3) + b" " * CONFIG.max_frame_bytes
    await venue.send(large)
    await venue.fragments(large, 1_000)
    await venue.diff()
    await until(lambda: venue.last_id in core.updates())
    assert core.refusals() == [Refusal.FRAME_TOO_LARGE] * 2
    assert session.cuts == 0


async def test_a_frame_far_too_large_ends_the_connection_with_a_refusal(
    venue: Venue, core: Core, session: FeedSession
) -> None:
    await synchronised(venue, core)
    await venue.send(b"x" * (8 * CONFIG.max_frame_bytes))
    await until(lambda: session.cuts == 1)
    assert core.refusals() == [Refusal.FRAME_TOO_LARGE]
    assert core.states()[-1] == (BookState.SYNCING, BookReason.DISCONNECTED)
    await until(lambda: session.connections == 2)


async def test_a_silent_venue_that_answers_no_ping_is_left(venue: Venue, core: Core, session: FeedSession) -> None:
    await synchronised(venue, core)
    venue.sockets[-1]._autoping = False
    await until(lambda: session.cuts == 1)
    assert core.states()[-1] == (BookState.SYNCING, BookReason.DISCONNECTED)


async def test_a_venue_that_closes_every_connection_is_tried_at_a_growing_distance(
    venue: Venue, core: Core, session: FeedSession
) -> None:
    await synchronised(venue, core)
    venue.closes_at_once = True
    await venue.disconnect()
    await asyncio.sleep(0.6)
    attempts = len(venue.queries)
    assert 4 <= attempts <= 20  # with waits of 20 ms only there would be more than 30
    venue.closes_at_once = False
    await synchronised(venue, core)


async def test_a_core_that_was_lapped_gets_every_book_anew(venue: Venue, core: Core, session: FeedSession) -> None:
    await synchronised(venue, core)
    session.resynchronise()
    await synchronised(venue, core)
    assert venue.snapshots == 2


def test_more_symbols_than_a_connection_takes_are_refused_at_once() -> None:
    handler = FeedHandler(instruments(), Contract.SPOT, CONFIG)
    with pytest.raises(ValueError, match=r"feed\.max_symbols is 64"):
        FeedSession(handler, {f"S{i}": i for i in range(65)}, "ws://x", "http://x", CONFIG, Core().publish)


async def test_error_that_nobody_thought_of_is_kept_for_the_process_to_end_by(
    venue: Venue, core: Core, session: FeedSession, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    await synchronised(venue, core)

    def broken(records: np.ndarray[Any, Any], received_ns: int) -> None:
        raise RuntimeError("nobody thought of it")

    monkeypatch.setattr(session, "_publish", broken)
    await venue.disconnect()
    await until(lambda: session.failure is not None)
    assert str(session.failure) == "nobody thought of it"
    assert capfd.readouterr().err.count(": disconnected") == 1  # why there was no connection
