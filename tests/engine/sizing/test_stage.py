"""Sizing against its reference, and what it never does."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.sizing.config import LOTS_BOUND, SizingSettings
from engine.sizing.reference import sized_lots
from engine.sizing.stage import SizingStage
from engine.stage import FEATURE_VIEW, SIZING_VIEW
from engine.strategy.stage import FixedView
from ipc.instruments import Contract, instrument
from ipc.messages import MESSAGE, ORDER_DETAIL, Action, Flag, Kind, OrderType, Refusal, Side

NAMES = ("spread", "realised_variance_10s")
TARGETED = SizingSettings(method="volatility_targeted", target_risk_atoms=100_000_000)


def table(step_lots: int = 1, contract: int = Contract.SPOT) -> np.ndarray:
    rows = instrument("BTCUSDT.BINANCE", "BTCUSDT", "0.01", "0.00001", contract=contract)
    rows["minimum_quantity_lots"] = step_lots
    return rows


def stage_of(chosen: SizingSettings, variance: float = 1.0, ready: int = 1, step_lots: int = 1) -> Any:
    features = np.zeros(1, FEATURE_VIEW)
    features["ready"], features["values"][0, 1] = ready, variance
    view = FixedView(features)
    stage = SizingStage(table(step_lots), 1, view.capsule(), [chosen], NAMES)
    return stage, view


def size(stage: SizingStage, lots: int, price: int = 6_000_000, action: int = Action.NEW, **detail: int) -> np.ndarray:
    message = np.zeros(2, MESSAGE)
    message["kind"] = Kind.INTENT, Kind.DETAIL
    message["flags"] = Flag.MORE, Flag.LAST
    message["side"][0], message["price_ticks"][0], message["quantity_lots"][0] = Side.ASK, price, lots
    second = message[1:].view(ORDER_DETAIL)
    for name, value in {"action": action, "order_type": OrderType.LIMIT, **detail}.items():
        second[name] = value
    said: np.ndarray = stage.drive(message)
    return said


def expected(chosen: SizingSettings, lots: int, price: int, variance: float, ready: int, step: int) -> int:
    rows = table()
    atoms = int(rows["atoms_numerator"][0]) / int(rows["atoms_denominator"][0])
    return sized_lots(lots, price, variance, bool(ready), atoms, step, chosen)


chosen_settings = st.builds(
    SizingSettings,
    method=st.sampled_from(("fixed", "volatility_targeted")),
    scale_e6=st.integers(1, 3_000_000) | st.just(1_000_000_000),
    target_risk_atoms=st.integers(1, 10**15),
    minimum_variance_per_s=st.floats(1e-15, 1e-3),
)


@settings(max_examples=400, deadline=None)
@given(
    chosen=chosen_settings,
    lots=st.integers(-(2**62), 2**62) | st.integers(-5, 2_000),
    price=st.integers(-1, 2**40),
    variance=st.floats(0, 1e4) | st.sampled_from((float("nan"), float("inf"), -1.0)),
    ready=st.integers(0, 1),
    step=st.sampled_from((1, 7, 1_000)),
)
def test_every_size_is_the_references(
    chosen: SizingSettings, lots: int, price: int, variance: float, ready: int, step: int
) -> None:
    stage, _view = stage_of(chosen, variance, ready, step)
    said = size(stage, lots, price)
    wanted = expected(chosen, lots, price, variance, ready, step)
    if wanted > 0:
        assert said["kind"][0] == Kind.SIZED
        assert said["quantity_lots"][0] == wanted
    else:
        assert (said["kind"][0], said["extra"][0]) == (Kind.REFUSAL, Refusal.SIZE_ROUNDED_TO_ZERO)
    assert wanted <= min(max(lots, 0) * chosen.scale_e6 // 1_000_000, LOTS_BOUND)
    assert said["side"][0] == Side.ASK


def test_a_volatility_target_by_hand() -> None:
    # 4 bp^2/s: 2e-4 a second; 60,000.00 a coin, 1e-5 coin a lot: 0.6 USDT, so 1.2e-4 USDT of risk a lot; target 1 USDT
    stage, _view = stage_of(TARGETED, 4.0)
    assert size(stage, 100_000)["quantity_lots"][0] == 8_333
    assert size(stage, 5_000)["quantity_lots"][0] == 5_000  # never more than was wished for


def test_four_times_the_variance_is_half_the_size() -> None:
    sizes = []
    for variance in (1.0, 4.0, 16.0):
        stage, _view = stage_of(TARGETED, variance)
        sizes.append(int(size(stage, 10**9)["quantity_lots"][0]))
    assert [sizes[0] // 2, sizes[0] // 4] == sizes[1:]


@pytest.mark.parametrize("action", [Action.CANCEL, Action.QUERY])
def test_cancels_and_queries_pass_as_they_are(action: int) -> None:
    stage, _view = stage_of(TARGETED, ready=0)
    said = size(stage, 0, 0, action, target_order_id=9, tag=4)
    assert said["kind"].tolist() == [Kind.SIZED, Kind.DETAIL]
    assert said[1:].view(ORDER_DETAIL)[["target_order_id", "tag"]].tolist() == [(9, 4)]


def test_an_order_that_only_reduces_is_not_made_smaller() -> None:
    stage, _view = stage_of(SizingSettings(scale_e6=100_000))
    assert size(stage, 50)["quantity_lots"][0] == 5
    assert size(stage, 50, reduce_only=1)["quantity_lots"][0] == 50


def test_a_refusal_names_its_strategy_and_tag_and_is_counted() -> None:
    stage, _view = stage_of(SizingSettings())
    said = size(stage, 0, tag=77)
    assert (said["order_id"][0], said[1:].view(ORDER_DETAIL)["tag"][0]) == (77, 77)
    size(stage, 3)
    assert stage.rows(SIZING_VIEW)[["sized", "refused", "asked_lots", "lots", "code"]].tolist() == [(1, 1, 3, 3, 0)]


def test_an_intent_of_no_strategy_is_a_fault() -> None:
    stage, _view = stage_of(SizingSettings())
    with pytest.raises(RuntimeError, match="fault 1"):
        size(stage, 3, strategy=1)


def test_impossible_settings_are_refused_by_name() -> None:
    view = FixedView(np.zeros(1, FEATURE_VIEW))
    with pytest.raises(ValueError, match="'realised_variance_10s' is not a feature"):
        SizingStage(table(), 1, view.capsule(), [TARGETED], ("spread",))
    with pytest.raises(ValueError, match="needs the view of the features"):
        SizingStage(table(), 1, None, [TARGETED], NAMES)
    with pytest.raises(ValueError, match="inverse contract"):
        SizingStage(table(contract=Contract.INVERSE), 1, view.capsule(), [TARGETED], NAMES)
    with pytest.raises(ValueError, match="2 strategies, but 1 sizing settings"):
        SizingStage(table(), 2, None, [SizingSettings()])
    for wrong in ({"scale_e6": 0}, {"variance_unit": 0.0}, {"method": "volatility_targeted"}):
        with pytest.raises(ValueError, match=next(iter(wrong)) if "method" not in wrong else "target_risk_atoms"):
            SizingSettings(**wrong)  # type: ignore[arg-type]
