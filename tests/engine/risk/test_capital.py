"""Limits on the equity: daily loss, drawdown soft and hard, leverage, concentration."""

from engine.risk.limits import Limit
from ipc.messages import Command, Refusal, Side
from tests.engine.execution import desk as make
from tests.engine.risk.rig import PASSED, QUOTE, Rig


def mark(rig: Rig, mid: int) -> list[int]:
    """The mid moves and a millisecond passes; codes of what risk says by itself."""
    rig.books["bid_price_ticks"][:, 0], rig.books["ask_price_ticks"][:, 0] = mid - 10, mid + 10
    rig.now_ns += make.MILLISECOND
    rig.books["receive_time_ns"] = rig.now_ns
    said = rig.stage.drive(make.time(rig.now_ns))
    return [int(code) for code in said["extra"]]


def holding(lots: int, **limits: int) -> Rig:
    """Capital 10,000; so many lots bought at the mid of 10,000 ticks, 0.1 of the quote currency each."""
    rig = Rig(**({"capital_quote": 10_000, "leverage_bp": 0, "concentration_bp": 0} | limits))
    rig.hold(position_lots=lots, cost_tick_lots=lots * 10_000)
    mark(rig, 10_000)
    return rig


def test_the_day_may_lose_two_percent_of_the_equity_it_began_with() -> None:
    rig = holding(10_000)  # 1,000 quote; a tick is 0.1 quote
    assert mark(rig, 8_000) == []
    assert rig.view["headroom"][Limit.DAILY_LOSS_BP] == 0
    assert mark(rig, 7_999) == [Refusal.DAILY_LOSS]
    assert (rig.view["halted"], rig.view["halt_reason"]) == (1, Refusal.DAILY_LOSS)
    assert rig.send() == (Refusal.KILL_SWITCH, Refusal.DAILY_LOSS, 0)


def test_the_hard_drawdown_is_of_the_highest_equity_and_halts() -> None:
    rig = holding(50_000, daily_loss_bp=0, drawdown_soft_bp=0)  # a tick is 0.5 quote
    assert mark(rig, 30_000) == []  # equity 20,000
    assert rig.view["peak_equity_atoms"] == 20_000 * QUOTE
    assert mark(rig, 22_000) == []  # 16,000: exactly 20 %
    assert rig.view["headroom"][Limit.DRAWDOWN_HARD_BP] == 0
    assert mark(rig, 21_999) == [Refusal.DRAWDOWN_HARD]
    rig.stage.drive(make.command(Command.RESUME, rig.now_ns))
    assert rig.view["halt_reason"] == Refusal.DRAWDOWN_HARD  # still lost: halted again at once
    rig.limit(Limit.DRAWDOWN_HARD_BP, 3_000)
    rig.stage.drive(make.command(Command.RESUME, rig.now_ns))
    assert rig.view["halted"] == 0


def test_beyond_the_soft_drawdown_only_what_adds_nothing_passes() -> None:
    rig = holding(10_000, daily_loss_bp=0, price_collar_bp=10_000)  # a tick is 0.1 quote
    mark(rig, 20_000)  # equity 11,000
    assert mark(rig, 8_999) == []  # 9,899.9: a little more than 10 % below
    assert rig.send(price_ticks=8_999)[0] == Refusal.DRAWDOWN_SOFT
    assert rig.send(side=Side.ASK, price_ticks=8_999) == PASSED
    mark(rig, 9_001)
    assert rig.send(price_ticks=9_001) == PASSED


def test_leverage_is_of_the_equity_of_now() -> None:
    rig = holding(0, leverage_bp=20_000)
    assert rig.send(quantity_lots=200_000) == PASSED
    assert rig.send(quantity_lots=200_001) == (Refusal.LEVERAGE, 20_000_10000000, 20_000 * QUOTE)
    assert rig.send(side=Side.ASK, quantity_lots=200_001)[0] == Refusal.LEVERAGE
    rig.hold(realised_tick_lots=-10_000_000)  # a hundred lost
    mark(rig, 10_000)
    assert rig.send(quantity_lots=198_000) == PASSED
    assert rig.send(quantity_lots=198_001)[0] == Refusal.LEVERAGE


def test_concentration_is_of_one_instrument() -> None:
    rig = holding(0, concentration_bp=5_000)
    assert rig.send(quantity_lots=50_000) == PASSED
    rig.hold(position_lots=10_000, cost_tick_lots=100_000_000)
    mark(rig, 10_000)
    assert rig.view["headroom"][Limit.CONCENTRATION_BP] == 5_000 - 1_000
    rig.hold(position_lots=0, cost_tick_lots=0)
    mark(rig, 10_000)
    assert rig.send(quantity_lots=50_001) == (Refusal.CONCENTRATION, 5_000_10000000, 5_000 * QUOTE)
