# The checks of a NEW or REPLACE, one small function each, in the order of limits.CHECKS: 0 passes, else a Refusal, with
# what was observed and the limit in the case. A new limit is one function here and one line in stage.pyx.
from libc.stdint cimport int64_t
from ipc.message cimport (
    BOOK_STATE_VALID, ORDER_TYPE_MARKET, REFUSAL_ARITHMETIC_OVERFLOW, REFUSAL_BOOK_NOT_VALID, REFUSAL_CONCENTRATION,
    REFUSAL_CORRELATION, REFUSAL_CVAR_LIMIT, REFUSAL_CVAR_UNDECIDED, REFUSAL_DAILY_LOSS, REFUSAL_DRAWDOWN_SOFT,
    REFUSAL_LEVERAGE, REFUSAL_RISK_STALE,
    REFUSAL_GROSS_NOTIONAL, REFUSAL_INSTRUMENT_HALTED, REFUSAL_INSTRUMENT_UNKNOWN, REFUSAL_KILL_SWITCH,
    REFUSAL_MESSAGE_RATE, REFUSAL_NONE, REFUSAL_NO_REFERENCE_PRICE, REFUSAL_OPEN_ORDERS, REFUSAL_ORDER_RING_FULL,
    REFUSAL_ORDER_VALUE,
    REFUSAL_ORDER_VALUE_TOO_SMALL, REFUSAL_POSITION_LIMIT, REFUSAL_PRICE_COLLAR, REFUSAL_PRICE_NOT_TICK,
    REFUSAL_QUANTITY_TOO_LARGE, REFUSAL_QUANTITY_ZERO, REFUSAL_REDUCE_ONLY, REFUSAL_REPEATED_ORDER, REFUSAL_STALE_DATA,
    SIDE_ASK, SIDE_BID,
)
from engine.checked cimport add_overflows, product_exceeds, value_overflows
from engine.stage cimport AccountView
from engine.risk.desk cimport (
    Case, Desk, LIMIT_CORRELATION_BP, LIMIT_CVAR_ATOMS, LIMIT_DAILY_LOSS_ATOMS, LIMIT_DRAWDOWN_SOFT_BP,
    LIMIT_GROSS_NOTIONAL_ATOMS, LIMIT_OPEN_ORDERS, LIMIT_ORDER_BURST, LIMIT_RESULTS_AGE_NS,
    LIMIT_ORDER_QUANTITY_LOTS, LIMIT_ORDER_RATE_PER_S, LIMIT_ORDER_VALUE_ATOMS, LIMIT_ORDER_VALUE_MINIMUM_ATOMS,
    LIMIT_POSITION_LOTS, LIMIT_POSITION_VALUE_ATOMS, LIMIT_PRICE_COLLAR_BP, LIMIT_REPEATED_ORDERS,
    LIMIT_REPEAT_WINDOW_NS, LIMIT_STALE_DATA_NS, account_of, book_of, repeats_of, strategy_of,
)
from engine.risk.exposure cimport measure, reference_half_ticks, worst_overflows
from engine.risk.guards cimport least, loss_code
from engine.risk.rate cimport CREDIT_PER_MESSAGE, refill, whole_messages
from engine.risk.repeats cimport count_repeats
from engine.risk.results cimport atoms_of
from kernels.exposure.book cimport (
    ACCEPTED_AS_REDUCING, REFUSED_UNBOUNDED, UNDECIDED, Verdict, judge_adding, judge_reducing,
)

cdef extern from *:
    """
    /* What leads to a cold call is laid out of the way of an order that passes. */
    static __attribute__((cold, noinline)) long long bot4_cold(long long code) { return code; }
    """
    int64_t cold "bot4_cold"(int64_t code) noexcept nogil

cdef inline int64_t refused(Case *case, int64_t code, int64_t observed, int64_t limit) noexcept nogil:
    case.observed = observed
    case.limit = limit
    return cold(code)

cdef inline bint closes_by_command(const Desk *desk, const Case *case) noexcept nogil:
    """An order by which FLATTEN closes: no larger than what is held, so no limit of ours stands in its way."""
    return desk.state.flattening and case.detail.reduce_only

cdef inline int64_t check_kill_switch(Desk *desk, Case *case) noexcept nogil:
    if not desk.view.halted or closes_by_command(desk, case):
        return REFUSAL_NONE
    return refused(case, REFUSAL_KILL_SWITCH, desk.view.halt_reason, 0)

cdef inline int64_t check_order_ring(Desk *desk, Case *case) noexcept nogil:
    """Whether the order ring has room, as the loop said last."""
    return refused(case, REFUSAL_ORDER_RING_FULL, 0, 0) if desk.state.order_ring_full else REFUSAL_NONE

cdef inline int64_t check_instrument(Desk *desk, Case *case) noexcept nogil:
    """Known, traded by this strategy, to be valued, and trading; from here on the case has its rows."""
    cdef int64_t index = case.order.instrument
    if index >= desk.instrument_count or case.detail.strategy >= desk.strategy_count:
        return refused(case, REFUSAL_INSTRUMENT_UNKNOWN, index, desk.instrument_count)
    case.instrument = desk.instruments + index
    if strategy_of(desk, case.detail.strategy).instrument != index or case.instrument.denominator == 0:
        return refused(case, REFUSAL_INSTRUMENT_UNKNOWN, index, desk.instrument_count)
    case.book = book_of(desk, index)
    case.account = account_of(desk, index)
    if case.instrument.halted:
        return refused(case, REFUSAL_INSTRUMENT_HALTED, index, 0)
    return REFUSAL_NONE

cdef inline int64_t check_book(Desk *desk, Case *case) noexcept nogil:
    cdef int64_t age_ns = desk.state.core_time_ns - case.book.receive_time_ns
    cdef int64_t limit_ns = desk.view.limit[LIMIT_STALE_DATA_NS]
    if case.book.state != BOOK_STATE_VALID:
        return refused(case, REFUSAL_BOOK_NOT_VALID, case.book.state, BOOK_STATE_VALID)
    desk.view.headroom[LIMIT_STALE_DATA_NS] = limit_ns - age_ns
    if age_ns > limit_ns:
        return refused(case, REFUSAL_STALE_DATA, age_ns, limit_ns)
    return REFUSAL_NONE

cdef inline int64_t check_quantity(Desk *desk, Case *case) noexcept nogil:
    cdef int64_t lots = case.order.quantity_lots, limit = case.instrument.limit[LIMIT_ORDER_QUANTITY_LOTS]
    if case.instrument.maximum_quantity_lots < limit or closes_by_command(desk, case):
        limit = case.instrument.maximum_quantity_lots
    if lots <= 0 or lots < case.instrument.minimum_quantity_lots:
        return refused(case, REFUSAL_QUANTITY_ZERO, lots, case.instrument.minimum_quantity_lots)
    desk.view.limit[LIMIT_ORDER_QUANTITY_LOTS] = limit
    desk.view.headroom[LIMIT_ORDER_QUANTITY_LOTS] = limit - lots
    if lots > limit:
        return refused(case, REFUSAL_QUANTITY_TOO_LARGE, lots, limit)
    return REFUSAL_NONE

cdef inline int64_t check_price(Desk *desk, Case *case) noexcept nogil:
    """A side, a price the venue knows, and not too far from the mid; a market order has no price of its own."""
    cdef int64_t price = case.order.price_ticks, away, reference = reference_half_ticks(case.book)
    cdef int64_t collar = desk.view.limit[LIMIT_PRICE_COLLAR_BP], away_bp = <int64_t> 1 << 40
    if case.order.side != SIDE_BID and case.order.side != SIDE_ASK:
        return refused(case, REFUSAL_PRICE_NOT_TICK, case.order.side, 0)
    if reference > 0:
        case.instrument.reference_half_ticks = reference
    reference = case.instrument.reference_half_ticks
    if case.detail.order_type != ORDER_TYPE_MARKET:
        if price <= 0 or price < case.instrument.minimum_price_ticks:
            return refused(case, REFUSAL_PRICE_NOT_TICK, price, case.instrument.minimum_price_ticks)
        if price > case.instrument.maximum_price_ticks:
            return refused(case, REFUSAL_PRICE_NOT_TICK, price, case.instrument.maximum_price_ticks)
    if reference <= 0:
        return refused(case, REFUSAL_NO_REFERENCE_PRICE, 0, 1)
    if case.detail.order_type == ORDER_TYPE_MARKET:
        return REFUSAL_NONE
    away = 2 * price - reference
    if away < 0:
        away = -away
    if away < <int64_t> 1 << 49:
        away_bp = away * 10_000 // reference  # rounded down: the refusal itself compares exactly
    desk.view.headroom[LIMIT_PRICE_COLLAR_BP] = collar - away_bp
    if product_exceeds(away, 10_000, collar, reference):
        return refused(case, REFUSAL_PRICE_COLLAR, away_bp, collar)
    return REFUSAL_NONE

cdef inline int64_t check_value(Desk *desk, Case *case) noexcept nogil:
    """Price times quantity; a market order at the mid. Too large judged rounded up, too small rounded down: exactly."""
    cdef int64_t half_ticks = 2 * case.order.price_ticks, floor
    cdef int64_t lowest = desk.view.limit[LIMIT_ORDER_VALUE_MINIMUM_ATOMS]
    cdef int64_t highest = desk.view.limit[LIMIT_ORDER_VALUE_ATOMS]
    if case.detail.order_type == ORDER_TYPE_MARKET:
        half_ticks = case.instrument.reference_half_ticks
    if value_overflows(case.order.quantity_lots, half_ticks, case.instrument.numerator, case.instrument.denominator,
                       &floor, &case.value_atoms):
        return refused(case, REFUSAL_ARITHMETIC_OVERFLOW, case.order.quantity_lots, half_ticks)
    desk.view.headroom[LIMIT_ORDER_VALUE_ATOMS] = highest - case.value_atoms
    if case.value_atoms > highest and not closes_by_command(desk, case):
        return refused(case, REFUSAL_ORDER_VALUE, case.value_atoms, highest)
    if case.detail.reduce_only and not case.instrument.is_spot:
        return REFUSAL_NONE  # venues of derivatives let any remainder be closed
    if case.instrument.minimum_value_atoms > lowest:
        lowest = case.instrument.minimum_value_atoms
    desk.view.headroom[LIMIT_ORDER_VALUE_MINIMUM_ATOMS] = floor - lowest
    if floor < lowest:
        return refused(case, REFUSAL_ORDER_VALUE_TOO_SMALL, floor, lowest)
    return REFUSAL_NONE

cdef inline int64_t check_reduce_only(Desk *desk, Case *case) noexcept nogil:
    """A reduce-only order closes what its strategy holds, and no more than is left of it by what is open."""
    cdef const AccountView *account
    cdef int64_t held, closing
    if not case.detail.reduce_only:
        return REFUSAL_NONE
    account = strategy_of(desk, case.detail.strategy)
    held = account.position_lots if case.order.side == SIDE_ASK else -account.position_lots
    closing = account.open_sell_lots if case.order.side == SIDE_ASK else account.open_buy_lots
    if add_overflows(closing, case.order.quantity_lots, &closing):
        return refused(case, REFUSAL_ARITHMETIC_OVERFLOW, case.order.quantity_lots, 0)
    if closing > held:
        return refused(case, REFUSAL_REDUCE_ONLY, closing, held if held > 0 else 0)
    return REFUSAL_NONE

cdef inline int64_t check_exposure(Desk *desk, Case *case) noexcept nogil:
    """Measures every account; no order while one of them cannot be valued."""
    cdef int64_t index
    case.open_orders = measure(desk)
    if desk.state.faults == 0:
        return REFUSAL_NONE
    for index in range(desk.instrument_count):
        if desk.instruments[index].fault != REFUSAL_NONE:
            return refused(case, desk.instruments[index].fault, index, 0)
    return REFUSAL_NONE

cdef inline int64_t check_position(Desk *desk, Case *case) noexcept nogil:
    """Lots of this order's side with all that is open on it filled; value of the larger side, if this order adds."""
    cdef int64_t buy = case.order.quantity_lots if case.order.side == SIDE_BID else 0, floor
    cdef int64_t sell = case.order.quantity_lots - buy, reached
    cdef int64_t limit_lots = case.instrument.limit[LIMIT_POSITION_LOTS]
    cdef int64_t limit_atoms = case.instrument.value_cap_atoms
    if worst_overflows(case.account, buy, sell, &case.worst_lots):
        return refused(case, REFUSAL_ARITHMETIC_OVERFLOW, case.order.quantity_lots, 0)
    if buy > 0:
        reached = case.account.position_lots + case.account.open_buy_lots + buy
    else:
        reached = case.account.open_sell_lots + sell - case.account.position_lots
    if reached > limit_lots:
        return refused(case, REFUSAL_POSITION_LIMIT, reached, limit_lots)
    if value_overflows(case.worst_lots, case.instrument.reference_half_ticks, case.instrument.numerator,
                       case.instrument.denominator, &floor, &case.worst_value_atoms):
        return refused(case, REFUSAL_ARITHMETIC_OVERFLOW, case.worst_lots, 0)
    case.adds = case.worst_lots > case.instrument.worst_lots
    if case.worst_value_atoms > least(limit_atoms, desk.state.concentration_cap_atoms) and case.adds:
        if case.worst_value_atoms > limit_atoms:
            return refused(case, REFUSAL_POSITION_LIMIT, case.worst_value_atoms, limit_atoms)
        return refused(case, REFUSAL_CONCENTRATION, case.worst_value_atoms, desk.state.concentration_cap_atoms)
    return REFUSAL_NONE

cdef inline int64_t check_gross_notional(Desk *desk, Case *case) noexcept nogil:
    """Sum over instruments of the larger worst case at the mid, against the least of the limit (scaled), leverage and,
    without fresh results of the risk process, caution; an order that adds nothing to it passes."""
    cdef int64_t others = desk.state.gross_atoms - case.instrument.worst_value_atoms
    if add_overflows(others, case.worst_value_atoms, &case.gross_atoms):
        return refused(case, REFUSAL_ARITHMETIC_OVERFLOW, case.worst_value_atoms, 0)
    if case.gross_atoms <= desk.state.gross_cap_atoms or not case.adds:
        return REFUSAL_NONE
    if case.gross_atoms > desk.state.caution_cap_atoms:
        return refused(case, REFUSAL_RISK_STALE, desk.view.results_age_ns, desk.view.limit[LIMIT_RESULTS_AGE_NS])
    if case.gross_atoms > desk.state.leverage_cap_atoms:
        return refused(case, REFUSAL_LEVERAGE, case.gross_atoms, desk.state.leverage_cap_atoms)
    return refused(case, REFUSAL_GROSS_NOTIONAL, case.gross_atoms, desk.state.gross_cap_atoms)

cdef inline int64_t check_correlation(Desk *desk, Case *case) noexcept nogil:
    """No adding to an instrument on the side on which it moves with all else that is held."""
    if case.instrument.correlated_side != case.order.side or not case.adds:
        return REFUSAL_NONE
    return refused(case, REFUSAL_CORRELATION,
                   <int64_t> (desk.results[case.order.instrument].correlation * 10_000.0),
                   desk.view.limit[LIMIT_CORRELATION_BP])

cdef inline int64_t check_drawdown_soft(Desk *desk, Case *case) noexcept nogil:
    """Beyond it only what adds nothing to the worst case passes."""
    cdef int64_t limit = desk.view.limit[LIMIT_DRAWDOWN_SOFT_BP]
    if desk.state.profit_atoms >= desk.state.soft_floor_atoms or not case.adds or closes_by_command(desk, case):
        return REFUSAL_NONE
    return refused(case, REFUSAL_DRAWDOWN_SOFT, limit - desk.view.headroom[LIMIT_DRAWDOWN_SOFT_BP], limit)

cdef inline int64_t check_open_orders(Desk *desk, Case *case) noexcept nogil:
    cdef int64_t limit = desk.view.limit[LIMIT_OPEN_ORDERS]
    if case.open_orders + 1 > limit:
        return refused(case, REFUSAL_OPEN_ORDERS, case.open_orders + 1, limit)
    return REFUSAL_NONE

cdef inline int64_t loss_atoms(const Desk *desk, int64_t code) noexcept nogil:
    """What was lost: since the day began, or from the peak."""
    if code == REFUSAL_DAILY_LOSS:
        return -desk.view.daily_pnl_atoms
    return desk.state.peak_profit_atoms - desk.state.profit_atoms

cdef inline int64_t loss_limit_atoms(const Desk *desk, int64_t code) noexcept nogil:
    if code == REFUSAL_DAILY_LOSS:
        return desk.state.day_start_atoms - desk.state.daily_floor_atoms
    return desk.state.peak_profit_atoms - desk.state.hard_floor_atoms

cdef inline int64_t check_daily_loss(Desk *desk, Case *case) noexcept nogil:
    """The day's loss and the hard drawdown throw the kill switch, which stays until RESUME; FLATTEN still closes."""
    cdef int64_t code = loss_code(desk)
    if code == REFUSAL_NONE or closes_by_command(desk, case):
        return REFUSAL_NONE
    desk.view.halted = 1
    desk.view.halt_reason = code
    return refused(case, code, loss_atoms(desk, code), loss_limit_atoms(desk, code))

cdef inline bint only_reduces(const Case *case) noexcept nogil:
    """Whether the position comes toward zero and not beyond, all that is open on this side filled before."""
    cdef int64_t held = case.account.position_lots, closing = case.order.quantity_lots  # check_position: it all fits
    if case.order.side == SIDE_ASK:
        return held > 0 and closing + case.account.open_sell_lots <= held
    return held < 0 and closing + case.account.open_buy_lots <= -held

cdef inline int64_t check_cvar(Desk *desk, Case *case) noexcept nogil:
    return desk.weigh_cvar(desk, case) if desk.state.judges_cvar else REFUSAL_NONE

cdef inline int64_t weigh_cvar(Desk *desk, Case *case) noexcept nogil:
    """CVaR with this order and everything open filled at its worst, at the mids of now (kernels/exposure/book.pxd)."""
    cdef double added, cvar_atoms = 0.0, limit = desk.state.cvar_limit_atoms
    cdef Verdict verdict
    if closes_by_command(desk, case):
        return REFUSAL_NONE
    added = atoms_of(case.instrument, case.order.quantity_lots, case.instrument.reference_half_ticks)
    if case.order.side == SIDE_ASK:
        added = -added
    if only_reduces(case):
        verdict = judge_reducing(&desk.cvar, case.order.instrument, added, limit, &cvar_atoms)
    else:
        verdict = judge_adding(&desk.cvar, case.order.instrument, added, limit, desk.decides_exactly, &cvar_atoms)
    if verdict == REFUSED_UNBOUNDED:
        return refused(case, REFUSAL_ARITHMETIC_OVERFLOW, case.order.quantity_lots, 0)
    if cvar_atoms < 1e18 and cvar_atoms > -1e18:
        desk.view.worst_cvar_atoms = <int64_t> cvar_atoms
        desk.view.headroom[LIMIT_CVAR_ATOMS] = <int64_t> limit - desk.view.worst_cvar_atoms
    if verdict <= ACCEPTED_AS_REDUCING:
        return REFUSAL_NONE
    return refused(case, REFUSAL_CVAR_UNDECIDED if verdict == UNDECIDED else REFUSAL_CVAR_LIMIT,
                   desk.view.worst_cvar_atoms, <int64_t> limit)

cdef inline int64_t check_repeated_order(Desk *desk, Case *case) noexcept nogil:
    cdef int64_t limit = desk.view.limit[LIMIT_REPEATED_ORDERS], count
    cdef int64_t since_ns = desk.state.core_time_ns - desk.view.limit[LIMIT_REPEAT_WINDOW_NS]
    count = 1 + count_repeats(
        repeats_of(desk, case.order.instrument), since_ns, case.order.side, case.order.price_ticks,
        case.order.quantity_lots)
    desk.view.headroom[LIMIT_REPEATED_ORDERS] = limit - count
    if count > limit:
        return refused(case, REFUSAL_REPEATED_ORDER, count, limit)
    return REFUSAL_NONE

cdef inline int64_t check_message_rate(Desk *desk, Case *case) noexcept nogil:
    """Last of all, so that only an order that passes is paid for."""
    cdef int64_t rate = desk.view.limit[LIMIT_ORDER_RATE_PER_S]
    refill(&desk.state.orders, desk.state.core_time_ns, rate, desk.view.limit[LIMIT_ORDER_BURST])
    if desk.state.orders.credit < CREDIT_PER_MESSAGE:
        return refused(case, REFUSAL_MESSAGE_RATE, 1, whole_messages(&desk.state.orders))
    desk.state.orders.credit -= CREDIT_PER_MESSAGE
    return REFUSAL_NONE
