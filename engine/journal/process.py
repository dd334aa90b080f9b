"""The journal process: consumes the journal ring until SIGTERM, drains it, closes the last segment by rule."""

import contextlib
import signal
import threading
from pathlib import Path

import msgspec

from engine.journal.config import JournalSettings
from engine.journal.segment import JournalUnwritable
from engine.journal.status import JournalStatus
from engine.journal.store import Store
from engine.journal.writer import Writer
from ipc.doorbell import BellRope
from ipc.ring import Consumer, Ring

CONSUMER_NAME = "journal"
STATUS_NAME = "journal.status"


class JournalProcessSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`run_directory` has the manifest and gets the journal; `ring` is the ring's segment, `status` the words' file.

    `bell`: of a gateway that waits for orders to be on disk, "" for none.
    """

    run_directory: str
    ring: str
    status: str
    bell: str = ""
    journal: JournalSettings = JournalSettings()


def main(settings: JournalProcessSettings) -> None:
    """Runs until SIGTERM or SIGINT. Raises UserError, IntegrityError, SegmentError, JournalUnwritable."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    store = Store(Path(settings.run_directory), settings.journal)
    status = JournalStatus(Path(settings.status), create=True)
    consumer = attach(store, Ring.attach(settings.ring))
    writer = Writer(store, consumer, status, settings.journal)
    try:
        serve(writer, consumer, stop, settings.journal, GatewayBell(settings.bell) if settings.bell else None)
        writer.close()
    except JournalUnwritable:
        writer.abandon()  # what the ring still holds is journaled by the next process, or by `drain`
        raise


class GatewayBell:
    """Wakes a gateway that sleeps until an order of its ring is on disk."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._rope: BellRope | None = None

    def ring(self) -> None:
        with contextlib.suppress(OSError):  # there is no gateway yet
            self._rope = self._rope or BellRope(self._path)
            self._rope.ring()


def serve(
    writer: Writer, consumer: Consumer, stop: threading.Event, settings: JournalSettings, bell: GatewayBell | None
) -> None:
    """Commits until `stop` is set and the ring is empty, or can never be emptied because the disk is full."""
    durable_order = writer.store.durable_orders
    lingers = settings.durability == "ring"
    full_group = settings.group_limit_records // 2  # a message of several records may not have fitted
    while not stop.is_set():
        committed = writer.step()
        if bell is not None and writer.store.durable_orders != durable_order:
            durable_order = writer.store.durable_orders
            bell.ring()
        if committed >= full_group:
            continue
        if lingers or writer.waiting:
            stop.wait(settings.linger_ms / 1e3)
        elif committed == 0:
            consumer.sleep(settings.idle_sleep_us / 1e6)
    writer.drain()
    if writer.waiting:
        raise JournalUnwritable("JOURNAL_FULL: stopped with records in the ring that found no room", full=True)


def attach(store: Store, ring: Ring) -> Consumer:
    """A held consumer that starts after the last record of this very ring in the journal, or at its first record."""
    progress = store.progress
    if progress.ring_epoch != ring.epoch or progress.ring_position < ring.base:
        progress.ring_epoch, progress.ring_position = ring.epoch, ring.base
    return ring.consumer(CONSUMER_NAME, progress.ring_position, hold=True)


def drain(run_directory: Path, ring_path: Path, settings: JournalSettings, status_path: Path) -> int:
    """Appends what a dead run left in its journal ring to its journal and closes it by rule; returns how many records.

    Then the ring may go. Raises UserError while a journal process of that run lives, JournalUnwritable without room.
    """
    store = Store(run_directory, settings)
    consumer = attach(store, Ring.attach(ring_path))
    writer = Writer(store, consumer, JournalStatus(status_path, create=True), settings)
    drained = writer.drain()
    if writer.waiting:
        writer.abandon()
        raise JournalUnwritable("JOURNAL_FULL: a dead run's journal ring cannot be drained: free some space", full=True)
    writer.close()
    consumer.close()
    return drained
