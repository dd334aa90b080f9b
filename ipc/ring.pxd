from libc.stdint cimport int64_t
from ipc.message cimport Message

cdef class Producer:
    # -- QUERIES --
    cdef int64_t head(self) noexcept nogil            # position after the last published record
    cdef bint has_room(self, int64_t records) noexcept nogil
    # -- COMMANDS --
    # Publishes one message (or several whole ones) by a single store of the head; gives each record its sequence.
    # Returns the position of the first record, or -1 when a gated ring has no room: nothing was written.
    cdef int64_t publish(self, Message *records, int64_t count) noexcept nogil
    # The same, but every record keeps its `sequence`: the journal ring holds copies of what other rings numbered.
    cdef int64_t publish_kept(self, const Message *records, int64_t count) noexcept nogil

cdef class Consumer:
    cdef readonly int64_t position                    # of the next record to read
    cdef readonly int64_t lost                        # records lost by the lap that the last poll reported
    # -- QUERIES --
    cdef int64_t backlog(self) noexcept nogil
    # -- COMMANDS --
    # Copies whole messages, at most capacity records, and advances. Returns how many, 0 when there are none, or -1 when
    # the writer lapped this reader: `lost` says by how many records, and reading goes on at the oldest whole message.
    cdef int64_t poll(self, Message *out, int64_t capacity) noexcept nogil
