"""The execution stage: the last of the journey, and the first to hear the venue.

Two steps. "reports" takes what the venue says, commands, laps and time, and keeps orders, positions and profit; what it
wants done (cancels, queries, closing orders) it says as INTENT, which travels through sizing and risk like any other.
"orders" takes APPROVED, gives the order its number and says ORDER: the one place where orders come from.

engine/execution/reference.py does the same slowly in Python integers; tests/engine/execution holds the two together.
"""

from libc.stdint cimport int64_t, uint16_t, uint64_t
from ipc.message cimport (
    Message, OrderDetail, ACTION_NEW, ACTION_CANCEL, ACTION_REPLACE, ACTION_QUERY, COMMAND_CANCEL_ALL, COMMAND_FLATTEN,
    COMMAND_HALT, COMMAND_RESUME, COMMAND_STOP, FLAG_MORE, KIND_APPROVED, KIND_COMMAND, KIND_INTENT, KIND_LAPPED,
    KIND_ORDER, KIND_REFUSAL, KIND_REPORT, KIND_TIME, ORDER_STATE_NONE, ORDER_TYPE_MARKET,
    REFUSAL_ARITHMETIC_OVERFLOW, REFUSAL_INSTRUMENT_UNKNOWN, REFUSAL_NONE, REFUSAL_ORDER_NOT_CANCELLABLE,
    REFUSAL_ORDER_TABLE_FULL, REFUSAL_ORDER_UNKNOWN, REFUSAL_OUTBOX_FULL, REFUSAL_PRICE_NOT_TICK, REFUSAL_QUANTITY_ZERO,
    SIDE_ASK, SIDE_BID, SOURCE_CORE, SOURCE_REPORTS, SOURCE_SHIFT, TIME_IN_FORCE_IOC,
)
from engine.checked cimport add_overflows
from engine.stage cimport AccountView, Outbox, OwnerView, ReportView, Stage, emit
from engine.execution.desk cimport (
    Desk, DeskState, EVENTS, EVENT_CANCEL_SENT, EVENT_LAPPED, EVENT_REPLACE_SENT, EVENT_SENT, EVENT_TIMED_OUT,
    count_refusal, emit_order, move,
)
from engine.execution.order_table cimport OrderRow, fetch_next_row, find_order, free_row, wait_append
from engine.execution.reporting cimport take_report
from engine.execution.trade_memory cimport TradeMemory

import numpy as np

from engine.execution.config import ExecutionSettings
from engine.execution.transitions import TRANSITIONS, OrderEvent
from ipc.messages import OrderState

ORDER_VIEW = np.dtype([(name, "<i8") for name in (
    "order_id", "instrument", "strategy", "side", "state", "price_ticks", "quantity_lots", "filled_lots",
    "cumulative_lots", "order_type", "time_in_force", "reduce_only", "tag", "venue_order_id", "replaces", "request",
    "acknowledged", "counted_lots", "working", "sent_time_ns", "cancel_asked_ns", "deadline_ns", "is_open",
    "is_awaited", "open_next", "open_previous", "wait_next", "wait_previous",
)])
DESK_VIEW = np.dtype([(name, "<i8") for name in (
    "orders", "open_first", "open_last", "open_count", "wait_first", "wait_last", "longest_probe", "core_time_ns",
    "cancel_before", "flattening", "reports", "duplicates", "unknown", "malformed", "overflows", "time_outs", "refused",
)])
assert ORDER_VIEW.itemsize == sizeof(OrderRow)
assert DESK_VIEW.itemsize == sizeof(DeskState)
assert TRANSITIONS.shape == (len(OrderState), EVENTS)
assert (OrderEvent.SENT, OrderEvent.TIMED_OUT, OrderEvent.LAPPED) == (EVENT_SENT, EVENT_TIMED_OUT, EVENT_LAPPED)

# -- what the stage wants done, as intents -------------------------------------------------------------------------

cdef int64_t query_overdue(Desk *desk, const Message *cause, Outbox *outbox, int64_t room) noexcept nogil:
    """Orders whose word is overdue become UNKNOWN and are asked for, again after every time-out."""
    cdef int64_t row = desk.state.table.wait_first
    cdef OrderRow *order
    while room > 0 and row >= 0 and desk.rows[row].deadline_ns <= desk.state.core_time_ns:
        order = desk.rows + row
        if not emit_order(
                outbox, cause, KIND_INTENT, ACTION_QUERY, order.instrument, order.strategy, order.order_id):
            return 0
        desk.state.time_outs += 1
        move(desk, row, EVENT_TIMED_OUT)
        wait_append(&desk.state.table, desk.rows, row, desk.state.core_time_ns + desk.ack_timeout_ns)
        room -= 1
        row = desk.state.table.wait_first
    return room


cdef int64_t cancel_open(Desk *desk, const Message *cause, Outbox *outbox, int64_t room) noexcept nogil:
    """Cancels every open order numbered below cancel_before, asking again where a cancel got lost on its way."""
    cdef int64_t row = desk.state.table.open_first, left = 0
    cdef OrderRow *order
    cdef Message *intent
    while row >= 0:
        order = desk.rows + row
        row = order.open_next
        if order.order_id >= desk.state.cancel_before:
            continue
        left += 1
        if order.request != 0 or desk.state.core_time_ns < order.cancel_asked_ns + desk.ack_timeout_ns:
            continue
        if room <= 0:
            break
        intent = emit_order(
            outbox, cause, KIND_INTENT, ACTION_CANCEL, order.instrument, order.strategy, order.order_id)
        if intent == NULL:
            return 0
        intent.side = order.side
        order.cancel_asked_ns = desk.state.core_time_ns
        room -= 1
    if left == 0 and not desk.state.flattening:
        desk.state.cancel_before = 0
    return room


cdef int64_t close_positions(Desk *desk, const Message *cause, Outbox *outbox, int64_t room) noexcept nogil:
    """A reduce-only market order for each strategy that holds a position and has nothing open, again after a time-out;
    at most what the venue takes at once: the rest follows when that is filled."""
    cdef int64_t strategy, lots
    cdef AccountView *account
    cdef Message *intent
    cdef OrderDetail *detail
    for strategy in range(desk.strategy_count):
        account = desk.strategies + strategy
        if account.position_lots == 0 or account.open_orders != 0:
            continue
        if desk.state.core_time_ns < desk.close_asked_ns[strategy] + desk.ack_timeout_ns:
            continue
        if room <= 0:
            break
        intent = emit_order(outbox, cause, KIND_INTENT, ACTION_NEW, account.instrument, strategy, 0)
        if intent == NULL:
            return 0
        intent.side = SIDE_ASK if account.position_lots > 0 else SIDE_BID
        lots = account.position_lots if account.position_lots > 0 else -account.position_lots
        intent.quantity_lots = min(lots, desk.maximum_lots[account.instrument])
        detail = <OrderDetail *> (intent + 1)
        detail.order_type = ORDER_TYPE_MARKET
        detail.time_in_force = TIME_IN_FORCE_IOC
        detail.reduce_only = 1
        desk.close_asked_ns[strategy] = desk.state.core_time_ns
        room -= 1
    return room


cdef void pursue(Desk *desk, const Message *cause, Outbox *outbox) noexcept nogil:
    """What is under way and not done: queries first, then cancels, then closing orders, burst_messages in all."""
    cdef int64_t room = query_overdue(desk, cause, outbox, desk.burst_messages)
    if desk.state.cancel_before > 0:
        room = cancel_open(desk, cause, outbox, room)
    if desk.state.flattening:
        close_positions(desk, cause, outbox, room)

# -- the step "reports" --------------------------------------------------------------------------------------------

cdef void take_command(Desk *desk, const Message *message) noexcept nogil:
    cdef int64_t strategy
    if message.extra in (COMMAND_CANCEL_ALL, COMMAND_STOP):
        desk.state.cancel_before = desk.state.table.orders + 1
    elif message.extra == COMMAND_FLATTEN:
        desk.state.cancel_before = <int64_t> 1 << 62
        desk.state.flattening = 1
        for strategy in range(desk.strategy_count):
            desk.close_asked_ns[strategy] = -desk.ack_timeout_ns
    elif message.extra in (COMMAND_HALT, COMMAND_RESUME):
        desk.state.cancel_before = 0
        desk.state.flattening = 0


cdef void take_lap(Desk *desk) noexcept nogil:
    """Reports were lost: nothing is known of any open order until the venue has been asked."""
    cdef int64_t row = desk.state.table.open_first
    while row >= 0:
        move(desk, row, EVENT_LAPPED)
        wait_append(&desk.state.table, desk.rows, row, desk.state.core_time_ns)  # due at once
        row = desk.rows[row].open_next


cdef int step_reports(void *stage, const Message *message, Outbox *outbox) noexcept nogil:
    cdef Desk *desk = &(<ExecutionStage> stage).desk
    if message.receive_time_ns > desk.state.core_time_ns:
        desk.state.core_time_ns = message.receive_time_ns
    if message.kind == KIND_REPORT:
        take_report(desk, message, outbox)
        if not desk.state.flattening:
            return 0
    elif message.kind == KIND_COMMAND:
        take_command(desk, message)
    elif message.kind == KIND_LAPPED:
        if message.extra != SOURCE_REPORTS:
            return 0
        take_lap(desk)
    pursue(desk, message, outbox)
    return 0

# -- the step "orders" ---------------------------------------------------------------------------------------------

cdef void place(
    Desk *desk, int64_t row, int64_t number, const Message *message, const OrderDetail *detail
) noexcept nogil:
    """Writes the row of a new order, every field of it, and counts it."""
    cdef OrderRow *order = desk.rows + row
    cdef int64_t probe = (row - number) & desk.mask
    if probe > desk.state.table.longest_probe:
        desk.state.table.longest_probe = probe
    order.order_id = number
    order.instrument = message.instrument
    order.strategy = detail.strategy
    order.side = message.side
    order.state = ORDER_STATE_NONE
    order.price_ticks = message.price_ticks
    order.quantity_lots = message.quantity_lots
    order.order_type = detail.order_type
    order.time_in_force = detail.time_in_force
    order.reduce_only = detail.reduce_only
    order.tag = detail.tag
    order.replaces = detail.target_order_id if detail.action == ACTION_REPLACE else 0
    order.filled_lots = order.cumulative_lots = order.counted_lots = 0
    order.venue_order_id = order.request = order.acknowledged = 0
    order.working = -1
    order.sent_time_ns = desk.state.core_time_ns
    order.cancel_asked_ns = -desk.ack_timeout_ns
    order.deadline_ns = order.is_open = order.is_awaited = 0
    order.open_next = order.open_previous = order.wait_next = order.wait_previous = 0
    desk.owners[row].order_id = number
    desk.owners[row].strategy = detail.strategy
    move(desk, row, EVENT_SENT)
    desk.instruments[order.instrument].sent += 1
    desk.strategies[order.strategy].sent += 1


cdef int64_t judge_new(Desk *desk, const Message *message, const OrderDetail *detail, int64_t *row) noexcept nogil:
    """Refusal of an order that cannot be kept exactly, or NONE and the row it will take."""
    cdef AccountView *account = desk.instruments + message.instrument
    cdef int64_t lots = account.open_buy_lots if message.side == SIDE_BID else account.open_sell_lots, sum_lots
    if message.quantity_lots <= 0:
        return REFUSAL_QUANTITY_ZERO
    if message.side != SIDE_BID and message.side != SIDE_ASK:
        return REFUSAL_PRICE_NOT_TICK
    if message.quantity_lots >= <int64_t> 1 << 61 or add_overflows(lots, message.quantity_lots, &sum_lots):
        return REFUSAL_ARITHMETIC_OVERFLOW
    row[0] = free_row(&desk.state.table, desk.rows, desk.mask, desk.state.table.orders + 1)
    return REFUSAL_ORDER_TABLE_FULL if row[0] < 0 else REFUSAL_NONE


cdef int64_t judge_target(Desk *desk, const OrderDetail *detail, int64_t *target) noexcept nogil:
    """Refusal of a cancel, replace or query whose order is unknown, closed, of another, or already being changed."""
    cdef OrderRow *order
    cdef int64_t event = EVENT_CANCEL_SENT if detail.action == ACTION_CANCEL else EVENT_REPLACE_SENT
    target[0] = find_order(&desk.state.table, desk.rows, desk.mask, detail.target_order_id)
    if target[0] < 0:
        return REFUSAL_ORDER_UNKNOWN
    order = desk.rows + target[0]
    if order.strategy != detail.strategy:
        return REFUSAL_ORDER_UNKNOWN
    if detail.action == ACTION_QUERY:
        return REFUSAL_NONE
    if order.request != 0 or desk.transitions[order.state * EVENTS + event] < 0:
        return REFUSAL_ORDER_NOT_CANCELLABLE
    return REFUSAL_NONE


cdef int64_t judge(
    Desk *desk, const Message *message, const OrderDetail *detail, int64_t *row, int64_t *target
) noexcept nogil:
    cdef int64_t refusal = REFUSAL_NONE
    if detail.strategy >= desk.strategy_count or message.instrument >= desk.instrument_count:
        return REFUSAL_INSTRUMENT_UNKNOWN
    if desk.strategies[detail.strategy].instrument != message.instrument:
        return REFUSAL_INSTRUMENT_UNKNOWN
    if not ACTION_NEW <= detail.action <= ACTION_QUERY:
        return REFUSAL_ORDER_UNKNOWN
    if detail.action != ACTION_NEW:
        refusal = judge_target(desk, detail, target)
    if refusal == REFUSAL_NONE and (detail.action == ACTION_NEW or detail.action == ACTION_REPLACE):
        refusal = judge_new(desk, message, detail, row)
    return refusal


cdef void count_refused(Desk *desk, const Message *message, int64_t code) noexcept nogil:
    """Counts a refusal for its instrument and, where the second record names it, its strategy."""
    cdef int64_t strategy = (<const OrderDetail *> (message + 1)).strategy if message.flags & FLAG_MORE else -1
    if message.instrument < desk.instrument_count:
        count_refusal(desk.instruments + message.instrument, code)
    if 0 <= strategy < desk.strategy_count:
        count_refusal(desk.strategies + strategy, code)


cdef void refuse_order(Desk *desk, const Message *message, int64_t code, Outbox *outbox) noexcept nogil:
    """A REFUSAL of two records: the second is the order's own, so that its strategy is known."""
    cdef Message *refusal = emit(outbox, 2)
    desk.state.refused += 1
    count_refused(desk, message, code)
    if refusal == NULL:
        return
    refusal[0] = message[0]
    refusal[1] = message[1]
    refusal.kind = KIND_REFUSAL
    refusal.order_id = (<const OrderDetail *> (message + 1)).tag
    refusal.quantity_lots = (<const OrderDetail *> (message + 1)).target_order_id
    refusal.price_ticks = 0
    refusal.extra = code


cdef void take_approved(Desk *desk, const Message *message, Outbox *outbox) noexcept nogil:
    cdef const OrderDetail *detail = <const OrderDetail *> (message + 1)
    cdef int64_t row = -1, target = -1, number = desk.state.table.orders + 1
    cdef int64_t refusal = judge(desk, message, detail, &row, &target)
    cdef Message *order
    if refusal == REFUSAL_NONE and outbox.count + 2 > outbox.capacity:
        refusal = REFUSAL_OUTBOX_FULL
    if refusal != REFUSAL_NONE:
        refuse_order(desk, message, refusal, outbox)
        return
    order = emit(outbox, 2)
    order[0] = message[0]
    order[1] = message[1]
    order.kind = KIND_ORDER
    order.order_id = number
    order.flags = <uint16_t> (FLAG_MORE | (SOURCE_CORE << SOURCE_SHIFT))
    desk.state.table.orders = number
    if row >= 0:
        place(desk, row, number, message, detail)
    if target >= 0 and detail.action != ACTION_QUERY:
        desk.rows[target].request = number
        move(desk, target, EVENT_CANCEL_SENT if detail.action == ACTION_CANCEL else EVENT_REPLACE_SENT)
    fetch_next_row(&desk.state.table, desk.rows, desk.mask)


cdef int step_orders(void *stage, const Message *message, Outbox *outbox) noexcept nogil:
    cdef Desk *desk = &(<ExecutionStage> stage).desk
    if message.receive_time_ns > desk.state.core_time_ns:
        desk.state.core_time_ns = message.receive_time_ns
    if message.kind == KIND_REFUSAL:
        count_refused(desk, message, message.extra)
    elif message.flags & FLAG_MORE:
        take_approved(desk, message, outbox)
    return 0


cdef class ExecutionStage(Stage):
    """Orders, positions and profit of every strategy of one core.

    instruments: INSTRUMENT rows, shape (n,). strategies: how many. strategy_instruments: the instrument of each, int64,
    shape (strategies,). Raises ValueError for a strategy whose instrument has no row.

    Steps: "reports", "orders". Views: "instruments" and "strategies" (ACCOUNT_VIEW), "owners" (OWNER_VIEW), "report"
    (REPORT_VIEW, one row), "orders" (ORDER_VIEW), "desk" (DESK_VIEW, one row: counts).
    """
    cdef Desk desk
    cdef object _trade_memories  # what is not state, and so not in the blocks
    cdef object _constants

    def __init__(self, instruments, strategies, strategy_instruments, settings=None):
        settings = settings or ExecutionSettings()
        if len(strategy_instruments) != strategies:
            raise ValueError(f"{strategies} strategies, but {len(strategy_instruments)} strategy_instruments")
        for strategy, instrument in enumerate(strategy_instruments):
            if not 0 <= instrument < len(instruments):
                raise ValueError(
                    f"strategy {strategy} trades instrument {instrument}, the table has {len(instruments)} rows")
        self.desk.instrument_count = len(instruments)
        self.desk.strategy_count = strategies
        self.desk.mask = settings.order_capacity - 1
        self.desk.ack_timeout_ns = settings.ack_timeout_ms * 1_000_000
        self.desk.burst_messages = settings.burst_messages
        self._take_memory(settings.order_capacity)
        self._take_trade_memory(settings.trade_memory)
        self._offer(settings.order_capacity)
        cdef int64_t row
        for row in range(self.desk.instrument_count):
            self.desk.instruments[row].instrument = row
        for row in range(self.desk.strategy_count):
            self.desk.strategies[row].instrument = strategy_instruments[row]
        cdef int64_t[:, ::1] transitions = TRANSITIONS
        cdef int64_t[::1] maximum_lots = np.append(instruments["maximum_quantity_lots"], 0)
        self.desk.transitions, self.desk.maximum_lots = &transitions[0, 0], &maximum_lots[0]
        self._constants = (transitions, maximum_lots)

    cdef int _take_memory(self, int64_t capacity) except -1:
        cdef Desk *desk = &self.desk
        desk.state = <DeskState *> self.block("state", sizeof(DeskState))
        desk.state.table.open_first = desk.state.table.open_last = -1
        desk.state.table.wait_first = desk.state.table.wait_last = -1
        desk.rows = <OrderRow *> self.block("orders", capacity * sizeof(OrderRow))
        desk.owners = <OwnerView *> self.block("owners", capacity * sizeof(OwnerView))
        desk.instruments = <AccountView *> self.block("instruments", desk.instrument_count * sizeof(AccountView))
        desk.strategies = <AccountView *> self.block("strategies", desk.strategy_count * sizeof(AccountView))
        desk.report = <ReportView *> self.block("report", sizeof(ReportView))
        desk.close_asked_ns = <int64_t *> self.block("close_asked", desk.strategy_count * sizeof(int64_t))
        return 0

    cdef int _take_trade_memory(self, int64_t capacity) except -1:
        cdef TradeMemory *memory
        cdef int64_t instrument
        self._trade_memories = bytearray(max(self.desk.instrument_count, 1) * sizeof(TradeMemory))
        self.desk.memories = <TradeMemory *> <char *> self._trade_memories
        for instrument in range(self.desk.instrument_count):
            memory = self.desk.memories + instrument
            memory.capacity = capacity
            memory.cells = <int64_t *> self.block(f"trades {instrument}", (3 * capacity + 1) * sizeof(int64_t))
            memory.oldest = memory.cells + 2 * capacity
            memory.count = memory.oldest + capacity
        return 0

    cdef int _offer(self, int64_t capacity) except -1:
        cdef Desk *desk = &self.desk
        self.add_step("reports", step_reports, (
            <uint64_t> 1 << KIND_REPORT | <uint64_t> 1 << KIND_COMMAND | <uint64_t> 1 << KIND_LAPPED
            | <uint64_t> 1 << KIND_TIME), False)
        self.add_step("orders", step_orders, <uint64_t> 1 << KIND_APPROVED | <uint64_t> 1 << KIND_REFUSAL, False)
        self.add_view("instruments", desk.instruments, sizeof(AccountView), desk.instrument_count)
        self.add_view("strategies", desk.strategies, sizeof(AccountView), desk.strategy_count)
        self.add_view("owners", desk.owners, sizeof(OwnerView), capacity)
        self.add_view("orders", desk.rows, sizeof(OrderRow), capacity)
        self.add_view("report", desk.report, sizeof(ReportView), 1)
        self.add_view("desk", desk.state, sizeof(DeskState), 1)
        return 0
