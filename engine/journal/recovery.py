"""What a restarted core needs, and the one statement of the rule by which it goes on.

The core journals in this order, for each input: the input; each message it said; a CHECK when a batch ended; and only
then publishes the orders among them. The journal process commits whole messages in that order. So after any crash

1. the journal holds every input before the last one with all its outputs and, of the last input, the first k of its
   m outputs (0 <= k <= m), each whole. A message without its continuation is not in the journal: it was never said.
2. The restarted core waits until the journal has drained its ring, restores the latest valid snapshot, and takes the
   journaled inputs after it. What it says to each is compared with what the journal says: any difference is
   IntegrityError. Of the last input, the k outputs that are there are compared, the m - k that are not are appended to
   the journal ring (`missing_outputs`).
3. It publishes to the order ring the orders beyond the ring's head, in order: number n lies at place n, so those at or
   before the head were published before the crash.
4. It takes each source ring up after the last journaled sequence of that source (`sequences`). What was overwritten
   meanwhile is a lap, told to the stages as any other.

The exhaustive model of these steps, and of every other order of them, is tests/engine/journal/protocol_model.py.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from engine.errors import IntegrityError
from engine.journal.block import Records, is_said, starts
from engine.journal.reader import Journal
from engine.journal.snapshot import Snapshot, latest_snapshot
from engine.journal.store import has_live_writer
from ipc.messages import MESSAGE, SOURCE_SHIFT, Kind, Source


@dataclass(frozen=True)
class Recovery:
    """Where a run stands. Counts and sequences are those at the journal's end, not at the snapshot."""

    journal: Journal
    snapshot: Snapshot | None
    passed_over: list[str]  # snapshots that were not used, and why
    position: int  # where replay starts: the snapshot's, or 0
    end_position: int
    inputs: int
    orders: int  # ORDER messages in the journal: the number of the newest
    sequences: dict[Source, int]  # of the last journaled record of each source
    last_input_position: int  # of the first record of the last input, -1 when there is none after `position`

    def records(self) -> Iterator[Records]:
        """Everything after the snapshot, block by block."""
        return self.journal.records(self.position)

    def tail(self) -> tuple[Records, Records]:
        """The last input and what the journal has of its outputs; both empty when no input follows the snapshot."""
        if self.last_input_position < 0:
            return np.zeros(0, dtype=MESSAGE), np.zeros(0, dtype=MESSAGE)
        records = self.journal.read(self.last_input_position)
        said = is_said(records)
        return records[~said], records[said]


def recover(run: Path | str, build_id: str = "") -> Recovery:
    """Reads the journal of a run whose journal process has drained the ring, or is dead and was drained for.

    Raises UserError when there is no run, IntegrityError when the journal is damaged or does not reach back far enough.
    """
    journal = Journal.open(run, live=has_live_writer(Path(run)))
    last = journal.last_block()
    end = last.end_position if last else 0
    snapshot, passed_over = latest_snapshot(
        Path(run),
        run_id=journal.manifest.run_id,
        build_id=build_id or journal.manifest.build_id,
        first_position=journal.first_position,
        end_position=end,
    )
    if snapshot is None and journal.first_position > 0:
        raise IntegrityError(
            f"{run}: the journal starts at {journal.first_position} and no snapshot fits "
            f"({'; '.join(passed_over) or 'there is none'}); restore the removed segments or a snapshot"
        )
    position = snapshot.position if snapshot else 0
    sequences = {Source[name]: value for name, value in snapshot.sequences.items()} if snapshot else {}
    last_input = -1
    at = position
    for records in journal.records(position):
        last_sequences(records, sequences)
        inputs = np.flatnonzero(~is_said(records) & starts(records))
        if len(inputs):
            last_input = at + int(inputs[-1])
        at += len(records)
    return Recovery(
        journal=journal,
        snapshot=snapshot,
        passed_over=passed_over,
        position=position,
        end_position=end,
        inputs=last.inputs if last else 0,
        orders=last.orders if last else 0,
        sequences=sequences,
        last_input_position=last_input,
    )


def last_sequences(records: Records, into: dict[Source, int]) -> None:
    """Notes the sequence of the last record of each source that the core consumed from."""
    sources = records["flags"] >> SOURCE_SHIFT
    for source in np.unique(sources):
        if source != Source.CORE:
            into[Source(source)] = int(records["sequence"][np.flatnonzero(sources == source)[-1]])


def missing_outputs(present: Records, recomputed: Records, position: int) -> Records:
    """What of the recomputed outputs of an input the journal does not have yet, whole messages.

    `present` are those it has, at `position`. Raises IntegrityError naming the first record that differs.
    """
    common = min(len(present), len(recomputed))
    differing = np.flatnonzero(present[:common] != recomputed[:common])
    if len(differing) or len(present) > len(recomputed):
        at = int(differing[0]) if len(differing) else common
        kind = Kind(int(present["kind"][at])).name
        raise IntegrityError(
            f"journal position {position + at}: {kind} is not what the core says now to the same inputs; "
            "restart with the build that wrote the journal"
        )
    if common < len(recomputed) and not starts(recomputed)[common]:
        raise IntegrityError(f"journal position {position + common}: a message lacks its continuation")
    return recomputed[common:]
