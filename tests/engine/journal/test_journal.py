"""Written, closed, reopened, read back: the journal as its users see it."""

from pathlib import Path

import numpy as np

from engine.journal.config import JournalSettings
from engine.journal.manifest import Manifest, write_manifest
from engine.journal.process import attach
from engine.journal.reader import Journal
from engine.journal.status import JournalStatus
from engine.journal.store import Store
from engine.journal.writer import Writer
from ipc.ring import Ring
from tests.engine.journal.records import journal_records

SETTINGS = JournalSettings(segment_mib=1, group_records=512, stop_free_mib=0)


def test_records_come_back_in_order_across_segments(tmp_path: Path) -> None:
    write_manifest(tmp_path, Manifest(run_id="t1"))
    ring = Ring.create(tmp_path / "journal.ring", 4096, lossy=False, epoch=7, consumers=["journal"])
    producer = ring.producer()
    store = Store(tmp_path, SETTINGS)
    writer = Writer(store, attach(store, ring), JournalStatus(tmp_path / "journal.status", create=True), SETTINGS)
    sent = []
    for batch in range(40):
        records = journal_records(1000, seed=batch, first_input=1000 * batch)
        producer.send(records)
        sent.append(records.copy())
        writer.drain()
    writer.close()
    journal = Journal.open(tmp_path)
    assert len(journal.segments) > 2
    assert all(entry.sha256 for entry in journal.segments)
    np.testing.assert_array_equal(journal.read(), np.concatenate(sent))
