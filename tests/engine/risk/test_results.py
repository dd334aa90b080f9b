"""Batches of the risk process in the core: whole or not at all, their age, and the conservative rule without them."""

from collections.abc import Callable

import numpy as np
import pytest

from engine.risk.limits import Limit
from engine.risk.reference import rest_atoms
from engine.stage import RESULT_VIEW
from ipc.messages import Flag, Kind, Refusal, RiskMethod, RiskRow, RiskValue, Side
from kernels.exposure import reference
from tests.engine.execution import desk as make
from tests.engine.risk.results import LEVEL, ResultRig, losses
from tests.engine.risk.rig import PASSED, QUOTE

NAN = int(np.array(np.nan).view(np.int64))
NOT_A_NUMBER, WRONG_COUNT, CONTRADICTS, UNFINISHED = 1, 2, 3, 4


def spoil_value(records: np.ndarray) -> None:
    records["extra"][np.flatnonzero(records["kind"] == Kind.RISK_VALUE)[3]] = NAN


def spoil_row(records: np.ndarray) -> None:
    records["extra"][np.flatnonzero(records["kind"] == Kind.RISK_ROW)[-1]] = NAN


def spoil_scenario(records: np.ndarray) -> None:
    detail = np.flatnonzero(records["kind"] == Kind.DETAIL)[-1]
    records["order_id"][detail] = -1  # two float32 of all ones: NaN


def spoil_count(records: np.ndarray) -> None:
    records["quantity_lots"][[0, -1]] += 1


def spoil_version(records: np.ndarray) -> None:
    records["order_id"][-1] += 1


def spoil_cvar(records: np.ndarray) -> None:
    chosen = (records["kind"] == Kind.RISK_VALUE) & (records["order_id"] == RiskValue.CVAR)
    records["extra"][chosen] = np.array([1e15]).view(np.int64)


def spoil_marginal(records: np.ndarray) -> None:
    chosen = (records["kind"] == Kind.RISK_ROW) & (records["order_id"] == RiskRow.MARGINAL_CVAR)
    records["extra"][chosen] = np.array([50.0]).view(np.int64)


def understate(row: RiskRow) -> Callable[[np.ndarray], None]:
    """A stand-alone CVaR of half of what it is, and marginals that it does not contradict."""

    def spoil(records: np.ndarray) -> None:
        for number, factor in ((row, 0.5), (RiskRow.MARGINAL_CVAR, 0.01)):
            chosen = np.flatnonzero((records["kind"] == Kind.RISK_ROW) & (records["order_id"] == number))
            records["extra"][chosen] = (records["extra"][chosen].view(np.float64) * factor).view(np.int64)

    return spoil


def spoil_method(records: np.ndarray) -> None:
    records["extra"][[0, -1]] = max(RiskMethod) + 1


def date(time_ns: int) -> Callable[[np.ndarray], None]:
    def spoil(records: np.ndarray) -> None:
        records["event_time_ns"] = time_ns

    return spoil


def spoil_order(records: np.ndarray) -> None:
    heads = np.flatnonzero(records["kind"] == Kind.RISK_SCENARIOS)
    records["order_id"][heads[1]] = 0


SPOILT: list[tuple[Callable[[np.ndarray], None], int]] = [
    (spoil_value, NOT_A_NUMBER),
    (spoil_row, NOT_A_NUMBER),
    (spoil_scenario, NOT_A_NUMBER),
    (spoil_count, WRONG_COUNT),
    (spoil_version, WRONG_COUNT),
    (spoil_order, WRONG_COUNT),
    (spoil_cvar, CONTRADICTS),
    (spoil_marginal, CONTRADICTS),
    (understate(RiskRow.CVAR_LONG), CONTRADICTS),
    (understate(RiskRow.CVAR_SHORT), CONTRADICTS),
    (spoil_method, CONTRADICTS),
    (date(1 << 62), CONTRADICTS),  # would never grow old
    (date(-(1 << 63)), CONTRADICTS),  # nor this, where its age does not fit
]


def held() -> ResultRig:
    rig = ResultRig(cvar_quote=1_000)
    rig.position(0, 3_000)
    rig.position(1, -1_000)
    rig.clock(1)
    assert len(rig.publish()) == 0
    return rig


def test_a_batch_counts_from_its_end_and_not_before() -> None:
    rig = ResultRig()
    records = rig.records(regime=1)
    for at in range(len(records) - 1):
        if records["kind"][at] != Kind.DETAIL:
            size = 1
            while records["flags"][at + size - 1] & Flag.MORE:
                size += 1
            rig.stage.drive(records[at : at + size])
    assert rig.view["results_version"] == 0
    rig.stage.drive(records[-1:])
    assert rig.view["results_version"] == 1
    assert rig.view["regime"] == 1
    assert rig.stage.rows(RESULT_VIEW, "results")["volatility"].tolist() == [1e-4, 1e-4]


@pytest.mark.parametrize(("spoil", "fault"), SPOILT)
def test_a_spoilt_batch_is_refused_whole_and_the_one_before_goes_on(
    spoil: Callable[[np.ndarray], None], fault: int
) -> None:
    rig, twin = held(), held()
    records = rig.records(losses(9, volatility=0.3))
    spoil(records)
    said = rig.stage.drive(records)
    assert said["kind"].tolist() == [Kind.REFUSAL]
    assert (said["extra"][0], said["quantity_lots"][0]) == (Refusal.RISK_RESULT_INVALID, fault)
    assert rig.view["results_version"] == 1
    assert rig.view["results_refused"] == 1
    for side in (Side.BID, Side.ASK):
        for lots in (100, 10_000, 40_000, 100_000):
            assert rig.send(side=side, quantity_lots=lots) == twin.send(side=side, quantity_lots=lots)
    assert len(rig.publish()) == 0  # and the next good one is taken
    assert rig.view["results_version"] == 3


def test_a_batch_that_begins_before_the_last_one_ended_replaces_it_and_is_told() -> None:
    rig = held()
    rig.stage.drive(rig.records()[:5])
    said = rig.publish()
    assert (said["extra"].tolist(), said["quantity_lots"].tolist()) == ([Refusal.RISK_RESULT_INVALID], [UNFINISHED])
    assert rig.view["results_version"] == 3


def test_what_is_restored_in_the_middle_of_a_batch_goes_on_alike() -> None:
    rig, twin = held(), held()
    records = rig.records(losses(4))
    twin.version = rig.version
    cut = int(np.flatnonzero(records["kind"] == Kind.RISK_SCENARIOS)[1])
    rig.stage.drive(records[:cut])
    twin.stage.restore(rig.stage.snapshot())
    for one in (rig, twin):
        one.stage.drive(records[cut:])
    assert rig.stage.snapshot() == twin.stage.snapshot()
    again = ResultRig(cvar_quote=1_000)
    again.stage.restore(rig.stage.snapshot())
    again.position(0, 3_000)
    again.position(1, -1_000)
    again.now_ns = rig.now_ns
    for lots in (5_000, 20_000, 80_000):
        assert again.send(quantity_lots=lots) == rig.send(quantity_lots=lots)


def test_too_old_means_the_conservative_rule_once_told_with_the_age_until_the_next_batch() -> None:
    """Conservative: 20 % of everything that can be held, so a CVaR limit of 1,000 is 5,000 of gross notional."""
    rig = ResultRig(cvar_quote=1_000, results_age_ms=500)
    rig.publish(losses(volatility=0.001))
    assert rig.send(quantity_lots=80_000) == PASSED  # 8,000 of notional, CVaR of about 30
    assert len(rig.clock(500)) == 0
    said = rig.clock(1)
    age_ns = 501 * make.MILLISECOND
    assert said["extra"].tolist() == [Refusal.RISK_STALE]
    assert (said["quantity_lots"][0], said["price_ticks"][0]) == (age_ns, 500 * make.MILLISECOND)
    assert len(rig.clock(1)) == 0
    assert rig.view["results_stale"] == 1
    assert rig.view["headroom"][Limit.RESULTS_AGE_NS] == -2 * make.MILLISECOND
    assert rig.send(quantity_lots=50_000) == PASSED
    assert rig.send(quantity_lots=50_001) == (Refusal.RISK_STALE, 502 * make.MILLISECOND, 500 * make.MILLISECOND)
    rig.publish(losses(volatility=0.001))
    assert rig.view["results_stale"] == 0
    assert rig.send(quantity_lots=80_000) == PASSED


def test_without_any_result_the_conservative_rule_holds_from_the_start_where_they_are_expected() -> None:
    rig = ResultRig(cvar_quote=1_000)
    assert rig.send(quantity_lots=50_001)[0] == Refusal.RISK_STALE
    unexpected = ResultRig(cvar_quote=1_000, results_expected=False)
    assert unexpected.send(quantity_lots=50_001) == PASSED


def test_results_are_as_old_as_the_market_data_they_know() -> None:
    rig = ResultRig(results_age_ms=500)
    rig.publish(time_ns=rig.now_ns - 501 * make.MILLISECOND)
    assert rig.view["results_stale"] == 1


def test_a_risk_process_whose_clock_is_wrong_does_not_move_the_time_of_the_core() -> None:
    rig = ResultRig()
    records = rig.records()
    records["receive_time_ns"] = 1 << 62
    rig.stage.drive(records)
    assert rig.send() == PASSED  # and not STALE_DATA, for ever


@pytest.mark.parametrize(("milliseconds", "code"), [(1, Refusal.CVAR_LIMIT), (501, Refusal.RISK_STALE)])
def test_a_limit_of_an_atom_that_its_scale_brings_to_nothing_is_not_off(milliseconds: int, code: Refusal) -> None:
    rig = ResultRig(results_age_ms=500)
    rig.limit(Limit.CVAR_ATOMS, 1)
    rig.publish(quality=0.0)
    rig.clock(milliseconds)
    assert rig.view["scale_e6"] == 50_000
    assert rig.send()[0] == code


def test_cvar_is_refused_with_what_it_would_be_and_the_limit() -> None:
    rig = held()
    book = np.array([3_000e7, -1_000e7])
    code, observed, limit = rig.send(quantity_lots=300_000)
    assert (code, limit) == (Refusal.CVAR_LIMIT, 1_000 * QUOTE)
    truth = reference.true_worst_cvar(losses(), book, book + np.array([3e12, 0]), LEVEL)
    assert limit < observed <= truth
    assert rig.send(quantity_lots=1_000) == PASSED
    within = reference.true_worst_cvar(losses(), book, book + np.array([1e10, 0]), LEVEL)
    assert limit - rig.view["headroom"][Limit.CVAR_ATOMS] >= within


def test_between_the_bounds_it_is_weighed_exactly_or_refused_by_configuration() -> None:
    """Selling what hedges what is held: the upper bound sees a position more, the scenarios a hedge."""
    shares = losses(rho=0.98)
    seen = {}
    for mode in ("exact", "refuse"):
        rig = ResultRig(cvar_quote=250, cvar_between=mode)
        rig.position(0, 100_000)
        rig.position(1, -80_000)
        rig.clock(1)
        rig.publish(shares)
        assert 100 * QUOTE < rig.view["cvar_atoms"] < 230 * QUOTE
        seen[mode] = rig.send(instrument=1, strategy=1, side=Side.ASK, quantity_lots=20_000)[0]
    assert seen == {"exact": 0, "refuse": Refusal.CVAR_UNDECIDED}


def test_what_only_reduces_passes_beyond_the_limit_and_what_crosses_zero_does_not() -> None:
    rig = ResultRig(cvar_quote=10)
    rig.position(0, 10_000)
    rig.clock(1)
    rig.publish()
    assert rig.send(side=Side.ASK, quantity_lots=10_000) == PASSED
    assert rig.send(side=Side.ASK, quantity_lots=10_001)[0] == Refusal.CVAR_LIMIT
    assert rig.send(side=Side.BID, quantity_lots=1_000)[0] == Refusal.CVAR_LIMIT


def test_what_takes_a_hedge_off_is_judged() -> None:
    rig = ResultRig(cvar_quote=400)
    rig.position(0, 100_000)
    rig.position(1, -100_000)
    rig.clock(1)
    rig.publish(losses(rho=0.99))
    assert rig.send(instrument=1, strategy=1, side=Side.BID, quantity_lots=90_000)[0] == Refusal.CVAR_LIMIT


def test_prices_move_what_is_held_and_the_cvar_with_it() -> None:
    rig = ResultRig(cvar_quote=1_000)
    rig.position(0, 20_000)
    rig.clock(1)
    rig.publish()
    before = int(rig.view["worst_cvar_atoms"])
    rig.books["bid_price_ticks"][0, 0], rig.books["ask_price_ticks"][0, 0] = 19_990, 20_010
    rig.clock(1)
    truth = reference.cvar(losses()[0] * 20_000 * 2e7, LEVEL)
    assert rig.view["worst_cvar_atoms"] == pytest.approx(truth, rel=1e-6)
    assert before == pytest.approx(truth / 2, rel=1e-6)


def test_regime_volatility_and_quality_scale_the_limits() -> None:
    rig = ResultRig(gross_notional_quote=1_000, volatility_ratio_limit_bp=20_000)
    rig.publish(regime=1, volatility_ratio=4.0, quality=0.8)  # 0.75 * 0.5 * 0.8
    assert rig.view["scale_e6"] == 300_000
    assert rig.send(quantity_lots=3_000) == PASSED
    assert rig.send(quantity_lots=3_001)[0] == Refusal.GROSS_NOTIONAL
    rig.publish(regime=7)  # beyond the last scale: the last
    assert rig.view["scale_e6"] == 500_000


def test_an_instrument_that_moves_with_what_is_held_is_not_added_to() -> None:
    rig = ResultRig(correlation_bp=9_000)
    rig.position(0, 10_000)
    rig.clock(1)
    rig.publish(losses(rho=0.999))
    assert -1_000 <= rig.view["headroom"][Limit.CORRELATION_BP] < -900
    assert rig.send(instrument=1, strategy=1, side=Side.BID)[0] == Refusal.CORRELATION
    assert rig.send(instrument=1, strategy=1, side=Side.ASK) == PASSED
    assert rig.send(instrument=0, side=Side.BID) == PASSED  # nothing else is held


@pytest.mark.parametrize("held_lots", [(700, -300), (0, 500), (0, 0)])
def test_what_the_rest_amounts_to_is_its_slope_on_each_instrument(held_lots: tuple[int, int]) -> None:
    rig = ResultRig()
    for instrument, lots in enumerate(held_lots):
        rig.position(instrument, lots)
    rig.clock(1)
    shares = losses()
    rig.publish(shares)
    found = rig.stage.rows(RESULT_VIEW, "results")["rest_atoms"]
    stored = shares.astype(np.float32).astype(np.float64)
    assert found == pytest.approx(rest_atoms(stored, 1e7 * np.array(held_lots)), rel=1e-9, abs=1e-3)


def test_a_like_instrument_amounts_to_what_is_held_of_it_and_one_that_never_moves_to_nothing() -> None:
    rig = ResultRig()
    rig.position(1, 400)
    rig.clock(1)
    one = losses(count=1)[0]
    rig.publish(np.array([one, one]), correlation=np.ones((2, 2)))
    assert rig.stage.rows(RESULT_VIEW, "results")["rest_atoms"] == pytest.approx([4e9, 0.0], rel=1e-9)
    with np.errstate(invalid="ignore"):  # the correlation of the rig's own making, which is not used
        rig.publish(np.array([np.zeros_like(one), one]), correlation=np.eye(2))
    assert rig.stage.rows(RESULT_VIEW, "results")["rest_atoms"].tolist() == [0.0, 0.0]
