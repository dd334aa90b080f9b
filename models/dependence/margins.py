"""GARCH(1,1) margins of several series: one by one, and as the part of a joint likelihood that each series owns."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels.dependence.margins import garch_evaluate
from models.dependence.means import Equations
from models.volatility.batch import fit_batch
from models.volatility.health import EWMA_DECAY, PERSISTENCE_LIMIT
from models.volatility.spec import Spec

Floats = NDArray[np.float64]
MEANS = {(): "zero", ("constant",): "constant"}
NOTHING = 0.5  # of log-likelihood: half of what chance gives on average to each parameter
AT_ZERO = 1e-6  # alpha or beta below it is zero
GARCH_LABELS = ("omega", "alpha", "beta")


@dataclass(frozen=True)
class MarginState:
    """All series under given parameters. `variances` (n + 1, series): the last row is one step ahead.

    `scores` and `slopes` (n, parameters): d loglik_t and d standardised_t by each margin parameter.
    """

    residuals: Floats
    variances: Floats
    standardised: Floats
    scores: Floats
    slopes: Floats
    logliks: Floats

    @property
    def loglik(self) -> float:
        return float(self.logliks.sum())


@dataclass(frozen=True)
class Margins:
    """The series with their equations; parameters are flat, series after series: mean, omega, alpha, beta."""

    equations: Equations

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        return tuple(design.shape[1] + 3 for design in self.equations.designs)

    @cached_property
    def offsets(self) -> tuple[int, ...]:
        return tuple(int(offset) for offset in np.concatenate([[0], np.cumsum(self.sizes)[:-1]]))

    @cached_property
    def places(self) -> tuple[slice, ...]:
        """Where each series' parameters stand among all."""
        return tuple(slice(first, first + size) for first, size in zip(self.offsets, self.sizes, strict=True))

    @cached_property
    def owners(self) -> NDArray[np.int64]:
        """Series of each parameter."""
        return np.repeat(np.arange(len(self.sizes)), self.sizes)

    @cached_property
    def labels(self) -> tuple[str, ...]:
        equations = zip(self.equations.names, self.equations.labels, strict=True)
        return tuple(f"{name}.{label}" for name, mean in equations for label in (*mean, *GARCH_LABELS))

    @cached_property
    def garch(self) -> NDArray[np.bool_]:
        """Which parameters belong to the variance: omega, alpha, beta of each series."""
        found = np.zeros(sum(self.sizes), dtype=bool)
        for place in self.variance_places:
            found[place] = True
        return found

    @cached_property
    def variance_places(self) -> tuple[slice, ...]:
        """Where each series' omega, alpha and beta stand among all."""
        means = (design.shape[1] for design in self.equations.designs)
        return tuple(slice(offset + k, offset + k + 3) for offset, k in zip(self.offsets, means, strict=True))

    def part(self, parameters: Floats, series: int) -> Floats:
        return parameters[self.places[series]]

    def scores_of(self, parameters: Floats, series: int) -> Floats:
        """d loglik_t / d parameters of one series, (n, size), under the flat `parameters` of all."""
        design = self.equations.designs[series]
        returns = np.ascontiguousarray(self.equations.returns[:, series])
        return self.evaluate_one(returns, design, self.part(parameters, series))[2]

    def evaluate_one(
        self, returns: Floats, design: Floats, parameters: Floats
    ) -> tuple[Floats, Floats, Floats, Floats, float]:
        """One series; see the function of that name. Another density overrides it."""
        return evaluate_one(returns, design, parameters)

    def evaluate(self, parameters: Floats) -> MarginState:
        """Everything of every series under `parameters` (sum of sizes,)."""
        returns = self.equations.returns
        n, series = returns.shape
        columns = np.ascontiguousarray(returns.T)
        residuals, variances = np.empty((series, n)), np.empty((series, n + 1))
        scores, slopes = np.empty((n, sum(self.sizes))), np.empty((n, sum(self.sizes)))
        logliks = np.empty(series)
        for i in range(series):
            one = self.evaluate_one(columns[i], self.equations.designs[i], self.part(parameters, i))
            place = self.places[i]
            residuals[i], variances[i], scores[:, place], slopes[:, place], logliks[i] = one
        standardised = np.ascontiguousarray((residuals / np.sqrt(variances[:, :-1])).T)
        return MarginState(residuals.T.copy(), variances.T.copy(), standardised, scores, slopes, logliks)


def evaluate_one(returns: Floats, design: Floats, parameters: Floats) -> tuple[Floats, Floats, Floats, Floats, float]:
    """Residuals (n,), variances (n + 1,), scores and slopes (n, parameters), log-likelihood of one series."""
    n, k = design.shape
    residuals, variances, derivatives = np.empty(n), np.empty(n + 1), np.empty((n + 1, k + 3))
    scores, slopes = np.empty((n, k + 3)), np.empty((n, k + 3))
    arrays = (residuals, variances, derivatives, scores, slopes)
    return residuals, variances, scores, slopes, garch_evaluate(returns, design, parameters, *arrays)


def fit_margins(margins: Margins, warm: Floats | None = None) -> tuple[Floats, NDArray[np.bool_]]:
    """Normal quasi maximum likelihood of each series alone: flat parameters, and which searches converged.

    From `warm` parameters too, where they are inside the region searched: the likelihood may have two tops, and the
    higher stationary one is taken. Where that is no better than a constant variance by NOTHING, alpha and beta are
    zero: beta has no meaning without alpha.
    """
    parameters, converged, logliks = searched(margins, np.full(sum(margins.sizes), np.nan))
    if warm is not None and (inside := [i for i, place in enumerate(margins.places) if usable_start(warm[place])]):
        again, success, values = searched(margins, warm)
        for i in inside:
            place = margins.places[i]
            better = values[i] > logliks[i] or not (converged[i] and usable_start(parameters[place]))
            if success[i] and usable_start(again[place]) and better:
                parameters[place], converged[i] = again[place], True
    for i, place in enumerate(margins.places):
        parameters[place] = simplest(margins, i, parameters[place])
    return parameters, converged


def usable_start(parameters: Floats) -> bool:
    """Whether omega, alpha, beta are inside: not an EWMA, not a constant variance."""
    return bool(np.all(parameters[-3:] > 0.0) and parameters[-2:].sum() < PERSISTENCE_LIMIT)


def searched(margins: Margins, start: Floats) -> tuple[Floats, NDArray[np.bool_], Floats]:
    """Normal errors, from the rows of `start` that can be begun at."""
    return fit_alike(margins, start, lambda mean: Spec(process="garch", mean=mean, start_variance="benchmark"))


def fit_alike(
    margins: Margins, start: Floats, spec_of: Callable[[Any], Spec]
) -> tuple[Floats, NDArray[np.bool_], Floats]:
    """`models.volatility.fit_batch` of the series of equal equations together, on one thread; and log-likelihoods."""
    equations = margins.equations
    series = len(margins.sizes)
    parameters, converged, logliks = np.empty(sum(margins.sizes)), np.empty(series, dtype=bool), np.empty(series)
    for labels in dict.fromkeys(equations.labels):
        chosen = [i for i, own in enumerate(equations.labels) if own == labels]
        mean: Any = MEANS.get(labels, "regressors")
        words: dict[str, Any] = {}
        if mean == "regressors":
            words = {"regressors": equations.designs[chosen[0]], "regressor_names": labels}
        warm = np.stack([start[margins.places[i]] for i in chosen])
        k = len(labels)
        warm[[not usable_start(row[k : k + 3]) for row in warm]] = np.nan
        batch = fit_batch(
            np.ascontiguousarray(equations.returns[:, chosen].T),
            spec_of(mean),
            warm=warm,
            names=[equations.names[i] for i in chosen],
            standard_errors=False,
            threads=1,
            **words,
        )
        converged[chosen], logliks[chosen] = batch.converged, batch.logliks
        for i, found in zip(chosen, batch.parameters, strict=True):
            parameters[margins.places[i]] = found
    return parameters, converged, logliks


def simplest(margins: Margins, series: int, found: Floats) -> Floats:
    """`found` with what is nothing set to zero, or a constant variance where that is as likely."""
    design = margins.equations.designs[series]
    returns = np.ascontiguousarray(margins.equations.returns[:, series])
    mean = np.linalg.lstsq(design, returns, rcond=None)[0]
    flat = np.concatenate([mean, [np.mean((returns - design @ mean) ** 2), 0.0, 0.0]])
    if not evaluate_one(returns, design, found)[4] > evaluate_one(returns, design, flat)[4] + NOTHING:
        return flat
    out = found.copy()
    out[-2:] = np.where(out[-2:] < AT_ZERO, 0.0, out[-2:])
    return out


def usable_margins(
    margins: Margins, parameters: Floats, converged: NDArray[np.bool_]
) -> tuple[Floats, NDArray[np.bool_], tuple[str, ...]]:
    """Parameters with EWMA(0.94) in the place of every GARCH that cannot be used, which series those are, and notes.

    The limit is the one of `models.volatility`; EWMA is the GARCH of omega 0, alpha 0.06, beta 0.94.
    """
    out, replaced, notes = parameters.copy(), np.zeros(len(converged), dtype=bool), []
    for i, place in enumerate(margins.variance_places):
        persistence = float(out[place][1:].sum())
        if converged[i] and persistence < PERSISTENCE_LIMIT:
            continue
        reason = f"alpha + beta {persistence:.6f}" if converged[i] else "its search did not converge"
        replaced[i] = True
        design = margins.equations.designs[i]
        mean = np.linalg.lstsq(design, margins.equations.returns[:, i], rcond=None)[0]
        out[margins.offsets[i] : place.stop] = [*mean, 0.0, 1.0 - EWMA_DECAY, EWMA_DECAY]
        notes.append(
            f"EWMA_MARGIN: variances of {margins.equations.names[i]} are those of EWMA({EWMA_DECAY}): {reason}"
        )
    return out, replaced, tuple(notes)
