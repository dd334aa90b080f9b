"""The venue's rate limits: counters that start anew with each interval of the clock, as Binance counts."""

from typing import Any

ORDERS_PER_DAY = 200_000


class RateLimits:
    """Of one account and address together: the built-in exchange does not tell addresses apart."""

    def __init__(self, orders_per_10_s: int, weight_per_minute: int) -> None:
        self._limits = {
            ("ORDERS", "SECOND", 10): (10_000, orders_per_10_s),
            ("ORDERS", "DAY", 1): (86_400_000, ORDERS_PER_DAY),
            ("REQUEST_WEIGHT", "MINUTE", 1): (60_000, weight_per_minute),
        }
        self._counts: dict[tuple[str, str, int], tuple[int, int]] = {}  # -> interval number, count

    # -- QUERIES --

    def describe(self) -> list[dict[str, Any]]:
        """The rateLimits of exchangeInfo."""
        return [
            {"rateLimitType": kind, "interval": interval, "intervalNum": number, "limit": limit}
            for (kind, interval, number), (_, limit) in self._limits.items()
        ]

    def status(self, now_ms: int, orders: bool) -> list[dict[str, Any]]:
        """The rateLimits of an answer."""
        return [
            {**entry, "count": self._count(key, now_ms)}
            for key, entry in zip(self._limits, self.describe(), strict=True)
            if orders or key[0] != "ORDERS"
        ]

    def exceeded(self, kind: str, now_ms: int) -> tuple[str, int] | None:
        """(what is exceeded, when it ends in ms), or None."""
        for key, (length_ms, limit) in self._limits.items():
            if key[0] == kind and self._count(key, now_ms) >= limit:
                unit = "orders" if kind == "ORDERS" else "request weight"
                return f"current limit is {limit} {unit} per {key[2]} {key[1]}", (now_ms // length_ms + 1) * length_ms
        return None

    def _count(self, key: tuple[str, str, int], now_ms: int) -> int:
        interval, count = self._counts.get(key, (-1, 0))
        return count if interval == now_ms // self._limits[key][0] else 0

    # -- COMMANDS --

    def add(self, kind: str, weight: int, now_ms: int) -> None:
        for key, (length_ms, _) in self._limits.items():
            if key[0] == kind:
                self._counts[key] = now_ms // length_ms, self._count(key, now_ms) + weight
