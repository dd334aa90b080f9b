"""The clocks of the cold plane. The core has none: time reaches it as messages."""

import time

NS_PER_S = 1_000_000_000


def utc_ns() -> int:
    """This host's clock, int64 nanoseconds UTC."""
    return time.time_ns()
