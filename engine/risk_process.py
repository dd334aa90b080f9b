"""The risk process: looks at the core's views, estimates what the book can lose, publishes it as a batch of messages.

It is a reader of the core's views in shared memory (mids and positions of one instant, ten times a second) and the one
writer of the risk ring. It holds nobody up: a view that is not there is looked for again, and a batch for which the
ring has no room is dropped (counted). docs/decisions/0071-pretrade-cvar.md says why it reads no gated ring. Whatever
becomes of it, the core goes on: by the last results until they are too old, then by the conservative rule.
"""

import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from engine import assembly, clock
from engine.config import Config
from engine.errors import UserError
from engine.risk_models.bars import Bars, half_ticks
from engine.risk_models.batch import Holdings, batch
from engine.risk_models.estimate import Estimator
from engine.risk_models.refitter import Refitter, Snapshot, due
from engine.risk_models.remembered import load, save
from engine.run_files import RunFiles
from engine.telemetry.views import ViewsReader
from ipc.bus import Heart
from ipc.counters import Counters
from ipc.messages import RiskMethod
from ipc.ring import Ring, RingFull
from ipc.segment import SegmentError
from models.device import check
from models.faults import Fault

if TYPE_CHECKING:
    from engine.risk_models.refit import Refit

COUNTERS = (
    *("bars", "missing_bars", "batches", "dropped", "version", "method", "notes"),
    *("refits", "early_refits", "failed_refits", "label_jumps"),
    *("regime_version", "dependence_fitted"),  # 0: by the band of the volatility; by the joint history
)
HISTOGRAMS = ("estimate", "refit")
LOOK_S = 0.1
PRICE_MOVE = 0.01  # of a mid since the last batch: as good a reason for a new one as a fill


class RiskProcessSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """All else stands in the run's configuration."""

    run_id: str
    directory: str
    shared: str
    epoch: int


def main(settings: RiskProcessSettings) -> None:
    """Runs until SIGTERM or SIGINT. Raises UserError, SegmentError."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    files = RunFiles(settings.run_id, Path(settings.directory), Path(settings.shared))
    config = assembly.config_of_run(files)
    os.nice(config.risk_process.niceness)
    try:
        check(config.risk_process.gpu)
    except Fault as error:
        raise UserError(f"risk: {error}") from None
    process = RiskProcess(files, settings, config)
    while not stop.wait(LOOK_S):
        process.turn()
    process.close()


class RiskProcess:
    """One turn looks at the views, closes bars, refits on schedule, and publishes on schedule and on change."""

    def __init__(self, files: RunFiles, settings: RiskProcessSettings, config: Config) -> None:
        self._files, self._config = files, config
        self._instruments = np.load(files.instruments)
        count = len(self._instruments)
        self._bars = Bars(count, config.risk_process.bar_s)
        self._estimator = Estimator(count, config.risk.scenarios, config.risk_process)
        self._mids = np.zeros(count, dtype=np.int64)  # the last valid ones
        self._published: Holdings | None = None
        self._next_publish_s = self._earliest_publish_s = 0.0
        self._refitter = Refitter(self._made)
        self._refit_began_s = time.monotonic()
        for returns in load(files.risk_bars, count):
            self._estimator.add(returns)
            self._refit_began_s = -np.inf  # at once
        self._noted: tuple[str, ...] = ()
        self._producer = Ring.attach(files.ring("risk")).producer()
        path = files.counters("risk")
        self._counters = (
            Counters.reopen(path)
            if path.exists()
            else Counters.create(path, epoch=settings.epoch, counters=COUNTERS, histograms=HISTOGRAMS)
        )
        self._version = self._counters.value("version")  # goes on where the one before was
        self._views: ViewsReader | None = None
        self._heart = Heart(files.health_socket, "risk", settings.epoch)

    # -- COMMANDS --

    def turn(self) -> None:
        """One look. Bounded: refits are made aside."""
        row = self._look()
        if row is not None:
            self._take(row)
        state = RiskMethod(self._counters.value("method")).name if self._version else "starting"
        self._heart.beat(clock.utc_ns(), state, self._version)

    def close(self) -> None:
        """Gives the risk ring back."""
        self._producer.close()
        self._counters.close()
        self._heart.close()

    def _look(self) -> np.void | None:
        try:
            self._views = self._views or ViewsReader(self._files.views)
            row = self._views.read()
        except SegmentError:
            return None
        if row is not None and clock.utc_ns() - int(row["head"]["time_ns"]) > 1_000_000_000:
            self._views = None  # a core that was started again makes a file of its own
            return None
        return row

    def _take(self, row: np.void) -> None:
        time_ns, mids = int(row["head"]["time_ns"]), half_ticks(row["book"])
        self._mids = np.where(mids > 0, mids, self._mids)
        before = self._bars.closed
        for returns in self._bars.look(time_ns, mids):
            self._estimator.add(returns)
        self._counters.increase("bars", self._bars.closed - before)
        self._counters.set("missing_bars", self._bars.missing)
        self._refit()
        holdings = Holdings(np.array(row["instruments"]["position_lots"]), self._mids.copy())
        if self._mids.all() and self._is_due(holdings):
            self._publish(time_ns, holdings)

    def _refit(self) -> None:
        """Takes over a refit that is done, between two bars; begins one on schedule or on change, aside."""
        found, estimator = self._refitter.finished(), self._estimator
        if found is not None:
            estimator.adopt(found)
            self._counters.increase("refits")
            self._counters.observe("refit", int(1e9 * sum(found.seconds)))
        settings, since_s = self._config.risk_process, time.monotonic() - self._refit_began_s
        is_due = not self._refitter.busy and due(settings, since_s, estimator.changed)
        snapshot = estimator.snapshot() if is_due else None
        if snapshot is not None:
            self._refitter.begin(snapshot)
            self._refit_began_s = time.monotonic()
            self._counters.increase("early_refits", int(not due(settings, since_s, False)))
        self._say()

    def _made(self, snapshot: Snapshot) -> "Refit":
        """On the refitter's thread, which is the one that waits for the disk, and for numba and scipy to load."""
        from engine.risk_models.refit import refit

        save(self._files.risk_bars, snapshot.returns)
        return refit(snapshot, self._config.risk_process, self._config.risk.scenarios)

    def _say(self) -> None:
        """Which rules are in force, and what is not as wished: counters, and a line in the log when it changes."""
        estimator, regime = self._estimator, self._estimator.regime
        self._counters.set("failed_refits", self._refitter.failed)
        self._counters.set("label_jumps", estimator.label_jumps)
        self._counters.set("regime_version", 0 if regime is None else regime.version)
        self._counters.set("dependence_fitted", int(estimator.dependence is not None))
        self._counters.set("notes", len(estimator.notes))
        for note in estimator.notes:
            if note not in self._noted:
                print(note, file=sys.stderr)
        self._noted = estimator.notes

    def _is_due(self, holdings: Holdings) -> bool:
        now_s = time.monotonic()
        if now_s >= self._next_publish_s:
            return True
        return now_s >= self._earliest_publish_s and self._published is not None and changed(self._published, holdings)

    def _publish(self, time_ns: int, holdings: Holdings) -> None:
        now_s, settings = time.monotonic(), self._config.risk_process
        self._next_publish_s, self._earliest_publish_s = now_s + settings.refresh_s, now_s + settings.change_s
        started_ns = clock.utc_ns()
        estimate = self._estimator.estimate(time_ns, self._bars.quality)
        level = self._config.risk.cvar_level_bp / 10_000
        version = self._version + 1
        records = batch(version, estimate, holdings, self._instruments, level, clock.utc_ns())
        try:
            self._producer.send(records)
        except RingFull:
            self._counters.increase("dropped")
            return
        self._version, self._published = version, holdings
        self._counters.observe("estimate", clock.utc_ns() - started_ns)
        self._counters.increase("batches")
        self._counters.set("method", int(estimate.method))
        self._counters.set("version", version)


def changed(before: Holdings, now: Holdings) -> bool:
    """Whether a position is another, or a mid has moved by PRICE_MOVE."""
    moved = np.abs(now.half_ticks - before.half_ticks) > PRICE_MOVE * before.half_ticks
    return bool((now.lots != before.lots).any() or moved.any())
