"""The incremental row against the same row from the whole history, and when a row may be used."""

import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.book.config import BookSettings
from engine.book.stage import BookStage
from engine.features.catalogue import CATALOGUE, FEATURE_NAMES
from engine.features.config import FeatureSettings
from engine.features.reference import History, feature_row
from engine.features.stage import FeatureStage
from engine.stage import BOOK_VIEW, FEATURE_VIEW
from ipc.messages import MESSAGE, BookReason, BookState, Flag, Kind, Side, Source
from tests.engine.book.records import FeedScript, instruments

BIDS = {10_000: 5, 9_999: 4, 9_997: 9}
ASKS = {10_001: 6, 10_003: 2}


class Engine:
    """Book and features driven message by message, as the loop drives them."""

    def __init__(self, count: int = 2, **fields: int) -> None:
        self.book = BookStage(instruments(count), BookSettings(stale_after_ms=100_000))
        self.features = FeatureStage(instruments(count), self.book.view(), FeatureSettings(**fields))

    def drive(self, records: np.ndarray) -> None:
        for message in messages_of(records):
            self.book.drive(message)
            self.features.drive(message)

    def row(self, instrument: int = 0) -> np.void:
        return self.features.rows(FEATURE_VIEW)[instrument]

    def value(self, name: str, instrument: int = 0) -> float:
        return float(self.row(instrument)["values"][FEATURE_NAMES.index(name)])


def messages_of(records: np.ndarray) -> list[np.ndarray]:
    ends = np.flatnonzero((records["flags"] & Flag.MORE) == 0) + 1
    return np.split(records, ends[:-1])


def levels(view: np.void, side: str) -> list[tuple[int, int]]:
    pairs = zip(view[f"{side}_price_ticks"].tolist(), view[f"{side}_quantity_lots"].tolist(), strict=True)
    return [(price, lots) for price, lots in pairs if lots]


class Recorder:
    """Keeps the history that the reference needs, from the book's view after each message."""

    def __init__(self, book: BookStage) -> None:
        self.view = book.rows(BOOK_VIEW)
        self.history: History | None = None
        self.batches = -1
        self.core_time_ns = 0

    def see(self, message: np.ndarray) -> None:
        head, view = message[0], self.view[0]
        self.core_time_ns = max(self.core_time_ns, int(head["receive_time_ns"]))
        if view["state"] != BookState.VALID or not view["bid_count"] or not view["ask_count"]:
            self.history = None
            return
        if self.history is None or view["batches"] != self.batches:
            self.history = self.history or History()
            self.history.add_book(self.core_time_ns, levels(view, "bid"), levels(view, "ask"))
            self.batches = int(view["batches"])
        if head["kind"] == Kind.TRADE:
            bought = bool(head["side"] == Side.BID)
            self.history.add_trade(self.core_time_ns, int(head["price_ticks"]), int(head["quantity_lots"]), bought)


def assert_close(row: np.ndarray, expected: np.ndarray) -> None:
    scale = np.maximum(np.abs(expected), 1e-3)
    wrong = np.flatnonzero(~(np.abs(row - expected) <= 1e-9 * scale))
    assert not len(wrong), {FEATURE_NAMES[i]: (row[i], expected[i]) for i in wrong}


def drive_and_compare(records: np.ndarray, every: int = 1) -> int:
    """Drives both and compares after every so many messages; returns how many rows were compared."""
    engine = Engine(1)
    recorder = Recorder(engine.book)
    compared = 0
    for i, message in enumerate(messages_of(records)):
        engine.drive(message)
        recorder.see(message)
        if not message[0]["flags"] & Flag.LAST and message[0]["kind"] != Kind.TIME:
            continue
        if recorder.history is None:
            assert engine.row()["ready"] == engine.row()["rows"] == 0
        if recorder.history is not None and i % every == 0:
            assert_close(engine.row()["values"], feature_row(recorder.history, recorder.core_time_ns))
            compared += 1
    return compared


def random_market(seed: int, events: int, step_ms: float) -> np.ndarray:
    """A book that drifts, with trades, TIME, thin sides and quiet spells."""
    random = np.random.default_rng(seed)
    feed, mid = FeedScript().snapshot(BIDS, ASKS), 10_000
    bids, asks = dict(BIDS), dict(ASKS)
    for _ in range(events):
        feed.at(feed.time_ms + float(random.exponential(step_ms)) * (30 if random.random() < 0.02 else 1))
        choice = random.random()
        if choice < 0.2:
            feed.trade(mid + int(random.integers(-2, 3)), int(random.integers(1, 9)), Side(int(random.integers(1, 3))))
        elif choice < 0.3:
            feed.add(Kind.TIME)
        else:
            mid += int(random.integers(-1, 2))
            away_bid, away_ask, lots_bid, lots_ask = (int(n) for n in random.integers([1, 1, 0, 0], [14, 14, 9, 9]))
            changed_bids = {p: 0 for p in bids if p >= mid} | {mid - away_bid: lots_bid}
            changed_asks = {p: 0 for p in asks if p <= mid} | {mid + away_ask: lots_ask}
            for side, changed in ((bids, changed_bids), (asks, changed_asks)):
                side.update(changed)
                for price in [p for p, lots in side.items() if lots == 0]:
                    del side[price]
            feed.batch(changed_bids, changed_asks)
    return feed.records()


@given(seed=st.integers(0, 10_000), step_ms=st.sampled_from([0.0, 0.4, 20.0, 300.0]))
@settings(max_examples=15, deadline=None)
def test_the_row_agrees_with_the_whole_history_on_random_markets(seed: int, step_ms: float) -> None:
    drive_and_compare(random_market(seed, 60, step_ms))


def test_the_row_agrees_with_the_whole_history_over_minutes() -> None:
    assert drive_and_compare(random_market(1, 1_500, 60.0), every=97) > 10


def test_a_row_is_ready_after_the_warm_up_and_not_before() -> None:
    engine, feed = Engine(warmup_ms=1_000), FeedScript()
    assert engine.row()["ready"] == 0
    engine.drive(feed.snapshot(BIDS, ASKS).at(999).batch({9_998: 1}, {}).records())
    assert (engine.row()["ready"], engine.row()["rows"]) == (0, 2)
    engine.drive(feed.at(1_000).add(Kind.TIME).records())
    assert (engine.row()["ready"], engine.row()["rows"]) == (1, 2)
    assert engine.row(1)["ready"] == 0


@pytest.mark.parametrize("kind", ["gap", "lap", "tick", "empty", "halt"])
def test_a_row_begins_anew_when_the_book_is_not_valid(kind: str) -> None:
    engine, feed = Engine(warmup_ms=0), FeedScript()
    engine.drive(feed.snapshot(BIDS, ASKS).trade(10_001, 3, Side.BID).at(5).batch({9_998: 1}, {}).records())
    assert engine.row()["ready"] == 1
    assert engine.value("trade_imbalance_1s") > 0
    if kind == "gap":
        feed.state(BookState.GAP, BookReason.MISSING_UPDATE)
    elif kind == "lap":
        feed.add(Kind.LAPPED, extra=Source.MARKET, quantity_lots=1)
    elif kind == "tick":
        feed.add(Kind.TICK_CHANGE)
    elif kind == "halt":
        feed.add(Kind.TRADING_STATUS, extra=0)
    else:
        feed.batch({}, dict.fromkeys(ASKS, 0))
    engine.drive(feed.records())
    assert (engine.row()["ready"], engine.row()["rows"]) == (0, 0)
    feed.add(Kind.TRADING_STATUS, extra=1)
    engine.drive(feed.snapshot(BIDS, ASKS).records())
    assert engine.row()["ready"] == 1
    assert engine.value("trade_imbalance_1s") == engine.value("order_flow_1s") == 0


def test_time_alone_decays_the_row() -> None:
    engine, feed = Engine(warmup_ms=0), FeedScript()
    engine.drive(feed.snapshot(BIDS, ASKS).batch({10_000: 15}, {}).records())
    before = engine.value("order_flow_1s")
    engine.drive(feed.at(1_000).add(Kind.TIME).records())
    mean_depth = 5.5 * np.exp(-0.1) + 10.5 * (1 - np.exp(-0.1))  # 10.5 lots held for a second of ten
    assert before == pytest.approx(10 / 5.5)
    assert engine.value("order_flow_1s") == pytest.approx(10 * np.exp(-1) / mean_depth)


def test_a_long_silence_begins_anew() -> None:
    engine, feed = Engine(warmup_ms=0), FeedScript()
    engine.drive(feed.snapshot(BIDS, ASKS).trade(10_001, 3, Side.BID).records())
    engine.drive(feed.at(61_000).add(Kind.TIME).records())
    assert engine.value("trade_imbalance_60s") == 0
    assert engine.value("time_since_trade_s") == 0


def test_a_quote_changes_nothing() -> None:
    engine, feed = Engine(), FeedScript()
    engine.drive(feed.snapshot(BIDS, ASKS).records())
    before = engine.row().tobytes()
    engine.drive(feed.at(3).quote((10_000, 1), (10_001, 1), 2).records())
    assert engine.row().tobytes() == before


def test_a_restored_snapshot_goes_on_as_the_original() -> None:
    engine, copy = Engine(1), Engine(1)
    records = random_market(5, 200, 20.0)
    half = int(np.flatnonzero((records["flags"] & Flag.LAST) != 0)[len(records) // 4]) + 1
    engine.drive(records[:half])
    copy.book.restore(engine.book.snapshot())
    copy.features.restore(engine.features.snapshot())
    engine.drive(records[half:])
    copy.drive(records[half:])
    assert engine.features.snapshot() == copy.features.snapshot()


def test_every_value_stays_finite_whatever_the_quantities() -> None:
    engine, feed = Engine(1), FeedScript()
    feed.snapshot({10_000: 2**60}, {10_001: 1}).trade(10_001, 2**60, Side.BID).at(1).trade(10_001, 1, Side.ASK)
    feed.at(40_000).batch({10_000: 1}, {10_002: 2**60}).at(90_000).add(Kind.TIME)
    for message in messages_of(feed.records()):
        engine.drive(message)
        assert np.isfinite(engine.row()["values"]).all()


def test_an_instrument_out_of_the_table_is_a_fault() -> None:
    record = np.zeros(1, dtype=MESSAGE)
    record["kind"], record["instrument"], record["flags"] = Kind.TRADE, 7, Flag.LAST
    with pytest.raises(RuntimeError, match="fault 1"):
        Engine().features.drive(record)


def test_every_build_on_every_host_gives_the_same_bits() -> None:
    """The checked build runs this too; the hash changes only when a formula does, and then on purpose."""
    engine, records = Engine(1), market_without_numpy_randomness()
    engine.drive(records)
    digest = hashlib.sha256(engine.row().tobytes() + engine.book.rows(BOOK_VIEW).tobytes()).hexdigest()
    assert digest[:16] == "abb7350cfa0725cf"


def market_without_numpy_randomness() -> np.ndarray:
    """A seeded market from a linear congruential generator, so that no library's version can change it."""
    state = 1

    def draw(below: int) -> int:
        nonlocal state
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        return (state >> 33) % below

    feed = FeedScript().snapshot(BIDS, ASKS)
    for _ in range(800):
        feed.at(feed.time_ms + draw(90))
        if draw(4) == 0:
            feed.trade(9_995 + draw(10), 1 + draw(7), Side(1 + draw(2)))
        else:
            feed.batch({9_990 + draw(11): draw(6), 10_000: 1 + draw(5)}, {10_001 + draw(11): draw(6), 10_012: 3})
    return feed.records()


def test_the_catalogue_names_formula_unit_and_source_of_all_32() -> None:
    assert len(FEATURE_NAMES) == FEATURE_VIEW["values"].shape[0] == 32
    assert all(feature.formula and feature.unit and feature.source for feature in CATALOGUE)
