"""The venue's rate limits, counted on our side: the gateway refuses before the venue does.

Binance counts by intervals of the clock and tells its own counts with each answer; the larger of the two counts holds.
"""

from typing import Any

from engine.gateway.config import GatewaySettings

_SECONDS = {"SECOND": 1, "MINUTE": 60, "HOUR": 3_600, "DAY": 86_400}


class RateLimit:
    """One kind of request in one interval."""

    def __init__(self, limit: int, interval_ms: int) -> None:
        self.limit, self.interval_ms = limit, interval_ms
        self._interval, self._count = -1, 0

    def count(self, now_ms: int) -> int:
        return self._count if self._interval == now_ms // self.interval_ms else 0

    def has_room(self, now_ms: int, weight: int = 1) -> bool:
        return self.count(now_ms) + weight <= self.limit

    def add(self, now_ms: int, weight: int = 1) -> None:
        self._count = self.count(now_ms) + weight
        self._interval = now_ms // self.interval_ms

    def learn(self, now_ms: int, limit: int, count: int) -> None:
        """What the venue said with an answer."""
        self.limit = limit
        self._count = max(self.count(now_ms), count)
        self._interval = now_ms // self.interval_ms


class RateLimits:
    """`orders` (new ones; cancels are free) and request `weight`. `blocked_until_ms` follows a 429 or 418."""

    def __init__(self, settings: GatewaySettings) -> None:
        self.orders = [
            RateLimit(settings.orders_per_10_s, 10_000),
            RateLimit(settings.orders_per_day, 86_400_000),
        ]
        self.weight = RateLimit(settings.request_weight_per_minute, 60_000)
        self.blocked_until_ms = 0

    def may_order(self, now_ms: int) -> bool:
        return self.may_request(now_ms, 1) and all(limit.has_room(now_ms) for limit in self.orders)

    def may_request(self, now_ms: int, weight: int) -> bool:
        return now_ms >= self.blocked_until_ms and self.weight.has_room(now_ms, weight)

    def add(self, now_ms: int, weight: int, orders: int) -> None:
        self.weight.add(now_ms, weight)
        for limit in self.orders:
            limit.add(now_ms, orders)

    def learn(self, now_ms: int, rate_limits: list[dict[str, Any]]) -> None:
        for entry in rate_limits:
            interval_ms = _SECONDS[entry["interval"]] * entry["intervalNum"] * 1_000
            limits = self.orders if entry["rateLimitType"] == "ORDERS" else [self.weight]
            for limit in limits:
                if limit.interval_ms == interval_ms:
                    limit.learn(now_ms, int(entry["limit"]), int(entry["count"]))
