"""What every fit of several series asks of its data, named series by series."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.faults import DataFault, Fault

Floats = NDArray[np.float64]


def checked(
    returns: Floats, names: Sequence[str] | None, *, least: int, window: int | None = None
) -> tuple[Floats, tuple[str, ...]]:
    """The last `window` rows of `returns` (n, series), C-ordered float64, and the names of the series.

    DataFault for a value that is not finite, a constant series, too few rows; it names series and row (from 1).
    """
    values = np.asarray(returns, dtype=np.float64)
    if values.ndim != 2 or values.shape[1] < 1:
        raise Fault(f"returns of shape {values.shape}: one row an observation, one column a series")
    labels = (
        tuple(str(name) for name in names)
        if names is not None
        else tuple(f"series {i}" for i in range(values.shape[1]))
    )
    if len(labels) != values.shape[1] or len(set(labels)) != len(labels):
        raise Fault(f"{len(labels)} names for {values.shape[1]} series: one name each, all different")
    first = 0
    if window is not None:
        if not least <= window <= len(values):
            raise Fault(f"window {window}: must lie between {least} and the {len(values)} rows there are")
        first = len(values) - window
    values = np.ascontiguousarray(values[first:])
    if len(values) < least:
        raise DataFault(f"{len(values)} observations of {values.shape[1]} series: at least {least} are needed")
    if not np.all(np.isfinite(values)):
        row, column = np.argwhere(~np.isfinite(values))[0]
        raise DataFault(f"{labels[column]}: value {values[row, column]} in row {first + row + 1}; drop or fill the row")
    constant = np.ptp(values, axis=0) == 0
    if constant.any():
        raise DataFault(f"{labels[int(np.argmax(constant))]}: constant over all {len(values)} rows; drop the series")
    return values, labels
