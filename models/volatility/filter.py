"""Variances under given parameters, without fitting: over a stretch, or bar after bar as returns arrive."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels.volatility.cpu import filter_from, filter_one
from kernels.volatility.likelihood import VARIANCE, WORK_ROWS
from models.faults import DataFault, Fault
from models.volatility.data import label, values_of
from models.volatility.spec import Spec

Array = NDArray[np.float64]


def filter_batch(
    returns: NDArray[Any],
    spec: Spec,
    parameters: NDArray[Any],
    *,
    regressors: NDArray[Any] | None = None,
    first_variances: NDArray[Any] | None = None,
) -> Array:
    """Variances (series, n) of returns (series, n) under given parameters (series, k), in the data's units.

    first_variances (series,): of the first return, such as `next_variance` of a fit that ended the bar before. A
    variance then rests on earlier returns alone, and is the same bits however many follow. Without it the start is the
    spec's, which looks ahead: `backcast` over 75 returns, `benchmark` and `ols` over all; `unconditional` does not.
    Raises DataFault for data that cannot be filtered, Fault for arguments.
    """
    values, matrix, _ = values_of(returns, spec, regressors)
    given = np.atleast_2d(np.asarray(parameters, dtype=np.float64))
    m = 1 if spec.mean == "constant" else len(matrix)
    shape = (len(values), m + len(spec.names()) - (spec.mean == "constant"))
    if given.shape != shape:
        raise Fault(f"parameters have shape {given.shape}; they need one row per series, {shape}")
    codes, found = np.array(spec.codes(m)), np.empty_like(values)
    work = np.empty((WORK_ROWS, values.shape[1]))
    firsts = None if first_variances is None else checked_firsts(first_variances, len(values))
    for i, row in enumerate(values):
        if firsts is not None:
            filter_from(given[i], row, matrix, codes, firsts[i], work)
        else:
            before, _ = filter_one(given[i], row, matrix, codes, work)
            if not before > 0.0:
                raise DataFault(f"{label(i, (), len(values))}: no {spec.start_variance} start variance: {before}")
        found[i] = work[VARIANCE]
    return found


def checked_firsts(first_variances: NDArray[Any], series: int) -> Array:
    firsts = np.atleast_1d(np.asarray(first_variances, dtype=np.float64))
    if firsts.shape != (series,):
        raise Fault(f"first_variances have shape {firsts.shape}; they need one variance per series, ({series},)")
    if not (np.isfinite(firsts) & (firsts > 0.0)).all():
        place = int(np.argmin(np.isfinite(firsts) & (firsts > 0.0)))
        raise Fault(f"first_variances: {firsts[place]} at series {place}; a variance is finite and above 0")
    return firsts
