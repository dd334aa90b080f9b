"""Kelly sizing against its reference, and what it never does."""

import math
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from engine.risk.limits import Limit
from engine.sizing.config import TERMS, SizingSettings
from engine.sizing.reference import Bet, kelly_chain
from engine.sizing.stage import SizingStage
from engine.stage import ACCOUNT_VIEW, FORECAST_VIEW, RESULT_VIEW, RISK_VIEW, SIZING_VIEW
from engine.strategy.stage import FixedView
from ipc.instruments import instrument
from ipc.messages import MESSAGE, ORDER_DETAIL, Action, Flag, Kind, OrderType, Refusal, Side
from models.registry.prepared import PreparedModel
from models.sizing.chain import ROUNDING
from models.sizing.estimation import kan_zhou_factor
from models.sizing.size import TERMS as TERMS_OF_THE_VERB

QUOTE = 100_000_000
PRICE = 6_000_000  # a lot is worth 0.6 of the quote currency
LOT_ATOMS = 0.6 * QUOTE
NOW_NS = 1_700_000_000 * 10**9
HOUR_NS = 3_600 * 10**9
UNLIMITED = 1 << 60
COEFFICIENT, OBSERVATIONS = 0.3, 400
BELIEF = kan_zhou_factor(COEFFICIENT**2 / (1.0 + COEFFICIENT**2), 1, OBSERVATIONS)
GOOD = Bet(
    side=1, forecast_bp=8.0, belief=BELIEF, volatility=1e-4, rest_lots=0.0, equity_atoms=100_000 * QUOTE,
    peak_equity_atoms=100_000 * QUOTE, soft_bp=1_000, hard_bp=2_000, quality=1.0, lot_atoms=LOT_ATOMS,
    gross_cap_atoms=UNLIMITED, now_ns=NOW_NS,
)  # fmt: skip


def three() -> np.ndarray:
    """The one that is sized, another at its venue, one elsewhere."""
    names = ("BTCUSDT.BINANCE", "ETHUSDT.BINANCE", "BTCUSDT.ELSEWHERE")
    return np.concatenate([instrument(name, name.partition(".")[0], "0.01", "0.00001") for name in names])


def model(score: dict[str, float | None] | None = None, horizons_ms: tuple[int, ...] = (1_000,)) -> PreparedModel:
    return PreparedModel("a model", "onnx", "0" * 64, ("spread",), horizons_ms, score=score or {})


@dataclass
class Desk:
    """One strategy on the first of three instruments, everything it reads at hand."""

    chosen: SizingSettings
    bet: Bet
    held_lots: tuple[int, int] = (0, 0)  # of the other two
    models: tuple[PreparedModel, ...] = (model(),)
    stage: SizingStage = field(init=False)

    def __post_init__(self) -> None:
        bet = self.bet
        self.forecast, self.result = np.zeros(3, FORECAST_VIEW), np.zeros(3, RESULT_VIEW)
        self.risk, self.account, self.holdings = (
            np.zeros(n, d) for n, d in ((1, RISK_VIEW), (1, ACCOUNT_VIEW), (3, ACCOUNT_VIEW))
        )
        self.forecast["ready"], self.forecast["values"][0, self.chosen.kelly_horizon] = 1, bet.forecast_bp
        self.result["volatility"], self.result["rest_atoms"] = bet.volatility, bet.rest_lots * bet.lot_atoms
        self.result["reference_half_ticks"] = 2 * PRICE
        self.holdings["position_lots"][1:] = self.held_lots
        self.risk["equity_atoms"], self.risk["peak_equity_atoms"] = bet.equity_atoms, bet.peak_equity_atoms
        self.risk["limit"][0, Limit.DRAWDOWN_SOFT_BP], self.risk["limit"][0, Limit.DRAWDOWN_HARD_BP] = (
            bet.soft_bp, bet.hard_bp,
        )  # fmt: skip
        self.risk["gross_notional_atoms"], self.risk["headroom"][0, Limit.GROSS_NOTIONAL_ATOMS] = (
            bet.gross_cap_atoms + 5, -5,
        )  # fmt: skip
        self.risk["quality_e6"], self.risk["results_version"] = round(bet.quality * 1e6), 1
        rows = (self.forecast, self.result, self.risk, self.account, self.holdings)
        self._kept = [FixedView(each) for each in rows]
        forecast, results, risk, accounts, holdings = (view.capsule() for view in self._kept)
        self.stage = SizingStage(
            three(), 1, None, [self.chosen], (), forecast=forecast, results=results, risk=risk, accounts=accounts,
            holdings=holdings, models=self.models,
        )  # fmt: skip

    def send(self, side: int = Side.BID, lots: int = 1 << 50, price: int = PRICE, **detail: int) -> tuple[int, int]:
        """(lots, 0), or (0, code)."""
        message = np.zeros(2, MESSAGE)
        message["kind"], message["flags"] = (Kind.INTENT, Kind.DETAIL), (Flag.MORE, Flag.LAST)
        message["receive_time_ns"] = self.bet.now_ns
        message["side"][0], message["price_ticks"][0], message["quantity_lots"][0] = side, price, lots
        for name, value in ({"action": Action.NEW, "order_type": OrderType.LIMIT} | detail).items():
            message[1:].view(ORDER_DETAIL)[name] = value
        said = self.stage.drive(message)[0]
        return (int(said["quantity_lots"]), 0) if said["kind"] == Kind.SIZED else (0, int(said["extra"]))

    def fund(self, rate_e8: int, next_time_ns: int) -> None:
        message = np.zeros(1, MESSAGE)
        message["kind"], message["extra"], message["quantity_lots"] = Kind.FUNDING, rate_e8, next_time_ns
        assert len(self.stage.drive(message)) == 0

    @property
    def shown(self) -> np.void:
        row: np.void = self.stage.rows(SIZING_VIEW)[0]
        return row

    def factor(self, term: str) -> float:
        return float(self.shown["term"][TERMS.index(term)])


def kelly(**fields: Any) -> SizingSettings:
    wide = {"kelly_capital_bp": 100_000, "kelly_gross_bp": 100_000, "kelly_venue_bp": 100_000}
    known = {"kelly_information_coefficient": COEFFICIENT, "kelly_observations": OBSERVATIONS}
    return SizingSettings(**({"method": "kelly"} | wide | known | fields))


def product_of(shown: np.void) -> float:
    running = float(shown["raw"])
    for factor in shown["term"]:
        running *= float(factor)
    return running


bets = st.builds(
    Bet,
    side=st.sampled_from([1, -1]),
    forecast_bp=st.floats(-100, 100),
    belief=st.just(BELIEF),
    volatility=st.floats(0, 1e-2) | st.just(math.inf),
    rest_lots=st.floats(-1e9, 1e9) | st.floats(-100, 100),
    equity_atoms=st.integers(-1, 10**15),
    peak_equity_atoms=st.integers(1, 2 * 10**15),
    soft_bp=st.sampled_from([0, 1_000]),
    hard_bp=st.sampled_from([0, 2_000]),
    quality=st.integers(0, 10**6).map(lambda millionths: millionths / 1e6),
    lot_atoms=st.just(LOT_ATOMS),
    gross_cap_atoms=st.integers(-(10**12), 10**14) | st.just(UNLIMITED),
    funding_rate_e8=st.integers(-(10**6), 10**6),
    next_funding_ns=st.integers(NOW_NS - 20 * HOUR_NS, NOW_NS + 20 * HOUR_NS) | st.sampled_from([0, -1, NOW_NS]),
    now_ns=st.just(NOW_NS),
)


@settings(max_examples=500, deadline=None)
@given(
    bets, st.sampled_from([1.0, 3_600.0, 86_400.0]), st.sampled_from([0, 10_000_000]), st.sampled_from([1, 10_000]),
    st.integers(-(10**6), 10**6), st.integers(-(10**6), 10**6),
)  # fmt: skip
@example(GOOD, 1.0, 0, 10_000, 0, 0)
@example(replace(GOOD, side=-1, forecast_bp=-8.0), 86_400.0, 10**7, 10_000, 0, 0)
def test_every_term_is_the_references_and_their_product_is_the_lots_bit_for_bit(
    bet: Bet, horizon_s: float, risk: int, cap_bp: int, same_venue: int, elsewhere: int
) -> None:
    chosen = kelly(
        target_risk_atoms=risk, kelly_capital_bp=cap_bp, kelly_horizon_s=horizon_s, kelly_venue_bp=cap_bp,
        kelly_gross_bp=2 * cap_bp,
    )  # fmt: skip
    bet = replace(
        bet, venue_atoms=abs(same_venue) * LOT_ATOMS, gross_atoms=(abs(same_venue) + abs(elsewhere)) * LOT_ATOMS
    )
    desk = Desk(chosen, bet, (same_venue, elsewhere), (model(horizons_ms=(round(horizon_s * 1e3),)),))
    desk.fund(bet.funding_rate_e8, bet.next_funding_ns)
    lots, code = desk.send(Side.BID if bet.side > 0 else Side.ASK)
    bet = replace(bet, rest_lots=bet.rest_lots * bet.lot_atoms / bet.lot_atoms)  # as it came through the view
    chain, shown = kelly_chain(bet, chosen), desk.shown
    assert product_of(shown) == shown["target_lots"] == lots == shown["lots"]
    assert (lots > 0) != (code > 0)
    if chain is None:
        assert (shown["raw"], lots) == (0.0, 0)
        return
    assert (float(shown["raw"]), lots) == (chain.raw, chain.lots)
    assert dict(zip(TERMS, shown["term"].tolist(), strict=True)) == {term.name: term.factor for term in chain.terms}
    assert all(0.0 <= factor <= 1.0 for factor in shown["term"])


def test_where_no_double_rounds_to_a_lot_the_factor_before_gives_way_as_in_the_verb() -> None:
    """Positions between one lot and two: for one in fifteen of them no factor gives 1 exactly."""
    lowered = 0
    for equity in np.linspace(7 * LOT_ATOMS, 12.5 * LOT_ATOMS, 100).astype(int).tolist():
        bet = replace(GOOD, equity_atoms=equity, peak_equity_atoms=equity, volatility=3.1e-2)
        chain, desk = kelly_chain(bet, kelly()), Desk(kelly(), bet)
        assert chain is not None
        assert desk.send() == (chain.lots, 0) == (1, 0)
        assert dict(zip(TERMS, desk.shown["term"].tolist(), strict=True)) == {t.name: t.factor for t in chain.terms}
        assert product_of(desk.shown) == 1.0
        lowered += desk.factor("capital_cap") < 1.0
    assert lowered > 0


def test_a_payment_of_funding_at_the_very_end_is_paid() -> None:
    for late_ns, kept in ((0, 0.5), (1, 0.75)):
        desk = Desk(kelly(), GOOD)
        desk.fund(2 * 10_000, NOW_NS + 10**9 + late_ns)
        desk.send()
        assert desk.factor("costs") == pytest.approx(kept, rel=1e-12)


def test_the_terms_are_those_of_the_verb_in_its_order() -> None:
    assert (*TERMS_OF_THE_VERB, ROUNDING) == TERMS
    assert len(TERMS) == SIZING_VIEW["term"].shape[0]


def test_by_hand() -> None:
    """8 bp over a second at 1e-4: 0.0008 / 1e-8 = 80,000 times equity; a quarter, 6 of 8 bp after cost, what is
    believed: above the cap of ten times the equity. With 10,000 times the variance within it."""
    assert Desk(kelly(), GOOD).send()[0] == 10 * 100_000 / 0.6 // 1
    wild = replace(GOOD, volatility=1e-2)
    assert Desk(kelly(), wild).send()[0] == pytest.approx(8 * BELIEF * 0.25 * 0.75 * 100_000 / 0.6, abs=1)


def test_an_edge_below_its_cost_is_nothing_and_never_the_other_side() -> None:
    for forecast, side in ((2.0, Side.BID), (-50.0, Side.BID), (50.0, Side.ASK), (-1.0, Side.ASK)):
        desk = Desk(kelly(kelly_cost_bp=2.0), replace(GOOD, forecast_bp=forecast))
        assert desk.send(side) == (0, Refusal.SIZE_NO_EDGE)
        assert desk.factor("costs") == 0.0


def test_without_a_forecast_or_fresh_results_nothing_is_bet_and_the_code_says_which() -> None:
    for rows, name, value, code in (
        ("forecast", "ready", 0, Refusal.FORECAST_MISSING),
        ("forecast", "model", -1, Refusal.FORECAST_MISSING),
        ("risk", "results_stale", 1, Refusal.RISK_STALE),
        ("risk", "results_version", 0, Refusal.RISK_STALE),
    ):
        desk = Desk(kelly(), GOOD)
        getattr(desk, rows)[name] = value
        assert desk.send() == (0, code)
        assert (desk.shown["raw"], desk.shown["code"], desk.shown["target_lots"]) == (0.0, code, 0)
        assert desk.send(lots=50, reduce_only=1) == (50, 0)
        assert desk.shown["by_kelly"] == 0


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_never_a_size(wrong: float) -> None:
    for rows, name in (("forecast", "values"), ("result", "volatility"), ("result", "rest_atoms")):
        desk = Desk(kelly(), GOOD)
        getattr(desk, rows)[name] = wrong
        assert desk.send() == (0, Refusal.SIZE_NO_EDGE)
        assert product_of(desk.shown) == 0.0


def test_at_the_hard_drawdown_the_code_says_so() -> None:
    desk = Desk(kelly(), replace(GOOD, peak_equity_atoms=125_000 * QUOTE))
    assert desk.send() == (0, Refusal.DRAWDOWN_HARD)
    assert desk.factor("drawdown") == 0.0


def test_what_is_held_and_open_counts_toward_the_position() -> None:
    desk = Desk(kelly(), replace(GOOD, volatility=1e-2))
    target, _ = desk.send()
    for rows in (desk.account, desk.holdings):
        rows["position_lots"][0], rows["open_buy_lots"][0] = 1_000, 500
    assert desk.send()[0] == target - 1_500
    assert (desk.shown["held_lots"], desk.shown["target_lots"]) == (1_500, target)
    for rows in (desk.account, desk.holdings):
        rows["position_lots"][0] = -1_000
    assert desk.send()[0] == target + 500
    for rows in (desk.account, desk.holdings):
        rows["position_lots"][0] = target
    assert desk.send() == (0, Refusal.SIZE_ROUNDED_TO_ZERO)


def test_a_position_against_the_forecast_is_closed_only_by_an_order_that_says_so() -> None:
    desk = Desk(kelly(), GOOD)
    desk.account["position_lots"] = desk.holdings["position_lots"][0] = 1_000
    assert desk.send(Side.ASK, lots=500) == (0, Refusal.SIZE_NO_EDGE)
    assert desk.send(Side.ASK, lots=500, reduce_only=1) == (500, 0)


def test_what_else_is_held_of_the_like_takes_its_place() -> None:
    """Half the position is there in another instrument that moves alike, or in another strategy: half is left. On the
    other side it makes nothing larger."""
    alone = Desk(kelly(), replace(GOOD, volatility=1e-2)).send()[0]
    for rest, left in ((alone / 2, 0.5), (2.0 * alone, 0.0), (-alone, 1.0)):
        desk = Desk(kelly(), replace(GOOD, volatility=1e-2, rest_lots=rest))
        lots, code = desk.send()
        assert lots == pytest.approx(left * alone, abs=1)
        assert code == (0 if left else Refusal.SIZE_ROUNDED_TO_ZERO)
        assert desk.factor("correlation") == pytest.approx(left, rel=1e-4)
    desk = Desk(kelly(), replace(GOOD, volatility=1e-2))
    desk.holdings["position_lots"][0] = alone // 4
    assert desk.send()[0] == pytest.approx(0.75 * alone, abs=1)


def test_caps_leave_what_others_have_not_taken() -> None:
    """The equity is worth 166,666 lots. 100,000 of the other instrument leave 66,666 of the venue's; those elsewhere
    count only in the gross cap; another strategy's position in the same instrument counts, one's own does not."""
    capped = kelly(kelly_venue_bp=10_000, kelly_gross_bp=20_000)
    assert Desk(capped, GOOD).send()[0] == 166_666
    assert Desk(capped, GOOD, held_lots=(-100_000, 0)).send()[0] == 66_666
    assert Desk(capped, GOOD, held_lots=(0, 300_000)).send()[0] == 33_333
    desk = Desk(capped, GOOD, held_lots=(100_000, 300_000))
    assert desk.send() == (0, Refusal.SIZE_ROUNDED_TO_ZERO)
    assert desk.factor("gross_cap") == 0.0
    desk = Desk(capped, GOOD)
    desk.holdings["position_lots"][0] = 66_666
    assert desk.send()[0] == 100_000
    desk.account["position_lots"][0] = 66_666
    assert desk.send()[0] == 166_666 - 66_666
    desk.account["position_lots"][0] = desk.holdings["position_lots"][0] = -66_666
    assert desk.send()[0] == 166_666 + 66_666
    desk = Desk(capped, GOOD)  # short, the other strategy long by as much: not all of the venue is left
    desk.account["position_lots"][0], desk.holdings["position_lots"][0] = -66_666, 0
    assert desk.send()[0] == 100_000 + 66_666
    assert (desk.shown["target_lots"], desk.factor("venue_cap") < 1.0) == (100_000, True)


def test_what_risk_would_refuse_as_gross_is_made_smaller() -> None:
    desk = Desk(kelly(), replace(GOOD, gross_cap_atoms=30_000 * QUOTE))
    assert desk.send()[0] == 50_000


def test_funding_is_a_cost_when_it_is_paid_within_the_horizon() -> None:
    """10 bp in half an hour: a long of an hour pays them, a short is given them, a second is over before."""
    hour = (model(horizons_ms=(3_600_000,)),)
    for side, horizon_s, models, kept in (
        (1, 3_600.0, hour, (20.0 - 2.0 - 10.0) / 20.0),
        (-1, 3_600.0, hour, 1.0),
        (1, 1.0, (model(),), 0.9),
    ):
        desk = Desk(kelly(kelly_horizon_s=horizon_s), replace(GOOD, forecast_bp=20.0 * side), models=models)
        desk.fund(10 * 10_000, NOW_NS + HOUR_NS // 2)
        desk.send(Side.BID if side > 0 else Side.ASK)
        assert desk.factor("costs") == pytest.approx(kept, rel=1e-12)


def test_funding_survives_a_snapshot() -> None:
    first, second = (Desk(kelly(kelly_horizon_s=28_800.0), GOOD, models=(model(horizons_ms=(28_800_000,)),))
                     for _ in range(2))  # fmt: skip
    first.fund(50_000, NOW_NS + HOUR_NS)
    first.send()
    second.stage.restore(first.stage.snapshot())
    assert second.shown == first.shown
    assert first.send() == second.send()
    assert first.factor("costs") == second.factor("costs") == pytest.approx((8 - 2 - 5) / 8)


def test_a_market_order_is_valued_at_the_price_of_the_results() -> None:
    limit, market = (Desk(kelly(), replace(GOOD, volatility=1e-2)) for _ in range(2))
    assert market.send(price=0, order_type=OrderType.MARKET) == limit.send()


def test_how_far_a_forecast_is_believed_follows_from_its_models_card() -> None:
    chosen = kelly(kelly_information_coefficient=0.0, kelly_observations=0)
    good = model({"correlation": 0.4, "correlation_error": 0.04})
    desk = Desk(chosen, replace(GOOD, volatility=1e-2), models=(good, model()))
    assert desk.send()[0] > 0
    assert desk.factor("estimation") == kan_zhou_factor(0.16 / 1.16, 1, int((0.84 / 0.04) ** 2))
    desk.forecast["model"] = 1  # whose card says nothing
    assert desk.send() == (0, Refusal.SIZE_NO_EDGE)
    for coefficient, error, most in ((-0.4, 0.04, 0.0), (0.4, None, 0.0), (0.04, 0.04, 0.5), (0.01, 0.04, 0.1)):
        desk = Desk(chosen, GOOD, models=(model({"correlation": coefficient, "correlation_error": error}),))
        desk.send()
        assert desk.factor("estimation") <= most


def test_a_model_that_looks_another_time_ahead_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"kelly_horizon_s is 1\.0, but model a model looks 5\.0 s ahead"):
        Desk(kelly(), GOOD, models=(model(horizons_ms=(5_000,)),))
    with pytest.raises(ValueError, match="needs a forecast"):
        Desk(kelly(), GOOD, models=())
    with pytest.raises(ValueError, match="kelly_horizon 1: model a model has 1 horizons"):
        Desk(kelly(kelly_horizon=1), GOOD)
    two = model(horizons_ms=(5_000, 1_000))
    with pytest.raises(ValueError, match="scores only the first horizon"):
        Desk(kelly(kelly_horizon=1, kelly_information_coefficient=0.0, kelly_observations=0), GOOD, models=(two,))
    assert Desk(kelly(kelly_horizon=1), GOOD, models=(two,)).send()[0] > 0


@pytest.mark.parametrize("fraction", [0.51, 1.0, 0.24, math.nan])
def test_more_than_half_of_kelly_is_refused_in_the_configuration(fraction: float) -> None:
    with pytest.raises(ValueError, match="kelly_fraction must be from"):
        SizingSettings(method="kelly", kelly_fraction=fraction)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"kelly_information_coefficient": 1.0}, "kelly_information_coefficient must be from 0 to below 1"),
        ({"kelly_observations": 5}, "kelly_observations must be at least 6"),
        ({"kelly_observations": 0}, "given both or not at all"),
        ({"kelly_funding_interval_s": 0.0}, "kelly_funding_interval_s must be from 1"),
        ({"kelly_venue_bp": 0}, "kelly_venue_bp must be from 1"),
    ],
)
def test_settings_that_mean_nothing_are_refused_by_name(fields: dict[str, float], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        kelly(**fields)


def test_kelly_needs_all_its_views() -> None:
    with pytest.raises(ValueError, match="kelly sizing needs the views"):
        SizingStage(three(), 1, None, [kelly()])
