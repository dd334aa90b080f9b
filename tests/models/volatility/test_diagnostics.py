"""Quantiles, Ljung-Box and persistence against closed forms and scipy."""

import numpy as np
import pytest
from scipy import stats

from models.volatility import Spec
from models.volatility.diagnostics import ljung_box, quantiles
from models.volatility.persistence import density_at, nodes, persistence


def test_quantiles_are_those_of_the_unit_variance_densities() -> None:
    shares = np.array([0.01, 0.25, 0.5, 0.9, 0.999])
    np.testing.assert_allclose(quantiles(shares, None, 0.0), stats.norm.ppf(shares), atol=1e-3)
    np.testing.assert_allclose(quantiles(shares, 5.0, 0.0), stats.t.ppf(shares, 5) * np.sqrt(3 / 5), atol=1e-3)


@pytest.mark.parametrize("skew", [-0.6, 0.0, 0.4])
def test_densities_have_mean_zero_and_variance_one(skew: float) -> None:
    z, weight = nodes()
    density = density_at(z, 6.0, skew) * weight
    assert density.sum() == pytest.approx(1.0, abs=1e-7)
    assert (density * z).sum() == pytest.approx(0.0, abs=1e-7)
    assert (density * z**2).sum() == pytest.approx(1.0, abs=1e-5)


def test_persistence_of_aparch_with_power_two_is_that_of_its_gjr() -> None:
    alpha, gamma, beta = 0.06, 0.4, 0.85
    found = persistence(Spec(process="aparch"), np.array([[0.0, 0.1, alpha, gamma, beta, 2.0]]))
    assert found[0] == pytest.approx(alpha * (1 + gamma**2) + beta, abs=1e-9)
    gjr = np.array([[0.0, 0.1, alpha * (1 - gamma) ** 2, 4 * alpha * gamma, beta]])
    assert found[0] == pytest.approx(persistence(Spec(process="gjr"), gjr)[0], abs=1e-9)


def test_ljung_box_of_noise_is_chi_square() -> None:
    random = np.random.Generator(np.random.PCG64(3))
    values = [ljung_box(random.standard_normal(400), 10)[1] for _ in range(300)]
    assert stats.kstest(values, "uniform").pvalue > 0.01
    walk = np.cumsum(random.standard_normal(400))
    assert ljung_box(walk, 10)[1] < 1e-10
