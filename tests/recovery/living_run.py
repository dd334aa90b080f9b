"""A run whose processes a test kills: started in the test's own process, so that the supervisor is at hand.

The strategy (restless.py) always asks for something, the exchange's order limits are out of the way and the windows of
doubt are short: many orders are on their way at any instant, which is where a kill hurts.
"""

import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest

from engine import supervisor
from engine.config import Config, RunSettings, StrategyChoice
from engine.exchange.config import ExchangeSettings, Fault, FlowSettings
from engine.execution.config import ExecutionSettings
from engine.gateway.config import GatewaySettings
from engine.journal.config import JournalSettings
from engine.risk.config import RiskSettings
from engine.run import Run
from engine.run_files import RunFiles
from engine.telemetry.views import ViewsReader
from ipc.bus import BusError, CommandClient
from ipc.messages import MESSAGE
from ipc.ring import Ring
from ipc.segment import SegmentError

LOOK_S = 0.01
PATIENCE_S = 40.0
PYTHON_CACHE = Path(tempfile.gettempdir()) / f"bot4-{os.getuid()}-python-cache"
PUBLISHED, ATTEMPTS = "published.npy", "attempts"  # in the run's folder, for the audit
STRATEGY = Path(__file__).with_name("restless.py")
KILLED_TOGETHER = ("journal", "gateway", "core", "feed", "follower")
VICTIMS = ("feed", "core", "core", "gateway", "gateway", "journal", "follower", "all")


def eager_config(
    folder: Path, shared: Path, *, seed: int, faults: tuple[Fault, ...] = (), segment_mib: int = 1, **run: Any
) -> Config:
    """`segment_mib` of 1 closes a segment every few seconds, so that kills meet that too."""
    return Config(
        run=RunSettings(
            instance="recovery",
            directory=str(folder),
            shared_memory_directory=str(shared),
            snapshot_interval_s=2.0,
            seed=seed,
            **run,
        ),
        exchange=ExchangeSettings(
            flow=FlowSettings(events_per_s=250.0),
            orders_per_10_s=1_000_000,
            request_weight_per_minute=10_000_000,
            faults=faults,
        ),
        gateway=GatewaySettings(
            receive_window_ms=600,
            clock_error_ms=100,
            ack_timeout_ms=400,
            query_retry_ms=100,
            reconcile_interval_ms=2_000,
            reconnect_interval_ms=50,
            reconnect_interval_limit_ms=200,
            orders_per_10_s=1_000_000,
            orders_per_day=10_000_000,
            request_weight_per_minute=10_000_000,
        ),
        journal=JournalSettings(segment_mib=segment_mib, keep_free_mib=0, stop_free_mib=0),
        risk=RiskSettings(
            order_rate_per_s=500,
            order_burst=500,
            cancel_rate_per_s=1_000,
            cancel_burst=1_000,
            repeated_orders=1_000,
            repeat_memory=1_024,
            daily_loss_quote=10_000_000,
            capital_quote=1_000_000_000,
        ),
        execution=ExecutionSettings(ack_timeout_ms=500),
        strategies=(StrategyChoice(name=str(STRATEGY)),),
    )


def kills_of_share(percent: int, least: int) -> int:
    """How many kills a test makes: its share of BOT4_KILLS, by default of 20; `make test` asks for 200."""
    return max(least, int(os.environ.get("BOT4_KILLS", "20")) * percent // 100)


@contextmanager
def shared_memory() -> Iterator[Path]:
    """A folder on a tmpfs, with a path short enough for sockets."""
    root = "/dev/shm" if Path("/dev/shm").is_dir() else None
    with tempfile.TemporaryDirectory(prefix="bot4-", dir=root, ignore_cleanup_errors=True) as folder:
        yield Path(folder)


class LivingRun:
    """Use it as `with LivingRun.started(...) as run`: at the end every process is gone, whatever happened."""

    def __init__(self, run: Run, seed: int) -> None:
        self.run = run
        self.random = Random(seed)
        self.kills = 0
        self.restart_s: dict[str, list[float]] = {}

    @classmethod
    @contextmanager
    def started(cls, config: Config, patch: pytest.MonkeyPatch, resume: str | None = None) -> Iterator["LivingRun"]:
        patch.setattr(supervisor, "RESTARTS", 1_000_000)
        patch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)  # half of a process's start is compiling what it imports
        patch.setenv("PYTHONPYCACHEPREFIX", str(PYTHON_CACHE))
        handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
        living = cls(Run(config, resume=resume), config.run.seed)
        try:
            living.run.start()
            yield living
        finally:
            for child in living.run.supervisor.children:
                if child.alive:
                    assert child.process is not None
                    child.process.kill()
            living.run.supervisor.stop()  # nothing runs any more: closes logs and sockets
            living.run._lock.close()
            for number, handler in handlers.items():
                signal.signal(number, handler)

    # -- QUERIES --

    @property
    def files(self) -> RunFiles:
        return self.run.files

    def orders(self) -> int:
        """ORDER messages so far, by the core's own view; -1 while there is none."""
        row = self.views()
        return -1 if row is None else int(row["head"]["orders"])

    def views(self) -> Any:
        try:
            return ViewsReader(self.files.views).read()
        except SegmentError:
            return None

    def pid(self, name: str) -> int:
        process = self.run.supervisor.child(name).process
        assert process is not None
        return process.pid

    # -- COMMANDS --

    def watch_for(self, seconds: float) -> None:
        self.watch_until(lambda: False, seconds, fails=False)

    def watch_until(self, condition: Callable[[], bool], seconds: float = PATIENCE_S, *, fails: bool = True) -> bool:
        """Supervises until the condition holds. Fails the test when the run ends, halts, or the time is over."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.run.supervisor.watch()
            assert self.run.supervisor.ended is None, self.story()
            assert self.run.supervisor.halted is None, self.story()
            if condition():
                return True
            time.sleep(LOOK_S)
        assert not fails, f"not within {seconds:.0f} s: {self.story()}"
        return False

    def story(self) -> str:
        """What the supervisor and the processes said, for the message of a failed test."""
        watcher = self.run.supervisor
        words = [f"{child.name}: {watcher.last_words(child)}" for child in watcher.children]
        return "\n".join([f"ended {watcher.ended}, halted {watcher.halted}", *list(watcher.events)[-12:], *words])

    def kill(self, victim: str) -> None:
        """kill -9, of one process or of all but the exchange."""
        names = KILLED_TOGETHER if victim == "all" else (victim,)
        for name in names:
            if self.run.supervisor.child(name).alive:
                os.kill(self.pid(name), signal.SIGKILL)
        self.kills += 1

    def await_back(self, victim: str) -> None:
        """Until what was killed runs again; the core and the gateway are timed."""
        started = time.monotonic()
        names = KILLED_TOGETHER if victim == "all" else (victim,)
        dead = {name: self.pid(name) for name in names}
        self.watch_until(lambda: all(self.pid(name) != pid for name, pid in dead.items()))
        for name in ("core", "gateway", "feed"):
            if name in names:
                self.watch_until(lambda name=name: self.run.supervisor.beats(name))  # type: ignore[misc]
                self.restart_s.setdefault(name, []).append(time.monotonic() - started)

    def await_orders(self, more: int) -> None:
        """Until so many more orders have left the core than now."""
        before = self.orders()
        self.watch_until(lambda: self.orders() >= before + more)

    def kill_at_random(self, kills: int, victims: tuple[str, ...] = VICTIMS) -> None:
        """Kills at random instants, one in three before the last victim is back; each time it is back, orders flow."""
        for _ in range(kills):
            victim = self.random.choice(victims)
            self.watch_for(self.random.uniform(0.0, 0.15))
            self.kill(victim)
            if self.random.random() < 2 / 3:
                self.await_back(victim)
                self.await_orders(self.random.randint(1, 12))
            else:
                self.watch_for(self.random.uniform(0.05, 0.8))

    def settle(self) -> None:
        """No new orders, nothing open, nothing in doubt: what the exchange and the core say must now be the same."""
        self.watch_until(lambda: all(self.run.supervisor.beats(name) for name in ("core", "gateway", "feed")))
        self.command("halt")
        self.command("cancel_all")
        quiet_since = [time.monotonic()]

        def quiet() -> bool:
            row = self.views()
            if row is None or row["instruments"]["open_orders"].any():
                quiet_since[0] = time.monotonic()
            return time.monotonic() - quiet_since[0] > 0.5

        self.watch_until(quiet)
        self.keep_published()

    def keep_published(self) -> None:
        """Copies what lies in the order ring and in the record of attempts: the audit looks at both."""
        ring = Ring.attach(self.files.ring("orders"))
        reader = ring.consumer("audit", max(ring.base, ring.head - ring.capacity))
        records = np.zeros(ring.capacity, dtype=MESSAGE)
        np.save(self.files.directory / PUBLISHED, records[: reader.receive(records)])
        reader.close()
        shutil.copy(self.files.attempts, self.files.directory / ATTEMPTS)

    def command(self, verb: str) -> None:
        """Asks the core, which may be on its way back."""

        def done() -> bool:
            try:
                with CommandClient(self.files.core_socket, timeout_ms=300, retries=0) as client:
                    client.ask(verb)
            except BusError:
                return False
            return True

        self.watch_until(done)

    def finish(self) -> Path:
        """Stops the run in order. Returns its folder. Fails when a process ended otherwise than by our kills."""
        self.run.finish()
        assert not self.run.supervisor.unclean, self.story()
        for log in sorted((self.files.directory / "logs").iterdir()):
            text = log.read_text()
            assert "Traceback" not in text, f"{log.name} has a fault: {text[-2_000:]}"
            assert f"\n{log.stem}: " not in f"\n{text}", f"{log.name} ended by itself: {text[-2_000:]}"
        return self.files.directory
