"""The follower: runs the pipeline behind the journal and makes snapshots, so that the core never has to.

It reads committed blocks only, so a snapshot never lies ahead of the journal. It is cold: when it falls behind,
recovery takes longer and nothing else happens.
"""

import signal
import threading
import time
from pathlib import Path

import msgspec

from engine import assembly
from engine.errors import IntegrityError
from engine.journal.block import Block
from engine.journal.manifest import read_manifest
from engine.journal.reader import Journal
from engine.journal.snapshot import Snapshot, latest_snapshot, prune_snapshots, write_snapshot
from engine.pipeline import Pipeline
from engine.replay.rerun import Rerun
from engine.run_files import RunFiles
from ipc.messages import Source

POLL_INTERVAL_S = 1.0


class FollowerSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`interval_s`: time between two snapshots."""

    run_id: str
    directory: str
    shared: str
    interval_s: float = 60.0


def main(settings: FollowerSettings) -> None:
    """Runs until SIGTERM. Raises IntegrityError when it computes other outputs than the core did."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    files = RunFiles(settings.run_id, Path(settings.directory), Path(settings.shared))
    follower = Follower(files)
    next_snapshot = time.monotonic() + settings.interval_s
    while not stop.wait(POLL_INTERVAL_S):
        follower.follow()
        if time.monotonic() >= next_snapshot:
            follower.snapshot()
            next_snapshot = time.monotonic() + settings.interval_s


class Follower:
    """A pipeline that is always a little behind the journal."""

    def __init__(self, files: RunFiles) -> None:
        self.files = files
        self.pipeline: Pipeline = assembly.pipeline_of_run(files)
        self.rerun = Rerun(self.pipeline.core)
        manifest = read_manifest(files.directory)
        self.run_id, self.build_id = manifest.run_id, manifest.build_id
        self.position = 0
        self._sequences: dict[Source, int] = {}
        self._start_at_snapshot()

    def _start_at_snapshot(self) -> None:
        journal = Journal.open(self.files.directory, verify=False, live=True)
        last = journal.last_block()
        found, _ = latest_snapshot(
            self.files.directory,
            run_id=self.run_id,
            build_id=self.build_id,
            first_position=journal.first_position,
            end_position=last.end_position if last else 0,
        )
        if found is not None:
            self.pipeline.restore({"counters": found.core, "stages": found.stages})
            self.position = found.position
            self._sequences = {Source[name]: value for name, value in found.sequences.items()}

    def follow(self) -> int:
        """Takes the blocks committed since the last call; returns how many records. Raises IntegrityError."""
        started = self.position
        journal = Journal.open(self.files.directory, verify=False, live=True)
        for block in journal.blocks(self.position):
            if block.end_position <= self.position:
                continue
            self._take(block)
        return self.position - started

    def _take(self, block: Block) -> None:
        if not self.rerun.take(block):
            assert self.rerun.divergence is not None
            raise IntegrityError(f"follower: {self.rerun.divergence.sentence()}")
        self.position = block.end_position

    def snapshot(self) -> Path | None:
        """Writes a snapshot of this place, unless the last input's outputs are not all in the journal yet."""
        if self.position == 0 or len(self.rerun.missing()):
            return None
        state = self.pipeline.snapshot()
        counters = state["counters"]
        sequences = self._sequences | self.rerun.sequences
        path = write_snapshot(
            self.files.directory,
            Snapshot(
                run_id=self.run_id,
                build_id=self.build_id,
                position=self.position,
                inputs=counters["inputs"],
                orders=counters["orders"],
                sequences={source.name: value for source, value in sequences.items()},
                core=counters,
                stages=state["stages"],
            ),
        )
        prune_snapshots(self.files.directory)
        return path
