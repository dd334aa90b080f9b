"""The book stage: applies the feed's levels, shows the best ten of each side, and says whether they may be trusted.

    feed's word        then, while the feed says VALID, the first that holds
    SYNCING, GAP  ->   CAPACITY -> SUSPECT    a level found no room: until the next snapshot
    VALID         ->   VENUE_HALTED, CROSSED, BBO_DISAGREES -> SUSPECT    until it no longer holds
                       QUIET -> STALE    until the next update

A snapshot begins with BOOK_STATE SYNCING, which clears the book; its levels carry SNAPSHOT; the feed ends it with
BOOK_STATE VALID. After a gap, a lap or a tick change nothing is applied before the next SYNCING, and VALID is not
believed before it either. The view changes at the end of a batch (LAST) only, so a reader never sees half an update.

The venue's own best bid and offer (QUOTE) comes on another stream: an update with id u is compared with the last QUOTE
whose id is at most u, whichever of the two arrives first.
"""

from libc.stdint cimport int64_t, uint64_t, INT64_MAX
from engine.book.levels cimport (
    EMPTY, LEVEL_SET, Levels, best_levels, bind_levels, clear_levels, level_count, level_key, levels_bytes,
    likely, quantity_at, set_level,
)
from engine.book.quotes cimport compare_update, keep_quote
from engine.stage cimport BOOK_DEPTH, BookView, Outbox, Stage
from ipc.message cimport (
    BOOK_REASON_BBO_DISAGREES, BOOK_REASON_CAPACITY, BOOK_REASON_CROSSED, BOOK_REASON_LAPPED,
    BOOK_REASON_QUIET, BOOK_REASON_START, BOOK_REASON_TICK_CHANGED, BOOK_REASON_VENUE_HALTED,
    BOOK_STATE_GAP, BOOK_STATE_STALE, BOOK_STATE_SUSPECT, BOOK_STATE_SYNCING, BOOK_STATE_VALID,
    FLAG_LAST, FLAG_SNAPSHOT, KIND_BOOK_STATE, KIND_FUNDING, KIND_LAPPED, KIND_LEVEL, KIND_QUOTE, KIND_TICK_CHANGE,
    KIND_TIME, KIND_TRADE, KIND_TRADING_STATUS, Message, SIDE_BID, SOURCE_MARKET,
)

import numpy as np

from engine.book.config import BookSettings
from ipc.instruments import INSTRUMENT
from ipc.messages import Side

cdef enum:                       # fault codes: programme errors, the loop stops and names the record
    UNKNOWN_INSTRUMENT = 1
    UNKNOWN_SIDE = 2

cdef uint64_t BIT = 1
cdef uint64_t KINDS = (
    BIT << KIND_LEVEL | BIT << KIND_TRADE | BIT << KIND_QUOTE | BIT << KIND_BOOK_STATE | BIT << KIND_TICK_CHANGE
    | BIT << KIND_TRADING_STATUS | BIT << KIND_FUNDING | BIT << KIND_TIME | BIT << KIND_LAPPED
)


cdef class BookStage(Stage):
    """Books of all instruments. View "view": BookView, row i is instrument i."""

    def __init__(self, instruments, settings=None):
        instruments = np.asarray(instruments, dtype=INSTRUMENT)
        settings = settings or BookSettings()
        cdef Books *all = &self.all
        cdef int64_t i, window = settings.window_ticks, overflow = settings.overflow_levels
        all.count = len(instruments)
        all.stale_after_ns = settings.stale_after_ms * 1_000_000
        all.disagreement_ns = settings.disagreement_ms * 1_000_000
        all.views = <BookView *> self.block("views", all.count * sizeof(BookView))
        all.books = <BookRow *> self.block("books", all.count * sizeof(BookRow))
        all.clock = <BookClock *> self.block("clock", sizeof(BookClock))
        all.quotes = <BestQuote *> self.block("quotes", all.count * QUOTE_HISTORY * sizeof(BestQuote))
        all.pending = <BestQuote *> self.block("pending", all.count * PENDING_HISTORY * sizeof(BestQuote))
        self.sides_memory = np.zeros(max(1, all.count) * 2 * sizeof(Levels), dtype=np.int8)
        cdef char[::1] raw = self.sides_memory
        all.sides = <Levels *> &raw[0]
        cdef int64_t side_bytes = levels_bytes(window, overflow)
        cdef char *levels = <char *> self.block("levels", all.count * 2 * side_bytes)
        all.clock.quiet_check_ns = INT64_MAX
        for i in range(all.count * 2):
            bind_levels(all.sides + i, levels + i * side_bytes, window, overflow)
        for i in range(all.count):
            all.books[i].feed_reason = BOOK_REASON_START
            clear_book(all, i)
            show_state(all, i)
        self.add_view("view", all.views, sizeof(BookView), all.count)
        self.add_step("step", book_step, KINDS, False)

    # -- QUERIES --

    cdef int64_t quantity_lots(self, int64_t instrument, int64_t side, int64_t price_ticks) noexcept nogil:
        """Lots at a price now, also beyond the view and inside a batch; 0 where there is no level."""
        return quantity_at(self.all.sides + 2 * instrument + (side != SIDE_BID), level_key(price_ticks, side))

    def quantity(self, int64_t instrument, int64_t side, int64_t price_ticks):
        """Lots at a price now, also beyond the view; 0 where there is no level."""
        if not 0 <= instrument < self.all.count or side not in (Side.BID, Side.ASK):
            raise ValueError(f"no side {side} of instrument {instrument}")
        return self.quantity_lots(instrument, side, price_ticks)

    def best_levels(self, int64_t instrument, int64_t side, int64_t depth):
        """[(price_ticks, quantity_lots)] of a side, best first, at most `depth`."""
        if not 0 <= instrument < self.all.count or side not in (Side.BID, Side.ASK):
            raise ValueError(f"no side {side} of instrument {instrument}")
        cdef int64_t[:, ::1] out = np.zeros((2, max(depth, 1)), dtype=np.int64)
        cdef int64_t found = best_levels(
            self.all.sides + 2 * instrument + (side != SIDE_BID), 1 if side == SIDE_BID else -1, depth,
            &out[0, 0], &out[1, 0],
        )
        return [(out[0, i], out[1, i]) for i in range(found)]

    def bbo_comparisons(self, int64_t instrument):
        """(compared, equal): updates compared with the venue's own best bid and offer, and those that agreed."""
        if not 0 <= instrument < self.all.count:
            raise ValueError(f"no instrument {instrument}")
        return self.all.books[instrument].compared, self.all.books[instrument].equal


cdef int book_step(void *stage, const Message *message, Outbox *outbox) noexcept nogil:
    cdef Books *self = &(<BookStage> stage).all
    if message.kind == KIND_TIME:
        advance_time(self, message.receive_time_ns)
        return 0
    if message.kind == KIND_LAPPED:
        if message.extra == SOURCE_MARKET:
            lose_all_books(self)
        return 0
    if message.instrument >= self.count:
        return UNKNOWN_INSTRUMENT
    if message.kind == KIND_LEVEL:
        return on_level(self, message)
    advance_time(self, message.receive_time_ns)
    if message.kind == KIND_QUOTE:
        keep_quote(self, message)
        show_state(self, message.instrument)
    elif message.kind == KIND_TRADE:
        on_trade(self.views + message.instrument, message)
    elif message.kind == KIND_BOOK_STATE:
        on_book_state(self, message)
    elif message.kind == KIND_FUNDING:
        self.views[message.instrument].mark_price_ticks = message.price_ticks
    elif message.kind == KIND_TRADING_STATUS:
        set_fault(self, message.instrument, FAULT_HALTED, message.extra == 0)
    elif message.kind == KIND_TICK_CHANGE:
        on_tick_change(self, message)
    return 0


# -- levels ---------------------------------------------------------------------------------------------------------

cdef inline int on_level(Books *self, const Message *message) noexcept nogil:
    cdef BookRow *book = self.books + message.instrument
    cdef int64_t side = <int64_t> message.side - SIDE_BID, key
    if <uint64_t> side > 1:
        return UNKNOWN_SIDE
    if not book.applying and book.snapshot_begun and message.flags & FLAG_SNAPSHOT and not book.faults & FAULT_CAPACITY:
        book.applying = 1
    if likely(book.applying):
        key = level_key(message.price_ticks, message.side)
        book.touched |= <int64_t> (key >= book.last_shown_key[side]) << side
        if set_level(self.sides + 2 * message.instrument + side, key, message.quantity_lots) != LEVEL_SET:
            book.applying = 0
            set_fault(self, message.instrument, FAULT_CAPACITY, True)
    if message.flags & FLAG_LAST:
        end_batch(self, message)
    return 0


cdef void end_batch(Books *self, const Message *message) noexcept nogil:
    cdef int64_t instrument = message.instrument
    cdef BookRow *book = self.books + instrument
    cdef BookView *view = self.views + instrument
    advance_time(self, message.receive_time_ns)
    if not book.applying:
        return
    book.book_time_ns = message.receive_time_ns
    if message.receive_time_ns + self.stale_after_ns < self.clock.quiet_check_ns:
        self.clock.quiet_check_ns = message.receive_time_ns + self.stale_after_ns
    view.update_id = message.order_id
    view.event_time_ns = message.event_time_ns
    view.receive_time_ns = message.receive_time_ns
    view.batches += 1
    show_levels(self, instrument)
    if book.feed_state == BOOK_STATE_VALID:
        book.faults &= ~FAULT_QUIET
        check_crossed(self, instrument, 1)
    if not message.flags & FLAG_SNAPSHOT:
        compare_update(self, instrument)
    show_state(self, instrument)


cdef void show_side(
    BookRow *book, const Levels *side, int64_t number, int64_t *prices, int64_t *quantities
) noexcept nogil:
    cdef int64_t sign = 1 - 2 * number
    cdef int64_t shown = best_levels(side, sign, BOOK_DEPTH, prices, quantities)
    book.last_shown_key[number] = sign * prices[BOOK_DEPTH - 1] if shown == BOOK_DEPTH else EMPTY


cdef inline void show_levels(Books *self, int64_t instrument) noexcept nogil:
    cdef BookRow *book = self.books + instrument
    cdef BookView *view = self.views + instrument
    cdef Levels *sides = self.sides + 2 * instrument
    if book.touched & 1:
        show_side(book, sides, 0, view.bid_price_ticks, view.bid_quantity_lots)
    if book.touched & 2:
        show_side(book, sides + 1, 1, view.ask_price_ticks, view.ask_quantity_lots)
    book.touched = 0
    view.bid_count = level_count(sides)
    view.ask_count = level_count(sides + 1)


# -- validity -------------------------------------------------------------------------------------------------------

cdef void show_state(Books *self, int64_t instrument) noexcept nogil:
    """The view's state and reason from the feed's word and the book's own faults, the gravest first."""
    cdef BookRow *book = self.books + instrument
    cdef BookView *view = self.views + instrument
    if book.feed_state != BOOK_STATE_VALID or book.faults == 0:
        view.state = book.feed_state
        view.reason = book.feed_reason
        return
    view.state = BOOK_STATE_SUSPECT
    if book.faults & FAULT_CAPACITY:
        view.reason = BOOK_REASON_CAPACITY
    elif book.faults & FAULT_HALTED:
        view.reason = BOOK_REASON_VENUE_HALTED
    elif book.faults & FAULT_CROSSED:
        view.reason = BOOK_REASON_CROSSED
    elif book.faults & FAULT_DISAGREES:
        view.reason = BOOK_REASON_BBO_DISAGREES
    else:
        view.state = BOOK_STATE_STALE
        view.reason = BOOK_REASON_QUIET


cdef void set_fault(Books *self, int64_t instrument, int64_t fault, bint present) noexcept nogil:
    if present:
        self.books[instrument].faults |= fault
    else:
        self.books[instrument].faults &= ~fault
    show_state(self, instrument)


cdef void clear_book(Books *self, int64_t instrument) noexcept nogil:
    """No levels; a halted venue stays halted, and its quotes stay comparable: update ids go on."""
    cdef BookRow *book = self.books + instrument
    clear_levels(self.sides + 2 * instrument)
    clear_levels(self.sides + 2 * instrument + 1)
    book.applying = 0
    book.faults &= FAULT_HALTED
    book.disagrees_since_ns = 0
    book.pending_first = book.pending_last
    book.touched = 3
    show_levels(self, instrument)


cdef void lose_book(Books *self, int64_t instrument, int64_t reason) noexcept nogil:
    """An update is missing: nothing is applied until the next snapshot."""
    cdef BookRow *book = self.books + instrument
    if book.feed_state != BOOK_STATE_GAP:
        self.views[instrument].gaps += 1
    book.feed_state = BOOK_STATE_GAP
    book.feed_reason = reason
    book.snapshot_begun = 0
    book.applying = 0
    show_state(self, instrument)


cdef void lose_all_books(Books *self) noexcept nogil:
    cdef int64_t instrument
    for instrument in range(self.count):
        lose_book(self, instrument, BOOK_REASON_LAPPED)


cdef void on_book_state(Books *self, const Message *message) noexcept nogil:
    cdef int64_t instrument = message.instrument
    cdef BookRow *book = self.books + instrument
    if message.extra == BOOK_STATE_GAP:
        lose_book(self, instrument, message.quantity_lots)
        return
    if message.extra == BOOK_STATE_SYNCING:
        clear_book(self, instrument)
        book.snapshot_begun = 1
    elif not book.snapshot_begun:
        return  # part of the snapshot was lost with the lap: the feed's word is about a book that we do not have
    book.feed_state = message.extra
    book.feed_reason = message.quantity_lots
    if message.extra == BOOK_STATE_VALID:
        book.applying = not book.faults & FAULT_CAPACITY
        book.faults &= ~FAULT_QUIET
        book.book_time_ns = message.receive_time_ns
        if message.receive_time_ns + self.stale_after_ns < self.clock.quiet_check_ns:
            self.clock.quiet_check_ns = message.receive_time_ns + self.stale_after_ns
        show_levels(self, instrument)
        check_crossed(self, instrument, 0)
    show_state(self, instrument)


cdef void on_tick_change(Books *self, const Message *message) noexcept nogil:
    """Every price known is in ticks that no longer mean anything."""
    cdef BookView *view = self.views + message.instrument
    cdef BookRow *book = self.books + message.instrument
    clear_book(self, message.instrument)
    book.quotes = 0
    book.feed_state = BOOK_STATE_SYNCING
    book.feed_reason = BOOK_REASON_TICK_CHANGED
    book.snapshot_begun = 0
    view.trade_price_ticks = 0
    view.trade_quantity_lots = 0
    view.mark_price_ticks = 0
    show_state(self, message.instrument)


cdef inline void check_crossed(Books *self, int64_t instrument, int64_t batches) noexcept nogil:
    """Best bid at or above best ask; a key of asks is minus its price."""
    cdef BookRow *book = self.books + instrument
    cdef Levels *sides = self.sides + 2 * instrument
    cdef int64_t bid = sides[0].state.best, ask = sides[1].state.best
    if bid != EMPTY and ask != EMPTY and bid >= -ask:
        self.views[instrument].crossed += batches
        book.faults |= FAULT_CROSSED
    else:
        book.faults &= ~FAULT_CROSSED


cdef inline void advance_time(Books *self, int64_t time_ns) noexcept nogil:
    if time_ns > self.clock.core_time_ns:
        self.clock.core_time_ns = time_ns
    if self.clock.core_time_ns > self.clock.quiet_check_ns:
        find_quiet_books(self)


cdef void find_quiet_books(Books *self) noexcept nogil:
    """Marks the books that are quiet for too long, and finds the time before which no other can be."""
    cdef int64_t instrument, limit
    cdef BookRow *book
    self.clock.quiet_check_ns = INT64_MAX
    for instrument in range(self.count):
        book = self.books + instrument
        if book.feed_state != BOOK_STATE_VALID or book.faults & FAULT_QUIET:
            continue
        limit = book.book_time_ns + self.stale_after_ns
        if self.clock.core_time_ns > limit:
            set_fault(self, instrument, FAULT_QUIET, True)
        elif limit < self.clock.quiet_check_ns:
            self.clock.quiet_check_ns = limit


# -- trades ---------------------------------------------------------------------------------------------------------

cdef void on_trade(BookView *view, const Message *message) noexcept nogil:
    view.trades += 1
    view.trade_price_ticks = message.price_ticks
    view.trade_quantity_lots = message.quantity_lots
    view.trade_side = message.side
    view.trade_time_ns = message.event_time_ns
