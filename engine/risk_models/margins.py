"""Volatility of each instrument: a GARCH(1, 1) where one can be fitted, EWMA where not."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.risk_models.variance import ewma_of, standardise
from kernels.device import Mode
from kernels.volatility.filters import ewma_filter
from models.faults import Fault
from models.volatility import CODES, Spec, fit_batch

Array = NDArray[np.float64]

SPEC = Spec(process="garch", errors="normal", mean="zero")  # normal: quasi maximum likelihood, whatever the tails


@dataclass(frozen=True)
class Margins:
    """n instruments, m bars. garch: (3, n) omega, alpha, beta. fitted: (n,), False where it is EWMA.

    next_variance: (n,), of the bar after the last. standardised: (m, n).
    """

    garch: Array
    fitted: NDArray[np.bool_]
    next_variance: Array
    standardised: Array
    notes: tuple[str, ...]


def fit_margins(returns: Array, decay: float, before: Margins | None, device: Mode = "off") -> Margins:
    """Margins of returns (m, n), the search beginning at those of `before`. What is not a GARCH has a coded note.

    `device`: as in `models.volatility.fit_batch`.
    """
    count = returns.shape[1]
    garch, fitted, notes = ewma_of(count, decay), np.zeros(count, dtype=bool), []
    variances, following = np.empty(returns.shape), np.empty(count)
    moves = np.ptp(returns, axis=0) > 0.0
    notes += [f"NOT_FITTED: instrument {i} stands still: EWMA" for i in np.flatnonzero(~moves)]
    chosen = np.flatnonzero(moves)
    if len(chosen):
        try:
            warm = None if before is None else np.where(before.fitted, before.garch, np.nan).T[chosen]
            batch = fit_batch(returns.T[chosen], SPEC, warm=warm, standard_errors=False, threads=1, device=device)
            notes += batch.notes
        except Fault as fault:
            chosen = chosen[:0]
            notes.append(f"NOT_FITTED: {fault}: EWMA")
    for row, i in enumerate(chosen):
        if batch.codes[row] != 0 or not np.isfinite(batch.next_variance[row]):
            notes.append(f"NOT_HEALTHY: instrument {i} {CODES[int(batch.codes[row])]}: EWMA")
            continue
        fitted[i] = True
        garch[:, i] = [batch.parameters[row][batch.names.index(name)] for name in ("omega", "alpha", "beta")]
        variances[:, i], following[i] = batch.variances[row], batch.next_variance[row]
    for i in np.flatnonzero(~fitted):
        following[i] = ewma_filter(np.ascontiguousarray(returns[:, i]), decay, variances[:, i])
    return Margins(garch, fitted, following, standardise(returns, variances), tuple(notes))
