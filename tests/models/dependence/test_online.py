"""A fitted model carried forward bar by bar, against its own filter on the longer data."""

import numpy as np
import pytest

from models.dependence import OnlineDependence, fit_ccc, fit_dcc
from models.faults import DataFault
from tests.models.dependence.simulated import dcc_returns

NAMES = ("A", "B", "C")


def carried_slowly(fit, returns, first):
    """Covariances after each row from `first` on, by the formulas."""
    p, d = fit.parameters, fit.dynamics
    variances, quasi = fit.next_variances, np.tril(fit.quasi) + np.tril(fit.quasi, -1).T
    for t in range(first, len(returns)):
        mean = np.array(
            [
                p.get(f"{name}.constant", 0.0)
                + sum(p.get(f"{name}.L.{other}", 0.0) * returns[t - 1, j] for j, other in enumerate(NAMES))
                for name in NAMES
            ]
        )
        residuals = returns[t] - mean
        e = residuals / np.sqrt(variances)
        omega, alpha, beta = (np.array([p[f"{name}.{part}"] for name in NAMES]) for part in ("omega", "alpha", "beta"))
        variances = omega + alpha * residuals**2 + beta * variances
        negative = np.minimum(e, 0)
        quasi = (
            (1 - d.a - d.b) * d.target
            - d.g * d.negative_target
            + d.a * np.outer(e, e)
            + d.g * np.outer(negative, negative)
            + d.b * quasi
        )
        deviations = np.sqrt(variances / np.diag(quasi))
        yield quasi * np.outer(deviations, deviations)


@pytest.mark.parametrize(
    ("estimate", "arguments"),
    [
        (fit_dcc, {"mean": "constant"}),
        (fit_dcc, {"mean": "var1", "asymmetric": True}),
        (fit_dcc, {"mean": "A=L.B+constant", "estimator": "composite"}),
        (fit_ccc, {"mean": "zero"}),
    ],
)
def test_steps_without_refitting_follow_the_formulas(estimate, arguments):
    returns = dcc_returns(460, 3, seed=2)
    fit = estimate(returns[:400], names=NAMES, **arguments)
    before = fit.covariance.copy()
    online = OnlineDependence(fit, returns[399])
    np.testing.assert_array_equal(online.covariance, fit.covariance)
    for row, expected in zip(returns[400:], carried_slowly(fit, returns, 400), strict=True):
        np.testing.assert_allclose(online.step(row), expected, rtol=1e-10)
        assert np.linalg.eigvalsh(online.correlation)[0] > 0
    np.testing.assert_array_equal(np.diag(online.correlation), 1.0)
    np.testing.assert_array_equal(fit.covariance, before)


def test_a_row_with_a_hole_is_refused_by_name_and_leaves_the_state():
    returns = dcc_returns(300, 3)
    online = OnlineDependence(fit_dcc(returns, names=NAMES), returns[-1])
    before = online.covariance.copy()
    with pytest.raises(DataFault, match="B: one finite return for each of 3 series is needed"):
        online.step(np.array([0.01, np.nan, 0.01]))
    np.testing.assert_array_equal(online.covariance, before)
