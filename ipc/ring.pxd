from libc.stdint cimport int64_t, uint32_t
from ipc.message cimport Message

cdef enum:
    POLL_LAPPED = -1         # the writer lapped this reader, see `lost`
    POLL_TOO_SMALL = -2      # the next message has more records than `capacity`: a programme error, nothing was read

cdef class Producer:
    cdef object _segment
    cdef object _lock
    cdef char *_memory                                # of the segment; the words below lie in it
    cdef int64_t *_head_word
    cdef int64_t *_intent_word
    cdef const int64_t *_registrations_word
    cdef Message *_slots
    cdef int64_t _capacity
    cdef int64_t _mask
    cdef int64_t _position                            # head, as its only writer knows it
    cdef int64_t _intent
    cdef int64_t _limit                               # the slowest consumer seen last allows positions below this
    cdef int64_t _registrations                       # how many there were when the consumers were asked last
    cdef bint _lossy
    # -- QUERIES --
    cdef int64_t head(self) noexcept nogil            # position after the last published record
    cdef bint has_room(self, int64_t records) noexcept nogil
    # -- COMMANDS --
    # Publishes one message (or several whole ones) by a single store of the head; gives each record its sequence.
    # Returns the position of the first record, or -1 when a gated ring has no room: nothing was written.
    cdef int64_t publish(self, Message *records, int64_t count) noexcept nogil
    # The same, but every record keeps its `sequence`: the journal ring holds copies of what other rings numbered.
    cdef int64_t publish_kept(self, const Message *records, int64_t count) noexcept nogil
    # Wakes blocked consumers, if there are any. A system call: never from the core.
    cdef void wake(self) noexcept nogil
    cdef void _ask_consumers(self) noexcept nogil
    cdef int64_t _send(self, object records, bint keep) except -1

cdef class Consumer:
    cdef object _segment
    cdef object _lock
    cdef char *_memory
    cdef const int64_t *_head_word
    cdef const int64_t *_intent_word
    cdef int64_t *_cursor_word
    cdef uint32_t *_sleeping
    cdef const Message *_slots
    cdef int64_t _capacity
    cdef int64_t _mask
    cdef int64_t _base
    cdef bint _holds
    cdef int _slot
    cdef readonly int64_t position                    # of the next record to read
    cdef readonly int64_t lost                        # records lost by the lap that the last poll reported
    # -- QUERIES --
    cdef int64_t backlog(self) noexcept nogil
    # -- COMMANDS --
    # Copies whole messages, at most capacity records, and advances. Returns how many, 0 when there are none, or -1 when
    # the writer lapped this reader: `lost` says by how many records, and reading goes on at the oldest whole message.
    cdef int64_t poll(self, Message *out, int64_t capacity) noexcept nogil
    # For a consumer that holds: tells the producer that records before `position` are needed no more.
    cdef void release(self, int64_t position) noexcept nogil
    # After an empty poll: one round of the strategy (ipc/waiting.pxd); block ends at a record, a wake-up or time-out.
    cdef void wait(self, int strategy, int64_t timeout_ns) noexcept nogil
    cdef int64_t _oldest(self) noexcept nogil
    cdef int64_t _lapped(self) noexcept nogil
