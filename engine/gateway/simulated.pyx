"""A venue that is only assumed: my orders meet a recorded or live book, with latency, queue position and fees.

The book is what the market data says when the order arrives; my orders take nothing out of it (FillModels states this
in every report). A resting order is filled when a trade goes through its price, when the trades at its price have used
up the queue ahead of it, or when the other side of the book reaches it. All integers; same inputs, same fills.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uintptr_t
from libc.string cimport memset
from ipc.message cimport *
from engine.book.levels cimport best_levels, level_key
from engine.book.stage cimport BookStage
from engine.stage cimport BookView, view_of

import numpy as np

from engine.gateway.fill_models import FillModels
from ipc.messages import MESSAGE

cdef enum:
    DEPTH = 64               # levels that one taking order walks at most

cdef int64_t NEVER = (<int64_t> 1) << 62
cdef int64_t NS_PER_US = 1000


cdef inline int64_t fee_atoms(const Terms *terms, int64_t price, int64_t lots, int64_t fee_e7) noexcept nogil:
    """Fee of one fill, in atoms, rounded half away from zero."""
    cdef long long sign = -1 if fee_e7 < 0 else 1
    # 128 bits: ticks * lots * atoms * rate overflows 64
    return sign * <int64_t> wide_fee(price, lots, terms.numerator, sign * fee_e7, terms.denominator)

cdef extern from *:
    """
    static inline long long bot4_wide_fee(long long price, long long lots, long long numerator, long long rate,
                                          long long denominator) {
        __int128 value = (__int128)price * lots * numerator;
        __int128 divisor = (__int128)denominator * 10000000;
        return (long long)((value * rate + divisor / 2) / divisor);
    }
    """
    long long wide_fee "bot4_wide_fee"(long long, long long, long long, long long, long long) noexcept nogil


cdef class SimulatedVenue:
    """`book` is the stage whose state the orders meet; its owner feeds it between before_market and after_batch."""

    def __cinit__(self, instruments, BookStage book, models=None):
        models = models or FillModels()
        self.book = book
        self.views = <BookView *> view_of(book.view()).rows
        self.instruments = len(instruments)
        self.order_latency_ns = models.order_latency_us * NS_PER_US
        self.report_latency_ns = models.report_latency_us * NS_PER_US
        self.proportional = models.queue == "proportional"
        self._memory = [
            np.zeros(SIM_ORDERS * sizeof(Resting), dtype=np.int8),
            np.zeros(self.instruments * sizeof(Terms), dtype=np.int8),
            np.zeros(2 * SIM_QUEUE, dtype=MESSAGE),
            np.zeros(2 * SIM_QUEUE, dtype=MESSAGE),
        ]
        cdef uintptr_t[4] address
        cdef int64_t i
        for i in range(4):
            self._memory[i].view(np.int8)[:] = 0  # touched now
            address[i] = self._memory[i].ctypes.data
        self.orders = <Resting *> address[0]
        self.terms = <Terms *> address[1]
        self.requests = <Message *> address[2]
        self.reports = <Message *> address[3]
        for i, row in enumerate(instruments):
            self.terms[i].numerator = row["atoms_numerator"]
            self.terms[i].denominator = row["atoms_denominator"]
            self.terms[i].maker_fee_e7 = row["maker_fee_e7"] if models.maker_fee_e7 is None else models.maker_fee_e7
            self.terms[i].taker_fee_e7 = row["taker_fee_e7"] if models.taker_fee_e7 is None else models.taker_fee_e7
            self.terms[i].first = self.terms[i].last = -1
        for i in range(SIM_ORDERS):
            self.orders[i].free_next = i + 1 if i + 1 < SIM_ORDERS else -1

    # -- QUERIES --

    cdef int64_t next_request_ns(self) noexcept nogil:
        if self.request_head == self.request_tail:
            return NEVER
        return self.requests[2 * (self.request_head & (SIM_QUEUE - 1))].receive_time_ns

    cdef int64_t next_report_ns(self) noexcept nogil:
        if self.report_head == self.report_tail:
            return NEVER
        return self.reports[2 * (self.report_head & (SIM_QUEUE - 1))].receive_time_ns

    cdef int64_t _find(self, int64_t instrument, int64_t order_id) noexcept nogil:
        cdef int64_t index = self.terms[instrument].first
        while index >= 0 and self.orders[index].order_id != order_id:
            index = self.orders[index].next
        return index

    # -- COMMANDS --

    cdef void submit(self, const Message *order, int64_t now_ns) noexcept nogil:
        """An order message of two records leaves the core; it arrives one latency later."""
        cdef Message *slot
        if self.request_tail - self.request_head >= SIM_QUEUE:
            self.overflow += 1
            return
        slot = self.requests + 2 * (self.request_tail & (SIM_QUEUE - 1))
        slot[0] = order[0]
        slot[1] = order[1]
        slot[0].receive_time_ns = now_ns + self.order_latency_ns
        self.request_tail += 1

    cdef const Message *take_report(self) noexcept nogil:
        cdef const Message *report = self.reports + 2 * (self.report_head & (SIM_QUEUE - 1))
        self.report_head += 1
        return report

    cdef void serve(self) noexcept nogil:
        cdef const Message *order = self.requests + 2 * (self.request_head & (SIM_QUEUE - 1))
        cdef const OrderDetail *detail = <const OrderDetail *> (order + 1)
        cdef int64_t now_ns = order.receive_time_ns, index
        cdef Resting missing
        self.request_head += 1
        if order.instrument >= <uint32_t> self.instruments:
            self.overflow += 1
            return
        if detail.action == ACTION_NEW:
            self._place(order, now_ns)
            return
        index = self._find(order.instrument, detail.target_order_id)
        if index < 0:
            memset(&missing, 0, sizeof(Resting))
            missing.instrument = order.instrument
            missing.side = order.side
            if detail.action == ACTION_REPLACE:
                missing.order_id = order.order_id
                self._report(&missing, REPORT_KIND_REJECTED, REFUSAL_VENUE_UNKNOWN_ORDER, now_ns, 0, 0, 0)
            elif detail.action == ACTION_CANCEL:
                missing.order_id = detail.target_order_id
                self._report(&missing, REPORT_KIND_CANCEL_REJECTED, REFUSAL_VENUE_UNKNOWN_ORDER, now_ns, 0, 0, 0)
            else:
                missing.order_id = detail.target_order_id
                self._report(&missing, REPORT_KIND_NOT_FOUND, REFUSAL_VENUE_UNKNOWN_ORDER, now_ns, 0, 0, 0)
            return
        if detail.action == ACTION_QUERY:
            self._report(&self.orders[index], REPORT_KIND_ACCEPTED, 0, now_ns, self.orders[index].price_ticks,
                         self.orders[index].quantity_lots, 0)
            return
        self._report(
            &self.orders[index],
            REPORT_KIND_REPLACED if detail.action == ACTION_REPLACE else REPORT_KIND_CANCELLED,
            0, now_ns, self.orders[index].price_ticks,
            self.orders[index].quantity_lots - self.orders[index].filled_lots, 0,
        )
        self._remove(index)
        if detail.action == ACTION_REPLACE:
            self._place(order, now_ns)

    cdef int64_t _place(self, const Message *order, int64_t now_ns) noexcept nogil:
        """A new order meets the book: refused, taken at once, or put at the end of its queue."""
        cdef const OrderDetail *detail = <const OrderDetail *> (order + 1)
        cdef const BookView *view = &self.views[order.instrument]
        cdef int64_t index = self.free_head, limit = order.price_ticks, opposite
        cdef bint buying = order.side == SIDE_BID, crosses
        cdef Resting *mine
        if index < 0:
            self.overflow += 1
            return -1
        mine = &self.orders[index]
        self.free_head = mine.free_next
        mine.order_id = order.order_id
        mine.instrument = order.instrument
        mine.side = order.side
        mine.price_ticks = order.price_ticks
        mine.quantity_lots = order.quantity_lots
        mine.filled_lots = 0
        mine.traded_lots = 0
        self._append(index)
        if detail.order_type == ORDER_TYPE_MARKET:
            limit = NEVER if buying else -NEVER
        opposite = view.ask_price_ticks[0] if buying else view.bid_price_ticks[0]
        crosses = limit >= opposite if buying else limit <= opposite
        crosses = crosses and (view.ask_count if buying else view.bid_count) > 0
        if crosses and detail.order_type == ORDER_TYPE_LIMIT_MAKER:
            self._report(
                mine, REPORT_KIND_REJECTED, REFUSAL_VENUE_WOULD_TAKE, now_ns, mine.price_ticks, mine.quantity_lots, 0
            )
            self._remove(index)
            return -1
        self._report(mine, REPORT_KIND_ACCEPTED, 0, now_ns, mine.price_ticks, mine.quantity_lots, 0)
        if crosses:
            self._take(index, limit, detail.time_in_force == TIME_IN_FORCE_FOK, now_ns)
        if mine.order_id == 0:
            return -1  # filled whole
        if detail.order_type == ORDER_TYPE_MARKET or detail.time_in_force != TIME_IN_FORCE_GTC:
            self._report(
                mine, REPORT_KIND_EXPIRED, 0, now_ns, mine.price_ticks, mine.quantity_lots - mine.filled_lots, 0
            )
            self._remove(index)
            return -1
        mine.queue_ahead_lots = self.book.quantity_lots(mine.instrument, mine.side, mine.price_ticks)
        return index

    cdef void _take(self, int64_t index, int64_t limit_ticks, bint whole, int64_t now_ns) noexcept nogil:
        """Walks the other side of the displayed book, at most DEPTH levels, and leaves it. `whole`: all or nothing."""
        cdef Resting *mine = &self.orders[index]
        cdef bint buying = mine.side == SIDE_BID
        cdef int64_t[DEPTH] prices
        cdef int64_t[DEPTH] quantities
        cdef int64_t levels, i, lots, available = 0
        levels = best_levels(
            &self.book.all.sides[2 * mine.instrument + (1 if buying else 0)], -1 if buying else 1, DEPTH, prices,
            quantities,
        )
        if whole:
            for i in range(levels):
                if (prices[i] <= limit_ticks) if buying else (prices[i] >= limit_ticks):
                    available += quantities[i]
            if available < mine.quantity_lots:
                return
        for i in range(levels):
            if (prices[i] > limit_ticks) if buying else (prices[i] < limit_ticks):
                break
            if mine.order_id == 0:
                break
            lots = mine.quantity_lots - mine.filled_lots
            if lots > quantities[i]:
                lots = quantities[i]
            self._fill(index, prices[i], lots, LIQUIDITY_TAKER, now_ns)

    cdef void _fill(self, int64_t index, int64_t price, int64_t lots, int64_t liquidity, int64_t now_ns) noexcept nogil:
        cdef Resting *mine = &self.orders[index]
        mine.filled_lots += lots
        self.trade_id += 1
        self._report(mine, REPORT_KIND_FILL, 0, now_ns, price, lots, liquidity)
        if mine.filled_lots >= mine.quantity_lots:
            self._remove(index)

    cdef void _append(self, int64_t index) noexcept nogil:
        """Behind the older orders of its instrument, so that they meet a trade first."""
        cdef Resting *mine = &self.orders[index]
        cdef Terms *terms = &self.terms[mine.instrument]
        mine.previous = terms.last
        mine.next = -1
        if mine.previous >= 0:
            self.orders[mine.previous].next = index
        else:
            terms.first = index
        terms.last = index

    cdef void _remove(self, int64_t index) noexcept nogil:
        cdef Resting *mine = &self.orders[index]
        if mine.previous >= 0:
            self.orders[mine.previous].next = mine.next
        else:
            self.terms[mine.instrument].first = mine.next
        if mine.next >= 0:
            self.orders[mine.next].previous = mine.previous
        else:
            self.terms[mine.instrument].last = mine.previous
        mine.order_id = 0
        mine.free_next = self.free_head
        self.free_head = index

    cdef void _report(self, const Resting *order, int64_t what, int64_t code, int64_t now_ns, int64_t price,
                      int64_t lots, int64_t liquidity) noexcept nogil:
        cdef Message *report
        cdef ReportDetail *detail
        cdef const Terms *terms = &self.terms[order.instrument]
        if self.report_tail - self.report_head >= SIM_QUEUE:
            self.overflow += 1
            return
        report = self.reports + 2 * (self.report_tail & (SIM_QUEUE - 1))
        memset(report, 0, 2 * sizeof(Message))
        report[0].sequence = 2 * self.report_tail
        report[0].event_time_ns = now_ns
        report[0].receive_time_ns = now_ns + self.report_latency_ns
        report[0].instrument = <uint32_t> order.instrument
        report[0].kind = KIND_REPORT
        report[0].side = <uint8_t> order.side
        report[0].flags = FLAG_MORE | FLAG_LAST | (SOURCE_REPORTS << SOURCE_SHIFT)
        report[0].price_ticks = price
        report[0].quantity_lots = lots
        report[0].order_id = order.order_id
        report[0].extra = what | code << 8
        report[1] = report[0]
        report[1].sequence += 1
        report[1].kind = KIND_DETAIL
        report[1].flags = FLAG_LAST | (SOURCE_REPORTS << SOURCE_SHIFT)
        detail = <ReportDetail *> (report + 1)
        detail.liquidity = <uint8_t> liquidity
        detail.venue_order_id = order.order_id
        detail.trade_id = self.trade_id if what == REPORT_KIND_FILL else 0
        detail.fee_atoms = 0
        if what == REPORT_KIND_FILL:
            detail.fee_atoms = fee_atoms(
                terms, price, lots, terms.maker_fee_e7 if liquidity == LIQUIDITY_MAKER else terms.taker_fee_e7
            )
        detail.cumulative_lots = order.filled_lots
        self.report_tail += 1

    # -- what the market does to my queue places --

    cdef void before_market(self, const Message *message) noexcept nogil:
        if message.instrument < <uint32_t> self.instruments and self.terms[message.instrument].first >= 0:
            if message.kind == KIND_TRADE:
                self._trade(message)
            elif message.kind == KIND_LEVEL:
                self._level(message)

    cdef void _trade(self, const Message *message) noexcept nogil:
        """A trade: those on the passive side at better prices are filled, at the same price the queue moves up.

        What an order of mine takes at the price of the trade is not there any more for my next one.
        """
        cdef int64_t index = self.terms[message.instrument].first, following, lots, left = message.quantity_lots
        cdef int64_t passive = SIDE_BID if message.side == SIDE_ASK else SIDE_ASK
        cdef int64_t traded = level_key(message.price_ticks, passive), key
        cdef Resting *mine
        while index >= 0:
            mine = &self.orders[index]
            following = mine.next
            key = level_key(mine.price_ticks, mine.side)
            if mine.side == passive and key >= traded:
                lots = mine.quantity_lots - mine.filled_lots
                if key == traded:
                    mine.traded_lots += message.quantity_lots
                    mine.queue_ahead_lots -= left
                    if mine.queue_ahead_lots < 0:
                        if lots > -mine.queue_ahead_lots:
                            lots = -mine.queue_ahead_lots
                        mine.queue_ahead_lots = 0
                        left -= lots
                    else:
                        lots = 0
                if lots > 0:
                    self._fill(index, mine.price_ticks, lots, LIQUIDITY_MAKER, message.receive_time_ns)
            index = following

    cdef void _level(self, const Message *message) noexcept nogil:
        """The quantity at my price changes: my place never lies behind the end of the queue.

        Who cancelled is what went and was not traded: those who traded have left the queue ahead in `_trade`.
        """
        cdef int64_t index = self.terms[message.instrument].first, before, gone
        cdef double share
        cdef Resting *mine
        while index >= 0:
            mine = &self.orders[index]
            if mine.price_ticks == message.price_ticks and mine.side == message.side:
                if self.proportional:
                    before = self.book.quantity_lots(mine.instrument, mine.side, mine.price_ticks) - mine.traded_lots
                    gone = before - message.quantity_lots
                    if gone > 0 and before > 0:
                        share = <double> gone / <double> before
                        mine.queue_ahead_lots -= <int64_t> (share * <double> mine.queue_ahead_lots)
                if mine.queue_ahead_lots > message.quantity_lots:
                    mine.queue_ahead_lots = message.quantity_lots
                mine.traded_lots = 0
            index = mine.next

    cdef void after_batch(self, int64_t instrument, int64_t now_ns) noexcept nogil:
        """The book stands again: who now lies at or through the other side has been filled on the way."""
        cdef const BookView *view
        cdef int64_t index, following
        cdef Resting *mine
        if instrument >= self.instruments or self.terms[instrument].first < 0:
            return
        view = &self.views[instrument]
        if view.state != BOOK_STATE_VALID:
            return
        index = self.terms[instrument].first
        while index >= 0:
            mine = &self.orders[index]
            following = mine.next
            if mine.side == SIDE_BID:
                if view.ask_count > 0 and view.ask_price_ticks[0] <= mine.price_ticks:
                    self._fill(index, mine.price_ticks, mine.quantity_lots - mine.filled_lots, LIQUIDITY_MAKER, now_ns)
            elif view.bid_count > 0 and view.bid_price_ticks[0] >= mine.price_ticks:
                self._fill(index, mine.price_ticks, mine.quantity_lots - mine.filled_lots, LIQUIDITY_MAKER, now_ns)
            index = following
