"""Ridge regression with standardised features, folded back into plain weights."""

import numpy as np
from numpy.typing import NDArray

PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0)
VALIDATION_SHARE = 0.2


def _fit(
    values_nf: NDArray[np.float64], returns_nh: NDArray[np.float64], penalty: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """weights_io and bias_o in the units of the features. The penalty is relative to the variance of a feature."""
    mean_f, scale_f = values_nf.mean(axis=0), values_nf.std(axis=0)
    scale_f = np.where(scale_f > 1e-12 * (1.0 + np.abs(mean_f)), scale_f, np.inf)  # a constant feature weighs nothing
    x = (values_nf - mean_f) / scale_f
    mean_h = returns_nh.mean(axis=0)
    gram = x.T @ x / len(x) + penalty * np.eye(x.shape[1])
    weights = np.linalg.solve(gram, x.T @ (returns_nh - mean_h) / len(x)) / scale_f[:, None]
    return weights, mean_h - mean_f @ weights


def fit_ridge(
    values_nf: NDArray[np.float64], returns_nh: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """weights_io, bias_o and the penalty, chosen on the last fifth of the training rows and then fitted on all of them.

    values_nf: (row, feature), finite, in the order of time. returns_nh: (row, horizon).
    """
    cut = int(len(values_nf) * (1.0 - VALIDATION_SHARE))
    errors = []
    for penalty in PENALTIES:
        weights, bias = _fit(values_nf[:cut], returns_nh[:cut], penalty)
        errors.append(float(((returns_nh[cut:] - values_nf[cut:] @ weights - bias) ** 2).sum()))
    penalty = PENALTIES[int(np.argmin(errors))]
    return (*_fit(values_nf, returns_nh, penalty), penalty)
