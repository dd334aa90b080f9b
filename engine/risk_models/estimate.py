"""From bars to what the core is told: volatility, correlation, regime, scenarios. The seam to `models`.

With fewer than minimum_bars whole bars everything is the PRIOR of the configuration. After that volatility is EWMA,
updated with each bar, and the scenarios are the standardised returns of the past under the volatility of now (filtered
historical simulation, Barone-Adesi, Giannopoulos and Vosper 1999), scaled to the horizon by the square root of time.
From fit_bars on a GARCH(1, 1) is fitted to each instrument on schedule and stepped with each bar; one that is not
healthy stays EWMA (MIXED). What was not as wished is a coded note.
"""

import numpy as np
from numpy.typing import NDArray

from engine.risk_models.batch import Array, Estimate
from engine.risk_models.config import RiskProcessConfig
from ipc.messages import RiskMethod

SHOCK_LIMIT = 2.0  # log return over the horizon beyond which a scenario is cut: 86 % lost, or 639 % won
FLOOR = 1e-12  # variance of a bar: a price that stands still


class Estimator:
    """History of one book; `add` each bar, `estimate` when it is asked for. n instruments."""

    def __init__(self, instruments: int, scenarios: int, settings: RiskProcessConfig) -> None:
        self._settings = settings
        self._scenarios = scenarios
        self._returns = np.zeros((0, instruments))
        self._standardised = np.zeros((0, instruments))
        self._ewma = np.zeros(instruments)
        self._fits: list[tuple[float, float, float] | None] = [None] * instruments  # omega, alpha, beta
        self._variance = np.zeros(instruments)  # of the next bar
        self._prior = prior_shocks(instruments, scenarios, settings)
        self.notes: list[str] = []

    # -- QUERIES --

    @property
    def bars(self) -> int:
        """Whole bars remembered."""
        return len(self._returns)

    @property
    def method(self) -> RiskMethod:
        if self.bars < self._settings.minimum_bars:
            return RiskMethod.PRIOR
        fitted = sum(fit is not None for fit in self._fits)
        if fitted == 0:
            return RiskMethod.EWMA
        return RiskMethod.GARCH if fitted == len(self._fits) else RiskMethod.MIXED

    def estimate(self, newest_time_ns: int, quality: float) -> Estimate:
        """Everything but positions. Deterministic: the same bars give the same scenarios."""
        settings = self._settings
        per_bar = np.sqrt(settings.bar_s)
        if self.method == RiskMethod.PRIOR:
            volatility = np.full(len(self._variance), settings.prior_volatility_per_day / np.sqrt(86_400.0))
            shocks, correlation, ratio = self._prior, np.corrcoef(self._prior), 1.0
        else:
            volatility = np.sqrt(np.maximum(self._variance, FLOOR)) / per_bar
            shocks = self._past_shocks()
            correlation, ratio = safe_correlation(self._standardised), self._ratio()
        growth = np.clip(shocks * volatility[:, None] * np.sqrt(settings.horizon_s), -SHOCK_LIMIT, SHOCK_LIMIT)
        return Estimate(
            method=self.method,
            newest_time_ns=newest_time_ns,
            losses=-np.expm1(growth),
            volatility=volatility,
            correlation=np.atleast_2d(correlation),
            regime=int(np.searchsorted(settings.regime_ratios, ratio)),
            volatility_ratio=ratio,
            quality=quality,
        )

    def _past_shocks(self) -> Array:
        """Standardised returns of mean 0, (n, S): the newest of the past, or, where there are fewer, drawn from all."""
        past = self._standardised - self._standardised.mean(axis=0)
        if len(past) >= self._scenarios:
            return np.ascontiguousarray(past[-self._scenarios :].T)
        drawn = np.random.default_rng(self._settings.seed).integers(0, len(past), self._scenarios - len(past))
        return np.ascontiguousarray(np.concatenate([past, past[drawn]]).T)

    def _ratio(self) -> float:
        long_run = np.maximum((self._returns**2).mean(axis=0), FLOOR)
        return float(np.sqrt(np.maximum(self._variance, FLOOR) / long_run).max())

    # -- COMMANDS --

    def add(self, returns: Array) -> bool:
        """One bar, (n,). A bar with a hole is left out. Whether it was taken."""
        if not np.isfinite(returns).all():
            return False
        if self.bars == 0:
            self._ewma = np.maximum(returns**2, FLOOR)
            self._variance = self._ewma.copy()
        shocks = returns / np.sqrt(np.maximum(self._variance, FLOOR))
        keep = self._settings.history_bars - 1
        self._returns = np.vstack([self._returns[-keep:], returns])
        self._standardised = np.vstack([self._standardised[-keep:], np.clip(shocks, -50.0, 50.0)])
        self._step(returns)
        return True

    def _step(self, returns: Array) -> None:
        """The variance of the next bar, in constant time."""
        decay = self._settings.decay
        self._ewma = decay * self._ewma + (1.0 - decay) * returns**2
        for i, fit in enumerate(self._fits):
            if fit is None:
                self._variance[i] = self._ewma[i]
            else:
                omega, alpha, beta = fit
                self._variance[i] = omega + alpha * returns[i] ** 2 + beta * self._variance[i]

    def refit(self) -> bool:
        """Fits every instrument anew, if there is enough history. Whether it did; `notes` says what was not healthy."""
        if self.bars < self._settings.fit_bars:
            return False
        from models.faults import Fault
        from models.volatility import Spec, fit_batch

        self.notes = []
        scale = np.sqrt(np.maximum((self._returns**2).mean(axis=0), FLOOR))
        try:
            batch = fit_batch((self._returns / scale).T, Spec(process="garch", errors="normal", mean="zero"), threads=1)
        except Fault as fault:
            self._fits = [None] * len(scale)
            self.notes = [f"NOT_FITTED: {fault}"]
            return False
        for i, parameters in enumerate(batch.parameters):
            values = dict(zip(batch.names, parameters.tolist(), strict=True))
            if batch.codes[i] != 0 or not np.isfinite(batch.next_variance[i]):
                self._fits[i] = None
                self._variance[i] = self._ewma[i]
                self.notes.append(f"NOT_HEALTHY: instrument {i}, code {int(batch.codes[i])}: EWMA")
                continue
            self._fits[i] = (values["omega"] * scale[i] ** 2, values["alpha"], values["beta"])
            self._variance[i] = batch.next_variance[i] * scale[i] ** 2
        self._standardised = np.clip(batch.standardised.T, -50.0, 50.0)
        return True


def prior_shocks(instruments: int, scenarios: int, settings: RiskProcessConfig) -> Array:
    """Student-t(5) shocks of unit variance with one correlation, (n, S), in pairs of opposite sign."""
    random = np.random.default_rng(settings.seed)
    half = -(-scenarios // 2)
    rho = settings.prior_correlation
    common, own = random.standard_normal(half), random.standard_normal((instruments, half))
    scale = np.sqrt(5.0 / random.chisquare(5.0, half)) * np.sqrt(3.0 / 5.0)
    shocks = scale * (np.sqrt(rho) * common + np.sqrt(1.0 - rho) * own)
    both: Array = np.concatenate([shocks, -shocks], axis=1)[:, :scenarios]
    return both


def safe_correlation(standardised: NDArray[np.float64]) -> Array:
    """Sample correlation of the rows, (n, n); 0 with what did not move."""
    moved = standardised.std(axis=0) > 0.0
    count = standardised.shape[1]
    found = np.eye(count)
    if moved.sum() > 1:
        found[np.ix_(moved, moved)] = np.corrcoef(standardised[:, moved].T)
    return found
