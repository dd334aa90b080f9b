# The C side of contract.py (stage.pyx compares sizes and numbers at import) and the stage's own records.
from libc.stdint cimport int64_t, uint64_t
from engine.stage cimport AccountView, ReportView, View

# Numbers of the callbacks: contract.CALLBACKS in order.
cdef enum:
    ON_START
    ON_BOOK
    ON_TRADE
    ON_BAR
    ON_TIMER
    ON_FILL
    ON_ORDER
    ON_REGIME
    ON_RISK
    ON_STOP
    CALLBACK_COUNT

cdef enum:
    CHUNK = 64               # INSTANCES_PER_CALL
    EVENT_WORDS = 16
    REQUESTS = 1024          # 16 a call for each of CHUNK

cdef struct Instance:        # contract.INSTANCE
    int64_t strategy
    int64_t instrument
    int64_t enabled
    int64_t failed
    int64_t next_timer_ns
    int64_t calls
    int64_t intents
    int64_t dropped          # requests of the call at hand beyond REQUESTS_PER_CALL

cdef struct Request:         # contract.REQUEST
    int64_t instance
    int64_t action
    int64_t side
    int64_t price_ticks
    int64_t quantity_lots
    int64_t order_type
    int64_t time_in_force
    int64_t reduce_only
    int64_t target_order_id
    int64_t tag
    int64_t refusal

cdef struct Orders:          # contract.ORDERS
    int64_t count
    int64_t start
    int64_t instance
    int64_t dropped
    Request requests[REQUESTS]


cdef struct Bar:             # contract.BAR
    int64_t start_time_ns
    int64_t end_time_ns
    int64_t open_price_ticks
    int64_t high_price_ticks
    int64_t low_price_ticks
    int64_t close_price_ticks
    int64_t volume_lots
    int64_t buy_lots
    int64_t trades

cdef struct Activity:        # the stage's own view: row per instrument
    int64_t calls
    int64_t intents
    int64_t faults
    uint64_t digest          # rolling hash of the states that were called

cdef struct Clock:
    int64_t now_ns           # the highest receive time seen
    int64_t bar_end_ns
    int64_t next_timer_ns    # of all instances; 0: none set yet
    int64_t started

# The compiled wrapper of one callback, and its uncompiled twin.
ctypedef void (*each_t)(
    int64_t first, int64_t last, void *instances, void *states, void *params, void *accounts, void *book,
    void *features, void *forecast, void *instrument, void *event, int64_t now_ns, void *orders
) noexcept nogil

ctypedef void (*plain_t)(
    void *plain, int callback, int64_t first, int64_t last, int64_t instrument, int64_t now_ns
) noexcept nogil

cdef struct Group:
    each_t each[CALLBACK_COUNT]      # NULL: not written, or the group is uncompiled
    int64_t has[CALLBACK_COUNT]
    void *plain                      # PlainGroup, or NULL
    Instance *instances
    char *states
    char *params
    int64_t *timer_interval_ns       # by instance
    int64_t *first                   # by instrument, instruments + 1 places
    int64_t *is_float                # by word of the state
    int64_t state_words
    int64_t params_bytes
    int64_t count

cdef struct Core:
    Group *groups
    int64_t group_count
    int64_t instruments
    int64_t strategies
    int64_t bar_interval_ns
    plain_t call_plain
    int64_t *group_of                # by strategy index
    int64_t *slot_of
    View book
    View features
    View forecast
    View facts
    const ReportView *report         # NULL: reports reach nobody
    AccountView *accounts
    Bar *bars
    Activity *activity
    int64_t *book_changed            # by instrument: a record of the batch at hand concerns its book
    Clock *clock
    int64_t *event
    Orders *orders
