"""Daily loss, the kill switch, limits changed at run time, overflow, settings."""

from typing import Any

import pytest

from engine.risk.config import InstrumentLimits, RiskSettings
from engine.risk.limits import ALL_INSTRUMENTS, BOUNDS, CHECKS, LIMITS, Limit
from engine.risk.reference import DAY_NS
from engine.stage import RISK_VIEW
from ipc.messages import Action, Command, Kind, OrderType, Refusal, Side
from tests.engine.execution import desk as make
from tests.engine.risk import market
from tests.engine.risk.rig import PASSED, QUOTE, Rig


def lose(rig: Rig, atoms: int) -> None:
    rig.hold(realised_tick_lots=-(atoms // 1_000), fees_atoms=atoms % 1_000, sent=1)


def test_daily_loss_at_the_limit_passes_and_one_atom_more_throws_the_kill_switch_until_resume() -> None:
    rig = Rig(daily_loss_quote=50)
    lose(rig, 50 * QUOTE)
    assert rig.send() == PASSED
    assert rig.view["headroom"][Limit.DAILY_LOSS_ATOMS] == 0
    lose(rig, 50 * QUOTE + 1)
    assert rig.send() == (Refusal.DAILY_LOSS, 50 * QUOTE + 1, 50 * QUOTE)
    lose(rig, 0)
    assert rig.send() == (Refusal.KILL_SWITCH, Refusal.DAILY_LOSS, 0)
    rig.stage.drive(make.command(Command.RESUME, rig.now_ns))
    assert rig.send() == PASSED


def test_daily_loss_is_noticed_without_an_order_and_said_once() -> None:
    rig = Rig(daily_loss_quote=50)
    lose(rig, 60 * QUOTE)
    said = rig.stage.drive(make.time(rig.now_ns + 1))
    assert (said["kind"].tolist(), said["extra"].tolist()) == ([Kind.REFUSAL], [Refusal.DAILY_LOSS])
    assert (said["quantity_lots"][0], said["price_ticks"][0]) == (60 * QUOTE, 50 * QUOTE)
    assert rig.stage.drive(make.time(rig.now_ns + 2)).size == 0
    assert (rig.view["halted"], rig.view["halt_reason"]) == (1, Refusal.DAILY_LOSS)


def test_resume_on_the_same_day_and_limit_halts_again_but_a_new_day_or_limit_trades() -> None:
    rig = Rig(daily_loss_quote=50)
    lose(rig, 60 * QUOTE)
    resume = make.command(Command.RESUME, rig.now_ns)
    rig.stage.drive(make.time(rig.now_ns + 1))
    rig.stage.drive(resume)
    assert rig.send()[0] == Refusal.KILL_SWITCH
    rig.limit(Limit.DAILY_LOSS_ATOMS, 70 * QUOTE)
    assert rig.send()[0] == Refusal.KILL_SWITCH
    rig.stage.drive(resume)
    assert rig.send() == PASSED
    lose(rig, 80 * QUOTE)
    assert rig.send()[0] == Refusal.DAILY_LOSS
    rig.now_ns = (rig.now_ns // DAY_NS + 1) * DAY_NS
    rig.books["receive_time_ns"] = rig.now_ns
    rig.stage.drive(make.time(rig.now_ns))
    assert rig.view["daily_pnl_atoms"] == 0
    assert rig.send()[0] == Refusal.KILL_SWITCH
    rig.stage.drive(make.command(Command.RESUME, rig.now_ns))
    assert rig.send() == PASSED


def test_unrealised_loss_at_the_mid_counts() -> None:
    rig = Rig(daily_loss_quote=50)
    rig.hold(position_lots=1_000, cost_tick_lots=1_000 * 15_000)
    assert rig.send() == PASSED
    rig.books["ask_price_ticks"][:, 0] -= 1
    assert rig.send() == (Refusal.DAILY_LOSS, 50 * QUOTE + 500_000, 50 * QUOTE)


@pytest.mark.parametrize("command", [Command.HALT, Command.STOP, Command.FLATTEN])
def test_halt_refuses_everything_new_until_resume(command: Command) -> None:
    rig = Rig()
    rig.stage.drive(make.command(command, rig.now_ns))
    assert rig.send() == (Refusal.KILL_SWITCH, Refusal.KILL_SWITCH, 0)
    assert rig.send(action=Action.REPLACE, target=1)[0] == Refusal.KILL_SWITCH
    rig.stage.drive(make.command(Command.RESUME, rig.now_ns))
    assert rig.send() == PASSED


def test_flatten_lets_only_closing_orders_through_past_our_own_size_limits() -> None:
    rig = Rig(order_quantity_lots=500, order_value_quote=10, daily_loss_quote=1)
    rig.hold(position_lots=2_000, cost_tick_lots=2_000 * 11_000)
    close = {"side": Side.ASK, "reduce_only": 1, "order_type": OrderType.MARKET, "price_ticks": 0}
    rig.stage.drive(make.command(Command.HALT, rig.now_ns))
    assert rig.send(**close)[0] == Refusal.KILL_SWITCH
    rig.stage.drive(make.command(Command.FLATTEN, rig.now_ns))
    assert rig.send(quantity_lots=2_000, **close) == PASSED
    assert rig.send(quantity_lots=2_001, **close)[0] == Refusal.REDUCE_ONLY
    assert rig.send(side=Side.ASK, quantity_lots=100)[0] == Refusal.KILL_SWITCH


@pytest.mark.parametrize(
    ("fields", "order"),
    [
        ({}, {"quantity_lots": 1 << 50, "price_ticks": 10_000}),
        ({"position_lots": 1 << 61, "sent": 1}, {}),
        ({"open_buy_lots": (1 << 63) - 1}, {}),
        ({"open_sell_lots": (1 << 63) - 1, "position_lots": -(1 << 61)}, {}),
        ({"realised_tick_lots": 1 << 61, "sent": 1}, {}),
        ({"realised_tick_lots": -(1 << 61), "cost_tick_lots": 1 << 61, "sent": 1}, {}),
        ({"fees_atoms": -(1 << 62), "sent": 1}, {}),
    ],
)
def test_figures_that_do_not_fit_are_refused_never_wrapped(fields: dict[str, int], order: dict[str, int]) -> None:
    instruments = make.table()
    instruments["maximum_quantity_lots"] = 1 << 60
    rig = Rig(instruments, order_quantity_lots=1 << 50)
    rig.hold(**fields)
    assert rig.send(**order)[0] == Refusal.ARITHMETIC_OVERFLOW
    rig.hold(**dict.fromkeys(fields, 0))
    assert rig.send() == PASSED


def test_limits_are_read_and_changed_by_their_names_and_numbers() -> None:
    rig = Rig(make.table(("0.01", "0.001"), ("0.01", "0.001")))
    for limit in Limit:
        assert LIMITS[limit] == limit.name.lower()
        assert rig.limit(limit, BOUNDS[limit].highest, ALL_INSTRUMENTS).size == 0
        assert rig.view["limit"][limit] == BOUNDS[limit].highest or limit is Limit.ORDER_QUANTITY_LOTS
    rig.limit(Limit.POSITION_LOTS, 500, instrument=1)
    assert (rig.view["limit"][Limit.POSITION_LOTS], rig.view["headroom"][Limit.POSITION_LOTS]) == (500, 500)
    rig.limit(Limit.ORDER_VALUE_MINIMUM_ATOMS, 0)
    assert rig.send(instrument=1, strategy=1) == (Refusal.POSITION_LIMIT, 1_000, 500)
    assert rig.send(instrument=0, strategy=0) == PASSED


@pytest.mark.parametrize("limit", list(Limit))
def test_impossible_limit_is_refused_and_changes_nothing(limit: Limit) -> None:
    rig = Rig()
    before = rig.stage.rows(RISK_VIEW)["limit"].copy()
    for value in (BOUNDS[limit].lowest - 1, BOUNDS[limit].highest + 1):
        said = rig.limit(limit, value)
        assert said["extra"].tolist() == [Refusal.LIMIT_IMPOSSIBLE]
        assert (said["quantity_lots"][0], said["price_ticks"][0]) == (value, limit)
    assert rig.limit(len(Limit), 1)["extra"].tolist() == [Refusal.LIMIT_IMPOSSIBLE]
    assert rig.limit(0, 1, instrument=5)["extra"].tolist() == [Refusal.LIMIT_IMPOSSIBLE]
    assert (rig.stage.rows(RISK_VIEW)["limit"] == before).all()


def test_lower_rate_takes_what_was_saved_beyond_its_burst() -> None:
    rig = Rig(order_burst=100)
    rig.limit(Limit.ORDER_BURST, 2)
    rig.limit(Limit.ORDER_RATE_PER_S, 1)
    assert [rig.send()[0] for _ in range(3)] == [0, 0, Refusal.MESSAGE_RATE]


def test_every_refusal_of_the_table_of_checks_is_counted_by_its_code() -> None:
    rig = Rig(order_quantity_lots=10)
    rig.send(tag=77)
    assert rig.view["refused"][Refusal.QUANTITY_TOO_LARGE] == 1
    assert (rig.view["orders_passed"], rig.view["orders_refused"]) == (0, 1)
    assert {code for _, codes in CHECKS for code in codes} <= set(Refusal)


def test_refusal_carries_the_order_so_that_its_strategy_is_known() -> None:
    rig = Rig(order_quantity_lots=10)
    records = make.order(Kind.SIZED, quantity_lots=50, tag=9, time_ns=rig.now_ns)
    said = rig.stage.drive(records)
    assert (said[1].tobytes(), said["order_id"][0]) == (records[1].tobytes(), 9)


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"price_collar_bp": 0}, "price_collar_bp must be from 1 to 10000"),
        ({"order_burst": 0}, "order_burst"),
        ({"daily_loss_quote": -1}, "daily_loss_quote"),
        ({"gross_notional_quote": 1 << 60}, "gross_notional_quote"),
        ({"stale_data_ms": 0}, "stale_data_ms must be from 1 to"),
        ({"repeat_memory": 100}, "repeat_memory"),
        ({"repeated_orders": 200}, "repeated_orders"),
        ({"order_rate_per_s": 100}, r"repeat_memory \(128\) must hold the 150 orders"),
        ({"order_value_minimum_quote": 20, "order_value_quote": 10}, "no order could pass"),
        ({"instruments": {"A.B": InstrumentLimits(position_lots=-1)}}, "instruments.A.B.position_lots"),
    ],
)
def test_impossible_settings_are_refused_by_name(settings: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        RiskSettings(**settings)


def test_settings_for_an_instrument_that_is_not_in_the_table_are_refused() -> None:
    rig, unknown = Rig(), {"ETHUSDT.BINANCE": InstrumentLimits()}
    with pytest.raises(ValueError, match=r"ETHUSDT\.BINANCE: no such instrument"):
        market.risk(rig.instruments, rig.books, rig.accounts, rig.strategies, RiskSettings(instruments=unknown))


def test_view_of_another_kind_is_refused() -> None:
    rig = Rig()
    with pytest.raises(ValueError, match="another kind"):
        market.risk(rig.instruments, rig.accounts, rig.books, rig.strategies)


def test_restored_risk_goes_on_as_the_original() -> None:
    rig, copy = Rig(order_burst=3, order_rate_per_s=1), Rig(order_burst=3, order_rate_per_s=1)
    rig.send()
    rig.send()
    copy.stage.restore(rig.stage.snapshot())
    for _ in range(2):
        assert copy.send() == rig.send()
    assert copy.stage.snapshot() == rig.stage.snapshot()


def test_a_full_order_ring_refuses_new_orders_until_it_has_room_and_lets_cancels_through() -> None:
    rig = Rig()
    assert rig.send() == PASSED
    rig.stage.drive(make.single(Kind.RING_FULL, time_ns=rig.now_ns, quantity_lots=1))
    assert rig.send() == (Refusal.ORDER_RING_FULL, 0, 0)
    assert rig.send(action=Action.CANCEL) == PASSED
    rig.stage.drive(make.single(Kind.RING_FULL, time_ns=rig.now_ns, quantity_lots=0))
    assert rig.send() == PASSED
