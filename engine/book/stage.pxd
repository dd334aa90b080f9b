# The books of all instruments. Stages read the view; the simulated venues, which need depth beyond it, cimport this.
from libc.stdint cimport int64_t
from engine.book.levels cimport Levels
from engine.stage cimport Stage, BookView

cdef enum:
    QUOTE_HISTORY = 256          # venue's own best bid and offer, kept until the book's update of that id has come
    PENDING_HISTORY = 64         # the book's own, kept until the venue's of that id has come

cdef enum:                       # bits of BookRow.faults: why a book that the feed calls VALID is not
    FAULT_CAPACITY = 1
    FAULT_HALTED = 2
    FAULT_CROSSED = 4
    FAULT_DISAGREES = 8
    FAULT_QUIET = 16

cdef struct BestQuote:
    int64_t update_id
    int64_t bid_price_ticks
    int64_t bid_quantity_lots
    int64_t ask_price_ticks
    int64_t ask_quantity_lots

cdef struct BookRow:             # what the book knows of an instrument beside its view
    int64_t feed_state           # BookState as the feed said it, or as LAPPED and TICK_CHANGE make it
    int64_t feed_reason          # BookReason
    int64_t faults
    int64_t snapshot_begun       # the feed cleared the book, and nothing was lost since
    int64_t applying             # levels are applied
    int64_t touched              # bit 0: a bid of the view changed since the last batch, bit 1: an ask
    int64_t last_shown_key[2]    # key of the last level that the view shows, EMPTY when it shows all
    int64_t book_time_ns         # receive time of the last update
    int64_t disagrees_since_ns   # 0 while the best bid and offer agree with the venue's
    int64_t compared             # comparisons with the venue's best bid and offer
    int64_t equal
    int64_t quotes               # venue's best bid and offer seen since the last clear
    int64_t pending_first        # own best bid and offer that wait for the venue's: [first, last)
    int64_t pending_last
    int64_t reserved

cdef struct BookClock:
    int64_t core_time_ns
    int64_t quiet_check_ns       # no book can be STALE before

cdef struct Books:               # where everything lies: pointers and settings, never part of a snapshot
    int64_t count
    int64_t stale_after_ns
    int64_t disagreement_ns
    BookView *views
    BookRow *books
    BookClock *clock
    BestQuote *quotes            # QUOTE_HISTORY an instrument, a ring
    BestQuote *pending           # PENDING_HISTORY an instrument, a ring
    Levels *sides                # bid and ask of each instrument

cdef class BookStage(Stage):
    cdef Books all
    cdef object sides_memory
    # -- QUERIES --
    cdef int64_t quantity_lots(self, int64_t instrument, int64_t side, int64_t price_ticks) noexcept nogil
