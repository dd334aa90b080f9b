"""Returns simulated from the models that the tests then fit."""

import numpy as np

OMEGA, ALPHA, BETA = 5e-6, 0.06, 0.90


def dcc_returns(n, series, *, a=0.04, b=0.93, g=0.0, correlation=0.4, seed=0, burn=300):
    """Returns (n, series) of a DCC process with GARCH(1,1) margins, mean zero, after `burn` rows thrown away."""
    rng = np.random.default_rng(seed)
    target = correlation + (1 - correlation) * np.eye(series)
    negative_target = negative_moments_of(target, rng) if g else np.zeros_like(target)
    variances, quasi = np.full(series, OMEGA / (1 - ALPHA - BETA)), target.copy()
    out = np.empty((n + burn, series))
    for t in range(n + burn):
        deviations = np.sqrt(np.diag(quasi))
        e = np.linalg.cholesky(quasi / np.outer(deviations, deviations)) @ rng.normal(size=series)
        out[t] = e * np.sqrt(variances)
        variances = OMEGA + ALPHA * out[t] ** 2 + BETA * variances
        negative = np.minimum(e, 0.0)
        intercept = (1 - a - b) * target - g * negative_target
        quasi = intercept + a * np.outer(e, e) + g * np.outer(negative, negative) + b * quasi
    return out[burn:]


def negative_moments_of(target, rng):
    negative = np.minimum(rng.multivariate_normal(np.zeros(len(target)), target, size=200_000), 0.0)
    return negative.T @ negative / len(negative)


def t_sample(n, correlation, nu, seed=0):
    """(n, series) of a multivariate t."""
    rng = np.random.default_rng(seed)
    normal = rng.multivariate_normal(np.zeros(len(correlation)), correlation, size=n)
    return normal / np.sqrt(rng.chisquare(nu, size=(n, 1)) / nu)
