import os
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt

from ipc.segment import Lock, Segment

KIND: str
LOSSY: int
MAXIMUM_CONSUMERS: int
MINIMUM_CAPACITY: int

class RingFile:
    """A ring's segment without its two ends (`ipc.ring.Ring` adds them)."""

    segment: Segment

    def __init__(self, segment: Segment) -> None: ...
    @classmethod
    def create(
        cls,
        path: str | os.PathLike[str],
        capacity: int,
        *,
        lossy: bool,
        epoch: int,
        base: int = 0,
        consumers: Sequence[str] = (),
    ) -> Self:
        """Makes a ring of `capacity` records (a power of two, at least 16) whose first record has position `base`.

        `consumers` are registered at `base` before they attach: a gated ring waits for them from its first record on.
        Raises SegmentError (path exists, memory short) or ValueError.
        """

    @classmethod
    def attach(cls, path: str | os.PathLike[str], epoch: int | None = None) -> Self:
        """Opens an existing ring. Raises SegmentError: absent, unknown, cut, or not of the `epoch` asked for."""

    @property
    def path(self) -> Path: ...
    @property
    def capacity(self) -> int: ...
    @property
    def epoch(self) -> int: ...
    @property
    def base(self) -> int:
        """Position of the first record ever in this segment."""

    @property
    def lossy(self) -> bool: ...
    @property
    def head(self) -> int:
        """Position after the last published record."""

    @property
    def oldest(self) -> int:
        """Position of the oldest record that is still whole."""

    def cursors(self) -> dict[str, tuple[int, bool]]:
        """Where each registered consumer stands: {name: (position, alive)}."""

    def has_producer(self) -> bool:
        """Whether a live process holds the writer lock."""

    def read(self, position: int, count: int) -> npt.NDArray[np.void]:
        """A copy of records position .. position + count. Raises SegmentError when any is gone or still to come."""

    def evict(self, name: str) -> None:
        """Frees the slot of a dead consumer, so that a gated ring waits for it no more. For the supervisor only.

        Raises SegmentError when there is none of that name or it lives: stop it first.
        """

    def remove(self) -> None:
        """Removes the file of a dead run once it is drained. Raises SegmentError while a producer or consumer lives."""

    def find(self, name: str) -> int:
        """Slot of the consumer of that name, or -1."""

    def claim(self, name: str) -> tuple[int, Lock]:
        """Slot and liveness lock for a name: its own when it died, else a free one. The registry must be locked."""
