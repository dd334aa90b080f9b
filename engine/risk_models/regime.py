"""The regime of the market the book lives in: the causal filter of a hidden Markov model, or a band of the volatility.

Its series is the equal-weight mean of the returns, each in units of its own usual deviation (that of the window of the
last refit). It does not change because the book trades and is there when nothing is held; every instrument counts
alike; its sign cannot flip as that of a principal component can. The price: moves that cancel in the mean are not seen.
As in `models.regimes`: parameters are of data up to the last refit, the value of a bar is never written again, states
are ordered by volatility and matched to the version before. Where a fit cannot be used, the band is in force again.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from kernels.regimes import cpu
from models.regimes import HmmFit, fit_hmm

Array = NDArray[np.float64]

STARTS = 3  # beside the fit before
SHORTEST_BARS = 10.0  # that every state lasts on average
EVIDENCE = 10.0  # of BIC, for another number of states
DOUBT = 0.1  # probability below which the regime of before is left


class Regime:
    """One version of the model and its filter. probabilities: (states,), of the bar last seen, given the bars to it.

    state: 0 the calmest. It is left only when its probability falls below DOUBT, for the likeliest: one large return
    is no other regime.
    """

    def __init__(self, version: int, fit: HmmFit, weights: Array, returns: Array) -> None:
        """weights: (n,), of the returns in the series. Filters returns (m, n) from the long-run shares on."""
        self.version, self.fit, self.weights = version, fit, weights
        self.probabilities = fit.stationary
        self.state = int(self.probabilities.argmax())
        self.filtered = self._filter(series_of(returns, weights))

    def step(self, returns: Array) -> None:
        """One bar, (n,)."""
        self._filter(np.atleast_1d(series_of(returns, self.weights)))

    def _filter(self, series: Array) -> Array:
        fit, values = self.fit, self.fit.observed(series)
        filtered = np.empty((len(values), fit.states))
        increments, tails = np.empty(len(values)), np.empty(len(values))
        cpu.filter_on(values, fit.transition, fit.means, fit.variances, self.probabilities, filtered, increments, tails)
        for row in filtered:
            if row[self.state] < DOUBT:
                self.state = int(row.argmax())
        return filtered


@dataclass(frozen=True)
class RegimeFit:
    """regime: the one in force, None without one. last: the last there was, to which the next is matched."""

    regime: Regime | None
    last: Regime | None
    label_jumps: int
    notes: tuple[str, ...]


def weights_of(returns: Array) -> Array:
    """Of the series, (n,): one over the deviation and the number of those that move; 0 for the others."""
    deviations = np.sqrt((returns**2).mean(axis=0))
    moves = np.ptp(returns, axis=0) > 0.0
    weights: Array = np.where(moves, 1.0 / np.where(moves, deviations, 1.0), 0.0) / max(1, int(moves.sum()))
    return weights


def series_of(returns: Array, weights: Array) -> Array:
    """Of one bar (n,) or many (m, n), to the same bits."""
    series: Array = (np.ascontiguousarray(returns) * weights).sum(axis=-1)
    return series


def fit_regime(returns: Array, states: int, seed: int, before: Regime | None) -> RegimeFit:
    """HMM of the series of returns (m, n), of two or more states up to `states`: of as many as BIC says are regimes.

    Another number of states than that of `before` needs very strong evidence, a difference of 10 (Kass and Raftery
    1995, JASA 90). Where not even two states are regimes there is none, and a note says why.
    """
    weights = weights_of(returns)
    series, warm = series_of(returns, weights), None if before is None else before.fit
    fits = [fit_hmm(series, n, seed=seed, starts=STARTS, warm=warm, errors=False) for n in range(2, states + 1)]
    why = no_regimes(fits[0])
    usable = [fit for fit in fits if not no_regimes(fit)]
    if usable:
        why = ""
        usable = [fit for fit in usable if fit.n == usable[0].n]  # likelihoods of the same returns
        now = warm.states if warm is not None else 0
        found = min(usable, key=lambda fit: bic(fit) - EVIDENCE * (fit.states == now))
    if why:
        return RegimeFit(None, before, 0, (f"REGIME_BAND: no hidden Markov model: {why}",))
    regime = Regime(1 if before is None else before.version + 1, found, weights, returns)
    if before is None:
        return RegimeFit(regime, regime, 0, ())
    jumps = label_jumps(Regime(before.version, before.fit, before.weights, returns).filtered, regime.filtered)
    notes = (f"LABEL_JUMPS: {jumps} states moved in the order by volatility",) if jumps else ()
    return RegimeFit(regime, regime, jumps, notes)


def bic(fit: HmmFit) -> float:
    """Schwarz (1978): means, volatilities and the free part of the transition."""
    return fit.states * (fit.states + 1) * float(np.log(fit.n)) - 2.0 * fit.loglik


def no_regimes(found: HmmFit) -> str:
    """Why its states are no regimes; empty if they are. States that do not last are the tails of one distribution."""
    if not found.health.ok:
        return found.notes[0]
    alike = [note for note in found.notes if note.startswith("INDISTINCT")]
    if alike:
        return alike[0]
    lasts = 1.0 / max(1e-12, 1.0 - min(found.persistence))
    return "" if lasts >= SHORTEST_BARS else f"NOT_LASTING: one of {found.states} states lasts {lasts:.1f} bars"


def label_jumps(before: Array, after: Array) -> int:
    """States matched to another place of the order, by the overlap of their filtered probabilities (m, states)."""
    places, match = linear_sum_assignment(-(before.T @ after))
    return int(np.count_nonzero(match != places))
