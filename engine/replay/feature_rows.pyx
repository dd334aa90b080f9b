"""Feature rows of recorded market data, as the core would have computed them: the same stages, the same order.

A row is kept after a batch that leaves the instrument's features ready, at most one in each interval. A segment is an
unbroken stretch: it ends when the features stop being ready (a gap, a resync), so no target reaches across a hole.
"""

from libc.stdint cimport int64_t, uintptr_t
from libc.string cimport memcpy
from engine.core cimport Core
from engine.stage cimport FEATURES, BookView, FeatureView, ends_batch, records_of, view_of
from ipc.message cimport KIND_FUNDING, Message

import numpy as np

from engine.book.stage import BookStage
from engine.features.stage import FeatureStage
from ipc.messages import MESSAGE

FEATURE_ROW = np.dtype([
    ("time_ns", "<i8"), ("instrument", "<i8"), ("segment", "<i8"), ("mid_ticks", "<f8"), ("values", "<f8", (FEATURES,)),
])

cdef struct Row:
    int64_t time_ns
    int64_t instrument
    int64_t segment
    double mid_ticks
    double values[FEATURES]

cdef struct Progress:
    int64_t segment              # -1: none yet
    int64_t next_time_ns
    int64_t ready

assert FEATURE_ROW.itemsize == sizeof(Row)


cdef class FeatureRowCollector:
    cdef Core core
    cdef object _owners
    cdef const BookView *books
    cdef const FeatureView *features
    cdef Progress *progress
    cdef int64_t instruments, interval_ns

    def __init__(self, instruments, int64_t interval_ns):
        if interval_ns < 0:
            raise ValueError(f"interval_ns must not be negative; it is {interval_ns}")
        book = BookStage(instruments)
        features = FeatureStage(instruments, book.view())
        progress = np.zeros((len(instruments), sizeof(Progress) // 8), dtype=np.int64)
        progress[:, 0] = -1
        self.core = Core([("book", book.step(), None), ("features", features.step(), None)], hashing=False)
        self._owners = (book, features, progress)
        self.books = <const BookView *> view_of(book.view()).rows
        self.features = <const FeatureView *> view_of(features.view()).rows
        cdef uintptr_t address = progress.ctypes.data
        self.progress = <Progress *> address
        self.instruments = len(instruments)
        self.interval_ns = interval_ns

    def take(self, records, rows):
        if records.dtype != MESSAGE or rows.dtype != FEATURE_ROW:
            raise ValueError("records must be MESSAGE and rows FEATURE_ROW")
        if not records.flags.c_contiguous or not rows.flags.c_contiguous:
            raise ValueError("records and rows must be contiguous")
        cdef uintptr_t source = records.ctypes.data, target = rows.ctypes.data
        cdef int64_t count = len(records), capacity = len(rows), taken = 0, written = 0
        cdef int failed = 0
        with nogil:
            while taken < count and written < capacity and failed == 0:
                failed = self._take(<const Message *> source + taken, <Row *> target, &written)
                taken += records_of(<const Message *> source + taken)
        if failed != 0:
            raise RuntimeError(self.core.fault_text())
        return taken, written

    cdef int _take(self, const Message *message, Row *rows, int64_t *written) noexcept nogil:
        """One message; at most one row."""
        cdef Progress *progress
        cdef const FeatureView *features
        if self.core.take(message) < 0:
            return -1
        if message.kind > KIND_FUNDING or message.instrument >= self.instruments or not ends_batch(message):
            return 0
        progress = &self.progress[message.instrument]
        features = &self.features[message.instrument]
        if features.ready and not progress.ready:
            progress.segment += 1
            progress.next_time_ns = features.receive_time_ns
        progress.ready = features.ready
        if features.ready and features.receive_time_ns >= progress.next_time_ns:
            self._write(message.instrument, &rows[written[0]])
            written[0] += 1
            progress.next_time_ns = features.receive_time_ns + self.interval_ns
        return 0

    cdef void _write(self, int64_t instrument, Row *row) noexcept nogil:
        cdef const BookView *book = &self.books[instrument]
        row.time_ns = self.features[instrument].receive_time_ns
        row.instrument = instrument
        row.segment = self.progress[instrument].segment
        row.mid_ticks = 0.5 * <double> (book.bid_price_ticks[0] + book.ask_price_ticks[0])
        memcpy(row.values, self.features[instrument].values, sizeof(row.values))
