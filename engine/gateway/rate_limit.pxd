# The venue's limits as the order lane asks them before a send.
from libc.stdint cimport int64_t

cdef class RateLimit:
    cdef public int64_t limit
    cdef readonly int64_t interval_ms
    cdef int64_t _interval
    cdef int64_t _count
    cpdef int64_t count(self, int64_t now_ms) noexcept
    cpdef bint has_room(self, int64_t now_ms, int64_t weight=*) noexcept
    cpdef add(self, int64_t now_ms, int64_t weight=*)

cdef class RateLimits:
    cdef readonly list orders
    cdef readonly RateLimit weight
    cdef RateLimit _orders_10_s
    cdef RateLimit _orders_day
    cdef public int64_t blocked_until_ms
    cdef public int64_t offset_ms
    cpdef int64_t weight_used(self, int64_t now_ms) noexcept
    cpdef bint may_order(self, int64_t now_ms) noexcept
    cpdef bint may_request(self, int64_t now_ms, int64_t weight) noexcept
    cpdef add(self, int64_t now_ms, int64_t weight, int64_t orders)
