"""The clocks of the cold plane. The core has none: time reaches it as messages."""

import time

NS_PER_S = 1_000_000_000
STEADY_BASE_NS = time.time_ns() - time.monotonic_ns()


def utc_ns() -> int:
    """This host's clock, int64 nanoseconds UTC."""
    return time.time_ns()


def steady_ns() -> int:
    """UTC when this process began, and on from there by the monotonic clock: for every wait and every age.

    Whoever sets the host's clock moves `utc_ns`, back or forth; this one only goes on.
    """
    return STEADY_BASE_NS + time.monotonic_ns()
