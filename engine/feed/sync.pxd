from libc.stdint cimport int64_t
from ipc.message cimport Message
from engine.feed.decoder cimport Decoder, Frame

cdef struct Diff:                # one buffered depth update
    int64_t first_record
    int64_t records
    int64_t first_update_id
    int64_t last_update_id
    int64_t previous_update_id

cdef struct Sync:                # of one instrument
    int64_t state                # BookState: the feed's word
    int64_t seen_update_id       # u of the last diff of the stream, -1: none since the connection
    int64_t snapshot_id          # lastUpdateId of the snapshot sent on, not yet joined by a diff; -1: none
    int64_t buffered             # diffs waiting for a snapshot
    int64_t buffered_records
    int64_t snapshots            # sent on
    int64_t snapshots_too_old
    int64_t snapshots_unneeded
    int64_t diffs                # sent on
    int64_t duplicates
    int64_t before_snapshot      # diffs that the snapshot contained already
    int64_t dropped              # diffs that found no room in the buffer
    int64_t gaps

cdef class FeedHandler:
    cdef readonly Decoder decoder
    cdef readonly int64_t rows
    cdef Sync *syncs
    cdef Diff *diffs             # buffered_diffs for each row
    cdef Message *waiting        # buffered_records for each row
    cdef Message *out
    cdef int64_t diff_capacity
    cdef int64_t record_capacity
    cdef int64_t *refusals       # by code
    cdef Message *result         # what the last call said: `out` or the decoder's own records
    cdef int64_t result_count
    cdef Frame frame             # what the last frame was
    cdef object _owners
    cdef dict _arrays
    # -- COMMANDS --
    # One frame in; `result` and `result_count` are the messages out, valid until the next call. Returns result_count.
    cdef int64_t accept_frame(
        self, const char *data, int64_t size, int64_t receive_time_ns, int64_t instrument
    ) noexcept nogil
    cdef void on_diff(self, int64_t receive_time_ns) noexcept nogil
    cdef void on_snapshot(self, int64_t receive_time_ns) noexcept nogil
    cdef void join_snapshot(self, Sync *sync, int64_t receive_time_ns) noexcept nogil
    cdef void keep_diff(self, Sync *sync, int64_t row) noexcept nogil
    cdef void send_waiting(self, Sync *sync, int64_t row, int64_t from_diff, int64_t receive_time_ns) noexcept nogil
    cdef Message *say(self, int64_t row, int kind, int64_t receive_time_ns) noexcept nogil
    cdef void say_state(self, Sync *sync, int64_t row, int64_t reason, int64_t receive_time_ns) noexcept nogil
    cdef void say_refusal(self, int64_t row, int64_t code, int64_t observed, int64_t receive_time_ns) noexcept nogil
    cdef int _check(self, int64_t row) except -1
