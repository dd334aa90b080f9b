"""Maximum likelihood of one series, with everything a reader of the fit may ask for."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.health import Health
from models.volatility.batch import COVARIANCES, Array, fit_batch
from models.volatility.health import health_of
from models.volatility.notes import notes_of
from models.volatility.spec import Spec

TOLERANCE = 1e-13  # of the log-likelihood still to be gained


@dataclass(frozen=True)
class VolatilityFit:
    """One fitted series, in the data's units.

    Where health is not ok, variances, standardised and next_variance are those of EWMA(0.94); the parameters and the
    likelihood stay those of the model.
    """

    spec: Spec
    parameters: dict[str, float]
    standard_errors: dict[str, dict[str, float]]  # hessian, opg, robust (Bollerslev-Wooldridge 1992)
    covariances: dict[str, Array]  # (k, k) each, in the order of parameters
    loglik: float
    converged: bool
    persistence: float
    health: Health
    start_variance: float
    variances: Array  # (n,)
    residuals: Array  # (n,), returns minus mean
    standardised: Array  # (n,)
    next_variance: float
    notes: tuple[str, ...]  # coded: AT_BOUND, SINGULAR, KINK, and why health is not ok
    n: int
    evaluations: int
    seconds: float


def fit(
    returns: NDArray[Any],
    spec: Spec,
    *,
    regressors: NDArray[Any] | None = None,
    regressor_names: Sequence[str] = (),
    name: str = "",
    warm: NDArray[Any] | None = None,
) -> VolatilityFit:
    """Fits returns (n,) in any unit. Arguments and errors as `fit_batch`, of which this is one row."""
    batch = fit_batch(
        np.atleast_2d(np.asarray(returns, dtype=np.float64)), spec, regressors=regressors,
        regressor_names=regressor_names, names=(name,) if name else (), threads=1, tolerance=TOLERANCE,
        warm=None if warm is None else np.atleast_2d(warm),
    )  # fmt: skip
    parameters = dict(zip(batch.names, batch.parameters[0].tolist(), strict=True))
    errors = {
        kind: dict(zip(batch.names, batch.standard_errors[kind][0].tolist(), strict=True)) for kind in COVARIANCES
    }
    health = health_of(int(batch.codes[0]), float(batch.persistence[0]))
    notes = notes_of(spec, parameters, errors, batch.standardised[0])
    return VolatilityFit(
        spec=spec,
        parameters=parameters,
        standard_errors=errors,
        covariances={kind: batch.covariances[0, i] for i, kind in enumerate(COVARIANCES)},
        loglik=float(batch.logliks[0]),
        converged=bool(batch.converged[0]),
        persistence=float(batch.persistence[0]),
        health=health,
        notes=notes if health.ok else (health.note, *notes),
        start_variance=float(batch.start_variances[0]),
        variances=batch.variances[0],
        residuals=batch.residuals[0],
        standardised=batch.standardised[0],
        next_variance=float(batch.next_variance[0]),
        n=batch.n,
        evaluations=int(batch.evaluations[0]),
        seconds=batch.seconds,
    )
