"""Correlation matrices made positive definite, and what makes them not so."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.faults import Fault

Floats = NDArray[np.float64]
FLOOR = 1e-8  # smallest eigenvalue of a repaired correlation matrix
ROUNDS = 200
CLOSE = 1e-12


def nearest_correlation(matrix: Floats, *, floor: float = FLOOR) -> tuple[Floats, str | None]:
    """The nearest correlation matrix in the Frobenius norm with eigenvalues of at least `floor`, and a note if changed.

    A matrix that is a correlation matrix above the floor is given back as it is, with no note. Alternating projections
    with Dykstra's correction, Higham (2002), algorithm 3.3. Fault if not square, not symmetric or not finite.
    """
    matrix = np.asarray(matrix, dtype=np.float64)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or not np.all(np.isfinite(matrix)):
        raise Fault(f"correlation matrix of shape {matrix.shape}: must be square and finite")
    if not np.allclose(matrix, matrix.T, rtol=0, atol=1e-8):
        raise Fault("correlation matrix is not symmetric: average it with its transpose first")
    smallest = float(np.linalg.eigvalsh(matrix)[0])
    if smallest >= floor and np.all(np.diag(matrix) == 1.0):
        return matrix, None
    repaired = _projected((matrix + matrix.T) / 2, floor)
    change = float(np.abs(repaired - matrix).max())
    return repaired, (
        f"PSD_REPAIRED: smallest eigenvalue of the correlation matrix {smallest:.3g}, now {floor:.3g}; largest change "
        f"of an element {change:.3g}"
    )


def _projected(matrix: Floats, floor: float) -> Floats:
    correction = np.zeros_like(matrix)
    current = matrix.copy()
    for _ in range(ROUNDS):
        shifted = current - correction
        values, vectors = np.linalg.eigh(shifted)
        positive = (vectors * np.maximum(values, floor)) @ vectors.T
        correction = positive - shifted
        previous, current = current, positive.copy()
        np.fill_diagonal(current, 1.0)
        if np.abs(current - previous).max() < CLOSE:
            break
    return _lifted((current + current.T) / 2, floor)


def _lifted(matrix: Floats, floor: float) -> Floats:
    """The least move toward the identity that brings the smallest eigenvalue to the floor exactly."""
    smallest = float(np.linalg.eigvalsh(matrix)[0])
    if smallest < floor:
        weight = (floor - smallest) / (1.0 - smallest) * (1 + 1e-6)
        matrix = (1 - weight) * matrix
        np.fill_diagonal(matrix, 1.0)
    return matrix


def positive_definite(covariance: Floats, *, floor: float = FLOOR) -> tuple[Floats, str | None]:
    """`covariance` with its correlations repaired, variances unchanged; a variance of zero is a Fault."""
    deviations = np.sqrt(np.diag(covariance))
    if not np.all(deviations > 0):
        raise Fault(f"variance of zero in column {int(np.argmin(deviations))}: drop the constant series")
    scale = np.outer(deviations, deviations)
    correlation = covariance / scale
    np.fill_diagonal(correlation, 1.0)
    repaired, note = nearest_correlation(correlation, floor=floor)
    return (covariance, None) if note is None else (repaired * scale, note)


def collinear(correlation: Floats, names: Sequence[str]) -> tuple[str, ...]:
    """The series whose combination has (almost) no variance: those with weight in the smallest eigenvector."""
    vector = np.abs(np.linalg.eigh(correlation)[1][:, 0])
    return tuple(name for name, weight in zip(names, vector, strict=True) if weight > 0.1 * vector.max())
