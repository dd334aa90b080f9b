"""Slow and obvious: what the compiled kernels of this folder must reproduce.

Notation of Engle (2002), Cappiello, Engle and Sheppard (2006): `standardised` are the residuals e_t divided by their
own conditional deviations, Q_t the quasi-correlations, R_t the correlations.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def ewma_covariance(returns: Floats, decay: float) -> Floats:
    """Weighted second moments with weights proportional to decay**age, shape (assets, assets); RiskMetrics (1996)."""
    weights = decay ** np.arange(len(returns))[::-1]
    return np.asarray(np.einsum("t,ti,tj->ij", weights / weights.sum(), returns, returns))


def ledoit_wolf(returns: Floats) -> tuple[Floats, float]:
    """Covariance shrunk to a multiple of the identity, and the shrinkage; Ledoit and Wolf (2004), equations 14 to 16.

    `returns` (observations, assets); moments divide by the number of observations.
    """
    n, assets = returns.shape
    centred = returns - returns.mean(axis=0)
    sample = centred.T @ centred / n
    level = np.trace(sample) / assets
    distance = ((sample - level * np.eye(assets)) ** 2).sum() / assets
    noise = sum(((np.outer(row, row) - sample) ** 2).sum() for row in centred) / assets / n**2
    shrinkage = 0.0 if assets == 1 else min(noise, distance) / distance
    return (1 - shrinkage) * sample + shrinkage * level * np.eye(assets), shrinkage


def quasi_correlations(
    standardised: Floats, target: Floats, negative_target: Floats, a: float, b: float, g: float = 0.0
) -> Floats:
    """Q_1 to Q_{n+1}, shape (n + 1, assets, assets), with Q_1 = target.

    Q_{t+1} = (1 - a - b) target - g negative_target + a e_t e_t' + g min(e_t, 0) min(e_t, 0)' + b Q_t.
    """
    path = [target]
    for e in standardised:
        negative = np.minimum(e, 0.0)
        intercept = (1 - a - b) * target - g * negative_target
        path.append(intercept + a * np.outer(e, e) + g * np.outer(negative, negative) + b * path[-1])
    return np.array(path)


def correlations(quasi: Floats) -> Floats:
    """R_t = diag(Q_t)^-1/2 Q_t diag(Q_t)^-1/2 for every matrix of `quasi` (..., assets, assets)."""
    deviations = np.sqrt(np.diagonal(quasi, axis1=-2, axis2=-1))
    return quasi / deviations[..., :, None] / deviations[..., None, :]


def correlation_logliks(standardised: Floats, correlation_path: Floats) -> Floats:
    """What correlation adds to the log-likelihood of independent normals, shape (n,).

    -0.5 (log|R_t| + e_t' R_t^-1 e_t - e_t' e_t): the second step of Engle (2002), equation 25; nan where R_t is not
    positive definite.
    """
    out = np.full(len(standardised), np.nan)
    for t, (e, matrix) in enumerate(zip(standardised, correlation_path, strict=True)):
        if np.linalg.eigvalsh(matrix)[0] > 0:
            out[t] = -0.5 * (np.linalg.slogdet(matrix)[1] + e @ np.linalg.solve(matrix, e) - e @ e)
    return out


def dcc_logliks(
    standardised: Floats, target: Floats, negative_target: Floats, a: float, b: float, g: float = 0.0
) -> Floats:
    """`correlation_logliks` along the path of `quasi_correlations`, shape (n,)."""
    quasi = quasi_correlations(standardised, target, negative_target, a, b, g)[:-1]
    return correlation_logliks(standardised, correlations(quasi))


def composite_logliks(
    standardised: Floats, target: Floats, negative_target: Floats, a: float, b: float, g: float = 0.0
) -> Floats:
    """Sum over all pairs of assets of the pair's own `dcc_logliks`, shape (n,); Pakel et al. (2021)."""
    out = np.zeros(len(standardised))
    assets = standardised.shape[1]
    for i in range(assets):
        for j in range(i):
            pair = np.ix_([j, i], [j, i])
            out += dcc_logliks(standardised[:, [j, i]], target[pair], negative_target[pair], a, b, g)
    return out


def garch_variances(residuals: Floats, omega: float, alpha: float, beta: float, start: float) -> Floats:
    """h_1 to h_{n+1}, shape (n + 1,), with e_0^2 = h_0 = start; Bollerslev (1986)."""
    variances = [omega + (alpha + beta) * start]
    for residual in residuals:
        variances.append(omega + alpha * residual**2 + beta * variances[-1])
    return np.array(variances)


def kendall_tau(x: Floats, y: Floats) -> float:
    """Kendall's tau-b from all pairs of observations."""
    signs = np.sign(x[:, None] - x[None, :]) * np.sign(y[:, None] - y[None, :])
    x_untied = (x[:, None] != x[None, :]).sum()
    y_untied = (y[:, None] != y[None, :]).sum()
    return float(signs.sum() / np.sqrt(float(x_untied) * float(y_untied)))
