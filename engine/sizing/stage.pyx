"""INTENT to SIZED: how large an order may be, in whole steps of the venue, never on the other side.

Cancels and queries pass as they are; an order that only reduces a position is rounded but not sized.
engine/sizing/reference.py says the same slowly.
"""

from libc.math cimport isfinite, sqrt
from libc.stdint cimport int64_t, uint64_t, uintptr_t
from engine.checked cimport multiply_overflows
from engine.sizing.kelly cimport KellyRule, kelly_lots, room_in_lots
from engine.stage cimport (
    AccountView, FeatureView, ForecastView, Outbox, ResultView, RiskView, Stage, View, emit, view_of,
)
from ipc.message cimport (
    ACTION_NEW, ACTION_REPLACE, KIND_INTENT, KIND_REFUSAL, KIND_SIZED, Message, OrderDetail,
    REFUSAL_SIZE_NO_EDGE, REFUSAL_SIZE_ROUNDED_TO_ZERO, SIDE_BID,
)

import numpy as np

from engine.sizing.config import SCALE_ONE_E6
from engine.sizing.reference import LOTS_BOUND as PYTHON_LOTS_BOUND
from ipc.instruments import Contract

cdef extern from *:
    ctypedef int int128 "__int128"

cdef int64_t LOTS_BOUND = PYTHON_LOTS_BOUND

cdef enum:
    ONE_E6 = 1_000_000               # a constant, so that the compiler divides by multiplying
assert ONE_E6 == SCALE_ONE_E6

# What one strategy's sizing needs, as int64 and float64 only.
RULE = np.dtype([
    ("feature", "<i8"), ("scale_e6", "<i8"), ("target_risk_atoms", "<f8"), ("variance_unit", "<f8"),
    ("variance_horizon_s", "<f8"), ("minimum_variance_per_s", "<f8"), ("kelly", "<i8"),
])
KELLY_RULE = np.dtype([
    (name, "<f8") for name in (
        "fraction", "cost", "horizon_s", "capital_share", "target_risk_atoms", "minimum_variance_per_s")
] + [("horizon", "<i8")])
SIZING_VIEW = np.dtype([("sized", "<i8"), ("refused", "<i8")])

cdef struct Rule:
    int64_t feature                  # -1: fixed
    int64_t scale_e6
    double target_risk_atoms
    double variance_unit
    double variance_horizon_s
    double minimum_variance_per_s
    int64_t kelly                    # 1: by kelly_rules

cdef struct Counts:
    int64_t sized
    int64_t refused

cdef struct Sizes:
    View features
    View forecasts                   # these four for Kelly only
    View results
    View accounts                    # row per strategy
    const RiskView *risk
    const KellyRule *kelly_rules     # of each strategy
    const Rule *rules
    const double *atoms_per_tick_lot
    const int64_t *step_lots         # of each instrument: what the venue counts quantities in
    Counts *counts
    int64_t strategies
    int64_t instruments

cdef enum:
    FAULT_STRATEGY = 1               # an intent of a strategy that there is not

assert sizeof(KellyRule) == KELLY_RULE.itemsize
assert sizeof(Rule) == RULE.itemsize and sizeof(Counts) == SIZING_VIEW.itemsize


cdef inline int64_t scaled_lots(int64_t asked_lots, int64_t scale_e6) noexcept nogil:
    cdef int64_t scaled
    cdef int128 lots
    if asked_lots <= 0:
        return 0
    if not multiply_overflows(asked_lots, scale_e6, &scaled):  # the usual case: no call into the 128-bit library
        return min(scaled // ONE_E6, LOTS_BOUND)
    lots = <int128> asked_lots * scale_e6 // ONE_E6
    return <int64_t> lots if lots < LOTS_BOUND else LOTS_BOUND


cdef inline int64_t risk_lots(
    const Rule *rule, double variance, int64_t price_ticks, double atoms_per_tick_lot
) noexcept nogil:
    """lots = target / (sqrt(variance per second) * price * atoms per tick and lot), rounded toward zero."""
    cdef double variance_per_s, lots
    if not isfinite(variance) or variance < 0.0 or price_ticks <= 0:
        return 0
    variance_per_s = variance * rule.variance_unit / rule.variance_horizon_s
    if variance_per_s < rule.minimum_variance_per_s:
        variance_per_s = rule.minimum_variance_per_s
    lots = rule.target_risk_atoms / (sqrt(variance_per_s) * (<double> price_ticks * atoms_per_tick_lot))
    return <int64_t> lots if lots < <double> LOTS_BOUND else LOTS_BOUND


cdef int64_t kelly_room(const Sizes *sizes, const Message *intent, int64_t strategy) noexcept nogil:
    """What is missing to Kelly's position of this strategy, in lots; -1 without an edge that pays."""
    cdef const KellyRule *rule = sizes.kelly_rules + strategy
    cdef int64_t row = intent.instrument
    cdef const ForecastView *forecast
    cdef double target
    if row >= sizes.instruments:
        return -1
    forecast = <const ForecastView *> (<char *> sizes.forecasts.rows + row * sizes.forecasts.stride)
    if not forecast.ready:
        return -1
    target = kelly_lots(
        rule, 1.0 if intent.side == SIDE_BID else -1.0, forecast.values[rule.horizon],
        <const ResultView *> (<char *> sizes.results.rows + row * sizes.results.stride), sizes.risk,
        <double> intent.price_ticks * sizes.atoms_per_tick_lot[row])
    if not target > 0.0:
        return -1
    return room_in_lots(
        target, <const AccountView *> (<char *> sizes.accounts.rows + strategy * sizes.accounts.stride), intent.side,
        LOTS_BOUND)


cdef int64_t sized_lots(const Sizes *sizes, const Message *intent, const Rule *rule) noexcept nogil:
    cdef const FeatureView *features
    cdef int64_t lots = scaled_lots(intent.quantity_lots, rule.scale_e6), most, row = intent.instrument
    if rule.feature < 0:
        return lots
    if row >= sizes.instruments:
        return 0
    features = <const FeatureView *> (<char *> sizes.features.rows + row * sizes.features.stride)
    if not features.ready:
        return 0
    most = risk_lots(rule, features.values[rule.feature], intent.price_ticks, sizes.atoms_per_tick_lot[row])
    return lots if lots < most else most


cdef int sizing_step(void *self, const Message *intent, Outbox *outbox) noexcept nogil:
    cdef const Sizes *sizes = &(<SizingStage> self).sizes
    cdef const OrderDetail *detail = <const OrderDetail *> (intent + 1)
    cdef int64_t lots = intent.quantity_lots, room, code = REFUSAL_SIZE_ROUNDED_TO_ZERO
    cdef Message *sized
    if detail.strategy >= sizes.strategies:
        return FAULT_STRATEGY
    if (detail.action == ACTION_NEW or detail.action == ACTION_REPLACE) and not detail.reduce_only:
        lots = sized_lots(sizes, intent, &sizes.rules[detail.strategy])
        if sizes.rules[detail.strategy].kelly:
            room = kelly_room(sizes, intent, detail.strategy)
            if room < 0:
                code = REFUSAL_SIZE_NO_EDGE
            lots = lots if lots < room else room
    if intent.instrument < sizes.instruments and (detail.action == ACTION_NEW or detail.action == ACTION_REPLACE):
        lots -= lots % sizes.step_lots[intent.instrument]  # the venue takes whole steps; rounding is toward zero
    sized = emit(outbox, 2)
    if sized == NULL:
        return 0
    sized[0] = intent[0]
    sized[1] = intent[1]
    if lots <= 0 and (detail.action == ACTION_NEW or detail.action == ACTION_REPLACE):
        sized.kind = KIND_REFUSAL
        sized.price_ticks = 0
        sized.order_id = detail.tag
        sized.extra = code
        sizes.counts[detail.strategy].refused += 1
    else:
        sized.kind = KIND_SIZED
        sized.quantity_lots = lots
        sizes.counts[detail.strategy].sized += 1
    return 0


cdef class SizingStage(Stage):
    """One rule for each strategy index; step "step", view "view": SIZING_VIEW, row per strategy.

    `instruments`: INSTRUMENT rows. `features`: view capsule, row per instrument, or None where every rule is fixed.
    `forecast`, `results` (row per instrument), `risk` (one row), `accounts` (row per strategy): capsules, for Kelly.
    `settings`: one for each strategy; none: fixed. `feature_names`: by place in the feature view. Raises ValueError for
    a feature that there is not, and for volatility targets on inverse contracts, whose lots have no constant value.
    """
    cdef Sizes sizes
    cdef list alive

    def __init__(self, instruments, int64_t strategies, features=None, settings=(), feature_names=(), *, forecast=None,
                 results=None, risk=None, accounts=None):
        if settings and len(settings) != strategies:
            raise ValueError(f"{strategies} strategies, but {len(settings)} sizing settings")
        rules = np.zeros(max(strategies, 1), RULE)
        rules["feature"] = -1
        rules["scale_e6"] = SCALE_ONE_E6
        for row, chosen in zip(rules, settings):
            row["scale_e6"] = chosen.scale_e6
            if chosen.method == "volatility_targeted":
                self._target(row, chosen, features, list(feature_names), instruments)
            row["kelly"] = chosen.method == "kelly"
        self._bet(settings, strategies, instruments, (forecast, results, risk, accounts))
        atoms = instruments["atoms_numerator"] / np.maximum(instruments["atoms_denominator"], 1).astype(np.float64)
        steps = np.maximum(np.ascontiguousarray(instruments["minimum_quantity_lots"], dtype=np.int64), 1)
        self.alive += [rules, atoms, steps]
        self.sizes.step_lots = <int64_t *> <uintptr_t> steps.ctypes.data
        self.sizes.rules = <Rule *> <uintptr_t> rules.ctypes.data
        self.sizes.atoms_per_tick_lot = <double *> <uintptr_t> atoms.ctypes.data
        self.sizes.strategies = strategies
        self.sizes.instruments = len(instruments)
        if features is not None:
            self.sizes.features = view_of(features)[0]
        self.sizes.counts = <Counts *> self.block("counts", max(strategies, 1) * sizeof(Counts))
        self.add_step("step", sizing_step, <uint64_t> 1 << KIND_INTENT, False)
        self.add_view("view", self.sizes.counts, sizeof(Counts), strategies)

    def _bet(self, settings, strategies, instruments, views):
        """The rules and views of those sized by Kelly; nothing is kept where there are none."""
        self.alive = [views]
        rules = np.zeros(max(strategies, 1), KELLY_RULE)
        for row, chosen in zip(rules, settings):
            row["fraction"], row["cost"] = chosen.kelly_fraction, chosen.kelly_cost_bp * 1e-4
            row["horizon"], row["horizon_s"] = chosen.kelly_horizon, chosen.kelly_horizon_s
            row["capital_share"] = chosen.kelly_capital_bp / 10_000
            row["target_risk_atoms"] = chosen.target_risk_atoms
            row["minimum_variance_per_s"] = chosen.minimum_variance_per_s
        self.alive.append(rules)
        self.sizes.kelly_rules = <KellyRule *> <uintptr_t> rules.ctypes.data
        if not any(chosen.method == "kelly" for chosen in settings):
            return
        if any(view is None for view in views):
            raise ValueError("kelly sizing needs the views of forecasts, of risk and its results, and of the accounts")
        if np.any(instruments["contract"] == Contract.INVERSE):
            raise ValueError("kelly sizing of an inverse contract: its lots have no constant value")
        self.sizes.forecasts, self.sizes.results = view_of(views[0])[0], view_of(views[1])[0]
        self.sizes.risk, self.sizes.accounts = <const RiskView *> view_of(views[2]).rows, view_of(views[3])[0]

    def _target(self, row, chosen, features, feature_names, instruments):
        if features is None:
            raise ValueError("volatility_targeted sizing needs the view of the features")
        if chosen.variance_feature not in feature_names:
            raise ValueError(f"variance_feature {chosen.variance_feature!r} is not a feature")
        if np.any(instruments["contract"] == Contract.INVERSE):
            raise ValueError("volatility_targeted sizing of an inverse contract: its lots have no constant value")
        row["feature"] = feature_names.index(chosen.variance_feature)
        for name in ("target_risk_atoms", "variance_unit", "variance_horizon_s", "minimum_variance_per_s"):
            row[name] = getattr(chosen, name)
