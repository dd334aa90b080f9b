"""What becomes of a wish: never larger, never on the other side, in whole steps of the venue, or refused by code."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.features.catalogue import CATALOGUE
from engine.sizing.config import SizingSettings
from engine.sizing.reference import LOTS_BOUND, risk_lots, sized_lots
from engine.sizing.stage import SIZING_VIEW, SizingStage
from engine.stage import FEATURE_VIEW
from engine.strategy.stage import FixedView
from ipc.instruments import Contract
from ipc.messages import MESSAGE, ORDER_DETAIL, Action, Kind, Refusal, Side
from tests.engine.execution import desk as make

FEATURE = "realised_variance_1s"
NAMES = ("spread_ticks", FEATURE)
VARIANCE = NAMES.index(FEATURE)
ATOMS_PER_TICK_LOT = 1_000.0  # of desk.table()
TARGETED = SizingSettings(
    method="volatility_targeted", target_risk_atoms=10**8, variance_feature=FEATURE, variance_unit=1.0
)


class Rig:
    """One instrument, one strategy, a feature row that the test writes."""

    def __init__(self, chosen: SizingSettings | None = None, step_lots: int = 1, instruments: Any = None) -> None:
        self.instruments = make.table() if instruments is None else instruments
        self.instruments["minimum_quantity_lots"] = step_lots
        self.features = np.zeros(len(self.instruments), FEATURE_VIEW)
        self.features["ready"] = 1
        self.view = FixedView(self.features)
        self.stage = SizingStage(self.instruments, 1, self.view.capsule(), [chosen] if chosen else [], NAMES)

    def size(self, **fields: int) -> np.ndarray:
        """Both records of what sizing says of an intent."""
        said = self.stage.drive(make.order(Kind.INTENT, **fields))
        assert len(said) == 2
        return said

    def lots(self, **fields: int) -> int:
        """The quantity, 0 for a refusal; everything else must be as it was asked."""
        asked = make.order(Kind.INTENT, **fields)
        said = self.stage.drive(asked)
        assert said[1] == asked[1]
        if said["kind"][0] == Kind.REFUSAL:
            assert said["extra"][0] == Refusal.SIZE_ROUNDED_TO_ZERO
            return 0
        assert said["kind"][0] == Kind.SIZED
        same = [name for name in MESSAGE.names or () if name not in ("kind", "quantity_lots")]
        assert said[0][same].tolist() == asked[0][same].tolist()
        return int(said["quantity_lots"][0])


whole = st.integers(-(2**62), 2**62) | st.integers(-5, 2_000)
variances = st.floats(0.0, 1e9) | st.floats(0.0, 1e-9) | st.sampled_from([float("nan"), float("inf"), -1.0, -0.0])


@settings(max_examples=400, deadline=None, database=None)
@given(
    asked=whole,
    price_ticks=st.integers(-3, 2**40),
    variance=variances,
    ready=st.booleans(),
    step=st.integers(1, 1_000),
    scale=st.integers(1, 10**9),
    target=st.integers(1, 10**15),
    unit=st.sampled_from([1.0, 1e-8]),
    targeted=st.booleans(),
    reduce_only=st.booleans(),
    action=st.sampled_from([Action.NEW, Action.REPLACE]),
    side=st.sampled_from([Side.BID, Side.ASK]),
)
def test_stage_says_what_the_reference_says(
    asked: int, price_ticks: int, variance: float, ready: bool, step: int, scale: int, target: int, unit: float,
    targeted: bool, reduce_only: bool, action: int, side: int,
) -> None:  # fmt: skip
    chosen = SizingSettings(
        method="volatility_targeted" if targeted else "fixed", scale_e6=scale, target_risk_atoms=target,
        variance_feature=FEATURE, variance_unit=unit, variance_horizon_s=1.0,
    )  # fmt: skip
    rig = Rig(chosen, step)
    rig.features["values"][0, VARIANCE] = variance
    rig.features["ready"] = ready
    lots = rig.lots(
        side=side, price_ticks=price_ticks, quantity_lots=asked, action=action, reduce_only=int(reduce_only)
    )
    assert lots == sized_lots(asked, price_ticks, variance, ready, ATOMS_PER_TICK_LOT, step, reduce_only, chosen)
    assert lots >= 0
    assert lots % step == 0
    if not reduce_only:
        assert lots <= max(asked, 0) * scale // 10**6


@pytest.mark.parametrize(("asked", "step", "lots"), [(9, 1, 9), (9, 5, 5), (5, 5, 5), (4, 5, 0), (0, 1, 0), (-7, 1, 0)])
def test_a_quantity_is_rounded_toward_zero_to_whole_steps(asked: int, step: int, lots: int) -> None:
    assert Rig(step_lots=step).lots(quantity_lots=asked) == lots


def test_a_wish_on_one_side_never_becomes_an_order_on_the_other() -> None:
    for side in (Side.BID, Side.ASK):
        said = Rig().size(side=side, quantity_lots=-10)
        assert (said["kind"][0], said["extra"][0]) == (Kind.REFUSAL, Refusal.SIZE_ROUNDED_TO_ZERO)
        assert said["side"][0] == side


def test_a_refusal_names_the_tag_the_wish_and_the_strategy() -> None:
    said = Rig(step_lots=100).size(quantity_lots=99, tag=17)
    assert said["kind"].tolist() == [Kind.REFUSAL, Kind.DETAIL]
    assert (said["order_id"][0], said["quantity_lots"][0], said["price_ticks"][0]) == (17, 99, 0)
    assert said[1:].view(ORDER_DETAIL)["strategy"][0] == 0


@pytest.mark.parametrize("action", [Action.CANCEL, Action.QUERY])
def test_cancels_and_queries_pass_as_they_are(action: int) -> None:
    rig = Rig(TARGETED, step_lots=1_000)
    rig.features["ready"] = 0
    asked = make.order(Kind.INTENT, action=action, quantity_lots=0, target=5)
    said = rig.stage.drive(asked)
    assert said["kind"][0] == Kind.SIZED
    assert said[1] == asked[1]


def test_an_order_that_only_reduces_is_not_made_smaller_by_volatility() -> None:
    rig = Rig(TARGETED)
    rig.features["ready"] = 0
    assert rig.lots(quantity_lots=50, reduce_only=1) == 50
    assert rig.lots(quantity_lots=50) == 0


def test_volatility_target_is_the_published_formula() -> None:
    # 1 quote unit of risk; 4e-8 variance a second: 2e-4 of 100,000 ticks * 1,000 atoms = 20,000 atoms a lot
    rig = Rig(TARGETED)
    rig.features["values"][0, VARIANCE] = 4e-8
    assert rig.lots(price_ticks=100_000, quantity_lots=10**6) == 10**8 // 20_000
    assert rig.lots(price_ticks=100_000, quantity_lots=10) == 10  # never more than was wished for


def test_the_defaults_read_the_features_that_the_core_computes() -> None:
    chosen = SizingSettings(method="volatility_targeted", target_risk_atoms=10**8)
    feature = {known.name: known for known in CATALOGUE}[chosen.variance_feature]
    assert feature.unit == "bp^2/s"  # so 1e-8 of a variance a second
    assert risk_lots(4.0, 100_000, ATOMS_PER_TICK_LOT, chosen) == 10**8 // 20_000


def test_twice_the_volatility_is_half_the_size() -> None:
    rig = Rig(TARGETED)
    sizes = []
    for variance in (1e-8, 4e-8, 16e-8):
        rig.features["values"][0, VARIANCE] = variance
        sizes.append(rig.lots(price_ticks=100_000, quantity_lots=10**9))
    assert sizes == [10_000, 5_000, 2_500]


def test_a_market_quieter_than_believed_counts_as_the_minimum() -> None:
    rig = Rig(TARGETED)
    sizes = []
    for variance in (0.0, 1e-15, 1e-12):
        rig.features["values"][0, VARIANCE] = variance
        sizes.append(rig.lots(price_ticks=100_000, quantity_lots=10**9))
    assert sizes == [sizes[0]] * 3
    assert sizes[0] > 0


@pytest.mark.parametrize("variance", [float("nan"), float("inf"), -1e-9])
def test_a_variance_that_is_none_sizes_nothing(variance: float) -> None:
    rig = Rig(TARGETED)
    rig.features["values"][0, VARIANCE] = variance
    assert rig.lots(price_ticks=100_000, quantity_lots=10) == 0


def test_a_scale_is_applied_exactly_beyond_64_bits() -> None:
    chosen = SizingSettings(scale_e6=999_999_999)
    assert Rig(chosen).lots(quantity_lots=2**40) == 2**40 * 999_999_999 // 10**6
    assert Rig(chosen).lots(quantity_lots=2**62) == LOTS_BOUND


def test_the_tiniest_risk_is_bounded_by_what_doubles_count() -> None:
    chosen = SizingSettings(method="volatility_targeted", target_risk_atoms=2**62, minimum_variance_per_s=1e-300)
    assert risk_lots(0.0, 1, ATOMS_PER_TICK_LOT, chosen) == LOTS_BOUND


def test_each_strategy_has_its_own_rule_and_its_own_counts() -> None:
    stage = SizingStage(make.table(), 2, None, [SizingSettings(), SizingSettings(scale_e6=500_000)])
    for strategy, lots in ((0, 9), (1, 4)):
        said = stage.drive(make.order(Kind.INTENT, strategy=strategy, quantity_lots=9))
        assert said["quantity_lots"][0] == lots
    stage.drive(make.order(Kind.INTENT, strategy=1, quantity_lots=1))
    assert stage.rows(SIZING_VIEW).tolist() == [(1, 0), (1, 1)]


def test_an_intent_of_a_strategy_that_there_is_not_stops_the_core() -> None:
    with pytest.raises(RuntimeError, match="fault 1"):
        Rig().stage.drive(make.order(Kind.INTENT, strategy=1))


def test_settings_that_cannot_be_met_are_refused_by_name() -> None:
    table = make.table()
    view = FixedView(np.zeros(1, FEATURE_VIEW))
    with pytest.raises(ValueError, match="needs the view of the features"):
        SizingStage(table, 1, None, [TARGETED], NAMES)
    with pytest.raises(ValueError, match=f"'{FEATURE}' is not a feature"):
        SizingStage(table, 1, view.capsule(), [TARGETED], ("spread_ticks",))
    with pytest.raises(ValueError, match="2 strategies, but 1 sizing settings"):
        SizingStage(table, 2, None, [SizingSettings()])
    table["contract"] = Contract.INVERSE
    with pytest.raises(ValueError, match="inverse contract"):
        SizingStage(table, 1, view.capsule(), [TARGETED], NAMES)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"scale_e6": 0}, "scale_e6 must be above 0"),
        ({"scale_e6": 10**9 + 1}, "at most 1000000000"),
        ({"minimum_variance_per_s": 0.0}, "minimum_variance_per_s must be above 0"),
        ({"variance_horizon_s": float("nan")}, "variance_horizon_s must be above 0 and finite"),
        ({"method": "volatility_targeted"}, "target_risk_atoms must be above 0"),
        ({"method": "volatility_targeted", "target_risk_atoms": 1, "variance_feature": ""}, "must name a feature"),
    ],
)
def test_a_setting_out_of_range_names_field_and_limit(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SizingSettings(**fields)


def test_counts_come_back_with_a_snapshot() -> None:
    rig, other = Rig(), Rig()
    rig.lots(quantity_lots=3)
    other.stage.restore(rig.stage.snapshot())
    assert other.stage.rows(SIZING_VIEW).tolist() == [(1, 0)]
