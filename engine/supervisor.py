"""Starts the processes of a run in order, watches them, restarts what dies, and stops them in the opposite order.

    exchange (if built in) -> journal -> gateway -> core -> feed     and beside them the follower, which makes snapshots

The risk process is not vital: trading goes on without it, and it is started again for ever, ever more slowly.

A process that dies is started again, at most RESTARTS times in RESTART_WINDOW_S; beyond that the run halts, visibly.
The halt word in shared memory is the supervisor's: the gateway reads it before each send, so it also stops a core that
hangs.
"""

import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import IO, Any

import msgspec

from engine import clock
from engine.assembly import PROJECT
from engine.config import Config
from engine.errors import Exit, UserError
from engine.gateway.halt import HaltWord
from engine.orphans import ENVIRONMENT as SUPERVISOR_PID
from engine.orphans import started_ticks
from engine.risk_models.batch import records_of_batch
from engine.run_files import RunFiles
from engine.telemetry import systemd
from ipc.bus import Heartbeat, Subscriber
from ipc.messages import MESSAGE
from ipc.ring import Ring

RESTARTS = 5
RESTART_WINDOW_S = 60.0
FIRST_BACK_OFF_S, LONGEST_BACK_OFF_S = 0.5, 30.0  # of a process that is not vital
READY_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 10.0
STALL_LIMIT_S = 5.0  # a process whose heart does not beat for so long is taken for hung: killed and started again
COMMAND_RING_RECORDS = 1 << 10
REPORT_RING_RECORDS = 1 << 14
RESULT_RING_RECORDS = 1 << 14
OTHER_SEGMENTS_BYTES = 4 << 20  # ring headers, counters, views, the gateway's attempts


@dataclass
class Child:
    """One process of the run."""

    name: str
    settings: Callable[[], msgspec.Struct]  # asked at each start
    ready: Callable[[], bool]
    restart: bool = True  # False: its death ends the run
    vital: bool = True  # False: trading goes on without it; started again for ever, ever more slowly
    process: subprocess.Popen[bytes] | None = None
    log: IO[bytes] | None = None
    started_s: float = 0.0
    deaths_s: deque[float] = field(default_factory=deque)
    restarts: int = 0
    again_s: float = 0.0  # not vital and dead: when it is started again; 0: not yet decided
    cores: frozenset[int] | None = None  # None: wherever the kernel likes

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None


class Supervisor:
    """Owns the children of one run. `make_children` names them in the order of their start."""

    def __init__(self, files: RunFiles, children: list[Child]) -> None:
        self.files = files
        self.children = children
        self.events: deque[str] = deque(maxlen=50)
        self.halted: str | None = None  # why, once the run was halted
        self.ended: str | None = None  # why the run cannot go on
        self.unclean = False  # a process had to be killed at the end: its segments are left for the next run to drain
        self._halt_word = HaltWord(files.halt, create=True)
        self._health: Subscriber[Heartbeat] = Subscriber(files.health_socket, Heartbeat, bind=True)
        self._beats: dict[str, tuple[float, Heartbeat]] = {}

    # -- QUERIES --

    def beats(self, name: str) -> bool:
        """Whether a heartbeat of this process, started last, has come."""
        self._take_beats()
        beat = self._beats.get(name)
        child = self.child(name)
        return beat is not None and child.process is not None and beat[1].pid == child.process.pid

    def _take_beats(self) -> None:
        now = time.monotonic()
        for beat in self._health.receive():
            self._beats[beat.process] = (now, beat)

    # -- COMMANDS --

    def start(self) -> None:
        """Starts every child, then waits for each in turn: they wait for each other by themselves.

        Raises UserError naming the one that did not become ready, and its last words.
        """
        for child in self.children:
            self._spawn(child)
        for child in self.children:
            self._await_ready(child)

    def watch(self) -> None:
        """One look: takes heartbeats, restarts the dead. Call it ten times a second."""
        now = time.monotonic()
        self._take_beats()
        for child in self.children:
            if not child.alive:
                self._revive(child, now)
            elif self._stalled(child, now):
                self.events.append(f"{child.name} hangs: its heart has not beaten for {STALL_LIMIT_S:.0f} s; killed")
                assert child.process is not None
                child.process.kill()
                child.process.wait()
        systemd.notify("WATCHDOG=1") if self.progress() else None

    def progress(self) -> bool:
        """Whether every child lives and the core's heart beats: what feeds the watchdog."""
        now = time.monotonic()
        core = self._beats.get("core")
        vital = all(child.alive for child in self.children if child.vital)
        return vital and core is not None and now - core[0] < STALL_LIMIT_S

    def halt(self, reason: str) -> None:
        """No new order leaves the gateway from now on, whatever the core does."""
        if self.halted is None:
            self.halted = reason
            self.events.append(f"HALTED: {reason}")
        self._halt_word.set(1)
        self._note_processes()

    def stop(self) -> None:
        """Stops every child, last first, each with time to finish; kills only what does not."""
        for child in reversed(self.children):
            if child.process is None:
                continue
            if child.alive:
                child.process.send_signal(signal.SIGTERM)
            try:
                child.process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self.events.append(f"{child.name} did not stop in {STOP_TIMEOUT_S:.0f} s; killed")
                self.unclean = True
                child.process.kill()
                child.process.wait()
            if child.log is not None:
                child.log.close()
        self._health.close()

    def child(self, name: str) -> Child:
        return next(child for child in self.children if child.name == name)

    # -- the life of a child --

    def _spawn(self, child: Child) -> None:
        path = self.files.settings(child.name)
        path.write_bytes(msgspec.json.encode(child.settings(), enc_hook=str))
        if child.log is None:
            child.log = self.files.log(child.name).open("ab")
        environment = os.environ | {"PYTHONUNBUFFERED": "1", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        environment[clock.ENVIRONMENT] = str(clock.base_ns())
        environment[SUPERVISOR_PID] = str(os.getpid())
        environment.pop("NOTIFY_SOCKET", None)  # only the supervisor speaks to systemd
        child.process = subprocess.Popen(
            [sys.executable, "-m", "engine.child", child.name, str(path.resolve())],
            cwd=PROJECT,
            stdin=subprocess.DEVNULL,
            stdout=child.log,
            stderr=child.log,
            env=environment,
            start_new_session=True,  # Ctrl-C reaches the supervisor alone, which stops the others in order
        )
        child.started_s = time.monotonic()
        self._note_processes()
        if child.cores:
            os.sched_setaffinity(child.process.pid, child.cores)

    def _note_processes(self) -> None:
        """For `bot4 status`: who runs, how often it was restarted, what happened last."""
        note = {
            "pid": os.getpid(),
            "started_ticks": started_ticks(os.getpid()),
            "halted": self.halted,
            "processes": [
                {
                    "name": child.name,
                    "pid": child.process.pid,
                    "started_ticks": started_ticks(child.process.pid),
                    "restarts": child.restarts,
                }
                for child in self.children
                if child.process is not None
            ],
            "events": list(self.events)[-10:],
        }
        draft = self.files.processes.with_suffix(".draft")
        draft.write_text(json.dumps(note))
        draft.replace(self.files.processes)

    def _await_ready(self, child: Child) -> None:
        deadline = time.monotonic() + READY_TIMEOUT_S
        while time.monotonic() < deadline:
            if not child.alive:
                raise UserError(f"{child.name} did not start: {self.last_words(child)}", Exit.FAILED)
            if child.ready():
                return
            time.sleep(0.005)
        raise UserError(
            f"{child.name} was not ready within {READY_TIMEOUT_S:.0f} s: {self.last_words(child)}", Exit.FAILED
        )

    def last_words(self, child: Child) -> str:
        """The last line of a child's log."""
        try:
            lines = self.files.log(child.name).read_text(errors="replace").strip().splitlines()
        except OSError:
            lines = []
        return lines[-1] if lines else f"no word; see {self.files.log(child.name)}"

    def _wait_longer(self, child: Child, now: float) -> bool:
        """Whether one that is not vital stays dead for now: after its n-th death of late for 0.5 s times 2**(n - 1)."""
        if child.again_s == 0.0:
            child.deaths_s.append(now)
            while child.deaths_s and now - child.deaths_s[0] > RESTART_WINDOW_S:
                child.deaths_s.popleft()
            child.again_s = now + min(LONGEST_BACK_OFF_S, FIRST_BACK_OFF_S * 2 ** (len(child.deaths_s) - 1))
        return now < child.again_s

    def _revive(self, child: Child, now: float) -> None:
        assert child.process is not None
        code = child.process.returncode
        if not child.vital:
            if not self._wait_longer(child, now):
                self._start_again(child, code)
            return
        if self.halted is not None and code == Exit.INTEGRITY:
            return
        child.deaths_s.append(now)
        while child.deaths_s and now - child.deaths_s[0] > RESTART_WINDOW_S:
            child.deaths_s.popleft()
        how = self._how(child, code)
        if code == Exit.INTEGRITY or len(child.deaths_s) > RESTARTS:
            if self.halted is None:
                self.events.append(f"{child.name} {how}")
            self.halt(f"{child.name} cannot be kept alive")
            return
        if not child.restart:
            self.ended = f"{child.name} {how}"
            self.events.append(self.ended)
            return
        self._start_again(child, code)

    def _how(self, child: Child, code: int) -> str:
        return f"killed by signal {-code}" if code < 0 else f"ended with code {code}: {self.last_words(child)}"

    def _start_again(self, child: Child, code: int) -> None:
        self._beats.pop(child.name, None)
        child.restarts += 1
        child.again_s = 0.0
        self.events.append(f"{child.name} {self._how(child, code)}; started again ({child.restarts})")
        self._spawn(child)

    def _stalled(self, child: Child, now: float) -> bool:
        beat = self._beats.get(child.name)
        return beat is not None and now - beat[0] > STALL_LIMIT_S and now - child.started_s > READY_TIMEOUT_S


def make_segments(files: RunFiles, config: Config) -> int:
    """Creates the rings of a new run; returns their epoch. Raises SegmentError when shared memory is too small."""
    epoch = secrets.randbits(62)
    run = config.run
    Ring.create(files.ring("market"), run.market_ring_records, lossy=True, epoch=epoch)
    Ring.create(files.ring("orders"), run.order_ring_records, lossy=False, epoch=epoch, consumers=("gateway",))
    Ring.create(files.ring("reports"), REPORT_RING_RECORDS, lossy=False, epoch=epoch, consumers=("core",))
    Ring.create(files.ring("commands"), COMMAND_RING_RECORDS, lossy=False, epoch=epoch, consumers=("core",))
    Ring.create(files.ring("results"), RESULT_RING_RECORDS, lossy=False, epoch=epoch, consumers=("core",))
    Ring.create(files.ring("risk"), risk_ring_records(config), lossy=False, epoch=epoch, consumers=("core",))
    Ring.create(files.ring("journal"), run.journal_ring_records, lossy=False, epoch=epoch, consumers=("journal",))
    return epoch


def risk_ring_records(config: Config) -> int:
    """Room for four batches of results: while the core is away they are dropped, not waited with."""
    batch = records_of_batch(len(config.instruments), config.risk.scenarios)
    return max(1 << 12, 1 << (4 * batch - 1).bit_length())


def shared_memory_bytes(config: Config) -> int:
    """What a run's segments take together, with room for counters, views and sockets."""
    run = config.run
    rings = (
        run.market_ring_records,
        run.order_ring_records,
        run.journal_ring_records,
        REPORT_RING_RECORDS,
        COMMAND_RING_RECORDS,
        RESULT_RING_RECORDS,
        risk_ring_records(config),
    )
    return sum(rings) * MESSAGE.itemsize + OTHER_SEGMENTS_BYTES


def ready_line(files: RunFiles, name: str) -> dict[str, Any] | None:
    """The JSON line with which a child says that it is ready, or None."""
    try:
        for line in reversed(files.log(name).read_text(errors="replace").splitlines()):
            if line.startswith('{"ready"'):
                found: dict[str, Any] = json.loads(line)
                return found
    except (OSError, ValueError):
        pass
    return None
