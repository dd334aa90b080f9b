"""What the journal tells the other processes, as words of a mapped file: any process reads while the one writer writes.

    word   0     1        2                3      4              5             6      7       8             9...
          +-----+--------+----------------+------+--------------+-------------+------+-------+------------+----------+
          |state|position|durable_position|orders|durable_orders|ring_position|blocks|refused|heartbeat_ns|histogram |
          +-----+--------+----------------+------+--------------+-------------+------+-------+------------+----------+

Every word is an int64 at a multiple of eight, so a reader sees an old or a new value, never a mixture. Words are
stored position first, durable position last: what a reader sees as durable is committed.
`orders` is the number of the last order in the journal, `durable_orders` of the last one on disk: with
`durability = "disk"` the gateway sends order n once `durable_orders` is at least n. The histogram counts commits by
duration: bucket b holds those below 2^((b + 1) / 4) microseconds, the last one everything longer.
"""

import mmap
import os
from enum import IntEnum
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

WORDS = 64
FIRST_BUCKET = 9
BUCKETS = WORDS - FIRST_BUCKET
STATUS_BYTES = 4096


class JournalState(IntEnum):
    STARTING = 0
    RUNNING = 1
    FULL = 2  # no room: not consuming, tried again every second
    FAILED = 3  # the disk refused a write: a new process must verify first
    CLOSED = 4


class JournalStatus:
    """The words, attached (and made, when absent) by path; the writer alone uses the setters."""

    def __init__(self, path: Path, *, create: bool = False) -> None:
        if create:
            path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, (os.O_RDWR | os.O_CREAT if create else os.O_RDONLY) | os.O_CLOEXEC, 0o600)
        try:
            if create:
                os.posix_fallocate(descriptor, 0, STATUS_BYTES)
            protection = mmap.PROT_READ | (mmap.PROT_WRITE if create else 0)
            memory = mmap.mmap(descriptor, STATUS_BYTES, mmap.MAP_SHARED, protection)
        finally:
            os.close(descriptor)
        self.words: NDArray[np.int64] = np.frombuffer(memory, dtype=np.int64, count=WORDS)

    # -- QUERIES --

    @property
    def state(self) -> JournalState:
        return JournalState(int(self.words[0]))

    @property
    def position(self) -> int:
        """Records committed: they survive the death of any process."""
        return int(self.words[1])

    @property
    def durable_position(self) -> int:
        """Records that survive a power cut."""
        return int(self.words[2])

    @property
    def orders(self) -> int:
        return int(self.words[3])

    @property
    def durable_orders(self) -> int:
        return int(self.words[4])

    @property
    def ring_position(self) -> int:
        return int(self.words[5])

    @property
    def blocks(self) -> int:
        return int(self.words[6])

    @property
    def refused(self) -> int:
        """Commits that found no room."""
        return int(self.words[7])

    @property
    def heartbeat_ns(self) -> int:
        """Monotonic clock at the writer's last turn."""
        return int(self.words[8])

    def commit_percentile_us(self, fraction: float) -> float:
        """Upper edge, in microseconds, of the bucket that holds this fraction of the commits; 0 when there are none."""
        counts = np.cumsum(self.words[FIRST_BUCKET:])
        if counts[-1] == 0:
            return 0.0
        bucket = int(np.searchsorted(counts, fraction * counts[-1]))
        return float(2.0 ** ((bucket + 1) / 4))

    # -- COMMANDS --

    def set_state(self, state: JournalState) -> None:
        self.words[0] = state

    def set_position(self, position: int, orders: int, ring_position: int, blocks: int) -> None:
        self.words[1], self.words[3], self.words[5], self.words[6] = position, orders, ring_position, blocks

    def set_durable(self, position: int, orders: int) -> None:
        self.words[4], self.words[2] = orders, position

    def count_refused(self) -> None:
        self.words[7] += 1

    def beat(self, now_ns: int) -> None:
        self.words[8] = now_ns

    def count_commit(self, duration_ns: int) -> None:
        bucket = int(4 * np.log2(max(duration_ns, 1000) / 1000))
        self.words[FIRST_BUCKET + min(bucket, BUCKETS - 1)] += 1
