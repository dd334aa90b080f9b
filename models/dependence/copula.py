"""Gaussian and Student-t copulas: how series depend on each other, apart from how each is distributed.

The joint distribution of one step is margins (GARCH, say) and a copula of their standardised residuals; sampling from
it belongs to `kernels/scenarios`.
"""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import gammaln, ndtri, stdtr, stdtrit
from scipy.stats import rankdata

from kernels.dependence.ranks import kendall_taus
from models.dependence.correlation import FLOOR, nearest_correlation
from models.dependence.data import checked
from models.dependence.standard_errors import invert
from models.faults import DataFault, Fault
from models.health import Health

Floats = NDArray[np.float64]
LEAST_NU, LARGEST_NU = 1.0, 200.0
LEAST_ROWS = 20
LARGEST_ML = 30
ROUNDS, HALVINGS = 100, 20
DONE = 1e-6  # gradient times step, in units of log-likelihood


@dataclass(frozen=True)
class CopulaFit:
    """`correlation` (series, series) and, for `t`, `nu` degrees of freedom (inf for `gaussian`).

    `tail` (series, series): lower (= upper) tail dependence of each pair. `standard_errors`: `nu` and, for each of
    them, `correlation` (series, series): by the U-statistic of Kendall's tau and the curvature in nu given the
    correlations (kendall), or the outer product of all scores (ml). That margins were ranked is not counted in them.
    """

    family: str
    names: tuple[str, ...]
    correlation: Floats
    nu: float
    loglik: float
    tail: Floats
    standard_errors: dict[str, float | Floats]
    converged: bool
    health: Health
    method: str
    n: int
    seconds: float
    notes: tuple[str, ...]


def tail_dependence(nu: float, rho: float) -> float:
    """Probability that one series is in its extreme tail given that the other is; Demarta and McNeil (2005), eq. 15.

    2 t_{nu+1}(-sqrt((nu + 1)(1 - rho) / (1 + rho))); zero for the Gaussian (nu = inf) unless rho = 1.
    """
    if not (nu > 0 and -1 <= rho <= 1):
        raise Fault(f"nu {nu} must be above 0 and rho {rho} from -1 to 1")
    if rho == 1.0:
        return 1.0
    if rho == -1.0 or math.isinf(nu):
        return 0.0
    return float(2.0 * stdtr(nu + 1.0, -math.sqrt((nu + 1.0) * (1.0 - rho) / (1.0 + rho))))


def pseudo_observations(values: Floats) -> Floats:
    """Ranks divided by n + 1, (n, series), ties at their mean rank; Genest, Ghoudi and Rivest (1995)."""
    return np.asarray(rankdata(values, axis=0) / (len(values) + 1.0))


def kendall_correlation(values: Floats) -> tuple[Floats, Floats, str | None]:
    """sin(pi tau / 2) of each pair and its standard error, (series, series); Lindskog, McNeil and Schmock (2003).

    Repaired with a note if not positive definite.
    """
    ranks = np.ascontiguousarray(rankdata(values, method="dense", axis=0).T.astype(np.int64) - 1)
    taus, errors = np.empty((2, len(ranks), len(ranks)))
    kendall_taus(ranks, taus, errors)
    correlation, note = nearest_correlation(np.sin(0.5 * np.pi * taus))
    return correlation, 0.5 * np.pi * np.cos(0.5 * np.pi * taus) * errors, note


def copula_logliks(u: Floats, correlation: Floats, nu: float = math.inf) -> Floats:
    """Log density of each row of `u` (n, series), all strictly inside (0, 1); t with `nu`, Gaussian for inf."""
    return quantile_logliks(Uniforms(u).quantiles(nu), correlation, nu)


class Uniforms:
    """Values inside (0, 1), each distinct one turned into a quantile once: ranks have n of them, not n times series."""

    def __init__(self, u: Floats) -> None:
        self._distinct, places = np.unique(u, return_inverse=True)
        self._places = places.reshape(u.shape)

    def quantiles(self, nu: float) -> Floats:
        """Of Student's t with `nu` degrees of freedom, or normal for inf; the shape of the values."""
        found = ndtri(self._distinct) if math.isinf(nu) else stdtrit(nu, self._distinct)
        return np.asarray(found[self._places])

    def logliks(self, correlation: Floats, nu: float) -> Floats:
        """As `copula_logliks`."""
        return quantile_logliks(self.quantiles(nu), correlation, nu)


def quantile_logliks(quantiles: Floats, correlation: Floats, nu: float) -> Floats:
    """Log copula density from the quantiles of the margins, (n,); McNeil, Frey and Embrechts (2015), section 7.5."""
    series = quantiles.shape[1]
    root = np.linalg.cholesky(correlation)
    distances = (np.linalg.solve(root, quantiles.T) ** 2).sum(axis=0)
    log_root = float(np.log(np.diag(root)).sum())
    squares = quantiles**2
    if math.isinf(nu):
        return np.asarray(-log_root - 0.5 * (distances - squares.sum(axis=1)))
    constant = gammaln((nu + series) / 2) + (series - 1) * gammaln(nu / 2) - series * gammaln((nu + 1) / 2)
    joint = -0.5 * (nu + series) * np.log1p(distances / nu)
    margins = 0.5 * (nu + 1) * np.log1p(squares / nu).sum(axis=1)
    return np.asarray(constant - log_root + joint + margins)


def fit_copula(
    values: Floats,
    family: str = "gaussian",
    *,
    method: str = "kendall",
    names: Sequence[str] | None = None,
    ranks: bool = True,
) -> CopulaFit:
    """Copula of `values` (n, series): standardised residuals, or uniforms with `ranks=False`.

    `family` gaussian or t. `method`: `kendall`, correlations from Kendall's tau and nu by maximum likelihood given
    them (McNeil, Frey and Embrechts 2015, section 7.5.2), or `ml`, all by maximum likelihood (at most 30 series). With
    ranks the values are first turned into pseudo-observations, so the margins need no model.
    """
    began = time.perf_counter()
    if family not in ("gaussian", "t") or method not in ("kendall", "ml"):
        raise Fault(f"family {family!r} must be gaussian or t, method {method!r} kendall or ml")
    data, labels = checked(values, names, least=LEAST_ROWS)
    if len(labels) < 2:
        raise Fault("a copula needs at least two series")
    u = Uniforms(pseudo_observations(data) if ranks else inside(data, labels))
    correlation, errors, note = kendall_correlation(data)
    notes = () if note is None else (note,)
    nu, converged = (math.inf, True) if family == "gaussian" else fit_nu(u, correlation)
    standard_errors: dict[str, float | Floats] = {"correlation": errors}
    if method == "kendall" and family == "t":
        standard_errors["nu"] = nu_error(u, correlation, nu)
    if method == "ml":
        correlation, nu, standard_errors, converged = maximise(u, correlation, nu)
    loglik = float(u.logliks(correlation, nu).sum())
    series = len(correlation)
    tail = np.array([[tail_dependence(nu, correlation[i, j]) for j in range(series)] for i in range(series)])
    return CopulaFit(
        family=family,
        names=labels,
        correlation=correlation,
        nu=nu,
        loglik=loglik,
        tail=tail,
        standard_errors=standard_errors,
        converged=converged,
        health=health_of(nu, converged),
        method=method,
        n=len(data),
        seconds=time.perf_counter() - began,
        notes=notes,
    )


def inside(u: Floats, names: Sequence[str]) -> Floats:
    """`u` (n, series) as it is; DataFault where a value is not strictly inside (0, 1)."""
    if not (np.all(u > 0) and np.all(u < 1)):
        row, column = np.argwhere((u <= 0) | (u >= 1))[0]
        raise DataFault(f"{names[column]}: {u[row, column]} in row {row + 1} is not inside (0, 1); use ranks=True")
    return u


def fit_nu(u: Uniforms, correlation: Floats) -> tuple[float, bool]:
    """Degrees of freedom given the correlations, by Brent's method on their logarithm."""
    found = minimize_scalar(
        lambda x: -float(u.logliks(correlation, math.exp(x)).sum()),
        bounds=(math.log(LEAST_NU), math.log(LARGEST_NU)),
        method="bounded",
        options={"xatol": 1e-7},
    )
    return math.exp(float(found.x)), bool(found.success)


def maximise(u: Uniforms, correlation: Floats, nu: float) -> tuple[Floats, float, dict[str, float | Floats], bool]:
    """Correlations and nu of greatest likelihood: steps by the outer product of the scores, halved until they rise."""
    if len(correlation) > LARGEST_ML:
        raise Fault(f"{len(correlation)} series: method ml takes at most {LARGEST_ML}; use kendall")
    rows, columns = np.tril_indices(len(correlation), -1)
    value, converged = float(u.logliks(correlation, nu).sum()), False
    for _ in range(ROUNDS):
        scores = copula_scores(u, correlation, nu)
        gradient = scores.sum(axis=0)
        step = np.linalg.lstsq(scores.T @ scores, gradient, rcond=1e-12)[0]
        if gradient @ step < DONE:
            converged = True
            break
        for _ in range(HALVINGS):
            trial = correlation.copy()
            trial[rows, columns] += step[: len(rows)]
            trial[columns, rows] = trial[rows, columns]
            trial_nu = nu if math.isinf(nu) else float(np.clip(nu + step[-1], LEAST_NU, LARGEST_NU))
            if np.linalg.eigvalsh(trial)[0] > FLOOR and u.logliks(trial, trial_nu).sum() > value:
                break
            step *= 0.5
        else:
            break
        correlation, nu, value = trial, trial_nu, float(u.logliks(trial, trial_nu).sum())
    scores = copula_scores(u, correlation, nu)
    errors = np.sqrt(np.diag(invert(scores.T @ scores)))
    matrix = np.zeros_like(correlation)
    matrix[rows, columns] = matrix[columns, rows] = errors[: len(rows)]
    out: dict[str, float | Floats] = {"correlation": matrix}
    if not math.isinf(nu):
        out["nu"] = float(errors[-1])
    return correlation, nu, out, converged


def copula_scores(u: Uniforms, correlation: Floats, nu: float) -> Floats:
    """d log density by each correlation below the diagonal, by rows, and by nu if finite: (n, parameters)."""
    quantiles = u.quantiles(nu)
    inverse = np.linalg.inv(correlation)
    solved = quantiles @ inverse
    weights = np.ones(len(quantiles))
    if not math.isinf(nu):
        weights = (nu + len(correlation)) / (nu + (solved * quantiles).sum(axis=1))
    rows, columns = np.tril_indices(len(correlation), -1)
    scores = weights[:, None] * solved[:, rows] * solved[:, columns] - inverse[rows, columns]
    if math.isinf(nu):
        return np.asarray(scores)
    step = 1e-4 * nu
    slope = (u.logliks(correlation, nu + step) - u.logliks(correlation, nu - step)) / (2 * step)
    return np.column_stack([scores, slope])


def nu_error(u: Uniforms, correlation: Floats, nu: float) -> float:
    """Standard error of nu given the correlations, by the curvature of the likelihood."""
    step = 1e-3 * nu
    low, middle, high = (float(u.logliks(correlation, x).sum()) for x in (nu - step, nu, nu + step))
    curvature = (high - 2.0 * middle + low) / step**2
    return math.sqrt(-1.0 / curvature) if curvature < 0 else math.nan


def health_of(nu: float, converged: bool) -> Health:
    """OK, AT_BOUND (usable) or NOT_CONVERGED."""
    if not converged:
        code, note = "NOT_CONVERGED", "the likelihood was still rising when the search stopped"
    elif not math.isinf(nu) and nu > 0.99 * LARGEST_NU:
        code, note = "AT_BOUND", f"nu at {nu:.0f}: the data do not tell this t copula from a Gaussian one"
    elif nu < 1.01 * LEAST_NU:
        code, note = "AT_BOUND", f"nu at its least, {LEAST_NU}"
    else:
        return Health(ok=True, code="OK", note="")
    return Health(ok=code == "AT_BOUND", code=code, note=f"{code}: {note}")
