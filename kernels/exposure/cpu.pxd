from kernels.exposure.book cimport CvarBook, CvarState
from libc.stdint cimport int64_t

cdef class ExposureBook:
    cdef CvarBook book
    cdef CvarState state
    cdef object _owners
    cdef double level
    cdef int _describe(self, losses, held) except -1
    cdef int64_t _known(self, int64_t index) except -1
