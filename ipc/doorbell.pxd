# The two ends of a doorbell; the picture stands in doorbell.pyx.
from libc.stdint cimport uint32_t

cdef class Doorbell:
    cdef object _owner
    cdef uint32_t *_word
    cdef int _descriptor

cdef class BellRope:
    cdef object _owner
    cdef uint32_t *_word
    cdef int _descriptor
    # A system call only when somebody sleeps. Never from the core.
    cdef void pull(self) noexcept nogil
