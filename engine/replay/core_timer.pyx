"""Times the whole core on recorded data with open-loop load: every input has an intended start and counts from it.

Input k of a run is due `interval_ns` after input k - 1, whether the core is ready or not: a pause of the machine, or of
the core, delays everything behind it, and all of that is in the figures (Gil Tene, "How NOT to measure latency"). A
simulated venue answers the orders between two inputs, untimed, so that the strategy goes on quoting. With an interval
of 0 nothing waits: each input counts from its own start, and caches and branch predictors are as warm as they get.

The clock is the time-stamp counter: a reading costs less than one of CLOCK_MONOTONIC. As in the loop, the CHECK of a
batch is made after its orders are out: it is not in a batch's own latency, but it is in the way of the next.
"""

from libc.stdint cimport int64_t, uintptr_t
from libc.string cimport memcpy
from engine.core cimport Core
from engine.gateway.simulated cimport SimulatedVenue
from engine.stage cimport ends_batch, records_of
from ipc.allocations cimport allocations_so_far, minor_faults_so_far
from ipc.message cimport KIND_ORDER, Message

import numpy as np

from engine.loop import stamp_counter_ns
from ipc.messages import MESSAGE

cdef extern from "<x86intrin.h>":
    int64_t __rdtsc() noexcept nogil

cdef enum:
    RING_MASK = (1 << 14) - 1  # slots of the order ring that orders are copied to, as the loop would


cdef class CoreTimer:
    """`run` once; then read `input_ns` (every market batch) and the rest, which is of those that made an order."""

    cdef Core core
    cdef SimulatedVenue venue
    cdef object _memory
    cdef Message *ring
    cdef int64_t *inputs
    cdef int64_t *firsts
    cdef int64_t *orders
    cdef int64_t *counts
    cdef readonly double ns_per_tick
    cdef int64_t room
    cdef readonly int64_t input_count
    cdef readonly int64_t order_count
    cdef readonly int64_t allocations      # inside the timed loop, -1 when they were not counted
    cdef readonly int64_t minor_faults

    def __cinit__(self, Core core, SimulatedVenue venue, int64_t room):
        self.core, self.venue, self.room = core, venue, room
        self.ns_per_tick = stamp_counter_ns()
        self._memory = [np.ones(RING_MASK + 1, MESSAGE), *(np.ones(room, np.int64) for _ in range(4))]
        cdef uintptr_t[5] address
        cdef int i
        for i in range(5):
            address[i] = self._memory[i].ctypes.data
        self.ring = <Message *> address[0]
        self.inputs = <int64_t *> address[1]
        self.firsts = <int64_t *> address[2]
        self.orders = <int64_t *> address[3]
        self.counts = <int64_t *> address[4]

    @property
    def input_ns(self):
        """Latency of each batch from its intended start, ns, shape (input_count,)."""
        return self._memory[1][: self.input_count] * self.ns_per_tick

    @property
    def first_ns(self):
        """From there until the first ORDER stood complete, ns, shape (order_count,)."""
        return self._memory[2][: self.order_count] * self.ns_per_tick

    @property
    def order_ns(self):
        """From there until all orders of the batch lay in the order ring, ns, shape (order_count,)."""
        return self._memory[3][: self.order_count] * self.ns_per_tick

    @property
    def orders_made(self):
        """Orders of each batch that made any, shape (order_count,)."""
        return self._memory[4][: self.order_count].copy()

    def run(self, records, int64_t warmup, int64_t interval_ns, int64_t stall_at=-1, int64_t stall_ns=0):
        """Takes MESSAGE records (n,); the first `warmup` untimed. `stall_at`: at this input the core pauses `stall_ns`.

        Raises RuntimeError on a fault of a stage.
        """
        cdef uintptr_t address = records.ctypes.data
        cdef int64_t n = len(records), at = 0
        cdef int64_t interval = <int64_t> (interval_ns / self.ns_per_tick)
        cdef int64_t stall = <int64_t> (stall_ns / self.ns_per_tick)
        if records.dtype != MESSAGE or not records.flags.c_contiguous:
            raise ValueError("records must be a contiguous array of MESSAGE")
        with nogil:
            at = self._run(<const Message *> address, n, warmup, interval, stall_at, stall)
        if at < 0:
            raise RuntimeError(self.core.fault_text())

    cdef int64_t _run(self, const Message *records, int64_t n, int64_t warmup, int64_t interval, int64_t stall_at,
                      int64_t stall) noexcept nogil:
        """Times in ticks of the counter."""
        cdef int64_t at = 0, due = 0, number = 0, allocations = 0, faults = 0
        cdef const Message *message
        cdef bint timed = False
        while at < n and self.input_count < self.room:
            message = records + at
            if self._venue_until(message.receive_time_ns) < 0:
                return -1
            self.venue.before_market(message)
            if not timed and at >= warmup:
                timed = True
                due = __rdtsc()
                allocations, faults = allocations_so_far(), minor_faults_so_far()
            if timed:
                due = due + interval if interval else __rdtsc()
                self._wait(due + stall if number == stall_at else due)
                number += 1
            if self.core.take(message) < 0:
                return -1
            if self.core.said_count:
                self._publish()
            if ends_batch(message):
                if timed:
                    self._note(__rdtsc(), due)
                self.core.seal(message)
            self._answer(message)
            at += records_of(message)
        self.allocations = allocations_so_far() - allocations if allocations >= 0 else -1
        self.minor_faults = minor_faults_so_far() - faults
        return at

    cdef void _wait(self, int64_t until) noexcept nogil:
        while __rdtsc() < until:
            pass

    cdef void _note(self, int64_t now, int64_t due) noexcept nogil:
        self.inputs[self.input_count] = now - due
        self.input_count = self.input_count + 1
        if self.core.said_orders:
            self.firsts[self.order_count] = <int64_t> self.core.first_order - due
            self.orders[self.order_count] = now - due
            self.counts[self.order_count] = self.core.said_orders
            self.order_count = self.order_count + 1

    cdef void _publish(self) noexcept nogil:
        """Copies each order to its place, as the loop does with the order ring."""
        cdef int64_t i = 0, size
        while i < self.core.said_count:
            size = records_of(self.core.said + i)
            if self.core.said[i].kind == KIND_ORDER:
                memcpy(&self.ring[self.core.said[i].sequence & RING_MASK], &self.core.said[i], size * sizeof(Message))
            i += size

    cdef void _answer(self, const Message *message) noexcept nogil:
        if self.core.said_count:
            self._submit(message.receive_time_ns)
        if ends_batch(message):
            self.venue.after_batch(message.instrument, message.receive_time_ns)

    cdef int _venue_until(self, int64_t until_ns) noexcept nogil:
        cdef int64_t request, report
        while True:
            request, report = self.venue.next_request_ns(), self.venue.next_report_ns()
            if request > until_ns and report > until_ns:
                return 0
            if request <= report:
                self.venue.serve()
                continue
            if self.core.take(self.venue.take_report()) < 0:
                return -1
            if self.core.said_count:
                self._submit(report)

    cdef void _submit(self, int64_t now_ns) noexcept nogil:
        cdef int64_t i = 0, size
        while i < self.core.said_count:
            size = records_of(self.core.said + i)
            if self.core.said[i].kind == KIND_ORDER:
                self.venue.submit(self.core.said + i, now_ns)
            i += size
