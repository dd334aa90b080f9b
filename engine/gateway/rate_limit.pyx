"""The venue's rate limits, counted on our side: the gateway refuses before the venue does.

Binance counts by intervals of its clock and tells its own counts with each answer; the larger of the two counts holds.
Every `now_ms` is of our clock; `offset_ms` leads from there to the venue's.
Compiled because the order lane asks before each send.
"""

from libc.stdint cimport int64_t

_SECONDS = {"SECOND": 1, "MINUTE": 60, "HOUR": 3_600, "DAY": 86_400}


cdef class RateLimit:
    """One kind of request in one interval."""

    def __init__(self, int64_t limit, int64_t interval_ms):
        self.limit, self.interval_ms = limit, interval_ms
        self._interval, self._count = -1, 0

    cpdef int64_t count(self, int64_t now_ms) noexcept:
        return self._count if self._interval == now_ms // self.interval_ms else 0

    cpdef bint has_room(self, int64_t now_ms, int64_t weight=1) noexcept:
        return self.count(now_ms) + weight <= self.limit

    cpdef add(self, int64_t now_ms, int64_t weight=1):
        self._count = self.count(now_ms) + weight
        self._interval = now_ms // self.interval_ms

    def learn(self, int64_t now_ms, int64_t limit, int64_t count):
        """What the venue said with an answer."""
        self.limit = limit
        self._count = max(self.count(now_ms), count)
        self._interval = now_ms // self.interval_ms


cdef class RateLimits:
    """`orders` (new ones; cancels are free) and request `weight`. `blocked_until_ms` follows a 429 or 418."""

    def __init__(self, settings):
        self._orders_10_s = RateLimit(settings.orders_per_10_s, 10_000)
        self._orders_day = RateLimit(settings.orders_per_day, 86_400_000)
        self.orders = [self._orders_10_s, self._orders_day]
        self.weight = RateLimit(settings.request_weight_per_minute, 60_000)
        self.blocked_until_ms = 0
        self.offset_ms = 0

    cpdef int64_t weight_used(self, int64_t now_ms) noexcept:
        """In the minute that is."""
        return self.weight.count(now_ms + self.offset_ms)

    cpdef bint may_order(self, int64_t now_ms) noexcept:
        cdef int64_t venue_ms = now_ms + self.offset_ms
        return (
            self.may_request(now_ms, 1) and self._orders_10_s.has_room(venue_ms) and self._orders_day.has_room(venue_ms)
        )

    cpdef bint may_request(self, int64_t now_ms, int64_t weight) noexcept:
        return now_ms >= self.blocked_until_ms and self.weight.has_room(now_ms + self.offset_ms, weight)

    cpdef add(self, int64_t now_ms, int64_t weight, int64_t orders):
        cdef int64_t venue_ms = now_ms + self.offset_ms
        self.weight.add(venue_ms, weight)
        self._orders_10_s.add(venue_ms, orders)
        self._orders_day.add(venue_ms, orders)

    def learn(self, int64_t now_ms, list rate_limits):
        for entry in rate_limits:
            interval_ms = _SECONDS[entry["interval"]] * entry["intervalNum"] * 1_000
            limits = self.orders if entry["rateLimitType"] == "ORDERS" else [self.weight]
            for limit in limits:
                if limit.interval_ms == interval_ms:
                    limit.learn(now_ms + self.offset_ms, int(entry["limit"]), int(entry["count"]))
