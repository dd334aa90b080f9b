"""What a fit accepts, checked with the series and the place named, and laid out as the kernels take it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels.volatility.cpu import scales_of
from models.faults import DataFault, Fault
from models.volatility.spec import Spec

FEWEST_OBSERVATIONS = 50


@dataclass(frozen=True)
class Sample:
    """Returns (series, n), their standard deviations (series,), regressors (m, n) over their root mean squares."""

    returns: NDArray[np.float64]
    scales: NDArray[np.float64]
    regressors: NDArray[np.float64]
    regressor_scales: NDArray[np.float64]
    dropped: int  # first returns lost to lags


def sample_of(returns: NDArray[Any], spec: Spec, regressors: NDArray[Any] | None, names: Sequence[str] = ()) -> Sample:
    """Checks and scales. Raises DataFault for NaN, infinity, constant series, too few; Fault for a missing matrix."""
    values, matrix, dropped = values_of(returns, spec, regressors, names)
    n, m = values.shape[1], max(len(matrix), 1)
    if n < FEWEST_OBSERVATIONS + m:
        least = FEWEST_OBSERVATIONS + m
        raise DataFault(f"{label(0, names, 1)}: {n} returns are too few to fit a variance process: {least} are needed")
    scales = np.empty(len(values))
    scales_of(values, scales)
    if not scales.all():
        row = int(np.argmin(scales))
        raise DataFault(f"{label(row, names, len(values))}: constant: every return is {values[row, 0]:g}")
    sizes = np.sqrt(np.mean(matrix**2, axis=1))
    if np.any(sizes == 0):
        raise DataFault(f"regressor {int(np.argmin(sizes))}: zero throughout; leave it out")
    matrix = np.ascontiguousarray(matrix / sizes[:, None])
    if len(matrix) > 1 and np.linalg.matrix_rank(matrix) < len(matrix):
        raise DataFault("regressors are collinear; leave one out")
    return Sample(values, scales, matrix, sizes, dropped)


def values_of(
    returns: NDArray[Any], spec: Spec, regressors: NDArray[Any] | None, names: Sequence[str] = ()
) -> tuple[NDArray[np.float64], NDArray[np.float64], int]:
    """Returns (series, n), the mean's regressors (m, n), and how many first returns its lags cost; all finite."""
    given = np.atleast_2d(np.asarray(returns, dtype=np.float64))
    if given.ndim != 2 or given.shape[1] == 0:
        raise Fault(f"returns must have shape (n,) or (series, n), not {np.shape(returns)}")
    matrix, dropped = regressors_of(given, spec, regressors)
    if not np.isfinite(given.sum()) and not np.isfinite(given).all():
        raise not_finite(given, "returns", names)
    return np.ascontiguousarray(given[:, dropped:]), np.ascontiguousarray(matrix), dropped


def regressors_of(
    values: NDArray[np.float64], spec: Spec, regressors: NDArray[Any] | None
) -> tuple[NDArray[np.float64], int]:
    """The rows of the mean (m, n), m 0 without one, and how many first returns its lags cost."""
    if spec.mean in ("zero", "constant"):
        if regressors is not None:
            raise Fault(f"mean {spec.mean!r} takes no regressors; use mean 'regressors'")
        return np.zeros((0, values.shape[1])), 0
    if regressors is None:
        if spec.mean == "regressors":
            raise Fault("mean 'regressors' needs a matrix of regressors, shape (n, k)")
        return values[:, :-1], 1
    matrix = np.asarray(regressors, dtype=np.float64)
    matrix = matrix[:, None] if matrix.ndim == 1 else matrix
    if matrix.ndim != 2 or matrix.shape[0] != values.shape[1]:
        raise Fault(f"regressors have shape {matrix.shape}; they need one row per return, {values.shape[1]}")
    if not np.isfinite(matrix).all():
        raise not_finite(matrix.T, "regressors", ())
    return matrix.T, 0


def not_finite(values: NDArray[Any], what: str, names: Sequence[str]) -> DataFault:
    """The fault that names the first value that is no finite number; rows are series."""
    bad = ~np.isfinite(values)
    row, place = (int(i) for i in np.argwhere(bad)[0])
    text = f"{label(row, names, len(values))}: {values[row, place]} at position {place}"
    return DataFault(f"{what}: {text} ({int(bad.sum())} in all); drop or mend these rows")


def label(row: int, names: Sequence[str], rows: int) -> str:
    if names:
        return str(names[row])
    return f"series {row}" if rows > 1 else "series"
