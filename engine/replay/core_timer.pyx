"""Times the whole core on recorded data with open-loop load: every input has an intended start and counts from it.

Input k of a run is due `interval_ns` after input k - 1, whether the core is ready or not: a pause of the machine, or of
the core, delays everything behind it, and all of that is in the figures (Gil Tene, "How NOT to measure latency"). A
simulated venue answers the orders between two inputs, untimed, so that the strategy goes on quoting.
"""

from libc.stdint cimport int64_t, uintptr_t
from libc.string cimport memcpy
from posix.time cimport CLOCK_MONOTONIC, clock_gettime, timespec
from engine.core cimport Core
from engine.gateway.simulated cimport SimulatedVenue
from engine.stage cimport ends_batch, records_of
from ipc.allocations cimport allocations_so_far, minor_faults_so_far
from ipc.message cimport KIND_ORDER, Message

import numpy as np

from ipc.messages import MESSAGE

cdef enum:
    RING_MASK = (1 << 14) - 1  # slots of the order ring that orders are copied to, as the loop would


cdef inline int64_t monotonic_ns() noexcept nogil:
    cdef timespec now
    clock_gettime(CLOCK_MONOTONIC, &now)
    return now.tv_sec * 1_000_000_000 + now.tv_nsec


cdef class CoreTimer:
    """`run` once; then read `input_ns` (every market batch) and `order_ns` (those that made an order)."""

    cdef Core core
    cdef SimulatedVenue venue
    cdef object _memory
    cdef Message *ring
    cdef int64_t *inputs
    cdef int64_t *orders
    cdef int64_t room
    cdef readonly int64_t input_count
    cdef readonly int64_t order_count
    cdef readonly int64_t allocations      # inside the timed loop, -1 when they were not counted
    cdef readonly int64_t minor_faults

    def __cinit__(self, Core core, SimulatedVenue venue, int64_t room):
        self.core, self.venue, self.room = core, venue, room
        self._memory = (np.ones(RING_MASK + 1, MESSAGE), np.ones(room, np.int64), np.ones(room, np.int64))
        cdef uintptr_t ring = self._memory[0].ctypes.data
        cdef uintptr_t inputs = self._memory[1].ctypes.data
        cdef uintptr_t orders = self._memory[2].ctypes.data
        self.ring = <Message *> ring
        self.inputs = <int64_t *> inputs
        self.orders = <int64_t *> orders

    @property
    def input_ns(self):
        """Latency of each batch from its intended start, int64 ns, shape (input_count,)."""
        return self._memory[1][: self.input_count].copy()

    @property
    def order_ns(self):
        """Latency of each batch that made an order, int64 ns, shape (order_count,)."""
        return self._memory[2][: self.order_count].copy()

    def run(self, records, int64_t warmup, int64_t interval_ns, int64_t stall_at=-1, int64_t stall_ns=0):
        """Takes MESSAGE records (n,); the first `warmup` untimed. `stall_at`: at this input the core pauses `stall_ns`.

        Raises RuntimeError on a fault of a stage.
        """
        cdef uintptr_t address = records.ctypes.data
        cdef int64_t n = len(records), at = 0
        if records.dtype != MESSAGE or not records.flags.c_contiguous:
            raise ValueError("records must be a contiguous array of MESSAGE")
        with nogil:
            at = self._run(<const Message *> address, n, warmup, interval_ns, stall_at, stall_ns)
        if at < 0:
            raise RuntimeError(self.core.fault_text())

    cdef int64_t _run(self, const Message *records, int64_t n, int64_t warmup, int64_t interval_ns, int64_t stall_at,
                      int64_t stall_ns) noexcept nogil:
        cdef int64_t at = 0, due_ns = 0, now_ns, number = 0, allocations = 0, faults = 0
        cdef const Message *message
        cdef bint timed = False
        while at < n and self.input_count < self.room:
            message = records + at
            if self._venue_until(message.receive_time_ns) < 0:
                return -1
            self.venue.before_market(message)
            if not timed and at >= warmup:
                timed = True
                due_ns = monotonic_ns()
                allocations, faults = allocations_so_far(), minor_faults_so_far()
            if timed:
                due_ns += interval_ns
                while monotonic_ns() < due_ns:
                    pass
                if number == stall_at:
                    now_ns = monotonic_ns() + stall_ns
                    while monotonic_ns() < now_ns:
                        pass
            if self.core.take(message) < 0:
                return -1
            if self.core.said_count:
                self._publish()
            if timed:
                if ends_batch(message):
                    self._note(monotonic_ns() - due_ns)
                number += 1
            self._answer(message)
            at += records_of(message)
        self.allocations = allocations_so_far() - allocations if allocations >= 0 else -1
        self.minor_faults = minor_faults_so_far() - faults
        return at

    cdef void _note(self, int64_t latency_ns) noexcept nogil:
        self.inputs[self.input_count] = latency_ns
        self.input_count = self.input_count + 1
        if self.core.said_orders:
            self.orders[self.order_count] = latency_ns
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
