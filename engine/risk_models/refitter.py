"""Refits aside: one at a time on a thread of its own, while the process publishes by the last parameters.

What is compiled in a refit keeps the interpreter to itself for tens of milliseconds at most, LAPACK not at all.
"""

import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from engine.risk_models.config import RiskProcessConfig

if TYPE_CHECKING:
    from engine.risk_models.refit import Refit


@dataclass(frozen=True)
class Snapshot:
    """returns: (bars, n), its own copy; last: number of the newest, from 1. before: the refit in force."""

    returns: NDArray[np.float64]
    last: int
    before: "Refit | None"


def due(settings: RiskProcessConfig, since_s: float, changed: bool) -> bool:
    """Whether it is time for the next refit, so long after the last was begun; sooner when the market has changed."""
    if changed and settings.refit_on_change:
        return since_s >= min(settings.refit_s, settings.refit_spacing_s)
    return since_s >= settings.refit_s


class Refitter:
    """One refit at a time, aside."""

    def __init__(self, work: Callable[[Snapshot], "Refit"]) -> None:
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

    def finished(self) -> "Refit | None":
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
