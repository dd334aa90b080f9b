"""What a restarted core needs, and the one statement of the rule by which it goes on.

The core journals in this order, for each input: the input; each message it said; a CHECK when a batch ended; and only
then publishes the orders among them. The journal process commits whole messages in that order. So after any crash

1. the journal holds every input before the last one with all its outputs and, of the last input, the first k of its
   m outputs (0 <= k <= m), each whole. A message without its continuation is not in the journal: a ring's head never
   stands within one, and the writer refuses one.
2. The restarted core waits until the journal has drained its ring, restores the latest valid snapshot, and takes the
   journaled inputs after it. What it says to each is compared with what the journal says: any difference is
   IntegrityError. Of the last input, the k outputs that are there are compared, the m - k that are not are appended to
   the journal ring (`engine.replay.rerun.Rerun.missing`).
3. Then it publishes to the order ring the orders beyond the ring's head, in order: number n lies at place n, so those
   at or before the head were published before the crash.
4. It takes each source ring up after the last journaled sequence of that source. What was overwritten meanwhile is a
   lap, told to the stages as any other.

The exhaustive model of these steps, and of other orders of them, is tests/engine/journal/protocol_model.py.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from engine.errors import IntegrityError
from engine.journal.block import Block
from engine.journal.reader import Journal
from engine.journal.snapshot import Snapshot, latest_snapshot
from engine.journal.store import has_live_writer


@dataclass(frozen=True)
class Recovery:
    """Where a run stands; counts are those at the journal's end."""

    journal: Journal
    snapshot: Snapshot | None
    passed_over: list[str]  # snapshots that were not used, and why
    position: int  # where replay starts: the snapshot's, or 0
    end_position: int
    inputs: int
    orders: int  # ORDER messages in the journal: the number of the newest

    def blocks(self) -> Iterator[Block]:
        """Everything after the snapshot; a block that the snapshot lies in is cut to what comes after it."""
        for block in self.journal.blocks(self.position):
            skipped = self.position - block.first_position
            if skipped <= 0:
                yield block
            elif skipped < len(block.records):
                yield replace(block, first_position=self.position, records=block.records[skipped:])


def recover(run: Path | str, build_id: str = "") -> Recovery:
    """Reads the journal of a run whose journal process has drained the ring, or is dead and was drained for.

    Verified is what is needed: everything from the snapshot on.

    Raises UserError when there is no run, IntegrityError when the journal is damaged or does not reach back far enough.
    """
    journal = Journal.open(run, verify=False, live=has_live_writer(Path(run)))
    newest = journal.segments[-1:]
    journal.verify(newest[0].first_position if newest else 0)
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
    journal.verify(position)
    return Recovery(
        journal=journal,
        snapshot=snapshot,
        passed_over=passed_over,
        position=position,
        end_position=end,
        inputs=last.inputs if last else 0,
        orders=last.orders if last else 0,
    )
