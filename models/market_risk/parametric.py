"""Parametric VaR: a distribution of the portfolio's return given by its moments (normal, Student-t, Cornish-Fisher).

All are loss = -mean + sigma * (c0 + c1 skewness + c2 kurtosis + c3 skewness^2), so one decomposition serves them: the
moments are polynomials in the exposures. Cornish-Fisher: Boudt, Peterson and Croux (2008), modified VaR and ES.
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from scipy import optimize, special, stats

from models.faults import DataFault, Fault
from models.market_risk.euler import Contributions, unit_quantiles
from models.market_risk.order_statistics import Floats, check_level
from models.market_risk.scenario_risk import Measure, checked, portfolio_losses

Errors = Literal["normal", "t", "cornish-fisher"]
DOF_RANGE = (2.1, 200.0)
Factors = tuple[float, float, float, float]


@dataclass(frozen=True)
class Moments:
    """Of the portfolio's gain: mean, sigma, skewness, excess kurtosis, and their derivatives by exposure (assets,)."""

    mean: float
    sigma: float
    skewness: float
    kurtosis: float
    by_exposure: tuple[Floats, Floats, Floats, Floats]


def parametric_var(
    returns: Any, exposures: Any, *, level: float = 0.99, horizon: int = 1, errors: Errors = "normal"
) -> Measure:
    """VaR of exposures (assets,) on returns (n, assets) whose distribution over `horizon` steps has these moments.

    Returns are taken as independent over time: mean and variance grow with the horizon, skewness and kurtosis fade.
    The t's degrees of freedom are the portfolio's, by maximum likelihood; its contributions take them as given. The
    standard error is that of mean and variance (delta method); that of the higher moments is not in it.
    """
    check_level(level)
    matrix, held = checked(returns, exposures)
    if len(matrix) < 20:
        raise DataFault(f"{len(matrix)} observations: at least 20 are needed for moments")
    moments = over(horizon, moments_of(matrix, held))
    if moments.sigma == 0.0:
        raise DataFault(
            "the portfolio does not move: its positions cancel on every row, so there is no risk to measure"
        )
    notes: list[str] = []
    var_factors, cvar_factors = factors_of(errors, level, -portfolio_losses(matrix, held), notes)
    notes += domain_note(errors, moments)
    without = [
        over(horizon, moments_of(matrix, np.where(np.arange(len(held)) == i, 0.0, held))) for i in range(len(held))
    ]
    var, cvar = (decomposed(moments, without, held, factors) for factors in (var_factors, cvar_factors))
    ratios = [(part.total + moments.mean) / moments.sigma for part in (var, cvar)]
    raw = moments_of(matrix, held)
    error, tail_error = (standard_error(raw, ratio, len(matrix), horizon) for ratio in ratios)
    name = "parametric" if errors == "normal" else f"parametric-{errors}"
    return Measure(name, level, horizon, len(matrix), var.total, cvar.total, error, tail_error, var, cvar, tuple(notes))


def moments_of(returns: Floats, exposures: Floats) -> Moments:
    """Of one step; divisor n. All zero for a portfolio of nothing."""
    center = returns.mean(axis=0)
    apart = returns - center
    gain = np.zeros(len(returns))
    for i, exposure in enumerate(exposures.tolist()):
        gain += exposure * apart[:, i]
    second, third, fourth = (float(np.mean(gain**power)) for power in (2, 3, 4))
    if second == 0.0:
        nothing = np.zeros(len(exposures))
        return Moments(float(center @ exposures), 0.0, 0.0, 0.0, (center, nothing, nothing, nothing))
    sigma = float(np.sqrt(second))
    by_second, by_third, by_fourth = (power * (gain ** (power - 1)) @ apart / len(gain) for power in (2, 3, 4))
    by_sigma = by_second / (2.0 * sigma)
    skewness, kurtosis = third / sigma**3, fourth / second**2
    by_skewness = by_third / sigma**3 - 3.0 * skewness / sigma * by_sigma
    by_kurtosis = by_fourth / second**2 - 4.0 * kurtosis / sigma * by_sigma
    return Moments(
        float(center @ exposures), sigma, skewness, kurtosis - 3.0, (center, by_sigma, by_skewness, by_kurtosis)
    )


def over(horizon: int, moments: Moments) -> Moments:
    """Of the sum of `horizon` independent steps."""
    if horizon < 1:
        raise Fault(f"horizon is {horizon}: at least one step")
    root = float(np.sqrt(horizon))
    mean, sigma, skewness, kurtosis = moments.by_exposure
    return Moments(
        horizon * moments.mean,
        root * moments.sigma,
        moments.skewness / root,
        moments.kurtosis / horizon,
        (horizon * mean, root * sigma, skewness / root, kurtosis / horizon),
    )


def factors_of(errors: Errors, level: float, gains: Floats, notes: list[str]) -> tuple[Factors, Factors]:
    """c0 ... c3 of VaR and of CVaR."""
    if errors == "cornish-fisher":
        return cornish_fisher_factors(level)
    dof = np.inf
    if errors == "t":
        dof = t_dof(gains)
        notes.append(f"DOF: Student-t with {dof:.3g} degrees of freedom, by maximum likelihood")
    quantile, shortfall = unit_quantiles(level, dof)
    return (quantile, 0.0, 0.0, 0.0), (shortfall, 0.0, 0.0, 0.0)


def cornish_fisher_factors(level: float) -> tuple[Factors, Factors]:
    """Of the expansion of the lower quantile z = Phi^-1(1 - level), sign turned to a loss."""
    z = float(stats.norm.ppf(1.0 - level))
    density = float(stats.norm.pdf(z)) / (1.0 - level)
    var = (-z, -(z * z - 1.0) / 6.0, -(z**3 - 3.0 * z) / 24.0, (2.0 * z**3 - 5.0 * z) / 36.0)
    # means below z, by density: of z -1, of z^2 - 1 -z, of z^3 - 3 z -(z^2 - 1), of 2 z^3 - 5 z -(2 z^2 - 1)
    cvar = (density, z * density / 6.0, (z * z - 1.0) * density / 24.0, -(2.0 * z * z - 1.0) * density / 36.0)
    return var, cvar


def domain_note(errors: Errors, moments: Moments) -> list[str]:
    """Whether the expansion's quantiles rise: its derivative in z must have no root (Maillard 2012)."""
    if errors != "cornish-fisher":
        return []
    s, k = moments.skewness, moments.kurtosis
    square, linear, constant = k / 8.0 - s * s / 6.0, s / 3.0, 1.0 - k / 8.0 + 5.0 * s * s / 36.0
    if square >= 0.0 and linear * linear <= 4.0 * square * constant:
        return []
    return [
        f"CORNISH_FISHER_DOMAIN: skewness {s:.3g} and excess kurtosis {k:.3g} lie where the expansion is not monotone; "
        f"do not rely on this figure"
    ]


def decomposed(moments: Moments, without: list[Moments], exposures: Floats, factors: Factors) -> Contributions:
    """Euler contributions of -mean + sigma * (factors . (1, skewness, kurtosis, skewness^2))."""
    _, c1, c2, c3 = factors
    by_mean, by_sigma, by_skewness, by_kurtosis = moments.by_exposure
    ratio = unit_loss(moments, factors)
    by_ratio = (c1 + 2.0 * c3 * moments.skewness) * by_skewness + c2 * by_kurtosis
    marginal = -by_mean + ratio * by_sigma + moments.sigma * by_ratio
    total = -moments.mean + moments.sigma * ratio
    rest = np.array([-other.mean + other.sigma * unit_loss(other, factors) for other in without])
    return Contributions(total, marginal, exposures * marginal, total - rest)


def unit_loss(moments: Moments, factors: Factors) -> float:
    c0, c1, c2, c3 = factors
    return c0 + c1 * moments.skewness + c2 * moments.kurtosis + c3 * moments.skewness**2


def standard_error(moments: Moments, ratio: float, n: int, horizon: int) -> float:
    """Of horizon * -mean + sqrt(horizon) * ratio * sigma, by the influence of one observation on mean and sigma."""
    a, b = -float(horizon), float(np.sqrt(horizon)) * ratio / 2.0
    unit = a * a + b * b * (moments.kurtosis + 2.0) + 2.0 * a * b * moments.skewness
    return float(moments.sigma * np.sqrt(max(unit, 0.0) / n))


def t_dof(gains: Floats) -> float:
    """Degrees of freedom of a Student-t with the gains' mean and variance, by maximum likelihood within `DOF_RANGE`."""
    z2 = ((gains - gains.mean()) / gains.std()) ** 2

    def negative(dof: float) -> float:
        constant = special.gammaln((dof + 1) / 2) - special.gammaln(dof / 2) - 0.5 * np.log(np.pi * (dof - 2))
        return float(-len(z2) * constant + (dof + 1) / 2 * np.sum(np.log1p(z2 / (dof - 2))))

    found = optimize.minimize_scalar(negative, bounds=DOF_RANGE, method="bounded", options={"xatol": 1e-4})
    return float(found.x)
