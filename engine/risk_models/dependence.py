"""What moves together: DCC(1, 1) of the standardised returns, fitted on schedule and stepped with each bar.

Engle (2002), two steps, correlation targeted on the moments of the window; for many instruments by the composite
likelihood of Pakel, Shephard, Sheppard and Engle (2021). Beside each bar's standardised returns z_t its whitened ones
R_t^-1/2 z_t are kept, of which the scenarios are made; the root is the symmetric one, so that nothing depends on the
order of the instruments.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.risk_models.correlation import FLOOR, REPAIRED, repaired
from kernels.dependence.cpu import correlation_of, quasi_step
from kernels.device import Mode
from models.dependence import Dynamics, positive_definite
from models.dependence.composite import CompositeLikelihood
from models.dependence.likelihood import CorrelationLikelihood, negative_moments, second_moments
from models.dependence.resident import resident
from models.dependence.result import path_of
from models.dependence.two_step import fit_dynamics

Array = NDArray[np.float64]

MOST_TOGETHER = 50  # instruments in one likelihood; more: that of all pairs, for 100 in half the time


class Dependence:
    """Correlation of n instruments as of the next bar. Instruments that stand still are correlated with nothing."""

    def __init__(self, dynamics: Dynamics, moves: NDArray[np.bool_], standardised: Array, keep: int) -> None:
        """dynamics: of the `moves` ones. Filters standardised (m, n); `whitened` are its last `keep` rows, (k, n)."""
        self.dynamics, self.moves = dynamics, moves
        self.repair: str | None = None  # why the matrix of now is not quite DCC's
        rows = np.ascontiguousarray(standardised[:, moves])
        first = max(0, len(rows) - keep)
        self._quasi = path_of(rows[:first], dynamics, np.empty((0, *dynamics.target.shape)))
        self._root = self._inverse = self.correlation = np.eye(len(moves))
        self._renew()
        self.whitened = np.array([self.step(row) for row in standardised[first:]]).reshape(-1, len(moves))

    # -- QUERIES --

    def coloured(self, whitened: Array) -> Array:
        """Whitened returns (k, n) under the correlation of the next bar."""
        shocks = whitened.copy()
        shocks[:, self.moves] = whitened[:, self.moves] @ self._root
        return shocks

    # -- COMMANDS --

    def step(self, standardised: Array) -> Array:
        """One bar (n,) of standardised returns; gives it whitened, by what was believed before it came."""
        d, row = self.dynamics, np.ascontiguousarray(standardised[self.moves])
        whitened = standardised.copy()
        whitened[self.moves] = self._inverse @ row
        quasi_step(self._quasi, row, d.target, d.negative_target, d.a, d.b, d.g)
        self._renew()
        return whitened

    def _renew(self) -> None:
        moving = np.empty_like(self._quasi)
        correlation_of(self._quasi, moving)
        values, vectors = np.linalg.eigh(moving)
        self.repair = None
        if values[0] < FLOOR:
            moving, self.repair = repaired(moving)
            values, vectors = np.linalg.eigh(moving)
        root = np.sqrt(np.maximum(values, FLOOR))
        self._root, self._inverse = (vectors * root) @ vectors.T, (vectors / root) @ vectors.T
        self.correlation = np.eye(len(self.moves))
        self.correlation[np.ix_(self.moves, self.moves)] = moving


@dataclass(frozen=True)
class DependenceFit:
    """dependence: None without one, not even an older one."""

    dependence: Dependence | None
    notes: tuple[str, ...]


def fit_dependence(standardised: Array, before: Dependence | None, keep: int, device: Mode = "off") -> DependenceFit:
    """DCC of standardised (m, n); one that cannot be used leaves the dynamics of `before` in force, with a note.

    `device`: as in `models.dependence.fit_dcc`.
    """
    moves = np.ptp(standardised, axis=0) > 0.0
    notes: list[str] = []
    if moves.sum() < 2:
        if len(moves) > 1:
            notes.append("DEPENDENCE_JOINT_HISTORY: fewer than two instruments move")
        return DependenceFit(None, tuple(notes))
    warm = None
    if before is not None and (before.moves == moves).all():
        warm = before.dynamics
    rows = np.ascontiguousarray(standardised[:, moves])
    target, repair = positive_definite(second_moments(rows), floor=FLOOR)
    negative = negative_moments(rows)
    together = rows.shape[1] <= MOST_TOGETHER
    likelihood = (CorrelationLikelihood if together else CompositeLikelihood)(rows, target, negative)
    start = np.array([warm.a, warm.b]) if warm is not None else None
    held = resident(likelihood, device)
    notes += held.notes
    found = fit_dynamics(likelihood.loglik, len(rows), None, start, many=held.many, slopes=held.slopes)
    if repair is not None:
        notes.append(REPAIRED)
    if found.converged and np.isfinite(found.loglik) and found.persistence < 1.0:
        a, b = found.parameters.tolist()
        if a == 0.0:
            notes.append("DEPENDENCE_CONSTANT: nothing moves the correlations of this window")
        dynamics = Dynamics(a, b, 0.0, target, negative)
        return DependenceFit(Dependence(dynamics, moves, standardised, keep), tuple(notes))
    why = "its search did not converge" if np.isfinite(found.loglik) else "its likelihood is no number"
    if warm is None:
        notes.append(f"DEPENDENCE_JOINT_HISTORY: no DCC yet: {why}")
        return DependenceFit(None, tuple(notes))
    notes.append(f"DEPENDENCE_KEPT: the DCC before goes on: {why}")
    return DependenceFit(Dependence(warm, moves, standardised, keep), tuple(notes))
