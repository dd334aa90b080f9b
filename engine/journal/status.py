"""What the journal tells the other processes: counters and the histogram of commit times, in shared memory."""

from enum import IntEnum
from pathlib import Path

from ipc.counters import Counters, HistogramView

COUNTERS = (
    "state",  # JournalState
    "position",  # records committed: they survive the death of any process
    "durable_position",  # records that survive a power cut
    "order_number",  # of the last order committed
    "durable_order_number",  # of the last order on disk: with durability "disk" the gateway waits for it
    "ring_position",  # of the next record to take from the journal ring
    "blocks",
    "refused",  # commits that found no room
    "heartbeat_ns",  # monotonic clock at the writer's last turn
)
COMMIT_HISTOGRAM = "commit"  # from the record's receipt to the commit's return


class JournalState(IntEnum):
    STARTING = 0
    RUNNING = 1
    FULL = 2  # no room: not consuming, tried again every second
    FAILED = 3  # the disk refused a write: a new process must verify first
    CLOSED = 4


class JournalStatus:
    """The counters, attached by path; `create`: as their one writer, who takes a dead one's over as they are.

    Each is stored whole, the position before the durable one: what a reader sees as durable is committed.
    Raises SegmentError when there are none, or another writer lives.
    """

    def __init__(self, path: Path, *, create: bool = False) -> None:
        if not create:
            self._counters = Counters.attach(path)
        elif path.exists():
            self._counters = Counters.reopen(path)
            self.set_state(JournalState.STARTING)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._counters = Counters.create(path, epoch=0, counters=COUNTERS, histograms=(COMMIT_HISTOGRAM,))

    # -- QUERIES --

    @property
    def counters(self) -> Counters:
        """The words themselves, for who reads them without Python."""
        return self._counters

    @property
    def state(self) -> JournalState:
        return JournalState(self._counters.value("state"))

    @property
    def position(self) -> int:
        return self._counters.value("position")

    @property
    def durable_position(self) -> int:
        return self._counters.value("durable_position")

    @property
    def order_number(self) -> int:
        return self._counters.value("order_number")

    @property
    def durable_order_number(self) -> int:
        return self._counters.value("durable_order_number")

    @property
    def ring_position(self) -> int:
        return self._counters.value("ring_position")

    @property
    def refused(self) -> int:
        return self._counters.value("refused")

    @property
    def heartbeat_ns(self) -> int:
        return self._counters.value("heartbeat_ns")

    def commits(self) -> HistogramView:
        """How long commits took, ns."""
        return self._counters.read(COMMIT_HISTOGRAM)

    # -- COMMANDS --

    def set_state(self, state: JournalState) -> None:
        self._counters.set("state", state)

    def set_position(self, position: int, order_number: int, ring_position: int, blocks: int) -> None:
        self._counters.set("position", position)
        self._counters.set("order_number", order_number)
        self._counters.set("ring_position", ring_position)
        self._counters.set("blocks", blocks)

    def set_durable(self, position: int, order_number: int) -> None:
        self._counters.set("durable_order_number", order_number)
        self._counters.set("durable_position", position)

    def count_refused(self) -> None:
        self._counters.increase("refused")

    def beat(self, now_ns: int) -> None:
        self._counters.set("heartbeat_ns", now_ns)

    def count_commit(self, duration_ns: int) -> None:
        self._counters.observe(COMMIT_HISTOGRAM, duration_ns)

    def close(self) -> None:
        """The writer gives its lock back."""
        self._counters.close()
