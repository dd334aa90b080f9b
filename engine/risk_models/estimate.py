"""From bars to what the core is told: volatility, correlation, regime, scenarios. The seam to `models`.

With fewer than minimum_bars whole bars everything is the PRIOR of the configuration. After that volatility is EWMA,
updated with each bar, correlation and scenarios are the joint history's, and the regime is a band of the volatility.
From fit_bars on, refits bring a GARCH(1, 1) for each instrument (one that is not healthy stays EWMA: MIXED), a DCC and
a hidden Markov model, each stepped with every bar. The scenarios are those of one bar, scaled to the horizon by the
square root of time. What was not as wished is a coded note; which rules are in force can be asked.
"""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from engine.risk_models.batch import Array, Estimate
from engine.risk_models.config import RiskProcessConfig
from engine.risk_models.correlation import equal_correlation, root_of, sample_correlation
from engine.risk_models.refitter import Snapshot
from engine.risk_models.scenarios import StudentShocks, past_shocks
from engine.risk_models.variance import FLOOR, ewma_of, next_variance, standardise
from engine.risk_models.window import Window
from ipc.messages import RiskMethod

if TYPE_CHECKING:
    from engine.risk_models.dependence import Dependence
    from engine.risk_models.refit import Refit
    from engine.risk_models.regime import Regime

SHOCK_LIMIT = 2.0  # log return over the horizon beyond which a scenario is cut: 86 % lost, or 639 % won


class Estimator:
    """History of one book; `add` each bar, `estimate` when it is asked for. n instruments, S scenarios."""

    def __init__(self, instruments: int, scenarios: int, settings: RiskProcessConfig) -> None:
        self._settings, self._scenarios = settings, scenarios
        most = max(settings.history_bars, scenarios)
        self._returns = Window(settings.history_bars, instruments)
        self._standardised, self._whitened = Window(most, instruments), Window(most, instruments)
        self._garch = ewma_of(instruments, settings.decay)
        self._variance = np.zeros(instruments)  # of the next bar
        self._student = StudentShocks(instruments, scenarios, settings.seed)
        self._prior = equal_correlation(instruments, settings.prior_correlation)
        self._refit: Refit | None = None
        self._repair: str | None = None
        self.bars = 0  # whole ones, ever
        self.label_jumps = 0  # of all refits
        self.changed = False  # an alarm since the last refit

    # -- QUERIES --

    @property
    def method(self) -> RiskMethod:
        if self.bars < self._settings.minimum_bars:
            return RiskMethod.PRIOR
        if self._refit is None or not self._refit.margins.fitted.any():
            return RiskMethod.EWMA
        return RiskMethod.GARCH if self._refit.margins.fitted.all() else RiskMethod.MIXED

    @property
    def dependence(self) -> "Dependence | None":
        """The DCC in force; None: the joint history."""
        return None if self._refit is None else self._refit.dependence.dependence

    @property
    def regime(self) -> "Regime | None":
        """The hidden Markov model in force; None: a band of the volatility."""
        return None if self._refit is None else self._refit.regime.regime

    @property
    def notes(self) -> tuple[str, ...]:
        """What is not as wished, by code."""
        notes = [] if self._refit is None else list(self._refit.notes)
        if self._refit is None and self.bars >= self._settings.minimum_bars:
            notes += ["REGIME_BAND: no refit yet", "DEPENDENCE_JOINT_HISTORY: no refit yet"]
        if self._settings.minimum_bars <= self.bars < self._scenarios:
            notes.append(f"SHORT_HISTORY: fewer than {self._scenarios} bars: the other scenarios are drawn")
        if self.bars >= self._settings.minimum_bars:
            notes += [f"STANDS_STILL: instrument {i} has not moved: the prior" for i in np.flatnonzero(self._still())]
        repair = self._repair if self.dependence is None else self.dependence.repair
        return (*notes, repair) if repair is not None else tuple(notes)

    def estimate(self, newest_time_ns: int, quality: float) -> Estimate:
        """Everything but positions. Deterministic: the same bars and refits give the same scenarios."""
        settings = self._settings
        if self.method == RiskMethod.PRIOR:
            volatility = np.full(len(self._variance), settings.prior_volatility_per_day / np.sqrt(86_400.0))
            shocks, correlation = self._student.coloured(root_of(self._prior)), self._prior
        else:
            volatility = self._volatility()
            shocks, correlation = self._shocks()
        growth = np.clip(shocks * volatility[:, None] * np.sqrt(settings.horizon_s), -SHOCK_LIMIT, SHOCK_LIMIT)
        ratio = self._ratio()
        return Estimate(
            method=self.method,
            newest_time_ns=newest_time_ns,
            losses=-np.expm1(growth),
            volatility=volatility,
            correlation=correlation,
            regime=self.regime.state if self.regime is not None else band(settings.regime_ratios, ratio),
            volatility_ratio=ratio,
            quality=quality,
        )

    def snapshot(self) -> Snapshot | None:
        """What a refit needs; None while there is too little."""
        if len(self._returns) < self._settings.fit_bars:
            return None
        return Snapshot(self._returns.rows.copy(), self.bars, self._refit)

    def _volatility(self) -> Array:
        """Over one second, (n,). A price that has not moved in the whole window tells nothing of its own: the prior."""
        settings, day = self._settings, np.sqrt(86_400.0)
        found = np.sqrt(np.maximum(self._variance, FLOOR) / settings.bar_s)
        believed = np.maximum(found, settings.minimum_volatility_per_day / day)
        volatility: Array = np.where(self._still(), settings.prior_volatility_per_day / day, believed)
        return volatility

    def _still(self) -> NDArray[np.bool_]:
        """Which instruments have not moved in the window, (n,)."""
        still: NDArray[np.bool_] = (self._returns.rows == 0.0).all(axis=0)
        return still

    def _shocks(self) -> tuple[Array, Array]:
        """Of one bar, (n, S), and the correlation of the next, (n, n). Those of a price that stood still are drawn."""
        dependence, past = self.dependence, self._standardised.rows
        if dependence is None:
            correlation, self._repair = sample_correlation(past)
        else:
            correlation, past = dependence.correlation, dependence.coloured(self._whitened.rows[-self._scenarios :])
        drawn = self._student.coloured(root_of(correlation))
        return np.where(self._still()[:, None], drawn, past_shocks(past, drawn)), correlation

    def _ratio(self) -> float:
        """Volatility of now to the long run, the largest of all instruments."""
        if self.method == RiskMethod.PRIOR:
            return 1.0
        long_run = np.maximum((self._returns.rows**2).mean(axis=0), FLOOR)
        return float(np.sqrt(np.maximum(self._variance, FLOOR) / long_run).max())

    # -- COMMANDS --

    def add(self, returns: Array) -> bool:
        """One bar, (n,). A bar with a hole is left out. Whether it was taken."""
        if not np.isfinite(returns).all():
            return False
        if self.bars == 0:
            self._variance = np.maximum(returns**2, FLOOR)
        self._returns.append(returns)
        self.bars += 1
        self._step(returns)
        return True

    def _step(self, returns: Array) -> None:
        """Everything that is of the next bar, in constant time."""
        shocks = standardise(returns, self._variance)
        self._standardised.append(shocks)
        self._variance = next_variance(self._garch, self._variance, returns)
        if self.dependence is not None:
            shocks = self.dependence.step(shocks)
        self._whitened.append(shocks)
        if self.regime is not None:
            self.regime.step(returns)
        if self._refit is not None and self._refit.changes.observe(shocks):
            self.changed = True

    def adopt(self, found: "Refit") -> None:
        """From the next bar on by this refit. Bars that came while it was made are filtered by it."""
        kept = len(self._returns)
        late = self._returns.rows[max(0, kept - (self.bars - found.last)) :].copy()
        margins = found.margins
        self._refit, self._garch, self._variance = found, margins.garch, margins.next_variance
        self._standardised.replace(margins.standardised)
        self._whitened.replace(found.whitened)
        self._repair, self.changed = None, False
        self.label_jumps += found.regime.label_jumps
        for returns in late:
            self._step(returns)

    def refit(self) -> bool:
        """Snapshot, refit and adoption in one. Whether there was enough history."""
        from engine.risk_models.refit import refit

        snapshot = self.snapshot()
        if snapshot is None:
            return False
        self.adopt(refit(snapshot, self._settings, self._scenarios))
        return True


def band(ratios: tuple[float, ...], ratio: float) -> int:
    """The regime without a model: how many of the ratios the volatility of now to the long run has passed."""
    return int(np.searchsorted(ratios, ratio))
