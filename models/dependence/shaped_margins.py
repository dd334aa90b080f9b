"""GARCH(1,1) margins whose errors are Student-t or skewed t: the density differs, variances and slopes do not."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels.volatility import reference
from models.dependence.margins import AT_ZERO, GARCH_LABELS, Margins, evaluate_one, fit_alike, usable_start
from models.volatility.spec import ERRORS, SHAPE_NAMES, Spec

Floats = NDArray[np.float64]
COMPLEX_STEP = 1e-30


@dataclass(frozen=True)
class ShapedMargins(Margins):
    """As `Margins` with the density's shape after beta: nu, and lambda for skewed t (Hansen 1994).

    Standardised residuals do not depend on the shape, so their slopes by it are zero.
    """

    errors: str = "t"

    @property
    def shapes(self) -> tuple[str, ...]:
        return SHAPE_NAMES[self.errors]

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        return tuple(design.shape[1] + 3 + len(self.shapes) for design in self.equations.designs)

    @cached_property
    def labels(self) -> tuple[str, ...]:
        equations = zip(self.equations.names, self.equations.labels, strict=True)
        return tuple(f"{name}.{label}" for name, mean in equations for label in (*mean, *GARCH_LABELS, *self.shapes))

    def evaluate_one(
        self, returns: Floats, design: Floats, parameters: Floats
    ) -> tuple[Floats, Floats, Floats, Floats, float]:
        """Residuals, variances, scores, slopes, log-likelihood: the score of the density by a complex step."""
        first = design.shape[1] + 3
        residuals, variances, normal_scores, normal_slopes, _ = evaluate_one(returns, design, parameters[:first])
        h, shape = variances[:-1], parameters[first:]
        z = residuals / np.sqrt(h)
        # the normal score is -z dz - dh / (2 h): what is left of it is the density's own -dh / (2 h)
        by_h = normal_scores + z[:, None] * normal_slopes
        logs, by_z, by_shape = density(z, shape, ERRORS.index(self.errors))
        scores = np.column_stack([by_z[:, None] * normal_slopes + by_h, *by_shape])
        slopes = np.column_stack([normal_slopes, np.zeros((len(z), len(shape)))])
        return residuals, variances, scores, slopes, float(np.sum(logs - 0.5 * np.log(h)))


def density(z: Floats, shape: Floats, errors: int) -> tuple[Floats, Floats, list[Floats]]:
    """log f(z) (n,), its derivative by z (n,) and by each shape parameter (n,)."""
    logs = np.real(reference.density_logs(z, shape, errors))
    by_z = np.imag(reference.density_logs(z + COMPLEX_STEP * 1j, shape, errors)) / COMPLEX_STEP
    by_shape = []
    for k in range(len(shape)):
        moved = shape.astype(np.complex128)
        moved[k] += COMPLEX_STEP * 1j
        by_shape.append(np.imag(reference.density_logs(z, moved, errors)) / COMPLEX_STEP)
    return logs, by_z, by_shape


def fit_shaped(margins: ShapedMargins, warm: Floats | None = None) -> tuple[Floats, NDArray[np.bool_]]:
    """Maximum likelihood of each series alone: flat parameters, and which searches converged.

    From `warm` too where it is inside the region searched; the higher likelihood is taken. alpha or beta that is
    nothing is set to zero.
    """
    spec: dict[str, Any] = {"process": "garch", "errors": margins.errors, "start_variance": "benchmark"}
    nowhere = np.full(sum(margins.sizes), np.nan)
    parameters, converged, logliks = fit_alike(margins, nowhere, lambda mean: Spec(mean=mean, **spec))
    if warm is not None:
        again, success, values = fit_alike(margins, warm, lambda mean: Spec(mean=mean, **spec))
        for i, place in enumerate(margins.places):
            if success[i] and usable_start(again[margins.variance_places[i]]) and not values[i] <= logliks[i]:
                parameters[place], converged[i] = again[place], True
    for place in margins.variance_places:
        parameters[place][1:] = np.where(parameters[place][1:] < AT_ZERO, 0.0, parameters[place][1:])
    return parameters, converged
