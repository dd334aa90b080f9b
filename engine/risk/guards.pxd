# What the account may lose and how much of it may be at work: floors of the profit and caps of the exposure, in atoms,
# renewed with the clock and with new results, so that an order only compares.
from libc.math cimport fabs
from libc.stdint cimport int64_t
from ipc.message cimport (
    REFUSAL_DAILY_LOSS, REFUSAL_DRAWDOWN_HARD, REFUSAL_NONE, SIDE_ASK, SIDE_BID, SIDE_NONE, RISK_VALUE_QUALITY,
    RISK_VALUE_REGIME, RISK_VALUE_VOLATILITY_RATIO,
)
from engine.checked cimport multiply_overflows, share_overflows
from engine.stage cimport RiskView
from engine.risk.desk cimport (
    Desk, LIMIT_CONCENTRATION_BP, LIMIT_CORRELATION_BP, LIMIT_CVAR_ATOMS, LIMIT_DAILY_LOSS_ATOMS, LIMIT_DAILY_LOSS_BP,
    LIMIT_DRAWDOWN_HARD_BP, LIMIT_DRAWDOWN_SOFT_BP, LIMIT_GROSS_NOTIONAL_ATOMS, LIMIT_LEVERAGE_BP,
    LIMIT_POSITION_VALUE_ATOMS, LIMIT_RESULTS_AGE_NS, RiskState,
)

cdef extern from *:
    """
    #define BOT4_UNLIMITED ((int64_t)1 << 62)
    """
    int64_t UNLIMITED "BOT4_UNLIMITED"

cdef enum:
    ONE_E6 = 1_000_000
    LEAST_SCALE_E6 = 50_000    # however bad regime, volatility and data are: a book can be worked down

# -- QUERIES --

cdef inline int64_t share_of(int64_t atoms, int64_t part, int64_t whole) noexcept nogil:
    """atoms * part / whole of an amount that is not negative, toward zero; UNLIMITED where it does not fit."""
    cdef int64_t share
    if atoms <= 0:
        return 0
    if whole > 0 and not multiply_overflows(atoms, part, &share):  # the usual case: no 128-bit division
        return share // whole
    return UNLIMITED if share_overflows(atoms, part, whole, &share) else share

cdef inline int64_t least(int64_t a, int64_t b) noexcept nogil:
    return a if a < b else b

cdef inline int64_t floor_below(int64_t top_atoms, int64_t capital_atoms, int64_t limit_bp) noexcept nogil:
    """The profit at which so much of the equity that went with the profit `top_atoms` is lost; 0 bp: never."""
    return -UNLIMITED if limit_bp == 0 else top_atoms - share_of(capital_atoms + top_atoms, limit_bp, 10_000)

cdef inline int64_t loss_code(const Desk *desk) noexcept nogil:
    """Which loss limit the profit of now is beyond, or 0."""
    cdef const RiskState *state = desk.state
    if state.profit_atoms < state.daily_floor_atoms:
        return REFUSAL_DAILY_LOSS
    return REFUSAL_DRAWDOWN_HARD if state.profit_atoms < state.hard_floor_atoms else REFUSAL_NONE

# -- COMMANDS --

cdef inline void set_floors(Desk *desk) noexcept nogil:
    """After the peak, the day, or a limit has changed; the rest follows with the next look."""
    cdef RiskState *state = desk.state
    cdef RiskView *view = desk.view
    cdef int64_t day = state.day_start_atoms - view.limit[LIMIT_DAILY_LOSS_ATOMS]
    state.capital_seen = 0
    state.daily_floor_atoms = floor_below(state.day_start_atoms, desk.capital_atoms, view.limit[LIMIT_DAILY_LOSS_BP])
    if day > state.daily_floor_atoms:
        state.daily_floor_atoms = day
    state.hard_floor_atoms = floor_below(state.peak_profit_atoms, desk.capital_atoms,
                                         view.limit[LIMIT_DRAWDOWN_HARD_BP])
    state.soft_floor_atoms = floor_below(state.peak_profit_atoms, desk.capital_atoms,
                                         view.limit[LIMIT_DRAWDOWN_SOFT_BP])

cdef inline int64_t scale_of_results(const Desk *desk) noexcept nogil:
    """Product of the regime's scale, the volatility's (limit over ratio, at most 1) and the data's quality."""
    cdef double ratio = desk.batch.values[RISK_VALUE_VOLATILITY_RATIO], quality = desk.batch.values[RISK_VALUE_QUALITY]
    cdef int64_t regime = <int64_t> desk.batch.values[RISK_VALUE_REGIME], scale
    if regime >= desk.regimes:
        regime = desk.regimes - 1
    scale = desk.regime_scale_e6[regime]
    if ratio * ONE_E6 > <double> desk.volatility_ratio_limit_e6:
        scale = <int64_t> (<double> scale * (<double> desk.volatility_ratio_limit_e6 / (ratio * ONE_E6)))
    scale = <int64_t> (<double> scale * quality)
    return LEAST_SCALE_E6 if scale < LEAST_SCALE_E6 else ONE_E6 if scale > ONE_E6 else scale

cdef inline void set_correlated_side(Desk *desk, int64_t index) noexcept nogil:
    cdef int64_t limit_bp = desk.view.limit[LIMIT_CORRELATION_BP]
    cdef double correlation = desk.results[index].correlation * 10_000.0
    desk.instruments[index].correlated_side = SIDE_NONE
    desk.view.headroom[LIMIT_CORRELATION_BP] = least(
        desk.view.headroom[LIMIT_CORRELATION_BP], limit_bp - <int64_t> fabs(correlation))
    if limit_bp == 0 or desk.results[index].version == 0:
        return
    if correlation > <double> limit_bp:
        desk.instruments[index].correlated_side = SIDE_BID
    elif -correlation > <double> limit_bp:
        desk.instruments[index].correlated_side = SIDE_ASK

cdef inline void scale_limits(Desk *desk) noexcept nogil:
    """After new results or a change of limits."""
    cdef int64_t index, scale = desk.view.scale_e6
    desk.state.capital_seen = 0
    desk.view.headroom[LIMIT_CORRELATION_BP] = desk.view.limit[LIMIT_CORRELATION_BP]
    for index in range(desk.instrument_count):
        desk.instruments[index].value_cap_atoms = share_of(
            desk.instruments[index].limit[LIMIT_POSITION_VALUE_ATOMS], scale, ONE_E6)
        set_correlated_side(desk, index)

cdef inline void set_caps(Desk *desk) noexcept nogil:
    """Renews what depends on equity, limits, their scale, and whether results count. O(1)."""
    cdef RiskState *state = desk.state
    cdef RiskView *view = desk.view
    cdef int64_t leverage = view.limit[LIMIT_LEVERAGE_BP], concentration = view.limit[LIMIT_CONCENTRATION_BP]
    cdef int64_t cvar = share_of(view.limit[LIMIT_CVAR_ATOMS], view.scale_e6, ONE_E6)
    state.leverage_cap_atoms = UNLIMITED if leverage == 0 else share_of(view.equity_atoms, leverage, 10_000)
    state.concentration_cap_atoms = UNLIMITED if concentration == 0 else share_of(
        view.equity_atoms, concentration, 10_000)
    state.caution_cap_atoms = UNLIMITED
    if view.results_stale and view.limit[LIMIT_CVAR_ATOMS] > 0:  # the limit, not what its scale leaves: 0 is off
        state.caution_cap_atoms = share_of(cvar, 10_000, desk.conservative_loss_bp)
    state.gross_cap_atoms = least(share_of(view.limit[LIMIT_GROSS_NOTIONAL_ATOMS], view.scale_e6, ONE_E6),
                                  least(state.leverage_cap_atoms, state.caution_cap_atoms))
    state.cvar_limit_atoms = <double> cvar
    state.judges_cvar = view.limit[LIMIT_CVAR_ATOMS] > 0 and view.results_version > 0 and not view.results_stale

cdef inline void age_results(Desk *desk) noexcept nogil:
    """How old the results are: since the newest market data they know, or since the run began where there are none."""
    cdef RiskView *view = desk.view
    cdef int64_t since = view.results_time_ns, stale
    if view.results_version == 0:
        since = desk.state.start_time_ns
    view.results_age_ns = desk.state.core_time_ns - since if desk.state.core_time_ns > since else 0
    view.headroom[LIMIT_RESULTS_AGE_NS] = view.limit[LIMIT_RESULTS_AGE_NS] - view.results_age_ns
    stale = desk.results_expected and (view.results_version == 0 or view.headroom[LIMIT_RESULTS_AGE_NS] < 0)
    if stale != view.results_stale:
        view.results_stale = stale
        set_caps(desk)

cdef inline void watch_capital(Desk *desk) noexcept nogil:
    """Equity, its peak and what is left of the limits on it; figures must have been measured."""
    cdef RiskState *state = desk.state
    cdef RiskView *view = desk.view
    cdef int64_t equity, peak, lost, index, largest = 0
    if (state.profit_atoms == state.seen_profit_atoms and state.gross_atoms == state.seen_gross_atoms
            and state.capital_seen):
        age_results(desk)
        return
    if state.profit_atoms > state.peak_profit_atoms:
        state.peak_profit_atoms = state.profit_atoms
        set_floors(desk)
    equity = desk.capital_atoms + state.profit_atoms  # both within 2**61
    peak = desk.capital_atoms + state.peak_profit_atoms
    view.equity_atoms = equity
    view.peak_equity_atoms = peak
    lost = share_of(state.peak_profit_atoms - state.profit_atoms, 10_000, peak)
    view.headroom[LIMIT_DRAWDOWN_SOFT_BP] = view.limit[LIMIT_DRAWDOWN_SOFT_BP] - lost
    view.headroom[LIMIT_DRAWDOWN_HARD_BP] = view.limit[LIMIT_DRAWDOWN_HARD_BP] - lost
    lost = share_of(state.day_start_atoms - state.profit_atoms, 10_000, desk.capital_atoms + state.day_start_atoms)
    view.headroom[LIMIT_DAILY_LOSS_BP] = view.limit[LIMIT_DAILY_LOSS_BP] - lost
    view.headroom[LIMIT_LEVERAGE_BP] = view.limit[LIMIT_LEVERAGE_BP] - share_of(state.gross_atoms, 10_000, equity)
    for index in range(desk.instrument_count):
        if desk.instruments[index].worst_value_atoms > largest:
            largest = desk.instruments[index].worst_value_atoms
    view.headroom[LIMIT_CONCENTRATION_BP] = view.limit[LIMIT_CONCENTRATION_BP] - share_of(largest, 10_000, equity)
    age_results(desk)
    set_caps(desk)
    state.seen_profit_atoms = state.profit_atoms
    state.seen_gross_atoms = state.gross_atoms
    state.capital_seen = 1
