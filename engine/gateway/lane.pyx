"""The order lane: from the order ring to the socket with as little as possible on the way.

    _next        the next order of the ring, or one that had to wait
    _may_send    every question that stands before a send, and the request's text
    mark         ATTEMPTED in the record of attempts: from here on the number is never sent again
    _send        the frame into the socket

What the session must remember of it comes after the send (`BinanceSession.submit`). Whatever is not plain (no logged-on
connection, a refusal, a target in doubt, a query) the lane leaves alone, and it goes the way of `Gateway._send`: that
one is the reference, and a test sends the same orders both ways.
"""

from libc.stdint cimport int64_t, uint32_t, uint64_t, uintptr_t
from posix.time cimport CLOCK_MONOTONIC, clock_gettime, timespec
from engine.gateway.order_text cimport OrderText
from engine.gateway.rate_limit cimport RateLimits
from ipc.message cimport ACTION_CANCEL, ACTION_NEW, Message, OrderDetail
from ipc cimport waiting
from ipc.atomics cimport load_relaxed, load_u32
from ipc.counters cimport Counters
from ipc.doorbell cimport Doorbell
from ipc.ring cimport Consumer
from ipc.ring_file cimport RingFile, SLEEPING_BYTE
from picows.picows cimport WSMsgType, WSTransport

import numpy as np

from engine.clock import base_ns
from engine.gateway.attempts import STATE_BITS, WORDS, State
from engine.gateway.orders import Standing
from ipc.messages import MESSAGE

cdef enum:
    BATCH_RECORDS = 64
    CORE_RINGS = 2
    POLL_NS = 10_000
    NAP_NS = 10_000
    WATCH_NS = 500_000
    ROW_WORDS = 8            # of the record of attempts; see attempts.py
    NUMBER = 0
    STATE_TIME = 1
    REFUSAL = 2
    KINDS = 3
    PRICE = 4
    QUANTITY = 5
    TARGET = 6
    CUMULATIVE = 7
    TIME_BITS = 3            # of STATE_TIME, taken by the state
    FREE = 0
    ATTEMPTED = 1
    FINISHED = 3

assert (ROW_WORDS, TIME_BITS) == (WORDS, STATE_BITS)
assert (FREE, ATTEMPTED, FINISHED) == (State.FREE, State.ATTEMPTED, State.FINISHED)
cdef int64_t CLOCK_BASE_NS = base_ns()
cdef object CHANGEABLE = (Standing.SENT, Standing.LIVE)


cdef inline int64_t monotonic_ns() noexcept nogil:
    cdef timespec moment
    clock_gettime(CLOCK_MONOTONIC, &moment)
    return moment.tv_sec * 1_000_000_000 + moment.tv_nsec


cdef inline int64_t utc_ns() noexcept nogil:
    """As clock.utc_ns."""
    return CLOCK_BASE_NS + monotonic_ns()


cdef class OrderLane:
    """One gateway's. `connection` is None for a venue without one: then nothing is ever sent here.

    open_orders: the session's table {number: Order}; attempts, halt: AttemptRecord and HaltWord of this process;
    core_rings: market and reports, whose words say whether the core sleeps.
    """

    cdef Consumer _consumer
    cdef OrderText _text
    cdef RateLimits _limits
    cdef object _connection
    cdef dict _open_orders
    cdef object _owners
    cdef int64_t *_rows
    cdef int64_t _capacity
    cdef const int64_t *_halt
    cdef Message *_batch
    cdef object _records
    cdef int64_t _count                 # records in the batch, and the next of them
    cdef int64_t _at
    cdef int64_t _sent_from             # where the last pass_on began
    cdef const int64_t *_durable        # the journal's word: the last order on disk; NULL while there is none
    cdef Counters _journal
    cdef int64_t _size                  # of the text that _may_send has written
    cdef int64_t[32] _request_ids
    cdef int64_t[32] _called_ns
    cdef uint32_t *_words[CORE_RINGS]   # raised while the core sleeps
    cdef int _word_count
    cdef readonly int64_t seen_ns
    cdef public int64_t lost            # records that an overrun ring has cost since this was last set to 0
    cdef public object witness          # for tests: called before and after each mark with the name of the place

    def __init__(
        self, Consumer consumer, attempts, halt, OrderText text, RateLimits limits, connection, dict open_orders,
        core_rings=(),
    ):
        cdef int64_t[::1] words = attempts.words
        cdef const int64_t[::1] word = halt.word
        cdef uintptr_t address
        self._consumer, self._text, self._limits = consumer, text, limits
        self._connection, self._open_orders = connection, open_orders
        self._rows, self._capacity = &words[0], attempts.capacity
        self._halt = &word[0]
        self._records = np.zeros(BATCH_RECORDS, dtype=MESSAGE)
        address = self._records.ctypes.data
        self._batch = <Message *> address
        self._owners = (attempts, halt, core_rings)
        for i, ring in enumerate(core_rings[:CORE_RINGS]):
            self._words[i] = <uint32_t *> ((<RingFile?> ring).memory + SLEEPING_BYTE)
            self._word_count = i + 1

    # -- QUERIES --

    cdef bint _has_room(self, int64_t number) noexcept nogil:
        """Whether the row of this number is free: the order that lay there is finished."""
        cdef const int64_t *row = self._rows + number % self._capacity * ROW_WORDS
        cdef int64_t state = row[STATE_TIME] & TIME_BITS
        return row[NUMBER] == number or state == FREE or state == FINISHED

    cdef bint _changeable(self, int64_t number, int64_t instrument) except -1:
        order = self._open_orders.get(number)
        return order is not None and order.standing in CHANGEABLE and order.symbol.index == instrument

    def has_room(self, int64_t number):
        """As AttemptRecord.has_room."""
        return self._has_room(number)

    def records(self):
        """The order at hand, shape (2,), dtype MESSAGE: valid until `next` looks at the ring again."""
        return self._records[self._at : self._at + 2]

    def sent(self):
        """Of the last `pass_on`: [(records, request id, time of the send in ns UTC), ...]; valid as records are."""
        return [
            (self._records[at : at + 2], self._request_ids[at // 2], self._called_ns[at // 2])
            for at in range(self._sent_from, self._at, 2)
        ]

    # -- COMMANDS --

    def next(self):
        """The number of the order at hand, 0 when there is none, -1 when the ring was overrun (`lost`)."""
        return self._next()

    cdef int64_t _next(self) noexcept nogil:
        if self._at == self._count:
            self._at = self._sent_from = 0
            self._count = self._consumer.poll(self._batch, BATCH_RECORDS)
            if self._count < 0:
                self._count = 0
                self.lost = self.lost + self._consumer.lost
                return -1
        return self._batch[self._at].order_id if self._count else 0

    def done(self):
        """The order at hand is dealt with: the ring need not keep it."""
        self._done()

    cdef void _done(self) noexcept nogil:
        self._consumer.release(2 * self._batch[self._at].order_id)
        self._at += 2

    def pass_on(self, int64_t last_number, int64_t durable_number, int64_t now_ns):
        """Marks and sends what can go this way, up to the first order that cannot or has to wait. Returns how many.

        last_number: the last one attempted; durable_number: the last one that may be sent.
        """
        cdef int64_t number = self._next(), passed = 0
        self._sent_from = self._at
        while number > last_number and number <= durable_number and self._has_room(number) and self._may_send(now_ns):
            if self.witness is not None:
                self.witness("before_the_mark")
            self.mark(now_ns)
            if self.witness is not None:
                self.witness("between_mark_and_send")
            self._send()
            self._done()
            passed += 1
            if self._at == self._count:
                break
            number = self._batch[self._at].order_id
        return passed

    cdef bint _may_send(self, int64_t now_ns) except -1:
        """Whether the order at hand can go this way; then its text is ready.

        The limits are asked at the time it is: now_ns, which the order bears, may lie in an interval that has passed.
        """
        cdef const Message *order = self._batch + self._at
        cdef const OrderDetail *detail = <const OrderDetail *> (order + 1)
        cdef int64_t now_ms = now_ns // 1_000_000
        if self._connection is None or not self._connection.plain:
            return False
        if detail.action != ACTION_CANCEL and (
            self._halt[0] != 0 or not self._limits.may_order(utc_ns() // 1_000_000)
        ):
            return False
        if detail.action != ACTION_NEW and not self._changeable(detail.target_order_id, order.instrument):
            return False
        self._request_ids[self._at // 2] = self._connection.take_id()
        self._size = self._text.write(
            self._request_ids[self._at // 2], order, now_ms + <int64_t> self._connection.clock_offset_ms
        )
        return self._size > 0

    def mark(self, int64_t now_ns):
        """The order at hand, as AttemptRecord.mark. Raises ValueError when it was marked before or its row is taken."""
        cdef const Message *order = self._batch + self._at
        cdef const OrderDetail *detail = <const OrderDetail *> (order + 1)
        cdef int64_t *row = self._rows + order.order_id % self._capacity * ROW_WORDS
        if row[NUMBER] >= order.order_id and row[STATE_TIME] & TIME_BITS != FREE:
            raise ValueError(f"order number {order.order_id} was attempted before")
        if not self._has_room(order.order_id):
            raise ValueError(f"order number {order.order_id}: the row of {row[NUMBER]} is not finished")
        store(&row[STATE_TIME], FREE)
        store(&row[NUMBER], order.order_id)
        store(&row[REFUSAL], 0)
        store(&row[KINDS], <int64_t> (
            order.instrument | <uint64_t> detail.action << 32 | <uint64_t> order.side << 40
            | <uint64_t> detail.order_type << 48 | <uint64_t> detail.time_in_force << 56
        ))
        store(&row[PRICE], order.price_ticks)
        store(&row[QUANTITY], order.quantity_lots)
        store(&row[TARGET], detail.target_order_id)
        store(&row[CUMULATIVE], 0)
        store(&row[STATE_TIME], (now_ns & ~TIME_BITS) | ATTEMPTED)

    cdef int _send(self) except -1:
        """The text of _may_send into the socket; counted against the venue's limits."""
        cdef WSTransport transport = self._connection.transport
        cdef const OrderDetail *detail = <const OrderDetail *> (self._batch + self._at + 1)
        cdef int64_t called_ns = utc_ns()
        self._called_ns[self._at // 2] = called_ns
        transport.send_reuse_external_buffer(WSMsgType.TEXT, self._text.text, self._size)
        self._limits.add(called_ns // 1_000_000, 1, 0 if detail.action == ACTION_CANCEL else 1)
        return 0

    def follow(self, Counters journal):
        """The journal's words, which say what is on disk: `wait` is not to sleep through what it waits for."""
        self._journal, self._durable = journal, journal.counter("durable_order_number")

    def wait(self, Doorbell bell, int sockets, int64_t sleep_ns, int64_t last_number, int64_t durable_number):
        """On shared cores: watches the order ring while the core is at work, then sleeps until the bell rings,
        `sockets` (the event loop's own descriptor) can be read, or sleep_ns is over; what has come is passed on.

        Returns how many were sent; `seen_ns` says when they were seen. With an order at hand, which waits for the
        journal, it only sleeps: the journal rings too.
        """
        cdef bint waits = self._at < self._count, found = False
        with nogil:
            found = not waits and self._watch()
            if not found:
                bell.raise_word()
                if waits:
                    if self._durable == NULL or load_relaxed(self._durable) < self._batch[self._at].order_id:
                        bell.sleep(sockets, sleep_ns)
                elif self._consumer.backlog() == 0 and bell.sleep(sockets, sleep_ns):
                    found = self._watch()
                bell.lower_word()
        self.seen_ns = utc_ns()
        return self.pass_on(last_number, durable_number, self.seen_ns) if found else 0

    cdef bint _core_sleeps(self) noexcept nogil:
        cdef int i
        for i in range(self._word_count):
            if load_u32(self._words[i]) == 0:
                return False
        return self._word_count > 0

    cdef bint _watch(self) noexcept nogil:
        """Looks, and from POLL_NS on naps between two looks, as long as the core is awake: it may be about to say more.

        A nap and no yield, because the core may be waiting for this very CPU, and who has just been woken is preferred
        over it however often he yields.
        """
        cdef int64_t started_ns = monotonic_ns(), watched_ns = 0
        while self._consumer.backlog() == 0:
            if watched_ns >= WATCH_NS or (self._core_sleeps() and self._consumer.backlog() == 0):
                return False
            if watched_ns < POLL_NS:
                waiting.wait(waiting.WAIT_BRIEF, NULL, 0, NULL, 0)
            else:
                waiting.wait(waiting.WAIT_BLOCK, NULL, 0, NULL, NAP_NS)
            watched_ns = monotonic_ns() - started_ns
        return True


cdef extern from *:
    """
    /* in this order, as a successor may find it: a killed process leaves its stores in the page cache */
    #define bot4_lane_store(word, value) __atomic_store_n(word, value, __ATOMIC_RELEASE)
    """
    void store "bot4_lane_store"(int64_t *word, int64_t value) noexcept nogil
