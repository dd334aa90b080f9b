"""The machine's own hiccups: how late a thread that only sleeps for a millisecond wakes up (after Gil Tene's jHiccup).

A latency table without this figure beside it says nothing: what the operating system takes away belongs to the machine.
"""

import threading
import time
from typing import Any

import numpy as np

STEP_NS = 1_000_000
CAPACITY = 600_000  # ten minutes; afterwards the oldest are overwritten


class Hiccup:
    """Measures in a thread of its own between start and stop."""

    def __init__(self) -> None:
        self._late_ns = np.zeros(CAPACITY, dtype=np.int64)
        self._count = 0
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        self._thread = threading.Thread(target=self._measure, name="hiccup", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _measure(self) -> None:
        while not self._stop.is_set():
            started = time.monotonic_ns()
            time.sleep(STEP_NS / 1e9)
            self._late_ns[self._count % CAPACITY] = max(0, time.monotonic_ns() - started - STEP_NS)
            self._count += 1

    def summary(self) -> dict[str, Any]:
        """{count, p50_ns, p99_ns, p999_ns, max_ns}: lateness of a one-millisecond sleep."""
        late = self._late_ns[: min(self._count, CAPACITY)]
        if len(late) == 0:
            return {"count": 0, "p50_ns": None, "p99_ns": None, "p999_ns": None, "max_ns": None}
        p50, p99, p999 = np.percentile(late, (50, 99, 99.9)).astype(int)
        return {
            "count": self._count,
            "p50_ns": int(p50),
            "p99_ns": int(p99),
            "p999_ns": int(p999),
            "max_ns": int(late.max()),
        }

    def sentence(self) -> str:
        """One phrase for the head of a latency table."""
        found = self.summary()
        if not found["count"]:
            return "machine hiccups not measured yet"
        return f"machine hiccups p99 {found['p99_ns'] / 1e3:,.0f} us, max {found['max_ns'] / 1e6:,.1f} ms"
