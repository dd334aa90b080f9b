"""A run folder with a manifest, a gated journal ring and a writer on it."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from engine.journal.block import Records
from engine.journal.config import JournalSettings
from engine.journal.manifest import Manifest, write_manifest
from engine.journal.process import CONSUMER_NAME, STATUS_NAME, attach
from engine.journal.status import JournalStatus
from engine.journal.store import Store
from engine.journal.writer import Writer
from ipc.ring import Ring
from tests.engine.journal.records import journal_records

SMALL = JournalSettings(segment_mib=1, group_records=600, stop_free_mib=0, keep_free_mib=0)


class Desk:
    """One run: what the core's end of the journal ring is given, and writers that come and go at the other end."""

    def __init__(self, run: Path, settings: JournalSettings = SMALL, ring_records: int = 4096) -> None:
        self.run = run
        self.settings = settings
        write_manifest(run, Manifest(run_id="run-1", build_id="build-1"))
        self.ring = Ring.create(run / "journal.ring", ring_records, lossy=False, epoch=7, consumers=[CONSUMER_NAME])
        self.producer = self.ring.producer()
        self.sent: list[Records] = []
        self.inputs = 0

    @property
    def status(self) -> JournalStatus:
        """As any other process sees it."""
        return JournalStatus(self.run / STATUS_NAME)

    def open_writer(self) -> Writer:
        store = Store(self.run, self.settings)
        self.consumer = attach(store, self.ring)
        return Writer(store, self.consumer, JournalStatus(self.run / STATUS_NAME, create=True), self.settings)

    def send(self, inputs: int) -> Records:
        records = journal_records(inputs, seed=self.inputs, first_input=self.inputs)
        self.producer.send(records)
        self.inputs += inputs
        self.sent.append(records.copy())
        return records

    def abandon(self, writer: Writer) -> None:
        """As if the process had died: nothing is closed by rule."""
        writer.abandon()
        self.consumer.close()

    @property
    def everything(self) -> Records:
        return np.concatenate(self.sent)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


@pytest.fixture
def make_desk(tmp_path: Path) -> Callable[[JournalSettings], Desk]:
    return lambda settings: Desk(tmp_path, settings)
