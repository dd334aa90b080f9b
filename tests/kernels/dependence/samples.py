"""Random standardised residuals and their moments, for the kernels of dependence."""

import numpy as np


def random_correlation(rng, assets):
    """Positive definite, with correlations of either sign."""
    factors = rng.normal(size=(assets, assets + 2))
    matrix = factors @ factors.T
    deviations = np.sqrt(np.diag(matrix))
    return matrix / np.outer(deviations, deviations)


def residuals(rng, n, assets, near_singular=False):
    """(n, assets); when near singular the last two differ by one part in ten thousand."""
    out = rng.multivariate_normal(np.zeros(assets), random_correlation(rng, assets), size=n)
    if near_singular and assets > 1:
        out[:, -1] = out[:, -2] + 1e-4 * out[:, -1]
    return np.ascontiguousarray(out)


def moments(standardised):
    """What Q is targeted on: mean of e e' and of min(e, 0) min(e, 0)'."""
    negative = np.minimum(standardised, 0.0)
    return standardised.T @ standardised / len(standardised), negative.T @ negative / len(standardised)


def admissible(share, target, negative_target, a, b):
    """g at `share` of what keeps every Q positive definite: 1 - a - b - g d > 0, d the largest relative eigenvalue."""
    root = np.linalg.inv(np.linalg.cholesky(target))
    largest = np.linalg.eigvalsh(root @ negative_target @ root.T)[-1]
    return share * (1 - a - b) / max(largest, 1e-12)
