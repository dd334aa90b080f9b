"""How much of an estimated optimum to believe: the two-fund rule of Kan and Zhou (2007)."""

from typing import Any

import numpy as np
from scipy.special import betainc, betaln

from models.faults import Fault

Array = np.ndarray[Any, np.dtype[np.float64]]


def least_observations(assets: int) -> int:
    """Kan and Zhou's factor needs more than N + 4 observations of N assets."""
    return assets + 5


def adjusted_squared_sharpe(squared_sharpe: float, assets: int, observations: int) -> float:
    """theta_a^2 of Kan and Zhou (2007, section V): the squared Sharpe ratio of one period without its upward bias.

    squared_sharpe: m' S^-1 m with the maximum-likelihood covariance (divisor T). Never below 0; about 0 when the
    estimate is what noise alone would give (N / T).
    """
    check_observations(assets, observations)
    n, t = float(assets), float(observations)
    unbiased = ((t - n - 2.0) * squared_sharpe - n) / t
    share = squared_sharpe / (1.0 + squared_sharpe)
    if share <= 0.0:
        return 0.0
    # 2 z^(N/2) (1+z)^(-(T-2)/2) / (T B(share; N/2, (T-N)/2)), the incomplete beta not regularised, by logarithms
    regularised = float(betainc(0.5 * n, 0.5 * (t - n), share))
    if regularised <= 0.0:  # share so small that B(share; a, b) = share^a / a to every digit
        return max(unbiased + n / t * float((1.0 + squared_sharpe) ** (0.5 * (n - t + 2.0))), 0.0)
    log_correction = (
        np.log(2.0 / t) + 0.5 * n * np.log(squared_sharpe) - 0.5 * (t - 2.0) * np.log1p(squared_sharpe)
        - float(betaln(0.5 * n, 0.5 * (t - n))) - np.log(regularised)
    )  # fmt: skip
    return float(max(unbiased + float(np.exp(log_correction)), 0.0))


def kan_zhou_factor(squared_sharpe: float, assets: int, observations: int) -> float:
    """c of Kan and Zhou (2007), their optimal two-fund rule: hold c times the estimated optimum; in [0, 1).

    c = (T-N-1)(T-N-4) / (T(T-2)) x theta^2 / (theta^2 + N/T), with theta^2 estimated by `adjusted_squared_sharpe`.
    The first part is what estimating the covariance costs, the second what estimating the means costs.
    Raises Fault with fewer than N + 5 observations.
    """
    check_observations(assets, observations)
    n, t = float(assets), float(observations)
    theta = adjusted_squared_sharpe(squared_sharpe, assets, observations)
    return (t - n - 1.0) * (t - n - 4.0) / (t * (t - 2.0)) * theta / (theta + n / t)


def check_observations(assets: int, observations: int) -> None:
    if observations < least_observations(assets):
        raise Fault(
            f"{observations} observations are too few to size {assets} instruments: at least "
            f"{least_observations(assets)} are needed; give more history or fewer --column"
        )
