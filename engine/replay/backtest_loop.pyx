"""The duty cycle of a backtest: tape, timers and a simulated venue in one order of time, through the same core.

At equal times the order is fixed: what reaches the venue, what comes back from it, the timer, what `tell` brings, then
the tape. The clock is the tape's receive time. The loop stops when a buffer is full, or when `pause_at_ns` is reached,
and goes on where it was, so Python may hash outputs, draw progress and estimate risk between calls without being on
the way of a message.
"""

from libc.stdint cimport int64_t, uintptr_t
from libc.string cimport memset
from ipc.message cimport (
    FLAG_LAST, KIND_ORDER, KIND_TIME, Message, REPORT_KIND_CANCEL_REJECTED, REPORT_KIND_FILL, REPORT_KIND_REJECTED,
    ReportDetail,
)
from engine.core cimport Core
from ipc.allocations cimport allocations_so_far
from engine.gateway.simulated cimport SimulatedVenue
from engine.stage cimport AccountView, BookView, REFUSAL_CODES, ends_batch, records_of, view_of

import numpy as np

from ipc.messages import MESSAGE

cdef enum:
    OUTPUT_RECORDS = 1 << 18
    FILL_RECORDS = 1 << 14
    SAMPLE_ROWS = 1 << 12
    OUTPUT_MARGIN = 1 << 16  # records that one input may make the core say: its outbox
    FILL_MARGIN = 1

cdef int64_t NEVER = (<int64_t> 1) << 62

FILL = np.dtype([(name, "<i8") for name in (
    "time_ns", "instrument", "side", "price_ticks", "quantity_lots", "liquidity", "fee_atoms", "order_id",
)])
SAMPLE = np.dtype([(name, "<i8") for name in (
    "time_ns", "instrument", "bid_ticks", "ask_ticks", "position_lots", "cost_tick_lots", "realised_tick_lots",
    "fees_atoms",
)])


cdef struct Fill:
    int64_t time_ns
    int64_t instrument
    int64_t side
    int64_t price_ticks
    int64_t quantity_lots
    int64_t liquidity
    int64_t fee_atoms
    int64_t order_id


cdef struct Sample:
    int64_t time_ns
    int64_t instrument
    int64_t bid_ticks
    int64_t ask_ticks
    int64_t position_lots
    int64_t cost_tick_lots
    int64_t realised_tick_lots
    int64_t fees_atoms


cdef class BacktestLoop:
    """Runs tape records through `core` and `venue`; read `take_outputs`, `take_fills`, `take_samples` between calls."""

    cdef Core core
    cdef SimulatedVenue venue
    cdef BookView *books
    cdef AccountView *accounts
    cdef int64_t instruments
    cdef int64_t time_step_ns
    cdef int64_t sample_step_ns
    cdef int64_t next_time_ns
    cdef int64_t next_sample_ns
    cdef public int64_t pause_at_ns       # `run` returns before the first record of the tape that is not earlier
    cdef readonly bint paused             # everything before `pause_at_ns` is done: it is that time now
    cdef readonly int64_t now_ns
    cdef int64_t times                    # TIME messages made
    cdef int64_t told                     # records that came from beside the tape
    cdef Message *outputs
    cdef int64_t output_count
    cdef Fill *fills
    cdef int64_t fill_count
    cdef Sample *samples
    cdef int64_t sample_count
    cdef readonly int64_t market_records
    cdef readonly int64_t orders_sent
    cdef readonly int64_t fills_seen
    cdef readonly int64_t allocations     # of this thread inside `run`, -1 when they were not counted
    cdef int64_t refused[REFUSAL_CODES]
    cdef object _memory
    cdef object _owners

    def __cinit__(self, Core core, SimulatedVenue venue, book, execution, instruments, *,
                  int64_t time_step_ns, int64_t sample_step_ns):
        self.core = core
        self.venue = venue
        self._owners = (book, execution)
        self.books = <BookView *> view_of(book.view()).rows
        self.accounts = <AccountView *> view_of(execution.view("instruments")).rows
        self.instruments = len(instruments)
        self.time_step_ns = time_step_ns
        self.sample_step_ns = sample_step_ns
        self.next_time_ns = -1
        self.pause_at_ns = NEVER
        self._memory = (
            np.zeros(OUTPUT_RECORDS, MESSAGE), np.zeros(FILL_RECORDS, FILL), np.zeros(SAMPLE_ROWS, SAMPLE)
        )
        for array in self._memory:
            array.view(np.int8)[:] = 0  # touched now, so that the loop meets no page fault
        cdef uintptr_t outputs = self._memory[0].ctypes.data
        cdef uintptr_t fills = self._memory[1].ctypes.data
        cdef uintptr_t samples = self._memory[2].ctypes.data
        self.outputs = <Message *> outputs
        self.fills = <Fill *> fills
        self.samples = <Sample *> samples
        memset(self.refused, 0, sizeof(self.refused))

    # -- QUERIES --

    def refusals(self):
        """Count of refusals by code number, of the core and of the venue."""
        return {code: int(self.refused[code]) for code in range(REFUSAL_CODES) if self.refused[code]}

    # -- COMMANDS --

    def run(self, records, int64_t start):
        """Takes tape records from `start` until the tape ends, a buffer is nearly full, or it is `paused`.

        Returns the next start.

        Raises RuntimeError when a stage faulted or the venue's tables overflowed: the run is void.
        """
        cdef uintptr_t address = records.ctypes.data
        cdef const Message *tape = <const Message *> address
        cdef int64_t count = len(records), position = start, before
        if records.dtype != MESSAGE or not records.flags.c_contiguous:
            raise ValueError("records must be a contiguous array of MESSAGE")
        with nogil:
            before = allocations_so_far()
            position = self._run(tape, start, count)
            self.allocations = -1 if before < 0 else self.allocations + allocations_so_far() - before
        if position < 0:
            raise RuntimeError(self.core.fault_text())
        if self.venue.overflow:
            raise RuntimeError(f"the simulated venue had no room for {self.venue.overflow} messages")
        return position

    @property
    def nearly_full(self):
        """Whether the buffers must be read before anything else is taken."""
        return self._nearly_full()

    def tell(self, records):
        """Takes messages from beside the tape, MESSAGE, as of now; their sequences are given here.

        Raises RuntimeError when a stage faulted: the run is void. ValueError while the buffers are nearly full.
        """
        cdef uintptr_t address = records.ctypes.data
        cdef Message *message = <Message *> address
        cdef int64_t count = len(records), at = 0, failed = 0, i
        if records.dtype != MESSAGE or not records.flags.c_contiguous or not records.flags.writeable:
            raise ValueError("records must be a contiguous, writeable array of MESSAGE")
        with nogil:
            while at < count and not failed and not self._nearly_full():
                for i in range(records_of(message + at)):
                    message[at + i].sequence = self.told
                    self.told += 1
                failed = self.core.take(message + at) < 0
                if self.core.said_count:
                    self._send()
                at += records_of(message + at)
        if failed:
            raise RuntimeError(self.core.fault_text())
        if at < count:
            raise ValueError("read the buffers before anything else is told")

    def finish(self):
        """Serves what is still under way at the venue, so that the books of both sides agree.

        True when nothing is left; else read the buffers and call again.
        """
        cdef int failed = 0
        with nogil:
            failed = self._events_until(NEVER - 1)
            self._sample()
        if failed:
            raise RuntimeError(self.core.fault_text())
        return self.venue.next_request_ns() == NEVER and self.venue.next_report_ns() == NEVER

    def take_outputs(self):
        """Copy of the ORDER and REFUSAL records since the last call."""
        count, self.output_count = self.output_count, 0
        return self._memory[0][:count].copy()

    def take_fills(self):
        """Copy of the fills since the last call, dtype FILL."""
        count, self.fill_count = self.fill_count, 0
        return self._memory[1][:count].copy()

    def take_samples(self):
        """Copy of the samples since the last call, dtype SAMPLE, one row per instrument and sample time."""
        count, self.sample_count = self.sample_count, 0
        return self._memory[2][:count].copy()

    cdef bint _nearly_full(self) noexcept nogil:
        return (
            self.output_count + OUTPUT_MARGIN > OUTPUT_RECORDS
            or self.fill_count + FILL_MARGIN > FILL_RECORDS
            or self.sample_count + self.instruments > SAMPLE_ROWS
        )

    cdef int64_t _run(self, const Message *tape, int64_t start, int64_t count) noexcept nogil:
        cdef int64_t i = start, size
        cdef const Message *message
        self.paused = False
        while i < count:
            message = tape + i
            if self.next_time_ns < 0:
                self.next_time_ns = message.receive_time_ns + self.time_step_ns
                self.next_sample_ns = message.receive_time_ns
            if message.receive_time_ns >= self.pause_at_ns:
                if self._events_until(self.pause_at_ns) < 0:
                    return -1
                self.paused = not self._nearly_full()
                if self.paused:
                    self.now_ns = self.pause_at_ns
                return i
            if self._events_until(message.receive_time_ns) < 0:
                return -1
            if self._nearly_full():
                return i
            self.now_ns = message.receive_time_ns
            size = records_of(message)
            self.venue.before_market(message)
            if self.core.take(message) < 0:
                return -1
            if self.core.said_count:
                self._send()
            if ends_batch(message):
                self.venue.after_batch(message.instrument, message.receive_time_ns)
            self.market_records += size
            i += size
        return i

    cdef int _events_until(self, int64_t until_ns) noexcept nogil:
        """Everything due before or at `until_ns`: requests, reports, timers, in the order of their times."""
        cdef int64_t request, report, timer
        while not self._nearly_full():
            request = self.venue.next_request_ns()
            report = self.venue.next_report_ns()
            timer = self.next_time_ns if until_ns < NEVER - 1 else NEVER
            if request <= report and request <= timer:
                if request > until_ns:
                    return 0
                self.now_ns = request
                self.venue.serve()
            elif report <= timer:
                if report > until_ns:
                    return 0
                self.now_ns = report
                if self._take_report(self.venue.take_report()) < 0:
                    return -1
            else:
                if timer > until_ns:
                    return 0
                self.now_ns = timer
                if self._take_time() < 0:
                    return -1
        return 0

    cdef int _take_report(self, const Message *report) noexcept nogil:
        cdef const ReportDetail *detail = <const ReportDetail *> (report + 1)
        cdef Fill *fill
        if report.extra & 0xFF == REPORT_KIND_FILL:
            self.fills_seen += 1
            fill = &self.fills[self.fill_count]
            fill.time_ns = report.event_time_ns
            fill.instrument = report.instrument
            fill.side = report.side
            fill.price_ticks = report.price_ticks
            fill.quantity_lots = report.quantity_lots
            fill.liquidity = detail.liquidity
            fill.fee_atoms = detail.fee_atoms
            fill.order_id = report.order_id
            self.fill_count += 1
        elif report.extra & 0xFF in (REPORT_KIND_REJECTED, REPORT_KIND_CANCEL_REJECTED):
            if 0 < report.extra >> 8 < REFUSAL_CODES:
                self.refused[report.extra >> 8] += 1
        if self.core.take(report) < 0:
            return -1
        if self.core.said_count:
            self._send()
        return 0

    cdef int _take_time(self) noexcept nogil:
        cdef Message time
        memset(&time, 0, sizeof(Message))
        time.sequence = self.times
        time.kind = KIND_TIME
        time.flags = FLAG_LAST
        time.event_time_ns = time.receive_time_ns = self.next_time_ns
        self.times += 1
        self.next_time_ns += self.time_step_ns
        if self.core.take(&time) < 0:
            return -1
        if self.core.said_count:
            self._send()
        if time.receive_time_ns >= self.next_sample_ns:
            self._sample()
            self.next_sample_ns += self.sample_step_ns
        return 0

    cdef void _send(self) noexcept nogil:
        """What the core said: orders to the venue, refusals to the count, both to the outputs."""
        cdef int64_t i = 0, size, j
        cdef const Message *said
        while i < self.core.said_count:
            said = self.core.said + i
            size = records_of(said)
            if said.kind == KIND_ORDER:
                self.venue.submit(said, self.now_ns)
                self.orders_sent += 1
            elif 0 <= said.extra < REFUSAL_CODES:
                self.refused[said.extra] += 1
            for j in range(size):
                self.outputs[self.output_count] = said[j]
                self.output_count += 1
            i += size

    cdef void _sample(self) noexcept nogil:
        cdef int64_t i
        cdef Sample *row
        for i in range(self.instruments):
            if self.sample_count >= SAMPLE_ROWS:
                return
            row = &self.samples[self.sample_count]
            row.time_ns = self.now_ns
            row.instrument = i
            row.bid_ticks = self.books[i].bid_price_ticks[0] if self.books[i].bid_count else 0
            row.ask_ticks = self.books[i].ask_price_ticks[0] if self.books[i].ask_count else 0
            row.position_lots = self.accounts[i].position_lots
            row.cost_tick_lots = self.accounts[i].cost_tick_lots
            row.realised_tick_lots = self.accounts[i].realised_tick_lots
            row.fees_atoms = self.accounts[i].fees_atoms
            self.sample_count += 1
