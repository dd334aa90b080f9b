import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ipc.segment import Segment

KIND: str
MAXIMUM_CONSUMERS: int

class RingFull(Exception):
    """A gated ring has no room: its slowest consumer has not read far enough. Nothing was written."""

class Producer:
    """The one writer of a ring; made by `Ring.producer`."""

    @property
    def position(self) -> int:
        """Position after the last published record."""

    def room(self, records: int) -> bool:
        """Whether a message of so many records would be accepted now."""

    def send(self, records: npt.NDArray[np.void]) -> int:
        """Publishes whole messages (MESSAGE, shape (n,)), writes their sequences into `records`, wakes blocked consumers.

        Returns the position of the first. Raises RingFull, or ValueError when the messages are not whole, a
        continuation does not carry its mark (Kind.DETAIL or Flag.QUOTE_SIDE), or they can never fit.
        """

    def close(self) -> None:
        """Gives the writer lock back. The producer must not be used afterwards."""

class Consumer:
    """One reader of a ring with a cursor of its own; made by `Ring.consumer`."""

    @property
    def position(self) -> int:
        """Position of the next record to read."""

    @property
    def lost(self) -> int:
        """Records lost by the lap that the last poll reported."""

    @property
    def pending(self) -> int:
        """Records published and not yet read."""

    def receive(self, out: npt.NDArray[np.void]) -> int:
        """Copies whole messages into `out` (MESSAGE, shape (n,)) and returns how many records; 0 when there are none.

        -1 after a lap: `lost` says how many records, and the next call goes on at the oldest whole message.
        Raises ValueError when `out` is shorter than the next message.
        """

    def done(self, position: int) -> None:
        """For a consumer that holds: records before `position` are needed no more. Never goes back or beyond what was read."""

    def sleep(self, timeout_seconds: float) -> bool:
        """Blocks, without the GIL, until there is a record, a wake-up or the time-out. True when there is a record."""

    def close(self) -> None:
        """Leaves the registry: the ring waits for this consumer no more. It must not be used afterwards."""

class Ring:
    """A ring's segment: what both ends are made from. Creating or attaching takes no lock."""

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
    ) -> Ring:
        """Makes a ring of `capacity` records (a power of two, at least 16) whose first record has position `base`.

        `consumers` are registered at once, at `base`: a gated ring waits for them from its first record, before they attach.
        Raises SegmentError (path exists, memory short) or ValueError.
        """

    @classmethod
    def attach(cls, path: str | os.PathLike[str], epoch: int | None = None) -> Ring:
        """Opens an existing ring. Raises SegmentError when it is absent, unknown, cut, or of another `epoch` than asked."""

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
        """A copy of records position .. position + count, for recovery; raises SegmentError when any is gone or not yet there."""

    def producer(self) -> Producer:
        """Takes the writer lock and continues at the head. Raises SegmentError when another live process has it."""

    def consumer(self, name: str, start: int | None = None, *, hold: bool = False) -> Consumer:
        """Registers a reader, or takes over the slot of a dead one of the same name.

        It begins at `start` (default: the head); what was overwritten before it is reported as a lap by the first poll.
        With `hold`, polling does not free slots: `done` does (say, when the records are on disk). A gated ring waits
        for a reader as soon as it is registered; a `start` further back than the slot's last cursor may already be overwritten.
        Raises SegmentError (name in use, no free slot, start beyond the head) or ValueError.
        """

    def evict(self, name: str) -> None:
        """Frees the slot of a dead consumer, so that a gated ring waits for it no more. For the supervisor only.

        Raises SegmentError when there is none of that name or it lives: stop it first.
        """
