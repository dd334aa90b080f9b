"""The duty cycle of the core: poll, journal, decide, journal, publish.

For each input, in this order and no other (an exhaustive crash-point model found every other order wanting, see
engine/journal/protocol_model.py):

    1. the input is copied to the journal ring
    2. the stages work on it
    3. what they said is copied to the journal ring
    4. orders are published to the order ring, the n-th at place n

The loop owns a thread and never holds the GIL in it. What it learns itself (the time when idle, a lap, a full ring)
becomes a message of source LOOP and goes the same way. Latencies are taken here and go to telemetry only.
"""

from libc.stdint cimport int64_t, uint64_t, uintptr_t
from libc.string cimport memset
from posix.time cimport CLOCK_MONOTONIC, clock_gettime, timespec
from engine.core cimport Core
from engine.stage cimport REFUSAL_CODES, STAGES, ends_batch, records_of
from ipc cimport waiting
from ipc.counters cimport Counters, Histogram, put, record
from ipc.message cimport (
    FLAG_LAST, KIND_LAPPED, KIND_ORDER, KIND_REFUSAL, KIND_REPORT, KIND_RING_FULL, KIND_TIME, Message, SOURCE_COMMANDS,
    SOURCE_CORE, SOURCE_LOOP, SOURCE_MARKET, SOURCE_REPORTS, SOURCE_RESULTS, SOURCE_RISK, SOURCE_SHIFT,
)
from ipc.ring cimport Consumer, POLL_LAPPED, Producer

import time

import numpy as np

from engine.clock import base_ns
from engine.telemetry.refusal_counts import REFUSED
from ipc.messages import MESSAGE, Refusal

cdef extern from "crash_points.h":
    long long crash_input "bot4_crash_input"
    int crash_step "bot4_crash_step"
    int crash_orders "bot4_crash_orders"
    bint HAS_CRASH_POINTS "BOT4_CRASH_POINTS"
    void crash_point "BOT4_CRASH_POINT"(int64_t input, int step, int64_t orders) noexcept nogil

cdef extern from "<x86intrin.h>":
    uint64_t __rdtsc() noexcept nogil

cdef extern from *:
    """
    #define bot4_store(word, value) __atomic_store_n(word, value, __ATOMIC_RELEASE)
    #define bot4_load(word) __atomic_load_n(word, __ATOMIC_ACQUIRE)
    #define bot4_fence() __atomic_thread_fence(__ATOMIC_RELEASE)
    """
    void store "bot4_store"(int64_t *word, int64_t value) noexcept nogil
    int64_t load "bot4_load"(int64_t *word) noexcept nogil
    void fence "bot4_fence"() noexcept nogil

cdef enum:
    SOURCES = 5
    INBOX_RECORDS = 8192       # more than the largest message batch that one poll brings
    CHUNK = 256                # records of one source before the others are asked again
    ORDER_MARGIN = 2048        # order ring: room below which new orders are refused
    SAMPLE_MASK = 15           # one input in sixteen is timed slot by slot

cpdef enum CrashPoint:  # where the checked build can kill itself
    STEP_BEFORE = 0
    STEP_INPUT_JOURNALED = 1
    STEP_DECIDED = 2
    STEP_OUTPUTS_JOURNALED = 3
    STEP_BETWEEN_ORDERS = 4  # the first of several orders of one input is published
    STEP_PUBLISHED = 5
    STEP_SEALED = 6

CRASH_POINTS = bool(HAS_CRASH_POINTS)  # whether this is the checked build
cpdef enum Ending:
    STOPPED = 0
    FAULTED = 1

COUNTERS = (
    "inputs", "orders", "polls", "journal_waits", "lapped_records", *(REFUSED + code.name for code in Refusal if code),
)
HISTOGRAMS = ("tick_to_order", "market_age")  # and slot.NAME for each slot

cdef int64_t TIME_STEP_NS = 1_000_000


def stamp_counter_ns():
    """Nanoseconds of one tick of the CPU's time-stamp counter, measured over 50 ms; for telemetry only."""
    cdef uint64_t started = __rdtsc(), ended
    started_ns = time.monotonic_ns()
    time.sleep(0.05)
    ended = __rdtsc()
    return (time.monotonic_ns() - started_ns) / <double> (ended - started)


cdef int64_t CLOCK_BASE_NS = base_ns()


cdef inline int64_t now_ns() noexcept nogil:
    """As clock.utc_ns."""
    cdef timespec moment
    clock_gettime(CLOCK_MONOTONIC, &moment)
    return CLOCK_BASE_NS + moment.tv_sec * 1_000_000_000 + moment.tv_nsec


cdef class CoreLoop:
    """Runs a core between its rings until told to stop or a stage faults.

    sources: {Source: Consumer}, asked in the order reports, commands, results, risk, market; those of gated rings hold
    what they read until it is journaled. counters: a segment of this loop's own with COUNTERS and HISTOGRAMS and a
    histogram for each slot (`slot.` and its name, ns a step); `tick_to_order` is poll to publish, `market_age` the
    feed's receive stamp to the core's clock.
    """

    cdef Core core
    cdef Producer journal
    cdef Producer orders
    cdef void *consumers[SOURCES]         # Consumer objects, kept alive by _owners
    cdef int64_t sources[SOURCES]
    cdef list _owners
    cdef int source_count
    cdef int strategy                     # ipc.waiting
    cdef waiting.Watch watches[SOURCES]   # what wakes the loop on shared cores
    cdef Message *inbox
    cdef object _memory
    cdef int64_t made                     # messages of source LOOP so far
    cdef int64_t last_time_ns
    cdef bint orders_full
    cdef int64_t stop_word
    cdef int64_t even                     # odd while an input is worked on: the views may be torn
    cdef double ns_per_tick
    cdef Histogram *slots[STAGES]
    cdef Histogram *tick_to_order
    cdef Histogram *market_age
    cdef int64_t *inputs_counter
    cdef int64_t *orders_counter
    cdef int64_t *polls_counter
    cdef int64_t *waits_counter           # times the loop had to wait for room in the journal ring
    cdef int64_t *lapped_counter          # records that the sources overwrote before they were read
    cdef int64_t *refused[REFUSAL_CODES]  # by code, NULL where there is none
    cdef int64_t polls

    def __cinit__(self, Core core, Producer journal, Producer orders, dict sources, Counters counters, *,
                  int strategy, double ns_per_tick, int64_t made=0):
        cdef int i
        self.core, self.journal, self.orders = core, journal, orders
        self.strategy, self.ns_per_tick, self.made = strategy, ns_per_tick, made
        self._owners = [counters]
        for source in (SOURCE_REPORTS, SOURCE_COMMANDS, SOURCE_RESULTS, SOURCE_RISK, SOURCE_MARKET):
            if source in sources:
                self._owners.append(sources[source])
                self.consumers[self.source_count] = <void *> (<Consumer?> sources[source])
                self.sources[self.source_count] = source
                self.watches[self.source_count].word = (<Consumer> sources[source])._head_word
                self.watches[self.source_count].sleeping = (<Consumer> sources[source])._sleeping
                self.source_count += 1
        for i, name in enumerate(core.names):
            self.slots[i] = counters.histogram(f"slot.{name}")
        self.tick_to_order = counters.histogram("tick_to_order")
        self.market_age = counters.histogram("market_age")
        self.inputs_counter = counters.counter("inputs")
        self.orders_counter = counters.counter("orders")
        self.polls_counter = counters.counter("polls")
        self.waits_counter = counters.counter("journal_waits")
        self.lapped_counter = counters.counter("lapped_records")
        memset(self.refused, 0, sizeof(self.refused))
        for code in Refusal:
            if code:
                self.refused[int(code)] = counters.counter(REFUSED + code.name)
        self._memory = np.zeros(INBOX_RECORDS, MESSAGE)
        self._memory.view(np.int8)[:] = 0  # touched now
        cdef uintptr_t address = self._memory.ctypes.data
        self.inbox = <Message *> address
        self.stop_word = -1

    # -- QUERIES --

    def epoch(self):
        """Even when no input is being worked on; a reader of the views compares it before and after."""
        return load(&self.even)

    # -- COMMANDS --

    def stop(self):
        """Asks the loop to leave after the input at hand. Any thread."""
        store(&self.stop_word, STOPPED)

    def crash_at(self, int64_t input, int step, int orders=0):
        """Checked build only: kill -9 of this process when an input that says so many orders reaches this step.

        The first such input with this number or a later one. Before STEP_DECIDED its orders are unknown: leave them 0.
        """
        global crash_input, crash_step, crash_orders
        crash_input, crash_step, crash_orders = input, step, orders

    def run(self):
        """Loops without the GIL. Returns STOPPED or FAULTED (see core.fault_text())."""
        with nogil:
            while load(&self.stop_word) < 0:
                self._turn()
        return Ending(self.stop_word)

    cdef void _turn(self) noexcept nogil:
        """One round over the sources; each gives at most CHUNK records."""
        cdef int i
        cdef int64_t taken = 0, time_ns = now_ns()
        self.polls += 1
        put(self.polls_counter, self.polls)
        put(self.inputs_counter, self.core.inputs)
        put(self.orders_counter, self.core.orders)
        if time_ns - self.last_time_ns >= TIME_STEP_NS:
            self.last_time_ns = time_ns
            self._make(KIND_TIME, 0, 0, time_ns)
        self._watch_orders(time_ns)
        for i in range(self.source_count):
            taken += self._drain(i, time_ns)
            if load(&self.stop_word) >= 0:
                return
        if taken == 0:
            self._idle(time_ns)

    cdef void _idle(self, int64_t time_ns) noexcept nogil:
        """Nothing came. On shared cores the loop sleeps until a source wakes it, or the next time stamp is due."""
        cdef int64_t left = self.last_time_ns + TIME_STEP_NS - time_ns
        cdef int i
        if self.strategy == waiting.WAIT_SPIN:
            waiting.wait(waiting.WAIT_SPIN, NULL, 0, NULL, 0)
        elif left > 0:
            for i in range(self.source_count):
                self.watches[i].seen = (<Consumer> self.consumers[i]).position
            waiting.wait_any(self.watches, self.source_count, left)

    cdef int64_t _drain(self, int i, int64_t time_ns) noexcept nogil:
        cdef int64_t count, at = 0, size, j, source = self.sources[i]
        cdef uint64_t polled
        count = (<Consumer> self.consumers[i]).poll(self.inbox, CHUNK)
        if count == 0:
            return 0
        polled = __rdtsc()
        if count == POLL_LAPPED:
            put(self.lapped_counter, self.lapped_counter[0] + (<Consumer> self.consumers[i]).lost)
            self._make(KIND_LAPPED, source, (<Consumer> self.consumers[i]).lost, time_ns)
            return 1
        if count < 0:  # one message longer than CHUNK: none is, so the ring is not what it says
            count = (<Consumer> self.consumers[i]).poll(self.inbox, INBOX_RECORDS)
            if count < 0:
                self.core.fault.slot = 0
                store(&self.stop_word, FAULTED)
                return 0
        if source == SOURCE_MARKET:
            record(self.market_age, time_ns - self.inbox[0].receive_time_ns)
        while at < count:
            size = records_of(self.inbox + at)
            for j in range(size):
                self.inbox[at + j].flags |= <unsigned short> (source << SOURCE_SHIFT)
            self._work(self.inbox + at, size, polled)
            if load(&self.stop_word) >= 0:
                return count
            at += size
        (<Consumer> self.consumers[i]).release((<Consumer> self.consumers[i]).position)  # all of it is journaled now
        return count

    cdef void _make(self, int64_t kind, int64_t extra, int64_t quantity, int64_t time_ns) noexcept nogil:
        """A message of the loop's own."""
        cdef Message message
        memset(&message, 0, sizeof(Message))
        message.sequence = self.made
        message.event_time_ns = message.receive_time_ns = time_ns
        message.kind = <unsigned char> kind
        message.flags = FLAG_LAST | (SOURCE_LOOP << SOURCE_SHIFT)
        message.quantity_lots = quantity
        message.extra = extra
        self.made += 1
        self._work(&message, 1, __rdtsc())

    cdef void _watch_orders(self, int64_t time_ns) noexcept nogil:
        """The order ring fills up, or has room again: the risk stage learns it as a message, before it matters."""
        cdef bint full = not self.orders.has_room(ORDER_MARGIN)
        if full != self.orders_full:
            self.orders_full = full
            self._make(KIND_RING_FULL, SOURCE_CORE, 1 if full else 0, time_ns)

    cdef void _work(self, const Message *message, int64_t size, uint64_t polled) noexcept nogil:
        """The four steps for one input."""
        cdef int64_t number = self.core.inputs + 1
        crash_point(number, STEP_BEFORE, 0)
        if not self._journal(message, size):
            return
        crash_point(number, STEP_INPUT_JOURNALED, 0)
        store(&self.even, self.even + 1)
        fence()
        self.core.timing = (number & SAMPLE_MASK) == 0
        if self.core.timing:
            memset(self.core.elapsed, 0, sizeof(self.core.elapsed))
        if self.core.take(message) < 0:
            store(&self.stop_word, FAULTED)
            store(&self.even, self.even + 1)
            return
        store(&self.even, self.even + 1)
        crash_point(number, STEP_DECIDED, self.core.said_orders)
        if self.core.said_count:
            if not self._journal(self.core.said, self.core.said_count):
                return
            crash_point(number, STEP_OUTPUTS_JOURNALED, self.core.said_orders)
            self._publish(number)
            crash_point(number, STEP_PUBLISHED, self.core.said_orders)
            if self.core.said_orders:
                record(self.tick_to_order, <int64_t> (<double> (__rdtsc() - polled) * self.ns_per_tick))
        self._count_refusals(message)
        if self.core.timing:
            self._record_slots()
        if ends_batch(message):
            self.core.seal(message)
            self._journal(&self.core.check, 1)
            crash_point(number, STEP_SEALED, self.core.said_orders)

    cdef void _count_refusals(self, const Message *message) noexcept nogil:
        """Of the feed and the venue, which come as inputs, and of the stages, which are said."""
        cdef int64_t i = 0
        if message.kind == KIND_REPORT:
            self._count_refusal(message.extra >> 8)
        elif message.kind == KIND_REFUSAL:
            self._count_refusal(message.extra)
        while i < self.core.said_count:
            if self.core.said[i].kind == KIND_REFUSAL:
                self._count_refusal(self.core.said[i].extra)
            i += records_of(self.core.said + i)

    cdef void _count_refusal(self, int64_t code) noexcept nogil:
        if 0 < code < REFUSAL_CODES and self.refused[code] != NULL:
            put(self.refused[code], self.refused[code][0] + 1)

    cdef void _publish(self, int64_t number) noexcept nogil:
        """Orders in their order; the ring had ORDER_MARGIN before this input, and waits for the gateway beyond that."""
        cdef int64_t i = 0, size, published = 0
        while i < self.core.said_count:
            size = records_of(self.core.said + i)
            if self.core.said[i].kind == KIND_ORDER:
                while self.orders.publish_kept(self.core.said + i, size) < 0:
                    if load(&self.stop_word) >= 0:
                        return
                    waiting.wait(waiting.WAIT_YIELD, NULL, 0, NULL, 0)
                published += 1
                if published < self.core.said_orders:
                    crash_point(number, STEP_BETWEEN_ORDERS, self.core.said_orders)
            i += size

    cdef bint _journal(self, const Message *records, int64_t count) noexcept nogil:
        """Copies records to the journal ring; waits for room, because nothing may happen that was not written down."""
        cdef bint waited = False
        while self.journal.publish_kept(records, count) < 0:
            if not waited:
                put(self.waits_counter, self.waits_counter[0] + 1)
                waited = True
            if load(&self.stop_word) >= 0:
                return False
            waiting.wait(waiting.WAIT_YIELD, NULL, 0, NULL, 0)
        return True

    cdef void _record_slots(self) noexcept nogil:
        cdef int slot
        for slot in range(self.core._count):
            if self.core.elapsed[slot]:
                record(self.slots[slot], <int64_t> (<double> self.core.elapsed[slot] * self.ns_per_tick))
