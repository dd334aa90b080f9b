# What the execution stage works on, and the one way to move an order: `move` takes it from state to state by the table
# and keeps the counts of both accounts, the open list, the wait queue and the strategy's working orders in step.
from libc.stdint cimport int64_t, uint16_t
from ipc.message cimport (
    Message, OrderDetail, FLAG_MORE, KIND_DETAIL, SIDE_BID, SOURCE_CORE, SOURCE_SHIFT, ORDER_STATE_PENDING,
    ORDER_STATE_ACCEPTED, ORDER_STATE_PARTLY_FILLED, ORDER_STATE_CANCEL_PENDING, ORDER_STATE_REPLACE_PENDING,
    ORDER_STATE_UNKNOWN,
)
from engine.stage cimport AccountView, OwnerView, Outbox, ReportView, WorkingOrder, WORKING_ORDERS, emit
from engine.execution.order_table cimport (
    OrderRow, OrderTable, is_open_state, open_append, open_remove, wait_append, wait_remove,
)
from engine.execution.trade_memory cimport TradeMemory

cdef enum:  # OrderEvent, the columns of the table; engine.execution.stage compares them at import
    EVENT_SENT = 0
    EVENT_CANCEL_SENT = 1
    EVENT_REPLACE_SENT = 2
    EVENT_ACCEPTED = 3
    EVENT_PARTLY_FILLED = 4
    EVENT_FILLED = 5
    EVENT_CANCELLED = 6
    EVENT_REPLACED = 7
    EVENT_REJECTED = 8
    EVENT_CANCEL_REJECTED = 9
    EVENT_EXPIRED = 10
    EVENT_IN_DOUBT = 11
    EVENT_NOT_FOUND = 12
    EVENT_REPLACE_REFUSED = 13
    EVENT_TIMED_OUT = 14
    EVENT_LAPPED = 15
    EVENTS = 16

cdef struct DeskState:         # of the whole stage; the rest of its memory is the order table and the accounts
    OrderTable table
    int64_t core_time_ns
    int64_t cancel_before      # CANCEL_ALL, STOP: open orders below this number are being cancelled, 0 for none
    int64_t flattening         # FLATTEN: cancel all, close all, until RESUME or HALT
    int64_t reports            # counts, for telemetry
    int64_t duplicates
    int64_t unknown
    int64_t malformed
    int64_t overflows
    int64_t time_outs
    int64_t refused

cdef struct Desk:
    DeskState *state
    OrderRow *rows
    OwnerView *owners
    AccountView *instruments
    AccountView *strategies
    ReportView *report
    TradeMemory *memories      # per instrument; holds pointers, so it lies outside the blocks
    const int64_t *transitions  # (state, event)
    const int64_t *maximum_lots  # of one order, per instrument
    int64_t *close_asked_ns    # per strategy: when FLATTEN last asked to close its position
    int64_t instrument_count
    int64_t strategy_count
    int64_t mask
    int64_t ack_timeout_ns
    int64_t burst_messages

# -- QUERIES --

cdef inline int64_t remaining_lots(const OrderRow *order) noexcept nogil:
    return order.quantity_lots - order.filled_lots if order.quantity_lots > order.filled_lots else 0

cdef inline bint word_is_due(const OrderRow *order) noexcept nogil:
    """Whether the venue owes an answer: a step of ours is unconfirmed, the state is unknown, or a fill is missing."""
    if order.cumulative_lots > order.filled_lots:
        return True
    return (1 << order.state) & (
        (1 << ORDER_STATE_PENDING) | (1 << ORDER_STATE_CANCEL_PENDING) | (1 << ORDER_STATE_REPLACE_PENDING)
        | (1 << ORDER_STATE_UNKNOWN)
    ) != 0

# -- COMMANDS --

cdef inline void count_open(AccountView *account, int64_t side, int64_t lots, int64_t orders) noexcept nogil:
    if side == SIDE_BID:
        account.open_buy_lots += lots
    else:
        account.open_sell_lots += lots
    account.open_orders += orders

cdef inline void write_working(WorkingOrder *slot, const OrderRow *order) noexcept nogil:
    slot.order_id = order.order_id
    slot.side = order.side
    slot.state = order.state
    slot.price_ticks = order.price_ticks
    slot.remaining_lots = remaining_lots(order)
    slot.filled_lots = order.filled_lots
    slot.tag = order.tag
    slot.sent_time_ns = order.sent_time_ns

cdef inline void clear_working(WorkingOrder *slot) noexcept nogil:
    slot.order_id = slot.side = slot.state = slot.price_ticks = 0
    slot.remaining_lots = slot.filled_lots = slot.tag = slot.sent_time_ns = 0

cdef inline void show_working(Desk *desk, OrderRow *order) noexcept nogil:
    """Keeps the strategy's working orders: the oldest open ones that found a slot, in no particular order."""
    cdef AccountView *account = desk.strategies + order.strategy
    cdef int64_t slot, row
    if order.is_open:
        if order.working < 0:
            for slot in range(WORKING_ORDERS):
                if account.working[slot].order_id == 0:
                    order.working = slot
                    break
        if order.working >= 0:
            write_working(&account.working[order.working], order)
        return
    if order.working < 0:
        return
    slot = order.working
    order.working = -1
    clear_working(&account.working[slot])
    if account.open_orders < WORKING_ORDERS:
        return
    row = desk.state.table.open_first
    while row >= 0:  # one that had found no slot takes this one
        if desk.rows[row].strategy == order.strategy and desk.rows[row].working < 0:
            desk.rows[row].working = slot
            write_working(&account.working[slot], desk.rows + row)
            return
        row = desk.rows[row].open_next

cdef inline void keep_counts(Desk *desk, int64_t row) noexcept nogil:
    """Brings the open list and the open lots of both accounts to what the order's state and fills say."""
    cdef OrderRow *order = desk.rows + row
    cdef bint open_now = is_open_state(order.state)
    cdef int64_t want = remaining_lots(order) if open_now else 0
    cdef int64_t orders = open_now - order.is_open, lots = want - order.counted_lots
    order.counted_lots = want
    if orders > 0:
        open_append(&desk.state.table, desk.rows, row)
    elif orders < 0:
        open_remove(&desk.state.table, desk.rows, row)
    count_open(desk.instruments + order.instrument, order.side, lots, orders)
    count_open(desk.strategies + order.strategy, order.side, lots, orders)

cdef inline int64_t move(Desk *desk, int64_t row, int64_t event) noexcept nogil:
    """One event of one order. Returns 0, or the Refusal that the table gives."""
    cdef OrderRow *order = desk.rows + row
    cdef int64_t before = order.state, after = desk.transitions[before * EVENTS + event]
    if after < 0:
        return -after
    if after == ORDER_STATE_ACCEPTED:  # "lives", see transitions.py
        if order.filled_lots > 0:
            after = ORDER_STATE_PARTLY_FILLED
        elif not order.acknowledged:
            after = ORDER_STATE_PENDING
    order.state = after
    keep_counts(desk, row)
    if not order.is_open or after in (ORDER_STATE_PENDING, ORDER_STATE_ACCEPTED, ORDER_STATE_PARTLY_FILLED):
        order.request = 0
    if not order.is_open or not word_is_due(order):
        wait_remove(&desk.state.table, desk.rows, row)
    elif after != before or not order.is_awaited:
        wait_append(&desk.state.table, desk.rows, row, desk.state.core_time_ns + desk.ack_timeout_ns)
    show_working(desk, order)
    return 0

cdef inline void count_refusal(AccountView *account, int64_t code) noexcept nogil:
    account.refusals += 1
    account.last_refusal = code

cdef inline Message *emit_order(
    Outbox *outbox, const Message *cause, int64_t kind, int64_t action, int64_t instrument, int64_t strategy,
    int64_t target,
) noexcept nogil:
    """A message of two records for an order of our own making (a cancel, a query, a closing order); NULL when full."""
    cdef Message *head = emit(outbox, 2)
    cdef OrderDetail *detail
    if head == NULL:
        return NULL
    detail = <OrderDetail *> (head + 1)
    head.sequence = detail.sequence = 0
    head.event_time_ns = detail.event_time_ns = cause.event_time_ns
    head.receive_time_ns = detail.receive_time_ns = cause.receive_time_ns
    head.instrument = detail.instrument = instrument
    head.kind = kind
    head.side = 0
    head.flags = <uint16_t> (FLAG_MORE | (SOURCE_CORE << SOURCE_SHIFT))
    head.price_ticks = head.quantity_lots = head.order_id = head.extra = 0
    detail.kind = KIND_DETAIL
    detail.action = action
    detail.flags = <uint16_t> (SOURCE_CORE << SOURCE_SHIFT)
    detail.cause_sequence = cause.sequence
    detail.strategy = strategy
    detail.order_type = detail.time_in_force = detail.reduce_only = 0
    detail.cause_source = cause.flags >> SOURCE_SHIFT
    detail.target_order_id = target
    detail.tag = 0
    return head
