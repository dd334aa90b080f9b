"""Kelly sizing against its reference, and what it never does."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.risk.limits import Limit
from engine.sizing.config import SizingSettings
from engine.sizing.reference import Beliefs, kelly_terms
from engine.sizing.stage import SizingStage
from engine.stage import ACCOUNT_VIEW, FEATURE_VIEW, FORECAST_VIEW, RESULT_VIEW, RISK_VIEW
from engine.strategy.stage import FixedView
from ipc.messages import MESSAGE, ORDER_DETAIL, Action, Flag, Kind, OrderType, Refusal, Side
from tests.engine.sizing.test_stage import table

QUOTE = 100_000_000
PRICE = 6_000_000  # a lot is worth 0.6 of the quote currency
GOOD = Beliefs(8.0, 1e-4, 0.0, 100_000 * QUOTE, 100_000 * QUOTE, 1_000, 2_000, 1.0, True)


class Desk:
    """One strategy on one instrument, everything it reads at hand."""

    def __init__(self, chosen: SizingSettings, beliefs: Beliefs) -> None:
        views = [np.zeros(1, dtype) for dtype in (FORECAST_VIEW, RESULT_VIEW, RISK_VIEW, ACCOUNT_VIEW)]
        self.forecast, self.result, self.risk, self.account = views
        self.forecast["ready"], self.forecast["values"][0, chosen.kelly_horizon] = 1, beliefs.forecast_bp
        self.result["volatility"], self.result["correlation"] = beliefs.volatility, beliefs.correlation
        self.risk["equity_atoms"], self.risk["peak_equity_atoms"] = beliefs.equity_atoms, beliefs.peak_equity_atoms
        self.risk["limit"][0, Limit.DRAWDOWN_SOFT_BP] = beliefs.soft_bp
        self.risk["limit"][0, Limit.DRAWDOWN_HARD_BP] = beliefs.hard_bp
        self.risk["quality_e6"] = round(beliefs.quality * 1e6)
        self.risk["results_version"], self.risk["results_stale"] = 1, not beliefs.fresh
        self._kept = [FixedView(rows) for rows in (*views, np.zeros(1, FEATURE_VIEW))]
        forecast, result, risk, account, features = (view.capsule() for view in self._kept)
        self.stage = SizingStage(
            table(), 1, features, [chosen], (), forecast=forecast, results=result, risk=risk, accounts=account
        )

    def send(self, side: int = Side.BID, lots: int = 1 << 50, **detail: int) -> tuple[int, int]:
        """(lots, 0), or (0, code)."""
        message = np.zeros(2, MESSAGE)
        message["kind"], message["flags"] = (Kind.INTENT, Kind.DETAIL), (Flag.MORE, Flag.LAST)
        message["side"][0], message["price_ticks"][0], message["quantity_lots"][0] = side, PRICE, lots
        for name, value in ({"action": Action.NEW, "order_type": OrderType.LIMIT} | detail).items():
            message[1:].view(ORDER_DETAIL)[name] = value
        said = self.stage.drive(message)[0]
        return (int(said["quantity_lots"]), 0) if said["kind"] == Kind.SIZED else (0, int(said["extra"]))


def kelly(**fields: Any) -> SizingSettings:
    return SizingSettings(**({"method": "kelly", "kelly_capital_bp": 100_000} | fields))


@settings(max_examples=300, deadline=None)
@given(
    st.floats(-100, 100),
    st.floats(0, 1e-2),
    st.floats(-1, 1),
    st.integers(1, 10**15),
    st.floats(1.0, 1.5),
    st.floats(0, 1),
    st.sampled_from([Side.BID, Side.ASK]),
    st.sampled_from([0, 10_000_000]),
    st.sampled_from([1, 10_000]),
)
def test_the_lots_are_the_product_of_the_references_terms_rounded_toward_zero(
    forecast: float, volatility: float, rho: float, equity: int, peak: float, quality: float, side: int, risk: int,
    capital_bp: int,
) -> None:  # fmt: skip
    quality = round(quality * 1e6) / 1e6
    beliefs = Beliefs(forecast, volatility, rho, equity, int(equity * peak), 1_000, 2_000, quality, True)
    chosen = kelly(target_risk_atoms=risk, kelly_capital_bp=capital_bp)
    lots, code = Desk(chosen, beliefs).send(side)
    rows = table()
    lot_atoms = PRICE * int(rows["atoms_numerator"][0]) / int(rows["atoms_denominator"][0])
    terms = kelly_terms(1 if side == Side.BID else -1, beliefs, lot_atoms, chosen)
    expected = math.prod(terms.values()) if terms else 0.0
    if lots:
        assert lots == pytest.approx(math.floor(expected), abs=1 + 1e-9 * expected)
    else:
        assert expected < 1.0 + 1e-9
        assert code in (Refusal.SIZE_NO_EDGE, Refusal.SIZE_ROUNDED_TO_ZERO)
    if not terms:
        assert (lots, code) == (0, Refusal.SIZE_NO_EDGE)


def test_by_hand() -> None:
    """8 bp over a second at 1e-4: 0.0008 / 1e-8 = 80,000 times equity; a quarter, 6 of 8 bp after cost: 15,000."""
    lots, _ = Desk(kelly(kelly_cost_bp=2.0, target_risk_atoms=0), GOOD).send()
    assert lots == 10 * 100_000 / 0.6 // 1  # the cap: ten times the equity
    quiet = kelly(kelly_cost_bp=2.0, kelly_horizon_s=15_000.0)
    assert Desk(quiet, GOOD).send()[0] == pytest.approx(100_000 / 0.6, abs=1)


def test_an_edge_below_its_cost_is_nothing_and_never_the_other_side() -> None:
    for forecast, side in ((2.0, Side.BID), (-50.0, Side.BID), (50.0, Side.ASK), (-1.0, Side.ASK)):
        beliefs = Beliefs(*(forecast, *list(vars(GOOD).values())[1:]))
        assert Desk(kelly(kelly_cost_bp=2.0), beliefs).send(side) == (0, Refusal.SIZE_NO_EDGE)


@pytest.mark.parametrize("without", ["forecast", "results", "first result"])
def test_without_a_forecast_or_fresh_results_nothing_is_bet(without: str) -> None:
    desk = Desk(kelly(), GOOD)
    if without == "forecast":
        desk.forecast["ready"] = 0
    elif without == "results":
        desk.risk["results_stale"] = 1
    else:
        desk.risk["results_version"] = 0
    assert desk.send() == (0, Refusal.SIZE_NO_EDGE)
    assert desk.send(lots=50, reduce_only=1) == (50, 0)


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_never_a_size(wrong: float) -> None:
    for rows, field in (("forecast", "values"), ("result", "volatility"), ("result", "correlation")):
        desk = Desk(kelly(), GOOD)
        getattr(desk, rows)[field] = wrong
        assert desk.send() == (0, Refusal.SIZE_NO_EDGE)


def test_what_is_held_and_open_counts_toward_the_position() -> None:
    desk = Desk(kelly(kelly_horizon_s=15_000.0), GOOD)
    target, _ = desk.send()
    desk.account["position_lots"], desk.account["open_buy_lots"] = 1_000, 500
    assert desk.send()[0] == target - 1_500
    desk.account["position_lots"] = -1_000
    assert desk.send()[0] == target + 500
    desk.account["position_lots"] = target
    assert desk.send() == (0, Refusal.SIZE_ROUNDED_TO_ZERO)


@pytest.mark.parametrize("fraction", [0.51, 1.0, 0.24, math.nan])
def test_more_than_half_of_kelly_is_refused_in_the_configuration(fraction: float) -> None:
    with pytest.raises(ValueError, match="kelly_fraction must be from"):
        SizingSettings(method="kelly", kelly_fraction=fraction)


def test_kelly_needs_all_its_views() -> None:
    with pytest.raises(ValueError, match="kelly sizing needs the views"):
        SizingStage(table(), 1, None, [kelly()])
