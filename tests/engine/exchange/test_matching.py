"""The fast engine against the obvious one, and what no sequence of commands may break."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.exchange.events import Event, EventKind, Reject
from engine.exchange.matching import MatchingEngine
from engine.exchange.reference import SLOT_BITS, ReferenceEngine
from ipc.messages import OrderType, Side, TimeInForce

BUY, SELL = Side.BID, Side.ASK
LIMIT, GTC = OrderType.LIMIT, TimeInForce.GTC

submits = st.tuples(
    st.just("submit"),
    st.integers(0, 2),
    st.sampled_from([BUY, SELL]),
    st.sampled_from([*OrderType, LIMIT, LIMIT]),
    st.sampled_from([*TimeInForce, GTC]),
    st.integers(95, 105),
    st.integers(1, 20),
)
cancels = st.tuples(st.just("cancel"), st.integers(0, 60))
replaces = st.tuples(
    st.just("replace"),
    st.integers(0, 60),
    st.integers(0, 2),
    st.sampled_from([BUY, SELL]),
    st.sampled_from([*OrderType]),
    st.sampled_from([*TimeInForce]),
    st.integers(95, 105),
    st.integers(1, 20),
)


def serials(events: list[Event]) -> list[Event]:
    return [(*e[:2], e[2] >> SLOT_BITS, *e[3:7], e[7] >> SLOT_BITS, *e[8:]) for e in events]  # type: ignore[misc]


@settings(max_examples=150, deadline=None)
@given(st.lists(st.one_of(submits, submits, submits, cancels, replaces), min_size=1, max_size=80))
def test_fast_engine_says_exactly_what_the_reference_says(commands: list[tuple]) -> None:  # type: ignore[type-arg]
    fast, reference = MatchingEngine(order_capacity=24, level_capacity=64), ReferenceEngine(order_capacity=24)
    ids = [0]
    for name, *arguments in commands:
        if name == "submit":
            ids.append(fast.submit(*arguments))
            assert reference.submit(*arguments) == ids[-1] >> SLOT_BITS
        elif name == "cancel":
            order_id = ids[arguments[0] % len(ids)]
            assert fast.cancel(order_id) == reference.cancel(order_id >> SLOT_BITS)
        else:
            order_id = ids[arguments[0] % len(ids)]
            new = fast.replace(order_id, *arguments[1:])
            assert reference.replace(order_id >> SLOT_BITS, *arguments[1:]) == new >> SLOT_BITS
            ids += [new] if new else []
        assert serials(fast.events()) == reference.events()
        assert (fast.resting, fast.update_id, fast.trade_id) == (
            reference.resting,
            reference.update_id,
            reference.trade_id,
        )
        for side in (BUY, SELL):
            assert fast.depth(side, 100) == reference.depth(side, 100)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.one_of(submits, submits, cancels), min_size=1, max_size=120))
def test_lots_are_conserved_and_the_book_never_crosses(commands: list[tuple]) -> None:  # type: ignore[type-arg]
    engine = MatchingEngine()
    ids = [0]
    entered = left = traded = 0
    for name, *arguments in commands:
        if name == "submit":
            entered += arguments[-1]
            ids.append(engine.submit(*arguments))
        else:
            engine.cancel(ids[arguments[0] % len(ids)])
        for event in engine.events():
            if event[0] == EventKind.TRADE:
                traded += event[5]
            elif event[0] in (EventKind.EXPIRED, EventKind.PREVENTED, EventKind.CANCELLED, EventKind.REJECTED):
                left += event[5]
        book = sum(lots for side in (BUY, SELL) for _, lots in engine.depth(side, 1000))
        assert entered == left + 2 * traded + book
        (bid, _), (ask, _) = engine.best(BUY), engine.best(SELL)
        assert not (bid and ask) or bid < ask


def test_first_come_is_first_served_at_a_price_and_the_better_price_before_that() -> None:
    engine = MatchingEngine()
    late_better = 0
    first = engine.submit(1, SELL, LIMIT, GTC, 101, 5)
    second = engine.submit(2, SELL, LIMIT, GTC, 101, 5)
    late_better = engine.submit(3, SELL, LIMIT, GTC, 100, 5)
    engine.submit(4, BUY, LIMIT, GTC, 101, 12)
    trades = [(e[7], e[4], e[5]) for e in engine.events() if e[0] == EventKind.TRADE]
    assert trades == [(late_better, 100, 5), (first, 101, 5), (second, 101, 2)]
    assert engine.remaining(second) == 3


def test_own_resting_order_expires_instead_of_trading_with_its_owner() -> None:
    engine = MatchingEngine()
    own = engine.submit(7, SELL, LIMIT, GTC, 100, 5)
    engine.submit(8, SELL, LIMIT, GTC, 100, 5)
    engine.submit(7, BUY, LIMIT, GTC, 100, 5)
    kinds = [(e[0], e[2] if e[0] == EventKind.PREVENTED else e[8]) for e in engine.events()]
    assert (EventKind.PREVENTED, own) in kinds
    assert (EventKind.TRADE, 8) in kinds


def test_limit_maker_that_would_take_is_rejected_and_changes_nothing() -> None:
    engine = MatchingEngine()
    engine.submit(1, SELL, LIMIT, GTC, 100, 5)
    before = engine.update_id
    engine.submit(2, BUY, OrderType.LIMIT_MAKER, GTC, 100, 5)
    assert [(e[0], e[10]) for e in engine.events()] == [(EventKind.REJECTED, Reject.WOULD_TAKE)]
    assert engine.update_id == before


def test_an_order_that_meets_more_orders_than_can_be_told_loses_its_rest_and_never_crosses_the_book() -> None:
    engine = MatchingEngine(event_capacity=16)
    for _ in range(30):
        engine.submit(1, SELL, LIMIT, GTC, 100, 1)
    engine.submit(2, BUY, LIMIT, GTC, 100, 30)
    assert engine.events()[-1][0] == EventKind.EXPIRED
    assert engine.best(BUY) == (0, 0)
    assert engine.best(SELL)[1] == 30 - sum(e[0] == EventKind.TRADE for e in engine.events())


@pytest.mark.parametrize(("price", "quantity"), [(0, 1), (100, 0), (-1, 1)])
def test_price_or_quantity_that_is_none_is_an_error(price: int, quantity: int) -> None:
    with pytest.raises(ValueError, match="must be positive"):
        MatchingEngine().submit(1, BUY, LIMIT, GTC, price, quantity)
