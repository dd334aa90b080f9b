"""The clock of a run: UTC when it began, and on from there by the monotonic clock. The core's stages have none: time
reaches them as messages.

Whoever sets the host's clock moves nothing here: a step back would stop every time-out, and blind the core to market
data that has grown old, for as long as the step; a step forward would end every wait at once. All processes of a run
share the base, which its supervisor hands on, and so does who looks at the run from outside.
"""

import os
import time

NS_PER_S = 1_000_000_000
ENVIRONMENT = "BOT4_CLOCK_BASE_NS"

_base_ns = int(os.environ.get(ENVIRONMENT, "0")) or time.time_ns() - time.monotonic_ns()

# -- QUERIES --


def base_ns() -> int:
    """UTC less the monotonic clock, when the run began."""
    return _base_ns


def utc_ns() -> int:
    """Now, int64 nanoseconds UTC."""
    return _base_ns + time.monotonic_ns()


# -- COMMANDS --


def go_on_by(base: int) -> None:
    """By the clock of a run that has begun before. What is compiled takes its base at import, before this."""
    global _base_ns
    _base_ns = base
