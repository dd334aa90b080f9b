"""A refit: everything that is estimated from the whole window, made aside and taken over between two bars.

`refit` is a function of a snapshot; `Refitter` runs it on a thread of its own, while the process publishes by the last
parameters. The longest that compiled code in it keeps the interpreter to itself is tens of milliseconds.
"""

import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.risk_models.config import RiskProcessConfig
from engine.risk_models.dependence import DependenceFit, fit_dependence
from engine.risk_models.margins import Margins, fit_margins
from engine.risk_models.regime import RegimeFit, fit_regime

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Refit:
    """last: number of the newest bar it saw, from 1. seconds: what each part took."""

    last: int
    margins: Margins
    dependence: DependenceFit
    regime: RegimeFit
    seconds: tuple[float, float, float]

    @property
    def notes(self) -> tuple[str, ...]:
        return self.margins.notes + self.dependence.notes + self.regime.notes


@dataclass(frozen=True)
class Snapshot:
    """returns: (bars, n), its own copy; last: number of the newest, from 1. before: the refit in force."""

    returns: Array
    last: int
    before: Refit | None


def refit(snapshot: Snapshot, settings: RiskProcessConfig, scenarios: int) -> Refit:
    """Margins, dependence of what they leave, and regime; each begins where the one before ended."""
    before, began = snapshot.before, time.perf_counter()
    margins = fit_margins(snapshot.returns, settings.decay, None if before is None else before.margins)
    after_margins = time.perf_counter()
    older = None if before is None else before.dependence.dependence
    dependence = fit_dependence(margins.standardised, older, scenarios)
    after_dependence = time.perf_counter()
    regime = fit_regime(
        snapshot.returns, settings.regime_states, settings.seed, None if before is None else before.regime.regime
    )
    seconds = (after_margins - began, after_dependence - after_margins, time.perf_counter() - after_dependence)
    return Refit(snapshot.last, margins, dependence, regime, seconds)


class Refitter:
    """One refit at a time, aside."""

    def __init__(self, work: Callable[[Snapshot], Refit]) -> None:
        self._work = work
        self._thread: threading.Thread | None = None
        self._found: Refit | None = None
        self.failed = 0

    @property
    def busy(self) -> bool:
        """Begun, and not yet taken by `finished`."""
        return self._thread is not None

    def begin(self, snapshot: Snapshot) -> None:
        assert not self.busy
        self._thread = threading.Thread(target=self._run, args=(snapshot,), name="refit", daemon=True)
        self._thread.start()

    def finished(self) -> Refit | None:
        """The result, once; None while there is none, or where it failed (counted)."""
        if self._thread is None or self._thread.is_alive():
            return None
        self._thread.join()
        found, self._thread, self._found = self._found, None, None
        self.failed += found is None
        return found

    def _run(self, snapshot: Snapshot) -> None:
        try:
            self._found = self._work(snapshot)
        except Exception:  # whatever it is: results by the last parameters are better than none
            traceback.print_exc()
