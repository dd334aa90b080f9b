"""Frames in, verified messages out: the decoder and, for each book, the venue's rules for a snapshot and its diffs.

    SYNCING  diffs are kept until a snapshot comes; those it contains already are dropped, the next must join it:
                 spot     U <= lastUpdateId + 1 <= u      futures  U <= lastUpdateId <= u, or pu <= lastUpdateId <= u
    VALID    each diff must follow the one before:
                 spot     U == u of the last + 1          futures  pu == u of the last
    GAP      a diff is missing: said once, nothing of this book is sent on until the next snapshot

The venue's text for futures has only the first alternative. Ids there count all symbols, so the snapshot of a quiet
symbol often carries an id between two of its diffs; pu says that no other diff lies between, so that joins as well.

Sources: developers.binance.com, "How to manage a local order book correctly", spot and USD-M. The rules in slow form:
engine/feed/sync_reference.py.
"""

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from libc.stdint cimport int64_t
from libc.string cimport memcpy, memmove, memset
from ipc.message cimport (
    BOOK_REASON_DISCONNECTED, BOOK_REASON_MISSING_UPDATE, BOOK_REASON_NONE, BOOK_REASON_SNAPSHOT_TOO_OLD,
    BOOK_STATE_GAP, BOOK_STATE_SYNCING, BOOK_STATE_VALID, FLAG_LAST, KIND_BOOK_STATE, KIND_REFUSAL, Message,
    REFUSAL_NONE, REFUSAL_UPDATE_BEFORE_SNAPSHOT, REFUSAL_UPDATE_DUPLICATE, SOURCE_MARKET,
)
from engine.feed.decoder cimport Decoder, Frame, FRAME_DEPTH, FRAME_SNAPSHOT, NO_INSTRUMENT

import numpy as np

from engine.feed.config import FeedConfig
from engine.feed.decoder import DecodedFrame
from ipc.instruments import Contract
from ipc.messages import MESSAGE

cdef int64_t SPOT = Contract.SPOT
cdef enum:
    REFUSAL_CODES = 128
    BEFORE = 0                   # the snapshot contains this diff
    JOINS = 1
    BEYOND = 2                   # something between the two is missing

cdef inline int64_t relation(bint spot, const Diff *diff, int64_t snapshot_id) noexcept nogil:
    if spot:
        if diff.last_update_id <= snapshot_id:
            return BEFORE
        return JOINS if diff.first_update_id <= snapshot_id + 1 else BEYOND
    if diff.last_update_id < snapshot_id:
        return BEFORE
    return JOINS if diff.first_update_id <= snapshot_id or diff.previous_update_id <= snapshot_id else BEYOND


cdef inline bint follows(bint spot, const Frame *frame, int64_t seen_update_id) noexcept nogil:
    if spot:
        return frame.first_update_id == seen_update_id + 1
    return frame.previous_update_id == seen_update_id


cdef class FeedHandler:
    """The feed of one market (Contract) over all its symbols.

    instruments: the whole table, dtype INSTRUMENT, shape (n,). Not thread safe: one connection, one handler.
    """

    def __init__(self, instruments, int64_t contract, config=None):
        config = config or FeedConfig()
        self.decoder = Decoder(
            instruments, contract, max_frame_bytes=config.max_frame_bytes, capacity=config.max_frame_records
        )
        self.rows = len(instruments)
        self.diff_capacity = config.buffered_diffs
        self.record_capacity = max(config.buffered_records, config.max_frame_records)
        rows = max(1, self.rows)
        syncs = np.zeros(rows * sizeof(Sync) // 8, dtype=np.int64)
        diffs = np.zeros(rows * self.diff_capacity * sizeof(Diff) // 8, dtype=np.int64)
        refusals = np.zeros(REFUSAL_CODES, dtype=np.int64)
        waiting = np.zeros(rows * self.record_capacity, dtype=MESSAGE)
        out = np.zeros(self.decoder.capacity + self.record_capacity + 8 + rows, dtype=MESSAGE)
        self._arrays = {"refusals": refusals, "out": out, "syncs": syncs}
        self._owners = (diffs, waiting)
        cdef int64_t[::1] longs = syncs
        self.syncs = <Sync *> &longs[0]
        longs = diffs
        self.diffs = <Diff *> &longs[0]
        longs = refusals
        self.refusals = &longs[0]
        cdef char[::1] raw = waiting.view(np.int8)
        self.waiting = <Message *> &raw[0]
        raw = out.view(np.int8)
        self.out = <Message *> &raw[0]
        self.result = self.out
        for row in range(self.rows):
            self.syncs[row].seen_update_id = self.syncs[row].snapshot_id = -1

    # -- saying --

    cdef Message *say(self, int64_t row, int kind, int64_t receive_time_ns) noexcept nogil:
        cdef Message *record = self.out + self.result_count
        self.result_count += 1
        memset(record, 0, sizeof(Message))
        record.receive_time_ns = receive_time_ns
        record.event_time_ns = self.frame.event_time_ns
        record.instrument = row if row >= 0 else NO_INSTRUMENT
        record.kind = kind
        record.flags = SOURCE_MARKET << 12 | FLAG_LAST
        record.order_id = self.frame.last_update_id
        return record

    cdef void say_state(self, Sync *sync, int64_t row, int64_t reason, int64_t receive_time_ns) noexcept nogil:
        cdef Message *record = self.say(row, KIND_BOOK_STATE, receive_time_ns)
        record.extra = sync.state
        record.quantity_lots = reason

    cdef void say_refusal(self, int64_t row, int64_t code, int64_t observed, int64_t receive_time_ns) noexcept nogil:
        cdef Message *record = self.say(row, KIND_REFUSAL, receive_time_ns)
        record.extra = code
        record.quantity_lots = observed
        self.refusals[code] += 1

    # -- diffs --

    cdef void on_diff(self, int64_t receive_time_ns) noexcept nogil:
        cdef Frame *frame = &self.frame
        cdef int64_t row = frame.instrument
        cdef Sync *sync = self.syncs + row
        if sync.seen_update_id >= 0 and not follows(self.decoder.contract == SPOT, frame, sync.seen_update_id):
            if frame.last_update_id <= sync.seen_update_id:
                sync.duplicates += 1
                self.say_refusal(row, REFUSAL_UPDATE_DUPLICATE, sync.seen_update_id, receive_time_ns)
                return
            sync.gaps += 1
            sync.state = BOOK_STATE_GAP
            sync.snapshot_id = -1
            sync.buffered = sync.buffered_records = 0
            self.say_state(sync, row, BOOK_REASON_MISSING_UPDATE, receive_time_ns)
        sync.seen_update_id = frame.last_update_id
        if sync.state == BOOK_STATE_VALID:
            sync.diffs += 1
            self.result = self.decoder.out
            self.result_count = frame.records
        elif sync.snapshot_id >= 0:
            self.join_snapshot(sync, receive_time_ns)
        else:
            self.keep_diff(sync, row)

    cdef void join_snapshot(self, Sync *sync, int64_t receive_time_ns) noexcept nogil:
        """A diff after a snapshot that no diff has joined yet."""
        cdef Frame *frame = &self.frame
        cdef Diff diff
        cdef int64_t how
        diff.first_update_id = frame.first_update_id
        diff.last_update_id = frame.last_update_id
        diff.previous_update_id = frame.previous_update_id
        how = relation(self.decoder.contract == SPOT, &diff, sync.snapshot_id)
        if how == BEFORE:
            sync.before_snapshot += 1
            self.say_refusal(frame.instrument, REFUSAL_UPDATE_BEFORE_SNAPSHOT, 1, receive_time_ns)
            return
        sync.snapshot_id = -1
        if how == BEYOND:
            sync.gaps += 1
            sync.state = BOOK_STATE_GAP
            self.say_state(sync, frame.instrument, BOOK_REASON_SNAPSHOT_TOO_OLD, receive_time_ns)
            self.keep_diff(sync, frame.instrument)
            return
        memcpy(self.out, self.decoder.out, frame.records * sizeof(Message))
        self.result_count = frame.records
        sync.diffs += 1
        sync.state = BOOK_STATE_VALID
        self.say_state(sync, frame.instrument, BOOK_REASON_NONE, receive_time_ns)

    cdef void keep_diff(self, Sync *sync, int64_t row) noexcept nogil:
        """Into the buffer; when it is full, the older half goes: a snapshot that needs it would be too old."""
        cdef Diff *diffs = self.diffs + row * self.diff_capacity
        cdef Message *waiting = self.waiting + row * self.record_capacity
        cdef int64_t keep_from = 0, i, shift
        while sync.buffered - keep_from > 0 and (
            sync.buffered - keep_from == self.diff_capacity
            or sync.buffered_records - diffs[keep_from].first_record + self.frame.records > self.record_capacity
        ):
            keep_from = keep_from + 1 + (sync.buffered - keep_from) // 2
        if keep_from > 0:
            sync.dropped += keep_from
            shift = diffs[keep_from].first_record if keep_from < sync.buffered else sync.buffered_records
            sync.buffered -= keep_from
            sync.buffered_records -= shift
            memmove(waiting, waiting + shift, sync.buffered_records * sizeof(Message))
            memmove(diffs, diffs + keep_from, sync.buffered * sizeof(Diff))
            for i in range(sync.buffered):
                diffs[i].first_record -= shift
        diffs += sync.buffered
        diffs.first_record = sync.buffered_records
        diffs.records = self.frame.records
        diffs.first_update_id = self.frame.first_update_id
        diffs.last_update_id = self.frame.last_update_id
        diffs.previous_update_id = self.frame.previous_update_id
        memcpy(waiting + sync.buffered_records, self.decoder.out, self.frame.records * sizeof(Message))
        sync.buffered += 1
        sync.buffered_records += self.frame.records

    # -- snapshots --

    cdef void on_snapshot(self, int64_t receive_time_ns) noexcept nogil:
        cdef int64_t row = self.frame.instrument, first = 0, how = BEFORE
        cdef Sync *sync = self.syncs + row
        cdef const Diff *diffs = self.diffs + row * self.diff_capacity
        if sync.state == BOOK_STATE_VALID:
            sync.snapshots_unneeded += 1
            return
        while first < sync.buffered:
            how = relation(self.decoder.contract == SPOT, diffs + first, self.frame.last_update_id)
            if how != BEFORE:
                break
            first += 1
        sync.state = BOOK_STATE_SYNCING
        if how == BEYOND:
            sync.snapshots_too_old += 1
            self.say_state(sync, row, BOOK_REASON_SNAPSHOT_TOO_OLD, receive_time_ns)
            return
        if first > 0:
            sync.before_snapshot += first
            self.say_refusal(row, REFUSAL_UPDATE_BEFORE_SNAPSHOT, first, receive_time_ns)
        sync.snapshots += 1
        self.say_state(sync, row, BOOK_REASON_NONE, receive_time_ns)
        self.out[self.result_count - 1].flags &= ~FLAG_LAST  # the batch goes on
        memcpy(self.out + self.result_count, self.decoder.out, self.frame.records * sizeof(Message))
        self.result_count += self.frame.records
        sync.snapshot_id = self.frame.last_update_id
        self.send_waiting(sync, row, first, receive_time_ns)

    cdef void send_waiting(self, Sync *sync, int64_t row, int64_t from_diff, int64_t receive_time_ns) noexcept nogil:
        """The diffs that the snapshot released, stamped with its receive time: only now could the book know them."""
        cdef const Diff *diffs = self.diffs + row * self.diff_capacity
        cdef const Message *waiting = self.waiting + row * self.record_capacity
        cdef int64_t shift, count, i
        if from_diff < sync.buffered:
            shift = diffs[from_diff].first_record
            count = sync.buffered_records - shift
            memcpy(self.out + self.result_count, waiting + shift, count * sizeof(Message))
            for i in range(count):
                self.out[self.result_count + i].receive_time_ns = receive_time_ns
            self.result_count += count
            sync.diffs += sync.buffered - from_diff
            sync.snapshot_id = -1
            sync.state = BOOK_STATE_VALID
            self.say_state(sync, row, BOOK_REASON_NONE, receive_time_ns)
            self.out[self.result_count - 1].order_id = diffs[sync.buffered - 1].last_update_id
        sync.buffered = sync.buffered_records = 0

    # -- COMMANDS --

    cdef int64_t accept_frame(
        self, const char *data, int64_t size, int64_t receive_time_ns, int64_t instrument
    ) noexcept nogil:
        cdef Frame *frame = &self.frame
        self.result = self.out
        self.result_count = 0
        if self.decoder.decode_frame(data, size, receive_time_ns, instrument, frame) != REFUSAL_NONE:
            self.say_refusal(frame.instrument, frame.refusal, frame.offset, receive_time_ns)
        elif frame.type == FRAME_DEPTH:
            self.on_diff(receive_time_ns)
        elif frame.type == FRAME_SNAPSHOT:
            self.on_snapshot(receive_time_ns)
        else:
            self.result = self.decoder.out
            self.result_count = frame.records
        return self.result_count

    def accept(self, frame, int64_t receive_time_ns, int64_t instrument=-1):
        """The messages that one frame gives rise to: MESSAGE, shape (n,), memory of the handler until the next call.

        frame: bytes-like. instrument: the row that a REST snapshot was asked for.
        """
        cdef Py_buffer data
        PyObject_GetBuffer(frame, &data, PyBUF_SIMPLE)
        with nogil:
            self.accept_frame(<const char *> data.buf, data.len, receive_time_ns, instrument)
        PyBuffer_Release(&data)
        if self.result == self.out:
            return self._arrays["out"][: self.result_count]
        return self.decoder._records[: self.result_count]

    def refuse(self, int64_t code, int64_t observed, int64_t receive_time_ns):
        """A frame that never reached the decoder is refused with this code: one REFUSAL message, counted."""
        if not 0 < code < REFUSAL_CODES:
            raise ValueError(f"refusal code {code} of {REFUSAL_CODES}")
        self.result = self.out
        self.result_count = 0
        memset(&self.frame, 0, sizeof(Frame))
        self.frame.refusal = code
        self.say_refusal(-1, code, observed, receive_time_ns)
        return self._arrays["out"][: self.result_count]

    def disconnect(self, int64_t receive_time_ns):
        """Every book of this market is unknown from now on: one BOOK_STATE(SYNCING, DISCONNECTED) for each."""
        cdef int64_t row
        cdef Sync *sync
        self.result = self.out
        self.result_count = 0
        memset(&self.frame, 0, sizeof(Frame))
        for row in range(self.rows):
            if self.decoder.slot_of_row[row] < 0:
                continue
            sync = self.syncs + row
            sync.state = BOOK_STATE_SYNCING
            sync.seen_update_id = sync.snapshot_id = -1
            sync.buffered = sync.buffered_records = 0
            self.say_state(sync, row, BOOK_REASON_DISCONNECTED, receive_time_ns)
        return self._arrays["out"][: self.result_count]

    # -- QUERIES --

    @property
    def last_frame(self):
        """What the last frame was, a DecodedFrame."""
        return DecodedFrame(
            self.frame.type, self.frame.instrument, self.frame.first_update_id, self.frame.last_update_id,
            self.frame.previous_update_id, self.frame.event_time_ns, self.frame.records, self.frame.refusal,
            self.frame.offset,
        )

    @property
    def last_refusal(self):
        """Refusal code of the last frame, 0 when it was taken."""
        return self.frame.refusal

    @property
    def refusal_counts(self):
        """Refusals by code, int64, shape (128,). Live memory."""
        return self._arrays["refusals"]

    def snapshot_wanted(self, int64_t row):
        """Whether this book waits for a snapshot that has not come yet."""
        self._check(row)
        return self.syncs[row].state != BOOK_STATE_VALID and self.syncs[row].snapshot_id < 0

    def counts(self, int64_t row):
        """The synchroniser's state of one row: names of struct Sync to integers."""
        self._check(row)
        return dict(self.syncs[row])

    cdef int _check(self, int64_t row) except -1:
        if not 0 <= row < self.rows:
            raise IndexError(f"row {row} of {self.rows}")
        return 0
