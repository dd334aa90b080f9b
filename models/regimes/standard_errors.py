"""Standard errors of a hidden Markov model from its incomplete-data log-likelihood.

The forward filter gives log p(value at t | the past) for any parameters. Its central differences give the scores
(n, parameters), second differences of their sum the observed information: "hessian" is its inverse, "opg" the inverse
of the sum of outer products of the scores, "robust" the sandwich of both (White 1982). Differences are taken in
mean, log volatility and multinomial logits of the rows of the transition (reference: staying), which are free of
bounds; the delta method brings the result back. The distribution at the first value is held at its estimate: one
observation cannot inform it.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from kernels.regimes import cpu

Array = NDArray[np.float64]
STEP = 1e-4  # of standardised means, of log volatilities, of logits
BOUNDARY = 1e-6  # a probability below is at its bound: held there, without a standard error


def standard_errors_of(
    values: Array, kind: str, initial: Array, transition: Array, means: Array, variances: Array, scale: float
) -> tuple[dict[str, dict[str, float]], list[str]]:
    """({"hessian", "opg", "robust"} -> {parameter: value}, notes) of a fit to standardised values (n,).

    Parameters are named as in `HmmFit.parameters`; means and volatilities are multiplied by `scale`.
    """
    coordinates = Coordinates(kind, initial, transition, means, variances)
    theta = coordinates.theta
    filtered, increments = np.empty((values.size, means.size)), np.empty(values.size)

    def contributions(at: Array) -> Array:
        first, rows, centre, spread = coordinates.model(at)
        cpu.forward_filter(values, first, rows, centre, spread, filtered, increments)
        return increments.copy()

    scores = np.column_stack(
        [(contributions(theta + step) - contributions(theta - step)) / (2.0 * STEP) for step in steps(theta.size)]
    )
    information = -second_differences(lambda at: float(contributions(at).sum()), theta)
    outer = scores.T @ scores
    jacobian = coordinates.jacobian(scale)
    tables, notes = {}, list(coordinates.notes)
    for name, covariance in covariances(information, outer).items():
        if covariance is None:
            notes.append(f"STANDARD_ERRORS: {name}: the information matrix is not positive definite")
            tables[name] = dict.fromkeys(coordinates.names, float("nan"))
            continue
        spread = np.sqrt(np.maximum(np.einsum("pi,ij,pj->p", jacobian, covariance, jacobian), 0.0))
        spread[~jacobian.any(axis=1)] = np.nan
        tables[name] = dict(zip(coordinates.names, spread.tolist(), strict=True))
    return tables, notes


class Coordinates:
    """Free coordinates of a model: means, log volatilities, logits of what is not at a bound."""

    def __init__(self, kind: str, initial: Array, transition: Array, means: Array, variances: Array) -> None:
        self.states, self.mixture, self.initial = means.size, kind == "mixture", initial
        self.rows = initial[None, :] if self.mixture else transition
        self.means, self.variances = means, variances
        if self.mixture:
            self.reference = [int(np.argmax(initial))]
        else:
            self.reference = [int(np.argmax(row)) for row in transition]
        self.free = [
            (i, j)
            for i, row in enumerate(self.rows)
            for j in range(self.states)
            if j != self.reference[i] and row[j] > BOUNDARY
        ]
        self.notes = [
            f"BOUNDARY: the probability {self.name(i, j)} is {row[j]:.1e}: held there, no standard error"
            for i, row in enumerate(self.rows)
            for j in range(self.states)
            if row[j] <= BOUNDARY
        ]
        logits = [np.log(self.rows[i, j] / self.rows[i, self.reference[i]]) for i, j in self.free]
        self.theta = np.concatenate([means, 0.5 * np.log(variances), np.array(logits)])
        cells = [self.name(i, j) for i in range(len(self.rows)) for j in range(self.states)]
        self.names = [f"mean_{i}" for i in range(self.states)] + [f"volatility_{i}" for i in range(self.states)] + cells

    def name(self, i: int, j: int) -> str:
        return f"weight_{j}" if self.mixture else f"p_{i}_{j}"

    def model(self, theta: Array) -> tuple[Array, Array, Array, Array]:
        """(initial, transition, means, variances) at a point."""
        states = self.states
        relative = self.rows / np.array([row[k] for row, k in zip(self.rows, self.reference, strict=True)])[:, None]
        for (i, j), logit in zip(self.free, theta[2 * states :], strict=True):
            relative[i, j] = np.exp(logit)
        rows = relative / relative.sum(axis=1, keepdims=True)
        transition = np.tile(rows, (states, 1)) if self.mixture else rows
        first = rows[0].copy() if self.mixture else self.initial
        return first, transition, theta[:states].copy(), np.exp(2.0 * theta[states : 2 * states])

    def jacobian(self, scale: float) -> Array:
        """d parameter / d theta, (parameters, coordinates): what the delta method needs."""
        states = self.states
        found = np.zeros((len(self.names), self.theta.size))
        for i in range(states):
            found[i, i] = scale
            found[states + i, states + i] = scale * np.sqrt(self.variances[i])
        for coordinate, (i, j) in enumerate(self.free, 2 * states):
            for k in range(states):
                row = 2 * states + i * states + k
                found[row, coordinate] = self.rows[i, k] * ((j == k) - self.rows[i, j])
        for i, row_i in enumerate(self.rows):
            for k in range(states):
                if row_i[k] <= BOUNDARY:
                    found[2 * states + i * states + k] = 0.0
        return found


def steps(count: int) -> Array:
    return STEP * np.eye(count)


def second_differences(loglik: Callable[[Array], float], theta: Array) -> Array:
    """Matrix of second derivatives by central differences."""
    moves = steps(theta.size)
    found = np.empty((theta.size, theta.size))
    middle = loglik(theta)
    for i, first in enumerate(moves):
        found[i, i] = (loglik(theta + first) - 2.0 * middle + loglik(theta - first)) / STEP**2
        for j in range(i):
            second = moves[j]
            found[i, j] = found[j, i] = (
                loglik(theta + first + second)
                - loglik(theta + first - second)
                - loglik(theta - first + second)
                + loglik(theta - first - second)
            ) / (4.0 * STEP**2)
    return found


def covariances(information: Array, outer: Array) -> dict[str, Array | None]:
    """Inverse information, inverse outer product, sandwich; None where a matrix is not positive definite."""
    hessian, opg = inverse(information), inverse(outer)
    return {"hessian": hessian, "opg": opg, "robust": None if hessian is None else hessian @ outer @ hessian}


def inverse(matrix: Array) -> Array | None:
    try:
        np.linalg.cholesky(matrix)
    except np.linalg.LinAlgError:
        return None
    return np.asarray(np.linalg.inv(matrix), dtype=np.float64)
