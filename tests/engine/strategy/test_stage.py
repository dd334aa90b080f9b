"""What reaches a strategy, when, and what becomes of what it asks for."""

from pathlib import Path

import numpy as np
import pytest

from engine.strategy.contract import REQUESTS_PER_CALL
from engine.strategy.loader import Strategy, load
from engine.strategy.stage import ACTIVITY_VIEW, FixedView, StrategyStage
from ipc.messages import SOURCE_SHIFT, Action, Command, Flag, Kind, Refusal, ReportKind, Side, Source
from tests.engine.strategy.rig import MILLISECOND_NS, START_NS, Rig, details, instruments, session

COUNTER = """
    TIMER_INTERVAL_MS = 100
    class State:
        start: int
        book: int
        trade: int
        bar: int
        timer: int
        fill: int
        order: int
        regime: int
        risk: int
        stop: int
        time_ns: int
        seen: int
        value: float
    def on_start(state, now_ns):
        state.start += 1
        state.time_ns = now_ns
    def on_book(state, book):
        state.book += 1
        state.seen = book.bid_price_ticks[0]
    def on_trade(state, trade):
        state.trade += 1
        state.seen = trade.price_ticks * 10 + trade.side
    def on_bar(state, bar):
        state.bar += 1
        state.seen = bar.open_price_ticks * 1000000 + bar.high_price_ticks * 10000 + bar.low_price_ticks * 100
        state.seen += bar.close_price_ticks
        state.value = bar.volume_lots + bar.buy_lots / 100.0 + bar.trades / 10000.0
        state.time_ns = bar.end_time_ns
    def on_timer(state, now_ns):
        state.timer += 1
        state.time_ns = now_ns
    def on_fill(state, fill):
        state.fill += 1
        state.seen = fill.price_ticks * 1000 + fill.quantity_lots * 10 + fill.liquidity
    def on_order(state, order):
        state.order += 1
        state.value = order.report + order.refusal / 100.0
    def on_regime(state, regime):
        state.regime += 1
        state.value = regime.value
    def on_risk(state, risk):
        state.risk += 1
        state.value = risk.value * risk.number
    def on_stop(state):
        state.stop += 1
"""


@pytest.fixture(params=["compiled", "uncompiled"])
def folder(request: pytest.FixtureRequest, cache: Path) -> Path | None:
    return cache if request.param == "compiled" else None


@pytest.fixture
def counter(strategy_of, folder: Path | None) -> Rig:
    return Rig([(strategy_of(COUNTER), 0, {})], folder)


def seen(rig: Rig, *names: str, strategy: int = 0) -> list[float]:
    state = rig.stage.state(strategy)
    return [state[name][0].item() for name in names]


def test_the_first_message_starts_every_instance_once(counter: Rig) -> None:
    counter.send(Kind.TIME)
    counter.quote(100, 101)
    assert seen(counter, "start", "book", "time_ns") == [1, 1, START_NS]


def test_the_book_is_told_once_a_batch_and_by_its_last_record(counter: Rig) -> None:
    for flags in (0, 0, Flag.LAST):
        counter.send(Kind.LEVEL, flags=flags)
    assert seen(counter, "book") == [1]
    counter.send(Kind.BOOK_STATE)
    assert seen(counter, "book") == [2]


def test_a_trade_is_told_as_a_trade_and_not_as_a_book(counter: Rig) -> None:
    counter.send(Kind.TRADE, price_ticks=77, quantity_lots=2, side=Side.ASK)
    assert seen(counter, "trade", "book", "seen") == [1, 0, 772]


def test_a_lap_tells_every_book(counter: Rig) -> None:
    counter.send(Kind.LAPPED, extra=Source.MARKET)
    assert seen(counter, "book") == [1]


def test_a_bar_holds_the_trades_of_its_second(counter: Rig) -> None:
    for price, lots, side in ((20, 5, Side.BID), (30, 1, Side.ASK), (10, 2, Side.ASK), (25, 1, Side.BID)):
        counter.send(Kind.TRADE, price_ticks=price, quantity_lots=lots, side=side)
    assert seen(counter, "bar") == [0]
    counter.now_ns = START_NS + 1_000 * MILLISECOND_NS
    counter.send(Kind.LEVEL)
    assert seen(counter, "bar", "seen") == [1, 0]  # the book came after the bar: nothing at its best bid
    counter.now_ns += 5_000 * MILLISECOND_NS
    counter.send(Kind.TIME)
    assert seen(counter, "bar", "seen") == [2, 25 * 1_010_101]  # no trade: the last price, no volume
    assert seen(counter, "value") == [0.0]


def test_bar_values_and_times(counter: Rig) -> None:
    for price, lots, side in ((20, 5, Side.BID), (30, 1, Side.ASK), (10, 2, Side.ASK)):
        counter.send(Kind.TRADE, price_ticks=price, quantity_lots=lots, side=side)
    counter.now_ns = START_NS + 1_000 * MILLISECOND_NS
    counter.send(Kind.COMMAND)
    assert seen(counter, "seen", "value") == [20_301_010, 8 + 0.05 + 0.0003]
    assert seen(counter, "time_ns") == [START_NS + 1_000 * MILLISECOND_NS]


def test_a_timer_comes_at_multiples_of_its_interval_and_lost_ones_are_not_made_up(counter: Rig) -> None:
    for at_ms, expected in (
        (0, 0),
        (99, 0),
        (100, 1),
        (101, 1),
        (199, 1),
        (205, 2),
        (299, 2),
        (300, 3),
        (950, 4),
        (999, 4),
    ):
        counter.now_ns = START_NS + at_ms * MILLISECOND_NS
        counter.send(Kind.TIME)
        assert seen(counter, "timer") == [expected], at_ms


def test_the_timer_interval_is_a_parameter_of_each_instance(strategy_of, folder: Path | None) -> None:
    text = """
    class Params:
        timer_interval_ms: int = 50
    class State:
        n: int
    def on_timer(state):
        state.n += 1
    """
    strategy = strategy_of(text)
    rig = Rig([(strategy, 0, {}), (strategy, 0, {"timer_interval_ms": 200}), (strategy, 1, {})], folder, 2)
    for at_ms in range(0, 401, 10):
        rig.now_ns = START_NS + at_ms * MILLISECOND_NS
        rig.send(Kind.TIME)
    assert [seen(rig, "n", strategy=i) for i in range(3)] == [[8], [2], [8]]


def test_a_report_reaches_its_owner_only(strategy_of, folder: Path | None) -> None:
    strategy = strategy_of(COUNTER)
    rig = Rig([(strategy, 0, {}), (strategy, 0, {})], folder)
    rig.tell(1, ReportKind.FILL, {"liquidity": 2}, price_ticks=9, quantity_lots=4)
    rig.tell(1, ReportKind.REJECTED, code=int(Refusal.VENUE_FILTER))
    assert [seen(rig, "fill", "order", strategy=i) for i in range(2)] == [[0, 0], [1, 2]]
    assert seen(rig, "seen", "value", strategy=1) == [9_042, 5 + 0.75]


def test_a_duplicate_report_reaches_nobody(counter: Rig) -> None:
    counter.tell(0, ReportKind.FILL, applied=0)
    counter.tell(-1, ReportKind.FILL)
    assert seen(counter, "fill", "order") == [0, 0]


def test_risk_values_and_the_regime_are_told_apart(counter: Rig) -> None:
    bits = int(np.float64(2.5).view(np.int64))
    counter.send(Kind.RISK_VALUE, order_id=3, extra=bits)
    assert seen(counter, "risk", "regime", "value") == [1, 0, 7.5]
    counter.send(Kind.RISK_VALUE, order_id=1, extra=bits)
    assert seen(counter, "risk", "regime", "value") == [1, 1, 2.5]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_risk_value_that_is_no_number_reaches_no_strategy(counter: Rig, value: float) -> None:
    counter.send(Kind.RISK_VALUE, order_id=3, extra=int(np.float64(value).view(np.int64)))
    counter.send(Kind.RISK_VALUE, order_id=3, extra=int(np.float64(2.5).view(np.int64)))
    assert seen(counter, "risk", "value") == [1, 7.5]


def test_stop_is_told_by_the_command(counter: Rig) -> None:
    counter.send(Kind.COMMAND, extra=Command.HALT)
    counter.send(Kind.COMMAND, extra=Command.STOP)
    assert seen(counter, "stop") == [1]


def test_only_instances_of_the_instrument_run(strategy_of, folder: Path | None) -> None:
    strategy = strategy_of(COUNTER)
    rig = Rig([(strategy, 1, {}), (strategy, 0, {}), (strategy, 1, {})], folder, 3)
    rig.quote(55, 56, row=1)
    assert [seen(rig, "book", "seen", strategy=i) for i in range(3)] == [[1, 55], [0, 0], [1, 55]]
    rig.quote(1, 2, row=2)
    assert [seen(rig, "book", strategy=i) for i in range(3)] == [[1], [0], [1]]


def test_an_intent_carries_strategy_cause_and_tag(folder: Path | None) -> None:
    rig = Rig([(load("hello"), 1, {}), (load("market_maker"), 0, {})], folder, 2)
    rig.quote(10_000, 10_010)
    rig.now_ns += 1_000 * MILLISECOND_NS
    said = rig.send(Kind.LEVEL, sequence=41, flags=Flag.LAST | Source.MARKET << SOURCE_SHIFT)
    assert said["kind"].tolist() == [Kind.INTENT, Kind.DETAIL] * 2
    assert said["side"][::2].tolist() == [Side.BID, Side.ASK]
    assert all(flags & Flag.MORE for flags in said["flags"][::2])
    for detail in details(said):
        assert (detail["cause_sequence"], detail["cause_source"]) == (41, Source.MARKET)
        assert (detail["action"], detail["strategy"]) == (Action.NEW, 1)
    assert details(said)["tag"].tolist() == [1, 2]


FAILING = """
    from engine.strategy.api import BID, place
    class Params:
        index: int = 0
        divisor: float = 1.0
    class State:
        n: int
        ratio: float
    def on_book(state, params, book, orders):
        state.n += 1
        place(orders, BID, 100, 1)
        state.n += book.bid_price_ticks[params.index]
        state.ratio = 1.0 / params.divisor
"""


@pytest.mark.parametrize("params", [{"index": 10}, {"divisor": 0.0}])
def test_a_failing_instance_is_switched_off_and_the_others_go_on(
    params: dict[str, float], strategy_of, folder: Path | None
) -> None:
    strategy = strategy_of(FAILING)
    rig = Rig([(strategy, 0, {}), (strategy, 0, params), (strategy, 0, {})], folder)
    said = rig.quote(10, 11)
    assert said["kind"][::2].tolist() == [Kind.REFUSAL, Kind.INTENT, Kind.INTENT]
    assert said["extra"][0] == Refusal.STRATEGY_FAILED
    assert details(said)["strategy"].tolist() == [1, 0, 2]
    assert list(rig.stage.failed()) == [1]
    assert seen(rig, "n", "ratio", strategy=1) == [0, 0.0]
    said = rig.quote(10, 11)
    assert details(said)["strategy"].tolist() == [0, 2]
    activity = rig.stage.rows(ACTIVITY_VIEW)[0]
    assert (activity["calls"], activity["intents"], activity["faults"]) == (5, 4, 1)


def test_why_an_uncompiled_instance_failed_is_known(strategy_of) -> None:
    rig = Rig([(strategy_of(FAILING), 0, {"index": 10})], None)
    rig.quote(10, 11)
    assert rig.stage.failed()[0].startswith("on_book: IndexError")


def test_a_price_that_is_no_tick_is_refused_never_rounded(strategy_of, folder: Path | None) -> None:
    text = """
    from engine.strategy.api import BID, place
    def on_book(book, orders):
        place(orders, BID, book.bid_price_ticks[0] + 0.5, 1, 7)
        place(orders, BID, book.bid_price_ticks[0] + 1.0, 1, 8)
    """
    said = Rig([(strategy_of(text), 0, {})], folder).quote(10, 11)
    assert said["kind"][::2].tolist() == [Kind.REFUSAL, Kind.INTENT]
    assert (said["extra"][0], said["order_id"][0]) == (Refusal.PRICE_NOT_TICK, 7)
    assert said["price_ticks"][2] == 11


def test_more_requests_than_a_call_may_make_are_refused(strategy_of, folder: Path | None) -> None:
    text = """
    from engine.strategy.api import BID, place
    def on_book(orders):
        for i in range(20):
            place(orders, BID, 100 + i, 1)
    """
    said = Rig([(strategy_of(text), 0, {})], folder).quote(10, 11)
    assert said["kind"][::2].tolist() == [Kind.INTENT] * REQUESTS_PER_CALL + [Kind.REFUSAL]
    assert (said["extra"][-2], said["quantity_lots"][-2]) == (Refusal.OUTBOX_FULL, 20 - REQUESTS_PER_CALL)


def test_the_refusal_of_too_many_requests_names_who_asked_for_them(strategy_of, folder: Path | None) -> None:
    text = """
    from engine.strategy.api import BID, place
    class Params:
        n: int = 1
    def on_book(orders, params):
        for i in range(params.n):
            place(orders, BID, 100 + i, 1)
    """
    said = Rig([(strategy_of(text), 0, {"n": n}) for n in (16, 17, 1, 19)], folder).quote(10, 11)
    refused = said[::2]["kind"] == Kind.REFUSAL
    assert details(said)["strategy"][refused].tolist() == [1, 3]
    assert said[::2]["quantity_lots"][refused].tolist() == [1, 3]
    assert np.count_nonzero(~refused) == 16 + 16 + 1 + 16


def test_a_restored_snapshot_goes_on_identically(cache: Path) -> None:
    strategies: list[tuple[Strategy, int, dict[str, int | float]]] = [(load("market_maker"), 0, {})] * 3
    first, second = Rig(strategies, cache), Rig(strategies, cache)
    session(first, 1, 200)
    second.stage.restore(first.stage.snapshot())
    first.account[:], second.account[:] = 0, 0
    second.now_ns = first.now_ns
    first.orders = second.orders = 0
    assert session(first, 2, 200) == session(second, 2, 200)


def test_a_thousand_copies_do_each_what_one_does(cache: Path) -> None:
    strategy = load("market_maker")
    one, many = Rig([(strategy, 0, {})], cache), Rig([(strategy, 0, {})] * 1_000, cache)
    alone, together = one.quote(10_000, 10_010), many.quote(10_000, 10_010)
    assert len(together) == 1_000 * len(alone)
    assert np.array_equal(details(together)["strategy"], np.repeat(np.arange(1_000), 2))
    for name in ("price_ticks", "quantity_lots", "side"):
        assert np.array_equal(together[::2][name], np.tile(alone[::2][name], 1_000))


def test_the_digest_covers_every_state(strategy_of, folder: Path | None) -> None:
    text = """
    class Params:
        x: float = 0.0
    class State:
        x: float
    def on_book(state, params):
        state.x = params.x
    """
    strategy = strategy_of(text)
    rigs = [
        Rig([(strategy, 0, {"x": a}), (strategy, 0, {"x": b})], folder)
        for a, b in ((0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (0.0, 1.0000000000000002))
    ]
    for rig in rigs:
        rig.quote(10, 11)
    assert len({int(rig.stage.rows(ACTIVITY_VIEW)["digest"][0]) for rig in rigs}) == 4


def test_views_that_do_not_fit_are_refused(counter: Rig) -> None:
    wrong = FixedView(np.zeros(1, "<i8"))
    with pytest.raises(ValueError, match="view of 1 rows of 8 bytes"):
        StrategyStage(instruments(), counter.bound, book=wrong.capsule())
    with pytest.raises(ValueError, match="there is no instrument row 0"):
        StrategyStage(instruments()[:0], counter.bound)
