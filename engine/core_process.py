"""The core process: recovers, then runs the loop on a thread of its own; the main thread keeps all else."""

import os
import signal
import threading
import time
from pathlib import Path

import msgspec
import numpy as np

from engine import assembly, clock
from engine.errors import Exit, IntegrityError, UserError
from engine.journal.recovery import Recovery, recover
from engine.journal.status import JournalStatus
from engine.loop import COUNTERS, HISTOGRAMS, CoreLoop, Ending, stamp_counter_ns
from engine.pipeline import Pipeline
from engine.replay.rerun import Rerun
from engine.run_files import RunFiles
from engine.telemetry.views import ViewsWriter
from ipc import waiting
from ipc.bus import CommandServer, Heartbeat, Publisher, Request
from ipc.counters import Counters
from ipc.messages import MESSAGE, Command, Flag, Kind, Source
from ipc.ring import Producer, Ring

CONSUMER_NAME = "core"
VIEWS_INTERVAL_S = 0.1
DRAIN_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 3.0


class CoreProcessSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`run` is the folder of the run, `shared` its shared memory; all else stands in the run's manifest."""

    run_id: str
    directory: str
    shared: str
    epoch: int
    spinners: int = 2  # processes of this run that would like to spin
    crash_input: int = -1  # checked build: kill -9 at this input since the start, or a later one ...
    crash_step: int = -1  # ... at this step of the cycle ...
    crash_orders: int = 0  # ... when it said so many orders


def main(settings: CoreProcessSettings) -> None:
    """Runs until SIGTERM, a STOP command or a fault. Raises UserError, IntegrityError, SegmentError."""
    files = RunFiles(settings.run_id, Path(settings.directory), Path(settings.shared))
    wait_for_drained_journal(files)
    pipeline = assembly.pipeline_of_run(files)
    journal, orders = Ring.attach(files.ring("journal")).producer(), Ring.attach(files.ring("orders"))
    recovery = recover(files.directory)
    sequences = catch_up(pipeline, recovery, journal, orders)
    loop = make_loop(files, settings, pipeline, journal, orders.producer(), sequences)
    if settings.crash_input >= 0:
        first = int(pipeline.core.counters()["inputs"])
        loop.crash_at(first + settings.crash_input, settings.crash_step, settings.crash_orders)
    CoreProcess(files, settings, pipeline, loop).run()


def wait_for_drained_journal(files: RunFiles) -> None:
    """Until the journal has taken everything the dead core left in its ring. Raises UserError after a time-out."""
    ring = Ring.attach(files.ring("journal"))
    deadline = time.monotonic() + DRAIN_TIMEOUT_S
    while time.monotonic() < deadline:
        if files.journal_status.exists() and JournalStatus(files.journal_status).ring_position >= ring.head:
            return
        time.sleep(0.005)
    raise UserError(
        f"the journal did not drain {ring.path} within {DRAIN_TIMEOUT_S:.0f} s: is it running?", Exit.FAILED
    )


def catch_up(pipeline: Pipeline, recovery: Recovery, journal: Producer, orders: Ring) -> dict[Source, int]:
    """Brings the pipeline to the journal's end, completes the journal and the order ring. Returns the last sequences.

    Raises IntegrityError when what the core says now is not what the journal says it said.
    """
    sequences: dict[Source, int] = {}
    if recovery.snapshot is not None:
        pipeline.restore({"counters": recovery.snapshot.core, "stages": recovery.snapshot.stages})
        sequences = {Source[name]: value for name, value in recovery.snapshot.sequences.items()}
    rerun = Rerun(pipeline.core)
    unpublished = [np.zeros(0, dtype=MESSAGE)]
    for block in recovery.blocks():
        if not rerun.take(block):
            assert rerun.divergence is not None
            raise IntegrityError(
                f"recovery: {rerun.divergence.sentence()}; restart with the build that wrote the journal"
            )
        unpublished.append(beyond(block.records, orders.head))
    missing = rerun.missing()
    unpublished.append(beyond(missing, orders.head))
    producer = orders.producer()
    if len(missing):
        journal.send_kept(missing)
    pending = np.concatenate(unpublished)
    if len(pending):
        producer.send_kept(pending)
    producer.close()
    return sequences | rerun.sequences


def beyond(records: np.ndarray, head: int) -> np.ndarray:
    """The ORDER messages among records whose place in the order ring is not yet taken."""
    orders = records["kind"] == Kind.ORDER
    orders[1:] |= orders[:-1] & (records["kind"][1:] == Kind.DETAIL)
    wanted: np.ndarray = records[orders & (records["sequence"] >= head)].copy()
    return wanted


def make_loop(
    files: RunFiles,
    settings: CoreProcessSettings,
    pipeline: Pipeline,
    journal: Producer,
    orders: Producer,
    sequences: dict[Source, int],
) -> CoreLoop:
    """The loop, each source taken up after its last journaled record."""
    sources = {}
    for source, name in (
        (Source.REPORTS, "reports"),
        (Source.COMMANDS, "commands"),
        (Source.RESULTS, "results"),
        (Source.RISK, "risk"),
        (Source.MARKET, "market"),
    ):
        ring = Ring.attach(files.ring(name))
        start = sequences[source] + 1 if source in sequences else ring.base
        sources[int(source)] = ring.consumer(CONSUMER_NAME, start, hold=not ring.lossy)
    path = files.counters("core")
    if path.exists():
        counters = Counters.reopen(path)
    else:
        slots = tuple(f"slot.{name}" for name in pipeline.core.names)
        counters = Counters.create(path, epoch=settings.epoch, counters=COUNTERS, histograms=(*slots, *HISTOGRAMS))
    return CoreLoop(
        pipeline.core,
        journal,
        orders,
        sources,
        counters,
        strategy=waiting.choose(settings.spinners),
        ns_per_tick=stamp_counter_ns(),
        made=sequences.get(Source.LOOP, -1) + 1,
    )


class CoreProcess:
    """The main thread's side: signals, the command ring, health, the views."""

    def __init__(self, files: RunFiles, settings: CoreProcessSettings, pipeline: Pipeline, loop: CoreLoop) -> None:
        self._files = files
        self._pipeline = pipeline
        self._loop = loop
        self._commands = Ring.attach(files.ring("commands")).producer()
        self._server = CommandServer(files.core_socket)
        self._health = Publisher(files.health_socket)
        self._epoch = settings.epoch
        self._stopping_since: float | None = None
        self._beats = 0
        self._ending = Ending.STOPPED
        rows = pipeline.rows()
        self._accounts = rows["instruments"]
        self._views = ViewsWriter(files.views, rows, len(rows["strategies"]), settings.epoch)

    def run(self) -> None:
        """Until the loop ends. Raises UserError with the fault when a stage faulted."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._stop())
        thread = threading.Thread(target=self._run_loop, name="core", daemon=True)
        thread.start()
        while thread.is_alive():
            self._server.serve(self._handle, timeout_ms=int(VIEWS_INTERVAL_S * 1000))
            self._show()
            if self._stopping_since is not None:
                self._finish_stop()
        thread.join()
        self._show()
        if self._ending == Ending.FAULTED:
            raise UserError(f"the core stopped: {self._pipeline.core.fault_text()}", Exit.FAILED)

    def _run_loop(self) -> None:
        self._ending = self._loop.run()

    def _show(self) -> None:
        counters = self._pipeline.core.counters()
        self._views.publish(clock.utc_ns(), counters["inputs"], counters["orders"], self._loop.epoch)
        self._beats += 1
        self._health.publish(
            Heartbeat(
                process="core",
                pid=os.getpid(),
                epoch=self._epoch,
                number=self._beats,
                time_ns=clock.utc_ns(),
                state="stopping" if self._stopping_since is not None else "running",
                progress=counters["inputs"],
            )
        )

    # -- commands: each becomes a message of the command ring, journaled before a stage acts on it --

    def _handle(self, request: Request) -> dict[str, int]:
        verbs = {
            "halt": Command.HALT,
            "resume": Command.RESUME,
            "flatten": Command.FLATTEN,
            "cancel_all": Command.CANCEL_ALL,
        }
        if request.verb == "stop":
            self._stop()
        elif request.verb == "limit":
            self._send(Kind.LIMIT, int(str(request.arguments["number"])), int(str(request.arguments["value"])))
        elif request.verb in verbs:
            self._send(Kind.COMMAND, verbs[request.verb])
        else:
            raise ValueError(f"unknown command {request.verb!r}")
        return {"inputs": int(self._pipeline.core.counters()["inputs"])}

    def _send(self, kind: Kind, extra: int, price: int = 0) -> None:
        record = np.zeros(1, dtype=MESSAGE)
        record["kind"], record["extra"], record["price_ticks"], record["flags"] = kind, extra, price, Flag.LAST
        record["event_time_ns"] = record["receive_time_ns"] = clock.utc_ns()
        self._commands.send(record)

    def _stop(self) -> None:
        if self._stopping_since is None:
            self._stopping_since = time.monotonic()
            self._send(Kind.COMMAND, Command.STOP)

    def _finish_stop(self) -> None:
        """Leaves when no order is open any more, or after a while: what is open then is known to the journal."""
        assert self._stopping_since is not None
        waited = time.monotonic() - self._stopping_since
        if (waited > 0.2 and not self._accounts["open_orders"].any()) or waited > STOP_TIMEOUT_S:
            self._loop.stop()
