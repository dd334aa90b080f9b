"""What leaving costs and takes, and where an exchange ends a position."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.faults import DataFault, Fault
from models.market_risk.liquidity import (
    Terms,
    horizon_factor,
    leaving,
    liquidity_adjusted_var,
    read_liquidity,
    spread_cost,
    sweep_cost,
    time_to_liquidate,
)
from models.market_risk.margin import Position, Tiers, liquidation, liquidation_price, liquidation_probability
from models.market_risk.margin_calls import margin_calls, read_margin
from models.panel import Panel

TIERS = Tiers((0.0, 50_000.0, 250_000.0), (0.004, 0.005, 0.01))


def test_spread_cost_is_half_the_stressed_spread_of_every_position() -> None:
    assert spread_cost([100.0, -200.0], [0.01, 0.02], [0.002, 0.0], multiple=3.0) == pytest.approx(0.5 * (1.6 + 4.0))


def test_a_sweep_pays_each_level_and_says_what_the_book_cannot_take() -> None:
    found = sweep_cost([99.0, 98.0, 97.0], [1.0, 2.0, 1.0], 2.5, 99.5)
    assert found.average_price == pytest.approx((99.0 + 1.5 * 98.0) / 2.5)
    assert found.cost == pytest.approx(0.5 + 1.5 * 1.5)
    assert found.unfilled == 0.0
    over = sweep_cost([99.0, 98.0, 97.0], [1.0, 2.0, 1.0], 10.0, 99.5)
    assert (over.filled, over.unfilled) == (4.0, 6.0)
    assert sweep_cost([101.0, 102.0], [1.0, 1.0], -1.5, 100.0).cost == pytest.approx(1.0 + 0.5 * 2.0)
    with pytest.raises(Fault, match="order of price"):
        sweep_cost([99.0, 98.0, 98.5], [1.0, 1.0, 1.0], 1.0, 99.5)


def test_time_to_liquidate_counts_whole_refills() -> None:
    assert time_to_liquidate(100.0, 50.0, refill_s=2.0, participation=0.1) == 40.0
    assert time_to_liquidate(101.0, 50.0, refill_s=2.0, participation=0.1) == 42.0
    assert time_to_liquidate(0.0, 0.0, refill_s=2.0) == 0.0
    assert time_to_liquidate(1.0, 0.0, refill_s=2.0) == float("inf")
    with pytest.raises(Fault, match=r"participation is 1\.5"):
        time_to_liquidate(1.0, 1.0, refill_s=1.0, participation=1.5)


def test_leaving_over_many_steps_is_the_sum_of_a_falling_position() -> None:
    assert horizon_factor(1.0) == 1.0
    for steps in (2, 5, 20):
        left = 1.0 - np.arange(steps) / steps
        assert horizon_factor(float(steps)) == pytest.approx(np.sqrt(np.sum(left**2)))
    assert liquidity_adjusted_var(10.0, spread=1.0, depth=0.5).total == 11.5


def test_liquidity_of_a_portfolio_adds_up(tmp_path: Path) -> None:
    path = tmp_path / "liquidity.csv"
    path.write_text("instrument,spread,depth,refill_s,impact\nA,0.001,1000,5,0.01\nB,0.002,,,\n")
    terms = read_liquidity(path, ("A", "B"))
    assert terms["B"].spread == 0.002
    found = leaving(50.0, ("A", "B"), np.array([500.0, -300.0]), terms)
    assert found["spread_cost"] == pytest.approx(0.5 * (0.5 + 0.6))
    assert found["depth_cost"] == pytest.approx(500.0 * 0.01 * np.sqrt(0.1))
    assert found["total"] == pytest.approx(50.0 + found["spread_cost"] + found["depth_cost"])
    assert found["seconds_to_liquidate"] == {"A": 25.0}
    with pytest.raises(DataFault, match="no line for C"):
        read_liquidity(path, ("A", "C"))
    assert leaving(50.0, ("A",), np.array([10.0]), {"A": Terms(0.0)})["total"] == 50.0


def test_maintenance_margin_is_continuous_across_tiers() -> None:
    assert TIERS.deductions() == pytest.approx((0.0, 50.0, 1_300.0))
    for floor in TIERS.floors[1:]:
        assert TIERS.maintenance(floor - 1e-6) == pytest.approx(TIERS.maintenance(floor), abs=1e-6)
    assert TIERS.maintenance(100_000.0) == pytest.approx(0.005 * 100_000.0 - 50.0)


def test_isolated_linear_long_is_liquidated_at_the_exchange_formula() -> None:
    """(margin + deduction - quantity * entry) / (quantity * (rate - 1)), as Binance publishes it."""
    position = Position(contract="linear", quantity=1.0, entry_price=60_000.0, margin=6_000.0)
    found = liquidation(position, 60_000.0, TIERS)
    assert found.price == pytest.approx((6_000.0 + 50.0 - 60_000.0) / (0.005 - 1.0))
    assert found.distance == pytest.approx(1.0 - found.price / 60_000.0)
    assert found.maintenance == pytest.approx(250.0)


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(["linear", "inverse"]),
    st.floats(0.01, 200.0).flatmap(lambda size: st.sampled_from([size, -size])),
    st.floats(100.0, 100_000.0),
    st.floats(0.005, 3.0),
    st.sampled_from([0.0, 0.0005]),
)
def test_at_the_liquidation_price_equity_is_the_maintenance_margin(
    contract: str, quantity: float, entry: float, leverage: float, fee: float
) -> None:
    face = 1.0 if contract == "linear" else 1_000.0
    tiers = TIERS if contract == "linear" else Tiers((0.0, 1.0, 5.0), (0.004, 0.005, 0.01))
    bare = Position(contract=contract, quantity=quantity, entry_price=entry, margin=0.0, face=face)  # type: ignore[arg-type]
    margin = (0.015 + leverage) * bare.notional(entry)
    position = Position(
        contract=contract,
        quantity=quantity,
        entry_price=entry,
        margin=margin,
        face=face,
        fee_rate=fee,  # type: ignore[arg-type]
    )
    price = liquidation_price(position, tiers)
    probes = np.geomspace(entry * 1e-3, entry * 1e3, 400)
    excess = np.array([position.excess(float(probe), tiers) for probe in probes])
    if price is None:
        assert (excess > 0.0).all()
        return
    scale = position.notional(price)
    assert position.excess(price, tiers) == pytest.approx(0.0, abs=1e-9 * scale)
    assert (price < entry) == (quantity > 0.0)
    safe = probes > price if quantity > 0.0 else probes < price
    assert (excess[safe] > -1e-9 * scale).all()
    assert (excess[~safe] < 1e-9 * scale).all()


def test_a_fully_backed_inverse_short_is_never_liquidated() -> None:
    position = Position(contract="inverse", quantity=-100.0, entry_price=50_000.0, margin=3.0, face=1_000.0)
    assert liquidation(position, 50_000.0, Tiers((0.0,), (0.005,))).price is None


def test_a_position_under_water_is_liquidated_at_the_mark() -> None:
    position = Position(contract="linear", quantity=1.0, entry_price=60_000.0, margin=100.0)
    found = liquidation(position, 59_000.0, TIERS)
    assert (found.price, found.distance, found.margin_ratio) == (59_000.0, 0.0, float("inf"))


def test_chance_of_a_touch_is_twice_that_of_ending_beyond() -> None:
    random = np.random.default_rng(0)
    steps = 0.01 / np.sqrt(200) * random.standard_normal((4_000, 2_000))
    touched = (np.cumsum(steps, axis=1).min(axis=1) <= np.log(0.95)).mean()
    assert liquidation_probability(0.05, 0.01, 10.0) == pytest.approx(touched, abs=0.02)
    assert liquidation_probability(0.05, 0.01, 10.0, up=True) > liquidation_probability(0.05, 0.01, 10.0)


def test_margin_files_become_scenarios_that_lose_the_equity(tmp_path: Path) -> None:
    path = tmp_path / "margin.csv"
    path.write_text(
        "instrument,contract,quantity,entry_price,margin,tiers,face\n"
        "BTC,linear,1,60000,6000,0:0.004 50000:0.005,\nCOIN,inverse,-100,60000,5,0:0.004,1000\n"
    )
    prices = np.column_stack([np.linspace(59_000.0, 60_000.0, 30), np.linspace(59_000.0, 60_000.0, 30)])
    prices[::2] *= 1.01
    dates = np.arange(30).astype("datetime64[ns]")
    panel = Panel(("BTC", "COIN"), dates, prices, False)
    returns = Panel(("BTC", "COIN"), dates[1:], prices[1:] / prices[:-1] - 1.0, False)
    linear, inverse = margin_calls(read_margin(path), panel, returns)
    assert linear.kind == "liquidation"
    assert linear.loss == pytest.approx(6_000.0)
    assert linear.contributions.tolist() == pytest.approx([6_000.0, 0.0])
    assert linear.notes[0].startswith("LIQUIDATION_DISTANCE: BTC: margin ratio")
    assert inverse.name == "COIN: no price liquidates it"
    assert inverse.loss == 0.0


def test_mistakes_in_margin_files_are_named(tmp_path: Path) -> None:
    path = tmp_path / "margin.csv"
    path.write_text("instrument,contract,quantity,entry_price,margin,tiers\nBTC,spot,1,60000,6000,0:0.004\n")
    with pytest.raises(DataFault, match="line 2, BTC: contract 'spot' must be linear or inverse"):
        read_margin(path)
    with pytest.raises(Fault, match="the first floor 0"):
        Tiers((1.0,), (0.004,))
    with pytest.raises(Fault, match="must rise"):
        Tiers((0.0, 5.0, 5.0), (0.004, 0.005, 0.006))
