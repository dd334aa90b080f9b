# The contract of a stage: what it is given, may read, and may say. Stages know this file and no other stage.
from libc.stdint cimport int64_t, uint16_t, uint64_t, uint32_t
from ipc.message cimport FLAG_LAST, FLAG_MORE, KIND_FUNDING, KIND_REFUSAL, Message, SOURCE_CORE, SOURCE_SHIFT

cdef enum:
    BOOK_DEPTH = 10          # levels a side in a view
    FEATURES = 32
    HORIZONS = 4
    WORKING_ORDERS = 8       # orders of one account that a strategy sees
    REFUSAL_CODES = 128
    RISK_LIMITS = 32
    SIZING_TERMS = 11        # factors of Kelly's position, the rounding last
    STAGES = 8               # entries of the loop's table; a CHECK record holds one hash for each

# -- what a stage may say ------------------------------------------------------------------------------------------

cdef struct Outbox:
    Message *messages
    int64_t capacity
    int64_t count
    int64_t refused          # messages that found no room; the loop turns any into a REFUSAL and halts

cdef inline Message *emit(Outbox *outbox, int64_t records) noexcept nogil:
    """Room for one message of so many contiguous records (zeroed by the caller's writes), or NULL when full."""
    cdef Message *slot
    if outbox.count + records > outbox.capacity:
        outbox.refused += 1
        return NULL
    slot = outbox.messages + outbox.count
    outbox.count += records
    return slot

cdef inline void emit_refusal(
    Outbox *outbox, const Message *cause, int64_t order_id, int64_t code, int64_t observed, int64_t limit
) noexcept nogil:
    """A REFUSAL of one record, with the times and the instrument of what it refuses; order_id 0: of no order."""
    cdef Message *refusal = emit(outbox, 1)
    if refusal == NULL:
        return
    refusal[0] = cause[0]
    refusal.sequence = 0
    refusal.kind = KIND_REFUSAL
    refusal.flags = <uint16_t> (SOURCE_CORE << SOURCE_SHIFT)
    refusal.order_id = order_id
    refusal.quantity_lots = observed
    refusal.price_ticks = limit
    refusal.extra = code

# A message of two records (ORDER kinds, REPORT, QUOTE) is contiguous: message[1] is its DETAIL.
# Returns 0, or a fault code: the loop then stops at once and says which stage and record.
ctypedef int (*step_t)(void *stage, const Message *message, Outbox *outbox) noexcept nogil

cdef struct Step:
    step_t step
    void *stage
    uint64_t kinds           # bit k set: takes messages of kind k
    int64_t once_per_batch   # market kinds: only the record that carries LAST

cdef inline bint wants(const Step *entry, int64_t kind, bint ends) noexcept nogil:
    """Whether a step wants messages of a kind: it is in the mask and, if once a batch, the message ends one."""
    if kind > 63 or not (entry.kinds >> kind) & 1:
        return False
    return not entry.once_per_batch or kind > KIND_FUNDING or ends

cdef inline bint takes(const Step *entry, const Message *message) noexcept nogil:
    """Whether a step wants this message."""
    return wants(entry, message.kind, not entry.once_per_batch or ends_batch(message))

cdef inline bint ends_batch(const Message *message) noexcept nogil:
    """Whether this message, of one record or two, is the last of its batch."""
    if message.flags & FLAG_LAST:
        return True
    return (message.flags & FLAG_MORE) != 0 and (message[1].flags & FLAG_LAST) != 0

cdef inline int64_t records_of(const Message *message) noexcept nogil:
    """Records of this message, itself included."""
    cdef int64_t count = 1
    while message[count - 1].flags & FLAG_MORE:
        count += 1
    return count

# -- what a stage may read: rows of int64 and double only, so numba and numpy agree ---------------------------------

cdef struct View:            # read-only rows; row i belongs to instrument i (accounts: see engine/execution)
    void *rows
    int64_t stride           # bytes from row to row
    int64_t count

cdef struct BookView:
    int64_t state            # BookState
    int64_t reason           # BookReason
    int64_t update_id
    int64_t event_time_ns
    int64_t receive_time_ns
    int64_t bid_count        # levels in the whole book
    int64_t ask_count
    int64_t gaps
    int64_t crossed
    int64_t batches
    int64_t trades
    int64_t trade_price_ticks
    int64_t trade_quantity_lots
    int64_t trade_side
    int64_t trade_time_ns
    int64_t mark_price_ticks
    int64_t bid_price_ticks[BOOK_DEPTH]       # best first; 0 quantity where there is no level
    int64_t bid_quantity_lots[BOOK_DEPTH]
    int64_t ask_price_ticks[BOOK_DEPTH]
    int64_t ask_quantity_lots[BOOK_DEPTH]

cdef struct FeatureView:
    int64_t event_time_ns
    int64_t receive_time_ns
    int64_t rows             # rows computed since the book became VALID; features need warm-up
    int64_t ready            # 1 when every feature has enough history
    double values[FEATURES]

cdef struct ForecastView:
    int64_t event_time_ns    # of the row it was computed from
    int64_t receive_time_ns
    int64_t model            # slot that answered, -1 for none
    int64_t ready
    double values[HORIZONS]  # expected log return over horizon h, in basis points

cdef struct WorkingOrder:
    int64_t order_id         # 0: empty slot
    int64_t side
    int64_t state            # OrderState
    int64_t price_ticks
    int64_t remaining_lots
    int64_t filled_lots
    int64_t tag
    int64_t sent_time_ns

cdef struct AccountView:
    int64_t instrument
    int64_t position_lots
    int64_t cost_tick_lots        # signed sum of price times quantity of the open position
    int64_t realised_tick_lots    # closed profit, before fees
    int64_t fees_atoms
    int64_t open_buy_lots         # worst case of orders that may still fill
    int64_t open_sell_lots
    int64_t open_orders
    int64_t sent
    int64_t fills
    int64_t bought_lots
    int64_t sold_lots
    int64_t refusals
    int64_t last_refusal          # Refusal
    int64_t last_fill_price_ticks
    int64_t last_fill_time_ns
    WorkingOrder working[WORKING_ORDERS]

cdef struct OwnerView:            # row per slot of the order table; an order lies at order_id & (count - 1) or after
    int64_t order_id
    int64_t strategy

cdef struct ReportView:           # the REPORT being dispatched, as execution judged it: for on_fill and on_order
    int64_t order_id
    int64_t strategy              # -1: the order is unknown
    int64_t applied               # 1: news. 0: a duplicate, or of an unknown order: tell nobody
    int64_t event                 # ReportKind
    int64_t code                  # Refusal that came with it
    int64_t state                 # OrderState after it
    int64_t side
    int64_t price_ticks           # of this event
    int64_t quantity_lots         # of this event: filled by it
    int64_t remaining_lots        # of the order
    int64_t fee_atoms
    int64_t tag

cdef struct RiskView:
    int64_t halted                # 1: kill switch or HALT
    int64_t halt_reason           # Refusal
    int64_t orders_passed
    int64_t orders_refused
    int64_t daily_pnl_atoms
    int64_t gross_notional_atoms
    int64_t limit[RISK_LIMITS]
    int64_t headroom[RISK_LIMITS]
    int64_t refused[REFUSAL_CODES]
    int64_t equity_atoms          # capital and profit, fees paid
    int64_t peak_equity_atoms     # since the run began
    int64_t scale_e6              # of the limits that regime, volatility and quality of the data scale
    int64_t worst_cvar_atoms      # upper bound of the book's CVaR, whatever fills; -1 without results
    int64_t results_version       # of the risk process; 0: none yet
    int64_t results_time_ns       # newest market data they know
    int64_t results_age_ns
    int64_t results_stale         # 1: too old, or none yet where they are expected: the conservative rule
    int64_t results_refused       # batches
    int64_t results_method        # RiskMethod
    int64_t regime
    int64_t var_atoms             # of the reference positions
    int64_t cvar_atoms
    int64_t correlation_mean_e6
    int64_t correlation_largest_e6
    int64_t volatility_ratio_e6
    int64_t quality_e6

cdef struct ResultView:           # row per instrument: what the risk process published last
    int64_t version               # 0: nothing yet
    int64_t time_ns
    int64_t reference_lots
    int64_t reference_half_ticks
    double volatility             # of the log return over one second
    double marginal
    double long_loss
    double short_loss
    double correlation            # with all else that is held
    double rest_atoms             # value of this instrument that all else that is held amounts to; below 0: is short

cdef struct SizingView:           # row per strategy: how its last new or replacing order was sized
    int64_t sized                 # orders of this strategy so far
    int64_t refused
    int64_t time_ns               # of the last one: receive time of what caused it
    int64_t instrument
    int64_t side
    int64_t asked_lots
    int64_t lots                  # what it became; 0: refused with `code`
    int64_t code                  # Refusal
    int64_t by_kelly              # 1: raw, the terms, target_lots and held_lots are of this order
    int64_t target_lots           # Kelly's position on the order's side: raw times every term, left to right, exactly
    int64_t held_lots             # toward it already, all that is open on this side filled
    double raw
    double term[SIZING_TERMS]     # as models.sizing.TERMS, then the rounding

# -- the base of every stage ----------------------------------------------------------------------------------------

cdef class Stage:
    cdef list _blocks             # (name, address, bytes): all mutable memory, no pointers, so a copy is a snapshot
    cdef list _owners
    cdef dict _steps              # name -> Step capsule owner
    cdef dict _views
    cdef void *block(self, str name, int64_t size) except NULL
    cdef int add_step(self, str name, step_t step, uint64_t kinds, bint once_per_batch) except -1
    cdef int add_view(self, str name, void *rows, int64_t stride, int64_t count) except -1

cdef Step *step_of(object capsule) except NULL
cdef View *view_of(object capsule) except NULL
