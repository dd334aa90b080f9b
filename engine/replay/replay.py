"""Replay: runs a finished run's journal through the same pipeline and compares every output, bit for bit."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from engine import assembly
from engine.errors import UserError
from engine.journal.reader import Journal
from engine.journal.snapshot import Snapshot, read_snapshot, snapshots
from engine.journal.store import has_live_writer
from engine.pipeline import Pipeline
from engine.replay.rerun import Rerun
from engine.run_files import RunFiles


def replay(folder: Path, tell: Callable[[str], None] = lambda _: None) -> dict[str, Any]:
    """Compares a run with itself.

    Keys: identical, messages, outputs, first_divergence, run, blocks, from_position, seconds, same_build.

    Raises UserError when the run still lives or is none, IntegrityError when its journal is damaged.
    """
    if has_live_writer(folder):
        raise UserError(f"{folder.name} is still being written: stop it first, or replay another run")
    journal = Journal.open(folder)
    files = RunFiles(journal.manifest.run_id, folder, folder)
    pipeline = assembly.pipeline_of_run(files)
    position = start_of(journal, pipeline)
    rerun = Rerun(pipeline.core)
    started = shown = time.monotonic()
    blocks = 0
    for block in journal.blocks(position):
        blocks += 1
        if not rerun.take(block):
            break
        if time.monotonic() - shown > 1:
            shown = time.monotonic()
            tell(f"block {block.block}: {rerun.inputs:,} messages identical so far")
    seconds = time.monotonic() - started
    return {
        "identical": rerun.divergence is None,
        "messages": rerun.inputs,
        "outputs": rerun.outputs,
        "first_divergence": None if rerun.divergence is None else rerun.divergence.as_dict(),
        "run": journal.manifest.run_id,
        "blocks": blocks,
        "from_position": position,
        "seconds": seconds,
        "messages_per_s": rerun.inputs / seconds if seconds else 0.0,
        "same_build": journal.manifest.build_id == assembly.build_id(),
    }


def start_of(journal: Journal, pipeline: Pipeline) -> int:
    """Where the replay starts: 0, or the oldest snapshot that fits when retention removed the beginning.

    Raises UserError when there is none.
    """
    first = journal.first_position
    if first == 0:
        return 0
    for path in reversed(snapshots(journal.run)):
        snapshot: Snapshot = read_snapshot(path)
        if snapshot.position >= first:
            pipeline.restore({"counters": snapshot.core, "stages": snapshot.stages})
            return snapshot.position
    raise UserError(
        f"{journal.run}: the journal starts at {first} and no snapshot lies after it: nothing to replay from"
    )
