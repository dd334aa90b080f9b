# The two ends of a doorbell; the picture stands in doorbell.pyx.
from libc.stdint cimport int64_t, uint32_t

cdef class Doorbell:
    cdef object _owner
    cdef uint32_t *_word
    cdef int _descriptor
    # The word up: look once more at what you wait for, then sleep until the bell rings (True), the other descriptor has
    # something to read (-1: there is none), or the time is over; then the word down.
    cdef void raise_word(self) noexcept nogil
    cdef bint sleep(self, int other, int64_t timeout_ns) noexcept nogil
    cdef void lower_word(self) noexcept nogil

cdef class BellRope:
    cdef object _owner
    cdef uint32_t *_word
    cdef int _descriptor
    # A system call only when somebody sleeps. Never from the core.
    cdef void pull(self) noexcept nogil
