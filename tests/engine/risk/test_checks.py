"""Every check at its boundary: exactly at the limit passes, one more is refused with its code, observed and limit."""

import pytest

from engine.risk.limits import ALL_INSTRUMENTS, Limit
from engine.risk.reference import DAY_NS
from ipc.instruments import Contract
from ipc.messages import Action, BookState, Command, Kind, OrderType, Refusal, Side
from tests.engine.execution import desk as make
from tests.engine.risk.rig import PASSED, QUOTE, Rig


def test_quantity_at_the_limit_passes_and_one_lot_more_is_refused() -> None:
    rig = Rig(order_quantity_lots=2_000)
    assert rig.send(quantity_lots=2_000) == PASSED
    assert rig.view["headroom"][Limit.ORDER_QUANTITY_LOTS] == 0
    assert rig.send(quantity_lots=2_001) == (Refusal.QUANTITY_TOO_LARGE, 2_001, 2_000)


@pytest.mark.parametrize("lots", [0, -5])
def test_quantity_that_is_none_is_refused(lots: int) -> None:
    assert Rig().send(quantity_lots=lots) == (Refusal.QUANTITY_ZERO, lots, 1)


def test_quantity_below_the_smallest_of_the_venue_is_refused() -> None:
    instruments = make.table()
    instruments["minimum_quantity_lots"] = 700
    rig = Rig(instruments)
    assert rig.send(quantity_lots=700) == PASSED
    assert rig.send(quantity_lots=699) == (Refusal.QUANTITY_ZERO, 699, 700)


def test_price_at_the_collar_passes_and_one_tick_further_is_refused_on_both_sides() -> None:
    rig = Rig(price_collar_bp=100)
    assert rig.send(price_ticks=10_100) == PASSED
    assert rig.send(price_ticks=9_900, side=Side.ASK) == PASSED
    assert rig.send(price_ticks=10_101) == (Refusal.PRICE_COLLAR, 101, 100)
    assert rig.send(price_ticks=9_899, side=Side.ASK) == (Refusal.PRICE_COLLAR, 101, 100)


def test_collar_uses_the_last_trade_where_one_side_of_the_book_is_empty() -> None:
    rig = Rig(price_collar_bp=100)
    rig.books[0]["ask_quantity_lots"][0] = 0
    assert rig.send() == (Refusal.NO_REFERENCE_PRICE, 0, 1)
    rig.books[0]["trade_price_ticks"] = 9_000
    assert rig.send(price_ticks=9_090) == PASSED
    assert rig.send(price_ticks=9_091)[0] == Refusal.PRICE_COLLAR


@pytest.mark.parametrize("price", [0, -1])
def test_price_that_is_none_is_refused(price: int) -> None:
    assert Rig().send(price_ticks=price)[0] == Refusal.PRICE_NOT_TICK


def test_price_outside_the_bounds_of_the_venue_is_refused() -> None:
    instruments = make.table()
    instruments["minimum_price_ticks"], instruments["maximum_price_ticks"] = 9_990, 10_010
    rig = Rig(instruments)
    assert rig.send(price_ticks=9_990) == PASSED
    assert rig.send(price_ticks=10_010) == PASSED
    assert rig.send(price_ticks=9_989) == (Refusal.PRICE_NOT_TICK, 9_989, 9_990)
    assert rig.send(price_ticks=10_011) == (Refusal.PRICE_NOT_TICK, 10_011, 10_010)


def test_order_of_no_side_is_refused() -> None:
    assert Rig().send(side=Side.NONE)[0] == Refusal.PRICE_NOT_TICK


def test_market_order_needs_no_price_and_is_valued_at_the_mid() -> None:
    rig = Rig(order_value_quote=100)
    assert rig.send(price_ticks=0, order_type=OrderType.MARKET) == PASSED
    assert rig.view["headroom"][Limit.ORDER_VALUE_ATOMS] == 0
    assert rig.send(price_ticks=0, order_type=OrderType.MARKET, quantity_lots=1_001)[0] == Refusal.ORDER_VALUE


def test_value_at_the_limit_passes_and_one_lot_more_is_refused() -> None:
    rig = Rig(order_value_quote=100)
    assert rig.send(quantity_lots=1_000) == PASSED  # 1,000 lots at 10,000 ticks of 1,000 atoms
    assert rig.send(quantity_lots=1_001) == (Refusal.ORDER_VALUE, 1_001 * 10_000 * 1_000, 100 * QUOTE)


def test_value_at_the_smallest_of_the_venue_passes_and_one_lot_less_is_refused() -> None:
    rig = Rig()
    assert rig.send(quantity_lots=50) == PASSED  # 5 quote units
    assert rig.send(quantity_lots=49) == (Refusal.ORDER_VALUE_TOO_SMALL, 49 * 10_000 * 1_000, 5 * QUOTE)
    assert rig.limit(Limit.ORDER_VALUE_MINIMUM_ATOMS, 6 * QUOTE).size == 0
    assert rig.send(quantity_lots=59)[0] == Refusal.ORDER_VALUE_TOO_SMALL
    assert rig.send(quantity_lots=60) == PASSED


@pytest.mark.parametrize(("side", "sign"), [(Side.BID, 1), (Side.ASK, -1)])
def test_position_counts_what_is_open_on_the_same_side_and_never_the_other(side: int, sign: int) -> None:
    rig = Rig(position_lots=10_000)
    same, other = ("open_buy_lots", "open_sell_lots") if side == Side.BID else ("open_sell_lots", "open_buy_lots")
    rig.hold(position_lots=sign * 4_000, cost_tick_lots=sign * 40_000_000, **{same: 5_000, other: 9_000})
    assert rig.send(side=side, quantity_lots=1_001) == (Refusal.POSITION_LIMIT, 10_001, 10_000)
    assert rig.send(side=side, quantity_lots=1_000) == PASSED
    assert rig.view["headroom"][Limit.POSITION_LOTS] == 0


def test_order_that_reduces_passes_although_the_position_is_beyond_the_limit() -> None:
    rig = Rig(position_lots=1_000, position_value_quote=50, gross_notional_quote=50)
    rig.hold(position_lots=3_000, cost_tick_lots=30_000_000)
    assert rig.send(side=Side.ASK, quantity_lots=4_000) == PASSED
    assert rig.send(side=Side.ASK, quantity_lots=4_001)[0] == Refusal.POSITION_LIMIT
    assert rig.send(side=Side.BID, quantity_lots=100)[0] == Refusal.POSITION_LIMIT
    rig.stage.drive(make.time(rig.now_ns))
    assert rig.view["headroom"][Limit.POSITION_LOTS] == -2_000


def test_position_value_at_the_limit_passes_and_one_lot_more_is_refused() -> None:
    rig = Rig(position_value_quote=100)
    assert rig.send(quantity_lots=1_000) == PASSED
    assert rig.view["headroom"][Limit.POSITION_VALUE_ATOMS] == 0
    assert rig.send(quantity_lots=1_001) == (Refusal.POSITION_LIMIT, 1_001 * 10_000_000, 100 * QUOTE)


def test_gross_notional_adds_the_larger_worst_case_of_every_instrument() -> None:
    rig = Rig(make.table(("0.01", "0.001"), ("0.01", "0.001")), gross_notional_quote=100)
    rig.accounts[1]["open_buy_lots"], rig.accounts[1]["open_sell_lots"] = 300, 400
    assert rig.send(quantity_lots=601) == (Refusal.GROSS_NOTIONAL, 1_001 * 10_000_000, 100 * QUOTE)
    assert rig.send(quantity_lots=600) == PASSED
    assert rig.view["headroom"][Limit.GROSS_NOTIONAL_ATOMS] == 0


def test_open_orders_at_the_limit_pass_and_one_more_is_refused() -> None:
    rig = Rig(open_orders=3)
    rig.hold(open_orders=2)
    assert rig.send() == PASSED
    assert rig.view["headroom"][Limit.OPEN_ORDERS] == 0
    rig.hold(open_orders=3)
    assert rig.send() == (Refusal.OPEN_ORDERS, 4, 3)


def test_stale_book_refuses_one_nanosecond_after_the_limit() -> None:
    rig = Rig(stale_data_ms=500)
    rig.now_ns += 500 * make.MILLISECOND
    assert rig.send() == PASSED
    assert rig.view["headroom"][Limit.STALE_DATA_NS] == 0
    rig.now_ns += 1
    assert rig.send() == (Refusal.STALE_DATA, 500 * make.MILLISECOND + 1, 500 * make.MILLISECOND)


@pytest.mark.parametrize("state", [state for state in BookState if state is not BookState.VALID])
def test_no_order_passes_on_a_book_that_is_not_valid_not_even_one_that_reduces(state: BookState) -> None:
    rig = Rig()
    rig.hold(position_lots=5_000, cost_tick_lots=50_000_000)
    rig.books[0]["state"] = state
    expected = (Refusal.BOOK_NOT_VALID, state, BookState.VALID)
    assert rig.send() == expected
    assert rig.send(side=Side.ASK, reduce_only=1) == expected
    rig.stage.drive(make.command(Command.FLATTEN, rig.now_ns))
    assert rig.send(side=Side.ASK, reduce_only=1) == expected


@pytest.mark.parametrize("action", [Action.CANCEL, Action.QUERY])
def test_cancels_and_queries_pass_whatever_else_is_wrong(action: Action) -> None:
    rig = Rig(cancel_rate_per_s=1, cancel_burst=2)
    rig.books["state"] = BookState.GAP
    rig.stage.drive(make.command(Command.HALT, rig.now_ns))
    for _ in range(5):
        assert rig.send(action=action, price_ticks=0, quantity_lots=0, target=3) == PASSED
    assert rig.view["headroom"][Limit.CANCEL_BURST] == 0


def test_action_that_does_not_exist_is_refused() -> None:
    assert Rig().send(action=9)[0] == Refusal.ORDER_UNKNOWN


def test_instrument_that_the_strategy_does_not_trade_is_unknown() -> None:
    rig = Rig(make.table(("0.01", "0.001"), ("0.01", "0.001")))
    for instrument, strategy in ((1, 0), (2, 0), (0, 2), (ALL_INSTRUMENTS, 0)):
        assert rig.send(instrument=instrument, strategy=strategy) == (Refusal.INSTRUMENT_UNKNOWN, instrument, 2)


def test_inverse_contract_is_refused_as_unknown() -> None:
    instruments = make.table()
    instruments["contract"] = Contract.INVERSE
    assert Rig(instruments).send()[0] == Refusal.INSTRUMENT_UNKNOWN


def test_instrument_halted_by_the_venue_refuses_until_it_trades_again() -> None:
    rig = Rig()
    rig.stage.drive(make.single(Kind.TRADING_STATUS, extra=0, time_ns=rig.now_ns))
    assert rig.send() == (Refusal.INSTRUMENT_HALTED, 0, 0)
    rig.stage.drive(make.single(Kind.TRADING_STATUS, extra=1, time_ns=rig.now_ns))
    assert rig.send() == PASSED


def test_order_rate_lets_the_burst_pass_and_then_one_each_interval() -> None:
    rig = Rig(order_rate_per_s=10, order_burst=3)
    assert [rig.send()[0] for _ in range(4)] == [0, 0, 0, Refusal.MESSAGE_RATE]
    rig.now_ns += 100 * make.MILLISECOND - 1
    assert rig.send() == (Refusal.MESSAGE_RATE, 1, 0)
    rig.now_ns += 1
    assert rig.send() == PASSED
    assert rig.send()[0] == Refusal.MESSAGE_RATE
    rig.now_ns += DAY_NS
    rig.books["receive_time_ns"] = rig.now_ns
    assert [rig.send()[0] for _ in range(4)] == [0, 0, 0, Refusal.MESSAGE_RATE]


def test_equal_order_is_refused_when_repeated_too_often_within_the_window() -> None:
    rig = Rig(repeated_orders=2, repeat_window_ms=100)
    assert [rig.send()[0] for _ in range(2)] == [0, 0]
    assert rig.send() == (Refusal.REPEATED_ORDER, 3, 2)
    assert rig.send(price_ticks=10_001) == PASSED
    assert rig.send(quantity_lots=1_001) == PASSED
    assert rig.send(side=Side.ASK) == PASSED
    rig.now_ns += 100 * make.MILLISECOND - 1
    assert rig.send()[0] == Refusal.REPEATED_ORDER
    rig.now_ns += 1
    assert rig.send() == PASSED


def test_repeats_are_counted_as_far_back_as_the_memory_reaches_and_no_further() -> None:
    rig = Rig(repeated_orders=32, repeat_memory=32, order_rate_per_s=16, order_burst=16)
    assert [rig.send()[0] for _ in range(16)] == [0] * 16
    rig.limit(Limit.ORDER_BURST, 1_000)
    rig.limit(Limit.ORDER_RATE_PER_S, 1_000)
    rig.now_ns += 30 * make.MILLISECOND
    assert [rig.send()[0] for _ in range(17)] == [0] * 16 + [Refusal.REPEATED_ORDER]
    assert rig.send(side=Side.ASK) == PASSED  # pushes the oldest out
    assert [rig.send()[0] for _ in range(2)] == [0, 0]


def test_reduce_only_order_closes_what_is_held_and_not_a_lot_more() -> None:
    rig = Rig()
    assert rig.send(reduce_only=1) == (Refusal.REDUCE_ONLY, 1_000, 0)
    rig.hold(position_lots=-1_500, cost_tick_lots=-15_000_000, open_buy_lots=400)
    assert rig.send(reduce_only=1, quantity_lots=1_100) == PASSED
    assert rig.send(reduce_only=1, quantity_lots=1_101) == (Refusal.REDUCE_ONLY, 1_501, 1_500)
    assert rig.send(reduce_only=1, side=Side.ASK)[0] == Refusal.REDUCE_ONLY
