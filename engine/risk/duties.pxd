# What risk does beside judging orders: it keeps time and watches losses and the age of results, and takes commands,
# limits and results.
from libc.stdint cimport int64_t, uint32_t
from ipc.message cimport (
    COMMAND_FLATTEN, COMMAND_HALT, COMMAND_RESUME, COMMAND_STOP, Message, REFUSAL_DAILY_LOSS, REFUSAL_DRAWDOWN_HARD,
    REFUSAL_KILL_SWITCH, REFUSAL_LIMIT_IMPOSSIBLE, REFUSAL_NONE, REFUSAL_RISK_RESULT_INVALID, REFUSAL_RISK_STALE,
)
from engine.stage cimport Outbox, emit_refusal
from engine.risk.checks cimport loss_atoms, loss_limit_atoms
from engine.risk.desk cimport (
    Desk, LIMIT_CANCEL_BURST, LIMIT_CANCEL_RATE_PER_S, LIMIT_COUNT, LIMIT_CVAR_ATOMS, LIMIT_ORDER_BURST,
    LIMIT_ORDER_RATE_PER_S, LIMIT_RESULTS_AGE_NS, OWN_LIMITS,
)
from engine.risk.exposure cimport measure
from engine.risk.guards cimport loss_code, scale_limits, set_caps, set_floors, watch_capital
from engine.risk.rate cimport refill, set_rate, whole_messages
from engine.risk.results cimport RESULT_COMPLETE, take_result
from kernels.exposure.book cimport bounds_with

cdef extern from *:
    """
    #define BOT4_EVERY_INSTRUMENT 0xFFFFFFFFu  /* limits.ALL_INSTRUMENTS */
    #define BOT4_DAY_NS ((int64_t)86400 * 1000000000)
    """
    uint32_t EVERY_INSTRUMENT "BOT4_EVERY_INSTRUMENT"
    int64_t DAY_NS "BOT4_DAY_NS"

cdef inline void announce(
    Desk *desk, const Message *cause, int64_t code, int64_t observed, int64_t limit, Outbox *outbox
) noexcept nogil:
    """A refusal that belongs to no order."""
    desk.view.refused[code] += 1
    emit_refusal(outbox, cause, 0, code, observed, limit)

cdef inline void keep_time(Desk *desk, int64_t time_ns) noexcept nogil:
    """Core time goes only forward; past 00:00 UTC the daily figures start anew (the kill switch stays as it is)."""
    if time_ns <= desk.state.core_time_ns:
        return
    if desk.state.core_time_ns == 0:
        desk.state.start_time_ns = time_ns
    desk.state.core_time_ns = time_ns
    if time_ns < desk.state.next_day_ns:
        return
    measure(desk)
    desk.state.next_day_ns = (time_ns // DAY_NS + 1) * DAY_NS
    desk.state.day_start_atoms = desk.state.profit_atoms
    set_floors(desk)

cdef inline void watch_results(Desk *desk, const Message *cause, Outbox *outbox) noexcept nogil:
    """The CVaR of what is held and open, and, once, that the results have become too old."""
    cdef double lower, upper = 0.0
    if desk.view.results_stale and not desk.state.stale_told and desk.view.headroom[LIMIT_RESULTS_AGE_NS] < 0:
        desk.state.stale_told = 1
        announce(desk, cause, REFUSAL_RISK_STALE, desk.view.results_age_ns, desk.view.limit[LIMIT_RESULTS_AGE_NS],
                 outbox)
    desk.view.worst_cvar_atoms = -1
    if desk.state.judges_cvar:
        bounds_with(&desk.cvar, 0, desk.cvar.rows[0].low_atoms, desk.cvar.rows[0].high_atoms, &lower, &upper)
        desk.view.worst_cvar_atoms = <int64_t> upper if upper < 1e18 else <int64_t> 1 << 60
        desk.view.headroom[LIMIT_CVAR_ATOMS] = <int64_t> desk.state.cvar_limit_atoms - desk.view.worst_cvar_atoms

cdef inline void watch(Desk *desk, const Message *cause, Outbox *outbox) noexcept nogil:
    """Renews every figure, orders or none, and throws the kill switch when a loss limit is reached."""
    cdef int64_t left, code
    measure(desk)
    watch_capital(desk)
    watch_results(desk, cause, outbox)
    refill(&desk.state.orders, desk.state.core_time_ns, desk.view.limit[LIMIT_ORDER_RATE_PER_S],
           desk.view.limit[LIMIT_ORDER_BURST])
    refill(&desk.state.cancels, desk.state.core_time_ns, desk.view.limit[LIMIT_CANCEL_RATE_PER_S],
           desk.view.limit[LIMIT_CANCEL_BURST])
    left = whole_messages(&desk.state.orders)
    desk.view.headroom[LIMIT_ORDER_RATE_PER_S] = desk.view.headroom[LIMIT_ORDER_BURST] = left
    left = whole_messages(&desk.state.cancels)
    desk.view.headroom[LIMIT_CANCEL_RATE_PER_S] = desk.view.headroom[LIMIT_CANCEL_BURST] = left
    code = loss_code(desk)
    if code != REFUSAL_NONE and not (desk.view.halted and desk.view.halt_reason in (
            REFUSAL_DAILY_LOSS, REFUSAL_DRAWDOWN_HARD)):
        desk.view.halted = 1
        desk.view.halt_reason = code
        announce(desk, cause, code, loss_atoms(desk, code), loss_limit_atoms(desk, code), outbox)

cdef inline void take_command(Desk *desk, const Message *message) noexcept nogil:
    if message.extra == COMMAND_RESUME:
        desk.view.halted = desk.view.halt_reason = desk.state.flattening = 0
    elif message.extra in (COMMAND_HALT, COMMAND_STOP, COMMAND_FLATTEN):
        desk.state.flattening = message.extra == COMMAND_FLATTEN
        if not desk.view.halted:
            desk.view.halt_reason = REFUSAL_KILL_SWITCH
        desk.view.halted = 1

cdef inline void set_limits(Desk *desk) noexcept nogil:
    set_floors(desk)
    scale_limits(desk)
    set_caps(desk)
    set_rate(&desk.state.orders, desk.view.limit[LIMIT_ORDER_RATE_PER_S], desk.view.limit[LIMIT_ORDER_BURST])
    set_rate(&desk.state.cancels, desk.view.limit[LIMIT_CANCEL_RATE_PER_S], desk.view.limit[LIMIT_CANCEL_BURST])

cdef inline void take_limit(Desk *desk, const Message *message, Outbox *outbox) noexcept nogil:
    """extra = limit number, price_ticks = its new value; a per-instrument one for message.instrument, or for all."""
    cdef int64_t number = message.extra, value = message.price_ticks, index
    if not 0 <= number < LIMIT_COUNT or not desk.bounds[2 * number] <= value <= desk.bounds[2 * number + 1]:
        announce(desk, message, REFUSAL_LIMIT_IMPOSSIBLE, value, number, outbox)
        return
    if number >= OWN_LIMITS:
        desk.view.limit[number] = value
    elif message.instrument < desk.instrument_count:
        desk.instruments[message.instrument].limit[number] = value
    elif message.instrument == EVERY_INSTRUMENT:
        for index in range(desk.instrument_count):
            desk.instruments[index].limit[number] = value
    else:
        announce(desk, message, REFUSAL_LIMIT_IMPOSSIBLE, message.instrument, desk.instrument_count, outbox)
        return
    desk.state.limits_changed += 1
    set_limits(desk)

cdef inline void take_results(Desk *desk, const Message *message, Outbox *outbox) noexcept nogil:
    cdef int64_t fault = take_result(desk, message)
    if fault != RESULT_COMPLETE:
        desk.view.results_refused += 1
        announce(desk, message, REFUSAL_RISK_RESULT_INVALID, fault, message.order_id, outbox)
