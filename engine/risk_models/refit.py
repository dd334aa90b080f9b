"""A refit: everything that is estimated from the whole window, as a function of a snapshot of it.

Imported by the thread that refits, when it does: numba and scipy take seconds to load, and the first results go out
without them.
"""

import time
from dataclasses import dataclass

from engine.risk_models.changes import Changes
from engine.risk_models.config import RiskProcessConfig
from engine.risk_models.dependence import DependenceFit, fit_dependence
from engine.risk_models.margins import Array, Margins, fit_margins
from engine.risk_models.refitter import Snapshot
from engine.risk_models.regime import RegimeFit, fit_regime


@dataclass(frozen=True)
class Refit:
    """last: number of the newest bar it saw, from 1. whitened: (k, n), of its last bars. seconds: of each part."""

    last: int
    margins: Margins
    dependence: DependenceFit
    regime: RegimeFit
    whitened: Array
    changes: Changes
    seconds: tuple[float, float, float]

    @property
    def notes(self) -> tuple[str, ...]:
        return self.margins.notes + self.dependence.notes + self.regime.notes


def refit(snapshot: Snapshot, settings: RiskProcessConfig, scenarios: int) -> Refit:
    """Margins, dependence of what they leave, and regime; each begins where the one before ended."""
    before, began = snapshot.before, time.perf_counter()
    margins = fit_margins(snapshot.returns, settings.decay, None if before is None else before.margins, settings.gpu)
    after_margins = time.perf_counter()
    older = None if before is None else before.dependence.dependence
    dependence = fit_dependence(margins.standardised, older, scenarios, settings.gpu)
    after_dependence = time.perf_counter()
    regime = fit_regime(
        snapshot.returns, settings.regime_states, settings.seed, None if before is None else before.regime.last
    )
    seconds = (after_margins - began, after_dependence - after_margins, time.perf_counter() - after_dependence)
    found = dependence.dependence
    whitened = margins.standardised[-scenarios:] if found is None else found.whitened
    changes = Changes(whitened, settings.change_false_alarm_bars)
    return Refit(snapshot.last, margins, dependence, regime, whitened, changes, seconds)
