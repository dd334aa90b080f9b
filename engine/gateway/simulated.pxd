from libc.stdint cimport int64_t
from ipc.message cimport Message
from engine.book.stage cimport BookStage
from engine.stage cimport BookView

cdef enum:
    SIM_ORDERS = 8192        # resting or travelling at once; a power of two
    SIM_QUEUE = 16384        # requests, and reports, under way at once; a power of two

cdef struct Resting:         # an order at the venue
    int64_t order_id         # 0: free
    int64_t instrument
    int64_t side
    int64_t price_ticks
    int64_t quantity_lots
    int64_t filled_lots
    int64_t queue_ahead_lots  # of others
    int64_t traded_lots      # at its price since the level last changed
    int64_t previous         # neighbours of the same instrument, -1 at the ends
    int64_t next
    int64_t free_next

cdef struct Terms:           # of an instrument
    int64_t numerator        # atoms of one tick times one lot
    int64_t denominator
    int64_t maker_fee_e7
    int64_t taker_fee_e7
    int64_t first            # resting orders of this instrument, oldest first, -1 for none
    int64_t last

cdef class SimulatedVenue:
    cdef BookStage book
    cdef BookView *views
    cdef int64_t instruments
    cdef int64_t order_latency_ns
    cdef int64_t report_latency_ns
    cdef bint proportional
    cdef Resting *orders
    cdef Terms *terms
    cdef int64_t free_head
    cdef Message *requests               # ring of two-record messages; arrival time in requests[2i].receive_time_ns
    cdef int64_t request_head
    cdef int64_t request_tail
    cdef Message *reports
    cdef int64_t report_head
    cdef int64_t report_tail
    cdef int64_t trade_id
    cdef readonly int64_t overflow       # messages that found no room: the run is void
    cdef object _memory

    # -- QUERIES --
    cdef int64_t next_request_ns(self) noexcept nogil     # arrival of the oldest request, a huge number when none
    cdef int64_t next_report_ns(self) noexcept nogil
    # -- COMMANDS --
    cdef void submit(self, const Message *order, int64_t now_ns) noexcept nogil
    cdef void serve(self) noexcept nogil                  # the oldest request, against the book as it stands
    cdef const Message *take_report(self) noexcept nogil
    cdef void before_market(self, const Message *message) noexcept nogil   # before the book has it
    cdef void after_batch(self, int64_t instrument, int64_t now_ns) noexcept nogil

    cdef void _report(self, const Resting *order, int64_t what, int64_t code, int64_t now_ns, int64_t price,
                      int64_t lots, int64_t liquidity) noexcept nogil
    cdef void _fill(self, int64_t index, int64_t price, int64_t lots, int64_t liquidity, int64_t now_ns) noexcept nogil
    cdef int64_t _place(self, const Message *order, int64_t now_ns) noexcept nogil
    cdef void _take(self, int64_t index, int64_t limit_ticks, bint whole, int64_t now_ns) noexcept nogil
    cdef int64_t _find(self, int64_t instrument, int64_t order_id) noexcept nogil
    cdef void _append(self, int64_t index) noexcept nogil
    cdef void _remove(self, int64_t index) noexcept nogil
    cdef void _trade(self, const Message *message) noexcept nogil
    cdef void _level(self, const Message *message) noexcept nogil
