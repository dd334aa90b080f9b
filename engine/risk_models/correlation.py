"""Correlation matrices, (n, n): sampled, made positive definite, and their roots."""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

FLOOR = 1e-4  # smallest eigenvalue of a correlation matrix here: no whitened return is more than 100 times as large
REPAIRED = f"PSD_REPAIRED: a correlation matrix with an eigenvalue below {FLOOR:g} was mixed with the identity"


def equal_correlation(instruments: int, rho: float) -> Array:
    """Each with each other the same."""
    found = np.full((instruments, instruments), rho)
    np.fill_diagonal(found, 1.0)
    return found


def sample_correlation(standardised: Array) -> tuple[Array, str | None]:
    """Of the rows (m, n), 0 with what did not move, and a note where it had to be repaired."""
    moves = np.ptp(standardised, axis=0) > 0.0
    found = np.eye(len(moves))
    if moves.sum() < 2:
        return found, None
    found[np.ix_(moves, moves)], note = repaired(np.asarray(np.corrcoef(standardised[:, moves].T)))
    return found, note


def repaired(correlation: Array) -> tuple[Array, str | None]:
    """With as much of the identity as brings the smallest eigenvalue to FLOOR, and a note if that was any.

    Not the nearest one (`models.dependence.nearest_correlation`) but at once, and whatever the order of instruments.
    """
    smallest = float(np.linalg.eigvalsh(correlation)[0])
    if smallest >= FLOOR:
        return correlation, None
    weight = (FLOOR - smallest) / (1.0 - smallest)
    mixed = (1.0 - weight) * correlation
    np.fill_diagonal(mixed, 1.0)
    return mixed, REPAIRED


def root_of(correlation: Array) -> Array:
    """Symmetric square root."""
    values, vectors = np.linalg.eigh(correlation)
    root: Array = (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
    return root
