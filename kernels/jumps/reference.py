"""Normal returns with Poisson jumps, and intraday jump tests, slow and obvious."""

import math

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
TERMS = 80


def normal(x: float, mean: float, variance: float) -> float:
    return math.exp(-0.5 * (x - mean) ** 2 / variance) / math.sqrt(2.0 * math.pi * variance)


def jump_weights(
    residual: float, variance: float, intensity: float, jump_mean: float, jump_variance: float
) -> tuple[float, Array]:
    """(log density, P(n = k | residual) (TERMS,)): Poisson weight times normal density, term by term."""
    terms = np.array(
        [
            math.exp(-intensity + k * math.log(intensity) - math.lgamma(k + 1))
            * normal(residual, k * jump_mean, variance + k * jump_variance)
            for k in range(TERMS)
        ]
    )
    return math.log(terms.sum()), terms / terms.sum()


def garch_jump_loglik(values: Array, parameters: Array, ar: int, ma: int, start_variance: float) -> float:
    """Maheu and McCurdy (2004) with ARMA mean; parameters in the order of the compiled filter."""
    mean, phi, theta = parameters[0], parameters[1 : 1 + ar], parameters[1 + ar : 1 + ar + ma]
    omega, alpha, beta, base, rho, gamma, jump_mean, jump_variance = parameters[1 + ar + ma :]
    residuals: list[float] = []
    variance, intensity, total = start_variance, base / (1.0 - rho), 0.0
    for t in range(values.size):
        centre = mean + sum(phi[i] * (values[t - 1 - i] - mean) for i in range(min(ar, t)))
        centre += sum(theta[j] * residuals[t - 1 - j] for j in range(min(ma, t)))
        residual = float(values[t] - centre)
        loglik, weights = jump_weights(residual + intensity * jump_mean, variance, intensity, jump_mean, jump_variance)
        expected = float(weights @ np.arange(TERMS))
        total += loglik
        residuals.append(residual)
        variance = omega + alpha * residual**2 + beta * variance
        intensity = base + rho * intensity + gamma * (expected - intensity)
    return total


def median_scale(values: Array) -> float:
    """Deviation of a normal from the median of absolute values; NaN without any."""
    seen = values[~np.isnan(values)]
    return 1.4826022185056018 * float(np.median(np.abs(seen))) if seen.size else math.nan


def weighted_scale(values: Array) -> float:
    """Boudt, Croux and Laurent (2011), eq. 2.9: deviation of what lies within the 99 % bounds of a robust scale."""
    seen = values[~np.isnan(values)]
    rough = median_scale(seen)
    if not rough > 0.0:
        return math.nan
    kept = seen[(seen / rough) ** 2 <= 6.635]
    return math.sqrt(1.081 * float((kept**2).mean()))


def intraday_factors(returns_db: Array, day: int, window_days: int, fewest_days: int, fewest_values: int) -> Array:
    """Factors (bins,) of one day from the days before it, of mean square 1 over the bins that have one."""
    bins = returns_db.shape[1]
    past = np.array([row / math.sqrt(bipower(row)) for row in returns_db[max(0, day - window_days) : day]])
    past = past.reshape(-1, bins)
    scales = np.full(bins, np.nan)
    for b in range(bins):
        if np.count_nonzero(~np.isnan(past[:, b])) < fewest_days:
            continue
        for width in range(bins):
            pool = past[:, max(0, b - width) : b + width + 1]
            if np.count_nonzero(~np.isnan(pool)) >= fewest_values or 2 * width + 1 >= bins:
                break
        scales[b] = weighted_scale(pool.ravel())
    known = scales[~np.isnan(scales)]
    found: Array = scales / math.sqrt(float((known**2).mean())) if known.size else scales
    return found


def bipower(row: Array) -> float:
    """Mean bipower variation of one observation: pi / 2 times the mean of neighbours' absolute products; NaN passed."""
    products = np.abs(row[1:] * row[:-1])
    products = products[~np.isnan(products)]
    mean = float(products.mean()) if products.size else math.nan
    return 0.5 * math.pi * mean if mean > 0.0 else math.nan


def lee_mykland(returns: Array, window: int) -> Array:
    """Return over the root of the bipower variance of the window - 1 before. Lee and Mykland (2008), eq. 7-8."""
    found = np.full(returns.size, np.nan)
    for i in range(window, returns.size):
        past = returns[i - window + 1 : i]
        if np.count_nonzero(~np.isnan(past[1:] * past[:-1])) >= (window - 2) // 2:
            found[i] = returns[i] / math.sqrt(bipower(past))
    return found
