# The venue's own best bid and offer (QUOTE) against the book's, whichever of an update and its quote comes first.
#
# An update with id u is compared with the last quote of at most u: at once if a quote beyond u is known already, else
# it waits in `pending` for one. Both rings forget the oldest when full: what is forgotten is not compared. In obvious
# words: engine/book/reference.py, _compare_what_can_be.
from libc.stdint cimport int64_t
from engine.book.stage cimport BestQuote, BookRow, Books, FAULT_DISAGREES, PENDING_HISTORY, QUOTE_HISTORY
from engine.stage cimport BookView
from ipc.message cimport Message

cdef inline void compare_best(
    const Books *self, BookRow *book, const BestQuote *own, const BestQuote *venue
) noexcept nogil:
    """Counts one comparison; a disagreement is a fault when it has lasted."""
    book.compared += 1
    if (
        own.bid_price_ticks == venue.bid_price_ticks and own.bid_quantity_lots == venue.bid_quantity_lots
        and own.ask_price_ticks == venue.ask_price_ticks and own.ask_quantity_lots == venue.ask_quantity_lots
    ):
        book.equal += 1
        book.disagrees_since_ns = 0
        book.faults &= ~FAULT_DISAGREES
    elif book.disagrees_since_ns == 0:
        book.disagrees_since_ns = self.clock.core_time_ns
    elif self.clock.core_time_ns - book.disagrees_since_ns > self.disagreement_ns:
        book.faults |= FAULT_DISAGREES

cdef inline void keep_quote(const Books *self, const Message *message) noexcept nogil:
    """Keeps the venue's best bid and offer, and compares the updates that waited for it."""
    cdef BookRow *book = self.books + message.instrument
    cdef BestQuote *ring = self.quotes + message.instrument * QUOTE_HISTORY
    cdef BestQuote *pending = self.pending + message.instrument * PENDING_HISTORY
    cdef BestQuote *slot
    if book.quotes > 0 and message.order_id < ring[(book.quotes - 1) % QUOTE_HISTORY].update_id:
        book.quotes = 0  # ids went back: another session of the venue, nothing kept is comparable
        book.pending_first = book.pending_last
    while book.pending_first < book.pending_last:
        slot = pending + book.pending_first % PENDING_HISTORY
        if slot.update_id >= message.order_id:
            break
        if book.quotes > 0:
            compare_best(self, book, slot, ring + (book.quotes - 1) % QUOTE_HISTORY)
        book.pending_first += 1
    slot = ring + book.quotes % QUOTE_HISTORY
    slot.update_id = message.order_id
    slot.bid_price_ticks = message.price_ticks
    slot.bid_quantity_lots = message.quantity_lots
    slot.ask_price_ticks = message[1].price_ticks
    slot.ask_quantity_lots = message[1].quantity_lots
    book.quotes += 1

cdef inline void compare_update(const Books *self, int64_t instrument) noexcept nogil:
    """Compares the update just shown with the last quote of at most its id, now or when the next quote comes."""
    cdef BookRow *book = self.books + instrument
    cdef BookView *view = self.views + instrument
    cdef BestQuote *ring = self.quotes + instrument * QUOTE_HISTORY
    cdef BestQuote own
    cdef int64_t low = book.quotes - QUOTE_HISTORY if book.quotes > QUOTE_HISTORY else 0
    cdef int64_t high = book.quotes, middle, first = low
    if book.quotes == 0:
        return
    own.update_id = view.update_id
    own.bid_price_ticks = view.bid_price_ticks[0]
    own.bid_quantity_lots = view.bid_quantity_lots[0]
    own.ask_price_ticks = view.ask_price_ticks[0]
    own.ask_quantity_lots = view.ask_quantity_lots[0]
    if ring[(book.quotes - 1) % QUOTE_HISTORY].update_id <= own.update_id:
        self.pending[instrument * PENDING_HISTORY + book.pending_last % PENDING_HISTORY] = own
        book.pending_last += 1
        if book.pending_last - book.pending_first > PENDING_HISTORY:
            book.pending_first += 1
        return
    while low < high:  # the first quote whose id is beyond the update's
        middle = (low + high) >> 1
        if ring[middle % QUOTE_HISTORY].update_id <= own.update_id:
            low = middle + 1
        else:
            high = middle
    if low > first:
        compare_best(self, book, &own, ring + (low - 1) % QUOTE_HISTORY)
