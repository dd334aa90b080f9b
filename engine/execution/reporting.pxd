# What the venue says: from a REPORT to an event of one order, a fill booked once, and the ReportView that the strategy
# reads.
from libc.stdint cimport int64_t
from libc.string cimport memset
from ipc.message cimport (
    Message, ReportDetail, FLAG_MORE, SIDE_BID, REPORT_KIND_ACCEPTED,
    REPORT_KIND_FILL, REPORT_KIND_CANCELLED, REPORT_KIND_REPLACED, REPORT_KIND_REJECTED, REPORT_KIND_CANCEL_REJECTED,
    REPORT_KIND_EXPIRED, REPORT_KIND_UNKNOWN, REPORT_KIND_NOT_FOUND, REFUSAL_NONE, REFUSAL_ARITHMETIC_OVERFLOW,
    REFUSAL_ORDER_UNKNOWN, REFUSAL_PRICE_NOT_TICK, REFUSAL_QUANTITY_ZERO, REFUSAL_VENUE_DISCONNECTED,
    REFUSAL_VENUE_TIMEOUT, REFUSAL_VENUE_UNKNOWN_ORDER,
)
from engine.stage cimport AccountView, Outbox, emit_refusal
from engine.execution.desk cimport (
    Desk, EVENT_ACCEPTED, EVENT_PARTLY_FILLED, EVENT_FILLED, EVENT_CANCELLED, EVENT_REPLACED, EVENT_REJECTED,
    EVENT_CANCEL_REJECTED, EVENT_EXPIRED, EVENT_IN_DOUBT, EVENT_NOT_FOUND, EVENT_REPLACE_REFUSED, EVENTS,
    count_refusal, move, remaining_lots,
)
from engine.execution.ledger cimport Balance, balance_of, fill_overflows, put_balance
from engine.execution.order_table cimport OrderRow, find_order
from engine.execution.trade_memory cimport remember, remembers, trade_key

cdef inline int64_t event_of(int64_t kind, int64_t code) noexcept nogil:
    """The event that a report other than a fill is; EVENTS when it is none."""
    if kind == REPORT_KIND_ACCEPTED:
        return EVENT_ACCEPTED
    if kind == REPORT_KIND_CANCELLED:
        return EVENT_CANCELLED
    if kind == REPORT_KIND_REPLACED:
        return EVENT_REPLACED
    if kind == REPORT_KIND_REJECTED:
        return EVENT_REJECTED
    if kind == REPORT_KIND_CANCEL_REJECTED:  # the code says whether the order is known to live
        if code in (
            REFUSAL_ORDER_UNKNOWN, REFUSAL_VENUE_UNKNOWN_ORDER, REFUSAL_VENUE_TIMEOUT, REFUSAL_VENUE_DISCONNECTED
        ):
            return EVENT_IN_DOUBT
        return EVENT_CANCEL_REJECTED
    if kind == REPORT_KIND_EXPIRED:
        return EVENT_EXPIRED
    if kind == REPORT_KIND_UNKNOWN:
        return EVENT_IN_DOUBT
    if kind == REPORT_KIND_NOT_FOUND:
        return EVENT_NOT_FOUND
    return EVENTS

cdef inline void refuse(
    Desk *desk, const Message *cause, int64_t code, int64_t observed, Outbox *outbox
) noexcept nogil:
    """This report was not applied, or not wholly."""
    desk.state.refused += 1
    emit_refusal(outbox, cause, cause.order_id, code, observed, 0)

cdef inline void book(AccountView *account, const Balance *balance, const Message *fill) noexcept nogil:
    put_balance(account, balance)
    account.fills += 1
    if fill.side == SIDE_BID:
        account.bought_lots += fill.quantity_lots
    else:
        account.sold_lots += fill.quantity_lots
    account.last_fill_price_ticks = fill.price_ticks
    account.last_fill_time_ns = fill.event_time_ns

cdef inline int64_t apply_fill(
    Desk *desk, int64_t row, const Message *fill, const ReportDetail *detail, int64_t *refusal
) noexcept nogil:
    """Books a fill once in both accounts. Returns its event, or EVENTS with a Refusal, or with none for a duplicate."""
    cdef OrderRow *order = desk.rows + row
    cdef AccountView *instrument = desk.instruments + order.instrument
    cdef AccountView *strategy = desk.strategies + order.strategy
    cdef Balance ours, theirs
    cdef Message booked = fill[0]
    cdef int64_t lots, highest, filled, key = 0
    if fill.quantity_lots <= 0 or fill.price_ticks <= 0:
        desk.state.malformed += 1
        refusal[0] = REFUSAL_QUANTITY_ZERO if fill.quantity_lots <= 0 else REFUSAL_PRICE_NOT_TICK
        return EVENTS
    if fill.quantity_lots >= <int64_t> 1 << 61 or detail.cumulative_lots >= <int64_t> 1 << 62:
        desk.state.overflows += 1
        refusal[0] = REFUSAL_ARITHMETIC_OVERFLOW
        return EVENTS
    if 0 < detail.trade_id < <int64_t> 1 << 61:
        key = trade_key(detail.trade_id, order.side)
        if remembers(desk.memories + order.instrument, key):
            return EVENTS
    # Second guard: what we booked never exceeds the highest cumulative quantity that the venue spoke of.
    highest = detail.cumulative_lots if detail.cumulative_lots > order.cumulative_lots else order.cumulative_lots
    filled = order.filled_lots + fill.quantity_lots
    if detail.cumulative_lots > 0 and filled > highest:
        return EVENTS
    lots = fill.quantity_lots if order.side == SIDE_BID else -fill.quantity_lots
    ours, theirs = balance_of(strategy), balance_of(instrument)
    if (fill_overflows(&ours, lots, fill.price_ticks, detail.fee_atoms)
            or fill_overflows(&theirs, lots, fill.price_ticks, detail.fee_atoms)):
        desk.state.overflows += 1
        refusal[0] = REFUSAL_ARITHMETIC_OVERFLOW
        return EVENTS
    booked.side = order.side
    book(strategy, &ours, &booked)
    book(instrument, &theirs, &booked)
    if key != 0:
        remember(desk.memories + order.instrument, key)
    order.filled_lots = filled
    order.cumulative_lots = highest if highest > filled else filled
    order.acknowledged = 1
    return EVENT_FILLED if filled >= order.quantity_lots else EVENT_PARTLY_FILLED

cdef inline void tell(
    Desk *desk, const Message *message, const ReportDetail *detail, int64_t row, bint applied
) noexcept nogil:
    """Writes the ReportView of this message."""
    cdef OrderRow *order
    memset(desk.report, 0, sizeof(desk.report[0]))
    desk.report.order_id = message.order_id
    desk.report.event = message.extra & 0xFF
    desk.report.code = message.extra >> 8
    desk.report.strategy = -1
    if row < 0:
        return
    order = desk.rows + row
    desk.report.strategy = order.strategy
    desk.report.applied = applied
    desk.report.state = order.state
    desk.report.side = order.side
    desk.report.price_ticks = message.price_ticks
    desk.report.quantity_lots = message.quantity_lots
    desk.report.remaining_lots = remaining_lots(order)
    desk.report.fee_atoms = detail.fee_atoms
    desk.report.tag = order.tag

cdef inline void note_report(
    Desk *desk, int64_t row, const ReportDetail *detail, int64_t event, int64_t code
) noexcept nogil:
    """What a report other than a fill tells beside its event."""
    cdef OrderRow *order = desk.rows + row
    if detail.venue_order_id > 0:
        order.venue_order_id = detail.venue_order_id
    if event == EVENT_ACCEPTED:
        order.acknowledged = 1
    if order.cumulative_lots < detail.cumulative_lots <= order.quantity_lots:
        order.cumulative_lots = detail.cumulative_lots  # more has filled than we booked: the fill is awaited
    if event in (EVENT_REJECTED, EVENT_CANCEL_REJECTED) or (event == EVENT_IN_DOUBT and code != REFUSAL_NONE):
        count_refusal(desk.instruments + order.instrument, code)
        count_refusal(desk.strategies + order.strategy, code)

cdef inline void release_replaced(Desk *desk, int64_t row) noexcept nogil:
    """The replacement was rejected or never arrived: the order that it was to replace lives on."""
    cdef int64_t replaced = find_order(&desk.state.table, desk.rows, desk.mask, desk.rows[row].replaces)
    if replaced >= 0 and desk.rows[replaced].request == desk.rows[row].order_id:
        move(desk, replaced, EVENT_REPLACE_REFUSED)

cdef inline void take_report(Desk *desk, const Message *message, Outbox *outbox) noexcept nogil:
    cdef ReportDetail detail
    cdef int64_t row = find_order(&desk.state.table, desk.rows, desk.mask, message.order_id)
    cdef int64_t kind = message.extra & 0xFF, code = message.extra >> 8, event, refusal = REFUSAL_NONE
    memset(&detail, 0, sizeof(detail))
    if message.flags & FLAG_MORE:
        detail = (<const ReportDetail *> (message + 1))[0]
    desk.state.reports += 1
    if row < 0:
        desk.state.unknown += 1
        tell(desk, message, &detail, row, False)
        refuse(desk, message, REFUSAL_ORDER_UNKNOWN, kind, outbox)
        return
    if kind == REPORT_KIND_FILL:
        event = apply_fill(desk, row, message, &detail, &refusal)
    else:
        event = event_of(kind, code)
    if event < EVENTS:
        if kind != REPORT_KIND_FILL:
            note_report(desk, row, &detail, event, code)
        move(desk, row, event)
        if event in (EVENT_REJECTED, EVENT_NOT_FOUND):
            release_replaced(desk, row)
    elif refusal != REFUSAL_NONE:
        refuse(desk, message, refusal, message.quantity_lots, outbox)
    else:
        desk.state.duplicates += 1
    tell(desk, message, &detail, row, event < EVENTS)
