"""The ring as a list: slow, obvious, unshared. `tests/ipc/test_ring_model.py` holds ipc/ring.pyx to it."""

from dataclasses import dataclass, field


@dataclass
class ReferenceRing:
    """Keeps every record ever published, and remembers which of them a real ring would have overwritten.

    A message is a list of values, one a record. Positions begin at `base`.
    """

    capacity: int
    lossy: bool
    base: int = 0
    records: list[int] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)  # position of the first record of each message
    touched: int = 0  # records at touched - capacity and later are whole
    cursors: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.touched = self.base

    @property
    def head(self) -> int:
        return self.base + len(self.records)

    @property
    def oldest(self) -> int:
        return max(self.base, self.touched - self.capacity)

    def publish(self, message: list[int]) -> int | None:
        """Position of the first record, or None when a gated ring would overrun a registered consumer."""
        end = self.head + len(message)
        if not self.lossy and any(end > cursor + self.capacity for cursor in self.cursors.values()):
            return None
        first = self.head
        self.starts.append(first)
        self.records.extend(message)
        self.touched = max(self.touched, end)
        return first

    def die_while_publishing(self, count: int) -> None:
        """The producer is killed after it touched the slots of `count` records and before it stored the head."""
        self.touched = max(self.touched, self.head + count)

    def poll(self, position: int, room: int) -> tuple[list[int], int, int]:
        """(records, new position, records lost) for a reader at `position`: whole messages, or a lap alone."""
        if position == self.head:
            return [], position, 0
        if position < self.oldest:
            resumed = next((start for start in self.starts if start >= self.oldest), self.head)
            return [], resumed, resumed - position
        boundaries = [*(start for start in self.starts if start > position), self.head]
        end = max((boundary for boundary in boundaries if boundary <= position + room), default=position)
        return self.records[position - self.base : end - self.base], end, 0
