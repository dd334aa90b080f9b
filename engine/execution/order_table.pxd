# The order table of the execution stage: rows found by order number, a list of the open ones, a queue of those awaited.
#
#   row           at order_id & mask, or shortly after where that row holds an open order; closed rows stay until the
#                 room is needed, for what comes late
#   open list     every order that may still fill, oldest first
#   wait queue    orders whose word is awaited, earliest deadline first (one time-out for all keeps it in order)
# Links are row numbers, -1 for none: memory free of pointers.
from libc.stdint cimport int64_t
from ipc.message cimport (
    ORDER_STATE_PENDING, ORDER_STATE_ACCEPTED, ORDER_STATE_PARTLY_FILLED, ORDER_STATE_CANCEL_PENDING,
    ORDER_STATE_REPLACE_PENDING, ORDER_STATE_UNKNOWN,
)

cdef extern from *:
    void prefetch_to_write "__builtin_prefetch"(const void *address, int for_writing) noexcept nogil

cdef struct OrderRow:
    int64_t order_id
    int64_t instrument
    int64_t strategy
    int64_t side
    int64_t state              # OrderState
    int64_t price_ticks
    int64_t quantity_lots
    int64_t filled_lots        # sum of the fills applied
    int64_t cumulative_lots    # highest that the venue reported; above filled_lots: a fill is missing
    int64_t order_type
    int64_t time_in_force
    int64_t reduce_only
    int64_t tag
    int64_t venue_order_id
    int64_t replaces           # order number that this one replaces, 0 for none
    int64_t request            # number of the cancel or replace in flight, 0 for none
    int64_t acknowledged       # 1: the venue has said that it exists
    int64_t counted_lots       # counted in open_buy_lots or open_sell_lots
    int64_t working            # slot in the strategy's AccountView.working, -1 for none
    int64_t sent_time_ns
    int64_t cancel_asked_ns    # when CANCEL_ALL or FLATTEN last asked for a cancel
    int64_t deadline_ns
    int64_t is_open            # in the open list
    int64_t is_awaited         # in the wait queue
    int64_t open_next
    int64_t open_previous
    int64_t wait_next
    int64_t wait_previous

cdef struct OrderTable:
    int64_t orders             # ORDER messages ever produced: the last number given
    int64_t open_first
    int64_t open_last
    int64_t open_count
    int64_t wait_first
    int64_t wait_last
    int64_t longest_probe      # rows past its own that an order was ever put

# -- QUERIES --

cdef inline bint is_open_state(int64_t state) noexcept nogil:
    return (1 << state) & (
        (1 << ORDER_STATE_PENDING) | (1 << ORDER_STATE_ACCEPTED) | (1 << ORDER_STATE_PARTLY_FILLED)
        | (1 << ORDER_STATE_CANCEL_PENDING) | (1 << ORDER_STATE_REPLACE_PENDING) | (1 << ORDER_STATE_UNKNOWN)
    ) != 0

cdef inline int64_t find_order(
    const OrderTable *table, const OrderRow *rows, int64_t mask, int64_t order_id
) noexcept nogil:
    """Row of an order, or -1."""
    cdef int64_t probe
    if order_id <= 0:
        return -1
    for probe in range(table.longest_probe + 1):
        if rows[(order_id + probe) & mask].order_id == order_id:
            return (order_id + probe) & mask
    return -1

cdef inline int64_t free_row(
    const OrderTable *table, const OrderRow *rows, int64_t mask, int64_t order_id
) noexcept nogil:
    """Row for a new order: its own, or the next that holds no open order; -1 when half the rows are open."""
    cdef int64_t row = order_id & mask
    if table.open_count * 2 > mask:
        return -1
    while rows[row].is_open:
        row = (row + 1) & mask
    return row

cdef inline void fetch_next_row(const OrderTable *table, const OrderRow *rows, int64_t mask) noexcept nogil:
    """Asks for the row of the order after the last: nothing else has touched it since the table was last around."""
    cdef const char *row = <const char *> (rows + ((table.orders + 1) & mask))
    cdef int64_t at
    for at in range(0, sizeof(OrderRow), 64):
        prefetch_to_write(row + at, 1)
    prefetch_to_write(row + sizeof(OrderRow) - 1, 1)

# -- COMMANDS --

cdef inline void open_append(OrderTable *table, OrderRow *rows, int64_t row) noexcept nogil:
    rows[row].is_open = 1
    rows[row].open_next = -1
    rows[row].open_previous = table.open_last
    if table.open_last >= 0:
        rows[table.open_last].open_next = row
    else:
        table.open_first = row
    table.open_last = row
    table.open_count += 1

cdef inline void open_remove(OrderTable *table, OrderRow *rows, int64_t row) noexcept nogil:
    cdef int64_t next_row = rows[row].open_next, previous = rows[row].open_previous
    if previous >= 0:
        rows[previous].open_next = next_row
    else:
        table.open_first = next_row
    if next_row >= 0:
        rows[next_row].open_previous = previous
    else:
        table.open_last = previous
    rows[row].is_open = 0
    table.open_count -= 1

cdef inline void wait_remove(OrderTable *table, OrderRow *rows, int64_t row) noexcept nogil:
    cdef int64_t next_row = rows[row].wait_next, previous = rows[row].wait_previous
    if not rows[row].is_awaited:
        return
    if previous >= 0:
        rows[previous].wait_next = next_row
    else:
        table.wait_first = next_row
    if next_row >= 0:
        rows[next_row].wait_previous = previous
    else:
        table.wait_last = previous
    rows[row].is_awaited = 0
    rows[row].deadline_ns = 0

cdef inline void wait_append(OrderTable *table, OrderRow *rows, int64_t row, int64_t deadline_ns) noexcept nogil:
    """Awaits a word until deadline_ns, which must not lie before that of the last in the queue."""
    wait_remove(table, rows, row)
    rows[row].is_awaited = 1
    rows[row].deadline_ns = deadline_ns
    rows[row].wait_next = -1
    rows[row].wait_previous = table.wait_last
    if table.wait_last >= 0:
        rows[table.wait_last].wait_next = row
    else:
        table.wait_first = row
    table.wait_last = row
