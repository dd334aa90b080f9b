"""INTENT to SIZED: how large an order may be, in whole steps of the venue, never on the other side.

Cancels and queries pass as they are; an order that only reduces a position is rounded but not sized. How the last order
of each strategy was sized stands in its SizingView. engine/sizing/reference.py says the same slowly.
"""

from libc.math cimport isfinite, sqrt
from libc.stdint cimport int64_t, uint64_t, uintptr_t
from engine.checked cimport multiply_overflows
from engine.sizing.chain cimport TERM_COSTS, TERM_DRAWDOWN, TERM_ESTIMATION, put_nothing
from engine.sizing.kelly cimport Bet, Funding, KellyRule, held_toward, payments, size_bet
from engine.stage cimport (
    AccountView, FeatureView, ForecastView, Outbox, ResultView, RiskView, SizingView, Stage, View, emit, view_of,
)
from ipc.message cimport (
    ACTION_NEW, ACTION_REPLACE, KIND_FUNDING, KIND_INTENT, KIND_REFUSAL, KIND_SIZED, Message, OrderDetail,
    REFUSAL_DRAWDOWN_HARD, REFUSAL_FORECAST_MISSING, REFUSAL_NONE, REFUSAL_RISK_STALE, REFUSAL_SIZE_NO_EDGE,
    REFUSAL_SIZE_ROUNDED_TO_ZERO, SIDE_BID,
)

import numpy as np

from engine.sizing.belief import beliefs
from engine.sizing.config import LOTS_BOUND as PYTHON_LOTS_BOUND
from engine.sizing.config import SCALE_ONE_E6
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
        "fraction", "cost", "horizon_s", "venue_share", "gross_share", "capital_share", "target_risk_atoms",
        "minimum_variance_per_s")
] + [(name, "<i8") for name in ("horizon", "horizon_ns", "funding_interval_ns")])

cdef struct Rule:
    int64_t feature                  # -1: fixed
    int64_t scale_e6
    double target_risk_atoms
    double variance_unit
    double variance_horizon_s
    double minimum_variance_per_s
    int64_t kelly                    # 1: by kelly_rules

cdef struct Sizes:
    View features
    View forecasts                   # these five for Kelly only
    View results
    View accounts                    # row per strategy
    View holdings                    # row per instrument
    const RiskView *risk
    const KellyRule *kelly_rules     # of each strategy
    const double *beliefs            # (strategy, slot of a model)
    const Rule *rules
    const double *atoms_per_tick_lot
    const int64_t *step_lots         # of each instrument: what the venue counts quantities in
    const int64_t *venues            # of each instrument, numbered
    SizingView *shown                # of each strategy
    Funding *funding                 # of each instrument
    int64_t strategies
    int64_t instruments
    int64_t models                   # slots of the forecast

cdef enum:
    FAULT_STRATEGY = 1               # an intent of a strategy that there is not

assert sizeof(KellyRule) == KELLY_RULE.itemsize
assert sizeof(Rule) == RULE.itemsize


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


cdef inline const AccountView *account_of(const View *view, int64_t row) noexcept nogil:
    return <const AccountView *> (<char *> view.rows + row * view.stride)


cdef void weigh_others(const Sizes *sizes, int64_t row, const AccountView *own, Bet *bet) noexcept nogil:
    """What everything but this strategy's own position may be worth at its worst, at the prices of the results."""
    cdef const AccountView *account
    cdef const ResultView *result
    cdef int64_t i, longest, shortest
    cdef double atoms
    for i in range(sizes.instruments):
        account = account_of(&sizes.holdings, i)
        result = <const ResultView *> (<char *> sizes.results.rows + i * sizes.results.stride)
        longest = account.position_lots + account.open_buy_lots
        shortest = account.open_sell_lots - account.position_lots
        if i == row:
            longest -= own.position_lots + own.open_buy_lots
            shortest -= own.open_sell_lots - own.position_lots
        atoms = <double> (longest if longest > shortest else shortest) * (
            0.5 * <double> result.reference_half_ticks * sizes.atoms_per_tick_lot[i])
        bet.gross_atoms += atoms
        if sizes.venues[i] == sizes.venues[row]:
            bet.venue_atoms += atoms


cdef int64_t zero_code(const SizingView *shown) noexcept nogil:
    """Why Kelly's position is not even one lot."""
    if shown.raw <= 0.0 or shown.term[<int64_t> TERM_ESTIMATION] == 0.0 or shown.term[<int64_t> TERM_COSTS] == 0.0:
        return REFUSAL_SIZE_NO_EDGE
    return REFUSAL_DRAWDOWN_HARD if shown.term[<int64_t> TERM_DRAWDOWN] == 0.0 else REFUSAL_SIZE_ROUNDED_TO_ZERO


cdef int64_t kelly_room(const Sizes *sizes, const Message *intent, int64_t strategy, SizingView *shown) noexcept nogil:
    """What is missing to Kelly's position of this strategy, in lots; shown.code says why it is nothing."""
    cdef const KellyRule *rule = sizes.kelly_rules + strategy
    cdef const AccountView *own = account_of(&sizes.accounts, strategy)
    cdef int64_t row = intent.instrument
    cdef const ForecastView *forecast = <const ForecastView *> (
        <char *> sizes.forecasts.rows + row * sizes.forecasts.stride)
    cdef const ResultView *result = <const ResultView *> (<char *> sizes.results.rows + row * sizes.results.stride)
    cdef const Funding *funding = sizes.funding + row
    cdef Bet bet
    put_nothing(shown)
    shown.by_kelly = 1
    shown.held_lots = held_toward(own, intent.side)
    if not forecast.ready or not 0 <= forecast.model < sizes.models:
        shown.code = REFUSAL_FORECAST_MISSING
        return 0
    if sizes.risk.results_version == 0 or sizes.risk.results_stale:
        shown.code = REFUSAL_RISK_STALE
        return 0
    bet.side = 1.0 if intent.side == SIDE_BID else -1.0
    bet.forecast_bp = forecast.values[rule.horizon]
    bet.belief = sizes.beliefs[strategy * sizes.models + forecast.model]
    bet.funding = <double> funding.rate_e8 * 1e-8 * <double> payments(funding, intent.receive_time_ns, rule)
    bet.lot_atoms = sizes.atoms_per_tick_lot[row] * (  # a market order has no price of its own
        <double> intent.price_ticks if intent.price_ticks > 0 else 0.5 * <double> result.reference_half_ticks)
    bet.rest_lots = result.rest_atoms / bet.lot_atoms + <double> (  # others hold the same instrument too
        account_of(&sizes.holdings, row).position_lots - own.position_lots)
    bet.venue_atoms = bet.gross_atoms = 0.0
    weigh_others(sizes, row, own, &bet)
    size_bet(rule, &bet, result, sizes.risk, shown)
    if shown.target_lots == 0:
        shown.code = zero_code(shown)
        return 0
    return shown.target_lots - shown.held_lots if shown.target_lots > shown.held_lots else 0


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


cdef int64_t size_order(
    const Sizes *sizes, const Message *intent, const OrderDetail *detail, SizingView *shown
) noexcept nogil:
    """Lots of a new or replacing order, and how they came about into the strategy's view."""
    cdef const Rule *rule = sizes.rules + detail.strategy
    cdef int64_t lots = intent.quantity_lots, most
    shown.time_ns, shown.instrument, shown.side = intent.receive_time_ns, intent.instrument, intent.side
    shown.asked_lots = lots
    shown.by_kelly = 0
    shown.code = REFUSAL_SIZE_ROUNDED_TO_ZERO
    if not detail.reduce_only:
        lots = sized_lots(sizes, intent, rule)
        if rule.kelly:
            most = kelly_room(sizes, intent, detail.strategy, shown) if intent.instrument < sizes.instruments else 0
            lots = lots if lots < most else most
    if intent.instrument < sizes.instruments:
        lots -= lots % sizes.step_lots[intent.instrument]  # the venue takes whole steps; rounding is toward zero
    if lots > 0:
        shown.lots = lots
        shown.code = REFUSAL_NONE
        shown.sized += 1
        return lots
    shown.lots = 0
    shown.refused += 1
    return 0


cdef int sizing_step(void *self, const Message *message, Outbox *outbox) noexcept nogil:
    cdef Sizes *sizes = &(<SizingStage> self).sizes
    cdef const OrderDetail *detail = <const OrderDetail *> (message + 1)
    cdef int64_t lots = message.quantity_lots
    cdef bint sizable
    cdef Message *sized
    if message.kind == KIND_FUNDING:
        if message.instrument < sizes.instruments:
            sizes.funding[message.instrument] = Funding(message.extra, message.quantity_lots)
        return 0
    if detail.strategy >= sizes.strategies:
        return FAULT_STRATEGY
    sizable = detail.action == ACTION_NEW or detail.action == ACTION_REPLACE
    if sizable:
        lots = size_order(sizes, message, detail, sizes.shown + detail.strategy)
    sized = emit(outbox, 2)
    if sized == NULL:
        return 0
    sized[0] = message[0]
    sized[1] = message[1]
    if sizable and lots == 0:
        sized.kind = KIND_REFUSAL
        sized.price_ticks = 0
        sized.order_id = detail.tag
        sized.extra = sizes.shown[detail.strategy].code
    else:
        sized.kind = KIND_SIZED
        sized.quantity_lots = lots
    return 0


cdef class SizingStage(Stage):
    """One rule for each strategy index; step "step", view "view": SIZING_VIEW, row per strategy.

    `instruments`: INSTRUMENT rows. `features`: view capsule, row per instrument, or None where every rule is fixed.
    `forecast`, `results`, `holdings` (row per instrument), `risk` (one row), `accounts` (row per strategy): capsules,
    and `models`, the forecast slots (PreparedModel): for Kelly. `settings`: one for each strategy; none: fixed.
    `feature_names`: by place in the feature view. Raises ValueError for a feature that there is not, for a model that
    does not fit Kelly's settings, and for targets on inverse contracts, whose lots have no constant value.
    """
    cdef Sizes sizes
    cdef list alive

    def __init__(self, instruments, int64_t strategies, features=None, settings=(), feature_names=(), *, forecast=None,
                 results=None, risk=None, accounts=None, holdings=None, models=()):
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
        atoms = instruments["atoms_numerator"] / np.maximum(instruments["atoms_denominator"], 1).astype(np.float64)
        steps = np.maximum(np.ascontiguousarray(instruments["minimum_quantity_lots"], dtype=np.int64), 1)
        self.alive = [rules, atoms, steps]
        self.sizes.step_lots = <int64_t *> <uintptr_t> steps.ctypes.data
        self.sizes.rules = <Rule *> <uintptr_t> rules.ctypes.data
        self.sizes.atoms_per_tick_lot = <double *> <uintptr_t> atoms.ctypes.data
        self.sizes.strategies = strategies
        self.sizes.instruments = len(instruments)
        if features is not None:
            self.sizes.features = view_of(features)[0]
        self.sizes.shown = <SizingView *> self.block("shown", max(strategies, 1) * sizeof(SizingView))
        self.sizes.funding = <Funding *> self.block("funding", len(instruments) * sizeof(Funding))
        cdef uint64_t kinds = <uint64_t> 1 << KIND_INTENT
        if any(chosen.method == "kelly" for chosen in settings):
            self._bet(settings, instruments, (forecast, results, risk, accounts, holdings), models)
            kinds |= <uint64_t> 1 << KIND_FUNDING
        self.add_step("step", sizing_step, kinds, False)
        self.add_view("view", self.sizes.shown, sizeof(SizingView), strategies)

    def _bet(self, settings, instruments, views, models):
        """The rules, views and beliefs of those sized by Kelly."""
        if any(view is None for view in views):
            raise ValueError("kelly sizing needs the views of forecasts, of risk and its results, and of the accounts")
        if np.any(instruments["contract"] == Contract.INVERSE):
            raise ValueError("kelly sizing of an inverse contract: its lots have no constant value")
        rules = np.array([kelly_rule(chosen) for chosen in settings], KELLY_RULE)
        believed = beliefs(settings, models)
        venues = np.unique(instruments["venue"], return_inverse=True)[1].astype(np.int64)
        self.alive += [views, rules, believed, venues]
        self.sizes.kelly_rules = <KellyRule *> <uintptr_t> rules.ctypes.data
        self.sizes.beliefs = <double *> <uintptr_t> believed.ctypes.data
        self.sizes.venues = <int64_t *> <uintptr_t> venues.ctypes.data
        self.sizes.models = len(models)
        self.sizes.forecasts, self.sizes.results = view_of(views[0])[0], view_of(views[1])[0]
        self.sizes.risk, self.sizes.accounts = <const RiskView *> view_of(views[2]).rows, view_of(views[3])[0]
        self.sizes.holdings = view_of(views[4])[0]

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


def kelly_rule(chosen):
    """A strategy's settings as a KELLY_RULE row."""
    return (
        chosen.kelly_fraction, chosen.kelly_cost_bp * 1e-4, chosen.kelly_horizon_s, chosen.kelly_venue_bp / 10_000,
        chosen.kelly_gross_bp / 10_000, chosen.kelly_capital_bp / 10_000, chosen.target_risk_atoms,
        chosen.minimum_variance_per_s, chosen.kelly_horizon, round(chosen.kelly_horizon_s * 1e9),
        round(chosen.kelly_funding_interval_s * 1e9),
    )
