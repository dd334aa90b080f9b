"""The second step: dynamics of correlation given standardised residuals, with the error of the first step counted."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from models.dependence.likelihood import CorrelationLikelihood
from models.dependence.margins import Margins, MarginState
from models.dependence.standard_errors import invert, likelihood_errors, long_run_covariance, long_run_variance

Floats = NDArray[np.float64]
STARTS = ((0.02, 0.96), (0.03, 0.90), (0.05, 0.80), (0.01, 0.98), (0.02, 0.50))  # (a, b) tried first
ASYMMETRIC_STARTS = (0.0, 0.01, 0.03)
LARGEST_PERSISTENCE = 1.0 - 1e-6
NOTHING = 1e-7  # a coefficient below it is zero
STEP = 1e-5  # of a central difference in a, b or g
REFUSED = 1e10


@dataclass(frozen=True)
class DynamicsEstimate:
    """`parameters` (2 or 3,): a, b and, if asymmetric, g; `asymmetry` the weight of g in the persistence."""

    parameters: Floats
    loglik: float
    converged: bool
    asymmetry: float

    @property
    def persistence(self) -> float:
        return persistence_of(self.parameters, self.asymmetry)


def persistence_of(parameters: Floats, asymmetry: float) -> float:
    """a + b + asymmetry g; below one Q_t stays positive definite. Cappiello, Engle and Sheppard (2006), section 2.2."""
    return float(parameters[0] + parameters[1] + (asymmetry * parameters[2] if len(parameters) > 2 else 0.0))


def asymmetry_of(target: Floats, negative_target: Floats) -> float:
    """Largest eigenvalue of target^-1/2 negative_target target^-1/2."""
    root = np.linalg.inv(np.linalg.cholesky(target))
    return float(np.linalg.eigvalsh(root @ negative_target @ root.T)[-1])


def fit_dynamics(
    loglik: Callable[..., float], n: int, asymmetry: float | None, warm: Floats | None = None
) -> DynamicsEstimate:
    """Maximises `loglik(a, b[, g])` over a, b, g >= 0 and persistence below one.

    `asymmetry` None leaves g out. `warm` takes the place of the usual starts. All zero: correlation is constant.
    """
    weights = np.array([1.0, 1.0] if asymmetry is None else [1.0, 1.0, asymmetry])
    starts = [np.array(start) for start in STARTS]
    if asymmetry is not None:
        starts = [np.append(start, g) for start in starts for g in ASYMMETRIC_STARTS]
    starts = [start for start in starts if weights @ start < LARGEST_PERSISTENCE]
    if warm is not None and len(warm) == len(weights) and weights @ warm < LARGEST_PERSISTENCE:
        starts = [warm]

    def objective(point: Floats) -> float:
        value = loglik(*point)
        return -value / n if np.isfinite(value) else REFUSED

    def gradient(point: Floats) -> Floats:
        shifts = STEP * np.eye(len(point))
        return np.array([(objective(point + shift) - objective(point - shift)) / (2 * STEP) for shift in shifts])

    stationary = {"type": "ineq", "fun": lambda x: LARGEST_PERSISTENCE - weights @ x, "jac": lambda _: -weights}
    found = minimize(
        objective,
        min(starts, key=objective),
        jac=gradient,
        method="SLSQP",
        bounds=[(0.0, 1.0)] * len(weights),
        constraints=[stationary],
        options={"ftol": 1e-12, "maxiter": 100},
    )
    parameters = np.clip(np.asarray(found.x, dtype=np.float64), 0.0, 1.0)
    parameters[parameters < NOTHING] = 0.0
    if not parameters[[0, *range(2, len(parameters))]].any():
        parameters[:] = 0.0  # nothing moves the correlations, so b has no meaning
    return DynamicsEstimate(parameters, loglik(*parameters), bool(found.success), asymmetry or 0.0)


def margin_hessians(margins: Margins, parameters: Floats, scores: Floats) -> list[Floats]:
    """Hessian of each series' own log-likelihood by central differences of its scores."""
    units = 1e-3 / np.sqrt((scores**2).sum(axis=0))
    out = []
    for i, (offset, size) in enumerate(zip(margins.offsets, margins.sizes, strict=True)):
        columns = []
        for k in range(offset, offset + size):
            sides = []
            for sign in (1.0, -1.0):
                shifted = parameters.copy()
                shifted[k] += sign * units[k]
                sides.append(margins.scores_of(shifted, i).sum(axis=0))
            columns.append((sides[0] - sides[1]) / (2 * units[k]))
        matrix = np.array(columns)
        out.append((matrix + matrix.T) / 2)
    return out


def margin_errors(
    margins: Margins, state: MarginState, hessians: list[Floats], free: NDArray[np.bool_]
) -> dict[str, Floats]:
    """Standard errors of all margin parameters, each series alone; nan for what is not `free` (at a bound)."""
    parts = [
        likelihood_errors(hessian, state.scores[:, place], free[place])
        for hessian, place in zip(hessians, margins.places, strict=True)
    ]
    return {kind: np.concatenate([part[kind] for part in parts]) for kind in parts[0]}


def margin_influence(
    margins: Margins, state: MarginState, hessians: list[Floats], free: NDArray[np.bool_]
) -> tuple[Floats, tuple[str, ...]]:
    """(n, parameters): each row's part of the estimation error of the margin parameters, times n; and notes.

    What is not `free` is taken as known, and so is a series whose likelihood has no curvature in some direction: noted.
    """
    out = np.zeros_like(state.scores)
    flat = []
    for series, (hessian, place) in enumerate(zip(hessians, margins.places, strict=True)):
        kept = np.flatnonzero(free[place])
        inverse = invert(-hessian[np.ix_(kept, kept)] / len(out))
        if np.isnan(inverse).any():
            flat.append(margins.equations.names[series])
        else:
            out[:, place.start + kept] = state.scores[:, place.start + kept] @ inverse
    if not flat:
        return out, ()
    return out, (f"FIRST_STEP_NOT_COUNTED: in standard errors after the first step, for {', '.join(flat)}",)


def target_slopes(state: MarginState, owners: NDArray[np.int64]) -> Floats:
    """d (mean of e e') [owner, :] / d margin parameter, (parameters, series)."""
    out = np.asarray(state.slopes.T @ state.standardised / len(state.slopes))
    out[np.arange(len(owners)), owners] *= 2.0
    return out


def dynamics_errors(
    sample: CorrelationLikelihood,
    estimate: DynamicsEstimate,
    state: MarginState,
    owners: NDArray[np.int64],
    influence: Floats,
) -> dict[str, Floats]:
    """Standard errors of a, b (and g) after targeting.

    `hessian` and `opg` take the first step and the target as known. `robust` counts both: each row's influence on the
    margins and on the target enters the score of the dynamics; Engle and Sheppard (2001), theorem 2, with a
    Newey-West long-run covariance. The target of g is taken as known.
    """
    k, p = len(estimate.parameters), len(owners)
    n, series = state.standardised.shape

    def scores(point: Floats) -> Floats:
        return sample.scores(*point, slopes=state.slopes, owners=owners, with_target=True)

    dynamics = scores(estimate.parameters)[:, -3:][:, :k]
    moved = [
        (scores(estimate.parameters + shift).sum(axis=0) - scores(estimate.parameters - shift).sum(axis=0)) / (2 * STEP)
        for shift in STEP * np.eye(k)
    ]
    jacobian = np.array(moved)
    hessian = (jacobian[:, -3:][:, :k] + jacobian[:, -3:][:, :k].T) / 2
    free = (estimate.parameters > 0.0) & (estimate.persistence < LARGEST_PERSISTENCE - 1e-9)
    errors = likelihood_errors(hessian, dynamics, free)
    by_target = symmetric(jacobian[:, p:-3] / n, series)
    slopes = target_slopes(state, owners)
    through = 2.0 * np.einsum("kpj,pj->kp", by_target[:, owners, :], slopes)
    through -= by_target[:, owners, owners] * slopes[np.arange(p), owners]
    e = state.standardised
    moments = dynamics + influence @ (jacobian[:, :p] / n + through).T
    moments += np.stack([((e @ weights) * e).sum(axis=1) - (weights * sample.target).sum() for weights in by_target], 1)
    inverse = invert(-hessian[np.ix_(free, free)] / n)
    errors["robust"] = np.full(k, np.nan)
    spread = inverse @ long_run_covariance(moments[:, free]) @ inverse / n
    errors["robust"][free] = np.sqrt(np.diag(spread))
    return errors


def symmetric(packed: Floats, series: int) -> Floats:
    """Matrices W (k, series, series) with <W, dS> = the packed derivatives (k, pairs and diagonal) times dS."""
    rows, columns = np.tril_indices(series)
    out = np.zeros((len(packed), series, series))
    out[:, rows, columns] = 0.5 * packed
    return out + out.transpose(0, 2, 1)


def correlation_errors(state: MarginState, correlation: Floats, owners: NDArray[np.int64], influence: Floats) -> Floats:
    """Standard errors of the correlations of the standardised residuals, the first step counted; packed by rows.

    The influence of row t on r_ij is e_i e_j / (s_i s_j) - r_ij (e_i^2 / s_i^2 + e_j^2 / s_j^2) / 2, and what comes
    through the margins.
    """
    scale = np.sqrt((state.standardised**2).mean(axis=0))
    e, slopes = state.standardised / scale, target_slopes(state, owners) / scale / scale[owners][:, None]
    own = slopes[np.arange(len(owners)), owners]
    rows, columns = np.tril_indices(len(correlation), -1)
    r = correlation[rows, columns]
    moments = e[:, rows] * e[:, columns] - 0.5 * r * (e[:, rows] ** 2 + e[:, columns] ** 2)
    weights = np.zeros((len(owners), len(r)))
    for one, other in ((rows, columns), (columns, rows)):
        touched = owners[:, None] == one[None, :]
        weights += np.where(touched, slopes[:, other] - 0.5 * r * own[:, None], 0.0)
    moments += influence @ weights
    return np.sqrt(long_run_variance(moments) / len(e))
