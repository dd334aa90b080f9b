"""The risk process of a backtest: bars, estimates and batches as live, in the tape's time, between two records.

Live it is a process of its own (`engine/risk_process.py`) that looks at the core's views ten times a second. Here the
loop pauses at the same distance in the tape's time, and what it finds is told to the core at once, as messages: same
data, same messages. Two things are kinder than live, and are told beside the result: a batch arrives at the moment of
its look, not milliseconds later, and a refit is in force with the bar at which it was begun.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from engine.config import Config
from engine.replay.backtest_loop import BacktestLoop
from engine.risk_models.bars import Bars, half_ticks
from engine.risk_models.batch import Holdings, batch
from engine.risk_models.estimate import Estimator
from engine.risk_models.refitter import Snapshot, due
from engine.risk_process import LOOK_S, changed
from ipc.messages import Source

NS_PER_S = 1_000_000_000
LOOK_NS = int(LOOK_S * NS_PER_S)
SOURCE_SHIFT = 12  # of the flags; ipc/messages.py

Array = np.ndarray[Any, Any]

NOT_JUDGED: dict[str, Any] = {
    "judged": False,
    "sentence": "orders were not judged by pre-trade CVaR, as a run judges them: the limits on CVaR and correlation, "
    "the scaling of limits by regime, and Kelly's were off; --risk switches them on",
}


class BacktestRisk:
    """`look` at each LOOK_NS of the tape. rows: the live views of the pipeline, `Pipeline.rows`. tell: progress."""

    def __init__(
        self, instruments: Array, rows: dict[str, Array], config: Config, tell: Callable[[str], None] = lambda _: None
    ) -> None:
        settings, count = config.risk_process, len(instruments)
        self._instruments, self._books, self._accounts = instruments, rows["book"], rows["instruments"]
        self._settings, self._level = settings, config.risk.cvar_level_bp / 10_000
        self._bars = Bars(count, settings.bar_s)
        self._tell = tell
        self._scenarios = config.risk.scenarios
        self._estimator = Estimator(count, self._scenarios, settings)
        self._mids = np.zeros(count, dtype=np.int64)  # the last valid ones
        self._published: Holdings | None = None
        self._next_publish_ns = self._earliest_publish_ns = 0
        self._refit_began_ns = -1
        self._notes: dict[str, None] = {}
        self.batches = self.refits = self.failed_refits = 0

    # -- QUERIES --

    def told(self) -> dict[str, Any]:
        """For the result: how it was estimated, and what was not as wished."""
        return {
            "judged": True,
            "sentence": self._sentence(),
            "batches": self.batches,
            "bars": self._bars.closed,
            "missing_bars": self._bars.missing,
            "refits": self.refits,
            "failed_refits": self.failed_refits,
            "method": self._estimator.method.name if self.batches else None,
            "notes": list(self._notes),
        }

    def _sentence(self) -> str:
        if not self.batches:
            return (
                "orders were judged by the conservative rule alone: at no instant was every instrument's book valid, "
                "so there were no results"
            )
        return (
            f"orders were judged by pre-trade CVaR, on {self.batches:,} results ({self._estimator.method.name} at the "
            "end) that reach the core at once"
        )

    # -- COMMANDS --

    def look(self, loop: BacktestLoop, make_room: Callable[[], None]) -> None:
        """At a pause: the batch that is due, if one is, is told; the next pause is set. make_room reads the buffers."""
        records = self._take(loop.now_ns)
        if records is not None:
            if loop.nearly_full:
                make_room()
            loop.tell(records)
        loop.pause_at_ns = loop.now_ns + LOOK_NS

    def _take(self, now_ns: int) -> Array | None:
        """As RiskProcess's: closes bars, refits, and gives the batch that is due, if one is."""
        mids = half_ticks(self._books)
        self._mids = np.where(mids > 0, mids, self._mids)
        for returns in self._bars.look(now_ns, mids):
            self._estimator.add(returns)
        self._refit(now_ns)
        holdings = Holdings(np.array(self._accounts["position_lots"]), self._mids)
        return self._batch(now_ns, holdings) if self._mids.all() and self._is_due(now_ns, holdings) else None

    def _refit(self, now_ns: int) -> None:
        settings, estimator = self._settings, self._estimator
        if self._refit_began_ns < 0:
            self._refit_began_ns = now_ns
        since_s = (now_ns - self._refit_began_ns) / NS_PER_S
        snapshot = estimator.snapshot() if due(settings, since_s, estimator.changed) else None
        if snapshot is not None:
            self._refit_began_ns = now_ns
            self._adopt(snapshot)

    def _adopt(self, snapshot: Snapshot) -> None:
        if self.refits == 0:
            self._tell("first refit: what it needs is compiled, once and for up to minutes")
        from engine.risk_models.refit import refit  # seconds to load, and a short tape never needs it

        try:
            found = refit(snapshot, self._settings, self._scenarios)
        except Exception as error:  # as live: results by the last parameters are better than none; the result says so
            self.failed_refits += 1
            self._notes[f"REFIT_FAILED: {type(error).__name__}: {error}"] = None
        else:
            self._estimator.adopt(found)
            self.refits += 1

    def _is_due(self, now_ns: int, holdings: Holdings) -> bool:
        if now_ns >= self._next_publish_ns:
            return True
        return (
            now_ns >= self._earliest_publish_ns and self._published is not None and changed(self._published, holdings)
        )

    def _batch(self, now_ns: int, holdings: Holdings) -> Array:
        settings = self._settings
        self._next_publish_ns = now_ns + int(settings.refresh_s * NS_PER_S)
        self._earliest_publish_ns = now_ns + int(settings.change_s * NS_PER_S)
        estimate = self._estimator.estimate(now_ns, self._bars.quality)
        self._notes |= dict.fromkeys(self._estimator.notes)
        self.batches += 1
        self._published = holdings
        records = batch(self.batches, estimate, holdings, self._instruments, self._level, now_ns)
        records["flags"] |= Source.RISK << SOURCE_SHIFT
        return records
