import numpy as np
import numpy.typing as npt

from ipc.ring_file import MAXIMUM_CONSUMERS as MAXIMUM_CONSUMERS
from ipc.ring_file import RingFile

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
        """Publishes whole messages (MESSAGE, shape (n,)), writes sequences into `records`, wakes blocked consumers.

        Returns the position of the first. Raises RingFull, or ValueError when the messages are not whole, a
        continuation does not carry its mark (Kind.DETAIL or Flag.QUOTE_SIDE), or they can never fit.
        """

    def send_kept(self, records: npt.NDArray[np.void]) -> int:
        """As `send`, but every record keeps its `sequence`: for the journal ring and for recovery."""

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
        """Lets go of records before `position`, if this consumer holds. Goes neither back nor beyond what was read."""

    def watch(self, strategy: int, timeout_seconds: float) -> bool:
        """Polls by `strategy` (ipc.waiting), without the GIL, for a record until the time-out. True when there is one.

        For a consumer whose producer makes no wake-up calls: the core.
        """

    def sleep(self, timeout_seconds: float) -> bool:
        """Blocks, without the GIL, until there is a record, a wake-up or the time-out. True when there is a record."""

    def close(self) -> None:
        """Leaves the registry: the ring waits for this consumer no more. It must not be used afterwards."""

class Ring(RingFile):
    """A ring's segment and the way to both of its ends. Creating or attaching takes no lock."""

    def producer(self) -> Producer:
        """Takes the writer lock and continues at the head. Raises SegmentError when another live process has it."""

    def consumer(self, name: str, start: int | None = None, *, hold: bool = False) -> Consumer:
        """Registers a reader, or takes over the slot of a dead one of the same name.

        It begins at `start` (default: the head); what was overwritten before it is reported as a lap by the first poll.
        With `hold`, polling frees no slots: `done` (in Cython `release`) does, say when the records are on disk.
        A gated ring waits for a reader as soon as it is registered; a `start` further back than the slot's last
        cursor may already be overwritten. Raises SegmentError (name in use, no free slot, start beyond the head) or
        ValueError.
        """
