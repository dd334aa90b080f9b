"""Moves the journal ring onto the disk: what is there is one commit, so groups grow with the load and only then.

With durability "disk" a commit's meta page is synced at once, unless the group was full: then more is waiting, and the
next commit syncs it at no cost. With "ring" nobody waits for it, and it is synced by the next commit or when idle.
"""

import time
from typing import Protocol

from engine.errors import IntegrityError
from engine.journal.block import BlockBuffer, Records, whole
from engine.journal.config import JournalSettings
from engine.journal.segment import JournalUnwritable
from engine.journal.status import JournalState, JournalStatus
from engine.journal.store import Store

RING_SYNC_IDLE_NS = 10_000_000  # with durability "ring", idle for so long before the last commit's meta page is synced
FULL_RETRY_NS = 1_000_000_000


class Source(Protocol):
    """The journal ring as this module uses it: `ipc.ring.Consumer`, held, so that slots are freed by `done` alone."""

    @property
    def position(self) -> int: ...
    @property
    def lost(self) -> int: ...
    def receive(self, out: Records) -> int: ...
    def done(self, position: int) -> None: ...


class Writer:
    """One step takes what the ring has, commits it as one block, tells the status words, and frees the ring's slots."""

    def __init__(self, store: Store, source: Source, status: JournalStatus, settings: JournalSettings) -> None:
        self.store = store
        self._source = source
        self._status = status
        self._syncs_at_once = settings.durability == "disk"
        self._buffer = BlockBuffer(settings.group_limit_records)
        self._waiting = 0  # records received and not yet committed
        self._retry_at_ns = 0
        self._last_commit_ns = 0
        self._check_end()
        self._publish()
        status.set_state(JournalState.RUNNING)

    def _check_end(self) -> None:
        """A writer that died told how far it had committed; less than that is damage that LMDB does not see."""
        end, told = self.store.progress.position, self._status.position
        if end < told:
            number = self.store.entry.number
            self.abandon()
            raise IntegrityError(
                f"journal segment {number}: ends at {end}, but {told} records were committed; restore it from a copy"
            )

    # -- QUERIES --

    @property
    def waiting(self) -> int:
        """Records taken from the ring that could not be committed yet."""
        return self._waiting

    # -- COMMANDS --

    def step(self) -> int:
        """Commits what there is. Returns the records committed; 0 when there was nothing, or no room (status FULL).

        Raises JournalUnwritable when the disk failed, IntegrityError when the ring was overrun.
        """
        now_ns = time.monotonic_ns()
        self._status.beat(now_ns)
        if self._waiting == 0:
            self._receive()
        if self._waiting == 0:
            self._sync_when_idle(now_ns)
            return 0
        if now_ns < self._retry_at_ns:
            return 0
        try:
            return self._commit(now_ns)
        except JournalUnwritable as error:
            self._status.count_refused()
            self._status.set_state(JournalState.FULL if error.full else JournalState.FAILED)
            if not error.full:
                raise
            self._retry_at_ns = now_ns + FULL_RETRY_NS
            return 0

    def drain(self) -> int:
        """Steps until the ring is empty or the disk is full; returns the records committed."""
        total = 0
        while committed := self.step():
            total += committed
        return total

    def close(self) -> None:
        """Ends the journal by rule."""
        self.store.close()
        self._publish()
        self._status.set_state(JournalState.CLOSED)
        self._status.close()

    def abandon(self) -> None:
        """Lets go of everything as it is; the next writer finds it as after a crash."""
        self.store.abandon()
        self._status.close()

    def _receive(self) -> None:
        count = self._source.receive(self._buffer.records)
        if count < 0:
            raise IntegrityError(
                f"journal ring: {self._source.lost} records were overwritten before they were journaled: not gated"
            )
        if whole(self._buffer.records[:count]) != count:
            raise IntegrityError(f"journal ring: a message at position {self._source.position} lacks its continuation")
        self._waiting = count

    def _commit(self, started_ns: int) -> int:
        count = self._waiting
        self.store.append(self._buffer, count)
        if self._syncs_at_once and count < self._buffer.capacity:
            self.store.sync()
        self._waiting = 0
        self._source.done(self._source.position)
        self._last_commit_ns = time.monotonic_ns()
        self._publish()
        self._status.count_commit(self._last_commit_ns - started_ns)
        self._status.set_state(JournalState.RUNNING)
        return count

    def _sync_when_idle(self, now_ns: int) -> None:
        if self.store.is_durable:
            return
        if self._syncs_at_once or now_ns - self._last_commit_ns > RING_SYNC_IDLE_NS:
            self.store.sync()
            self._publish()

    def _publish(self) -> None:
        progress = self.store.progress
        self._status.set_position(progress.position, progress.orders, progress.ring_position, progress.block)
        self._status.set_durable(self.store.durable_position, self.store.durable_orders)
