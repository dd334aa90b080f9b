"""Standard errors after the first step: of correlations and their dynamics, with the error of what came before."""

import numpy as np
from numpy.typing import NDArray

from models.dependence.likelihood import CorrelationLikelihood
from models.dependence.margins import Margins, MarginState
from models.dependence.result import Dynamics, path_of
from models.dependence.standard_errors import invert, likelihood_errors, long_run_covariance, long_run_variance
from models.dependence.two_step import LARGEST_PERSISTENCE, STEP, DynamicsEstimate

Floats = NDArray[np.float64]


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


def moment_influence(standardised: Floats, target: Floats, dynamics: Dynamics | None, persistence: float) -> Floats:
    """(n, lower triangle by rows with the diagonal): each row's part of the error of the mean of e e', times n.

    Without dynamics that is e e' - target. With them e e' moves slowly about the target, and its sum is that of the
    surprises e e' - R_t times (1 - b) / (1 - persistence), as in an ARMA(1,1): more than a few autocovariances show.
    """
    series = standardised.shape[1]
    rows, columns = np.tril_indices(series)
    out = standardised[:, rows] * standardised[:, columns]
    if dynamics is None:
        return np.asarray(out - target[rows, columns])
    path = np.empty((len(standardised), series, series))
    path_of(standardised, dynamics, path)
    factor = (1.0 - dynamics.b) / (1.0 - persistence)
    surprises = factor * (out - path[:, rows, columns])
    return np.where(rows == columns, out - target[rows, columns], surprises)


def dynamics_errors(
    sample: CorrelationLikelihood,
    estimate: DynamicsEstimate,
    state: MarginState,
    owners: NDArray[np.int64],
    influence: Floats,
    moments: Floats,
) -> dict[str, Floats]:
    """Standard errors of a, b (and g) after targeting.

    `hessian` and `opg` take the first step and the target as known. `robust` counts both: each row's influence on the
    margins (`influence`) and on the target (`moments`, see `moment_influence`) enters the score of the dynamics; Engle
    and Sheppard (2001), theorem 2, with a Newey-West long-run covariance. The target of g is taken as known.
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
    total = dynamics + influence @ (jacobian[:, :p] / n + through).T + moments @ (jacobian[:, p:-3] / n).T
    inverse = invert(-hessian[np.ix_(free, free)] / n)
    errors["robust"] = np.full(k, np.nan)
    spread = inverse @ long_run_covariance(total[:, free]) @ inverse / n
    errors["robust"][free] = np.sqrt(np.diag(spread))
    return errors


def symmetric(packed: Floats, series: int) -> Floats:
    """Matrices W (k, series, series) with <W, dS> = the packed derivatives (k, pairs and diagonal) times dS."""
    rows, columns = np.tril_indices(series)
    out = np.zeros((len(packed), series, series))
    out[:, rows, columns] = 0.5 * packed
    return out + out.transpose(0, 2, 1)


def correlation_errors(
    state: MarginState, correlation: Floats, owners: NDArray[np.int64], influence: Floats, moments: Floats
) -> Floats:
    """Standard errors of the correlations of the standardised residuals, the first step counted; packed by rows.

    A row's influence on r_ij is m_ij / (s_i s_j) - r_ij (m_ii / s_i^2 + m_jj / s_j^2) / 2 with m of `moment_influence`,
    and what comes through the margins.
    """
    scale = np.sqrt((state.standardised**2).mean(axis=0))
    slopes = target_slopes(state, owners) / scale / scale[owners][:, None]
    own = slopes[np.arange(len(owners)), owners]
    rows, columns = np.tril_indices(len(correlation), -1)
    r = correlation[rows, columns]
    lower, across = np.tril_indices(len(correlation))
    moments = moments / (scale[lower] * scale[across])
    squares = moments[:, lower == across]
    total = moments[:, lower != across] - 0.5 * r * (squares[:, rows] + squares[:, columns])
    weights = np.zeros((len(owners), len(r)))
    for one, other in ((rows, columns), (columns, rows)):
        touched = owners[:, None] == one[None, :]
        weights += np.where(touched, slopes[:, other] - 0.5 * r * own[:, None], 0.0)
    total += influence @ weights
    return np.sqrt(long_run_variance(total) / len(total))
