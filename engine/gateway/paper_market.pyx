"""The live book on which paper orders are filled: a reader of the market ring with a book and a simulated venue."""

from libc.stdint cimport int64_t, uintptr_t
from libc.string cimport memcpy, memset
from engine.book.stage cimport BookStage
from engine.gateway.simulated cimport SimulatedVenue
from engine.stage cimport Outbox, Step, ends_batch, records_of, step_of, takes
from ipc.message cimport FLAG_LAST, KIND_LAPPED, KIND_TIME, Message, SOURCE_MARKET
from ipc.ring cimport Consumer, POLL_LAPPED

import numpy as np

from engine.book.config import BookSettings
from ipc.messages import MESSAGE

cdef enum:
    INBOX_RECORDS = 1024
    TURN_RECORDS = 16384     # of the market ring that one call takes at most


cdef class PaperMarket:
    """`consumer` reads the market ring; `models` is FillModels, `settings` BookSettings."""

    cdef BookStage book
    cdef SimulatedVenue venue
    cdef Consumer consumer
    cdef Step *step
    cdef Outbox outbox
    cdef Message *inbox
    cdef object _memory

    def __cinit__(self, instruments, Consumer consumer, models, settings=None):
        self.book = BookStage(instruments, settings or BookSettings())
        self.venue = SimulatedVenue(instruments, self.book, models)
        self.consumer = consumer
        self.step = step_of(self.book.step())
        self._memory = np.zeros(2 * INBOX_RECORDS, MESSAGE)
        cdef uintptr_t address = self._memory.ctypes.data
        self.inbox = <Message *> address
        self.outbox.messages = self.inbox + INBOX_RECORDS
        self.outbox.capacity = INBOX_RECORDS

    # -- QUERIES --

    def overflow(self):
        """Messages that found no room in the venue's tables: reports may be missing."""
        return self.venue.overflow

    # -- COMMANDS --

    def submit(self, order, int64_t now_ns):
        """An order message, shape (2,) MESSAGE, leaves for the venue."""
        cdef uintptr_t address = order.ctypes.data
        self.venue.submit(<const Message *> address, now_ns)

    def advance(self, int64_t now_ns, out):
        """Takes the market up to now and writes the reports due into `out` (MESSAGE). Returns how many records."""
        cdef uintptr_t address = out.ctypes.data
        cdef int64_t room = len(out), count = 0
        with nogil:
            self._take_market(now_ns)
            self._serve(now_ns)
            while count + 2 <= room and self.venue.next_report_ns() <= now_ns:
                memcpy(<Message *> address + count, self.venue.take_report(), 2 * sizeof(Message))
                count += 2
        return count

    cdef void _take_market(self, int64_t now_ns) noexcept nogil:
        cdef int64_t taken = 0, at, count
        while taken < TURN_RECORDS:
            count = self.consumer.poll(self.inbox, INBOX_RECORDS)
            if count == 0:
                break
            if count == POLL_LAPPED:
                self._tell(KIND_LAPPED, SOURCE_MARKET, now_ns)
                continue
            at = 0
            while at < count:
                self._serve(self.inbox[at].receive_time_ns)
                self._take(self.inbox + at)
                at += records_of(self.inbox + at)
            taken += count
        self._tell(KIND_TIME, 0, now_ns)

    cdef void _take(self, const Message *message) noexcept nogil:
        self.venue.before_market(message)
        self.outbox.count = 0
        if takes(self.step, message):
            self.step.step(self.step.stage, message, &self.outbox)
        if ends_batch(message):
            self.venue.after_batch(message.instrument, message.receive_time_ns)

    cdef void _tell(self, int64_t kind, int64_t extra, int64_t now_ns) noexcept nogil:
        cdef Message message
        memset(&message, 0, sizeof(Message))
        message.kind = <unsigned char> kind
        message.extra = extra
        message.flags = FLAG_LAST
        message.event_time_ns = message.receive_time_ns = now_ns
        self.outbox.count = 0
        self.step.step(self.step.stage, &message, &self.outbox)

    cdef void _serve(self, int64_t until_ns) noexcept nogil:
        while self.venue.next_request_ns() <= until_ns:
            self.venue.serve()
