"""Gaussian and t copulas: recovery, likelihood against scipy, tail dependence, invariances."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from models.dependence import copula_logliks, fit_copula, pseudo_observations, tail_dependence
from models.dependence.copula import Uniforms, copula_scores
from models.faults import DataFault, Fault
from tests.models.dependence.simulated import t_sample

CORRELATION = np.array([[1.0, 0.6, -0.3], [0.6, 1.0, 0.2], [-0.3, 0.2, 1.0]])


@pytest.fixture(scope="module")
def sample():
    return t_sample(4_000, CORRELATION, 5.0)


@pytest.mark.parametrize("method", ["kendall", "ml"])
def test_t_copula_is_recovered_within_its_standard_errors(sample, method):
    fit = fit_copula(sample, "t", method=method)
    assert fit.converged
    assert abs(fit.nu - 5.0) < 3.5 * fit.standard_errors["nu"]
    below = np.tril_indices(3, -1)
    distance = np.abs(fit.correlation - CORRELATION)[below] / fit.standard_errors["correlation"][below]
    assert distance.max() < 3.5
    assert fit.tail[0, 1] == pytest.approx(tail_dependence(fit.nu, fit.correlation[0, 1]))


def test_maximum_likelihood_is_above_kendall_and_its_scores_are_zero(sample):
    kendall, best = fit_copula(sample, "t"), fit_copula(sample, "t", method="ml")
    assert best.loglik > kendall.loglik
    scores = copula_scores(Uniforms(pseudo_observations(sample)), best.correlation, best.nu)
    steps = scores.sum(axis=0) / np.sqrt((scores**2).sum(axis=0))
    assert np.abs(steps).max() < 0.01


def test_gaussian_data_prefer_the_gaussian_copula():
    normal = np.random.default_rng(2).multivariate_normal(np.zeros(3), CORRELATION, size=3_000)
    gaussian, t = fit_copula(normal, "gaussian", method="ml"), fit_copula(normal, "t")
    assert t.nu > 25
    assert gaussian.nu == math.inf
    assert gaussian.loglik > t.loglik - 2
    np.testing.assert_allclose(gaussian.correlation, CORRELATION, atol=0.05)
    assert np.all(gaussian.tail[~np.eye(3, dtype=bool)] == 0)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), nu=st.one_of(st.just(math.inf), st.floats(2.1, 60.0)))
def test_density_is_the_joint_one_divided_by_its_margins(seed, nu):
    u = np.random.default_rng(seed).uniform(0.001, 0.999, size=(20, 3))
    if math.isinf(nu):
        x = stats.norm.ppf(u)
        expected = stats.multivariate_normal(cov=CORRELATION).logpdf(x) - stats.norm.logpdf(x).sum(axis=1)
    else:
        x = stats.t.ppf(u, nu)
        expected = stats.multivariate_t(shape=CORRELATION, df=nu).logpdf(x) - stats.t.logpdf(x, nu).sum(axis=1)
    np.testing.assert_allclose(copula_logliks(u, CORRELATION, nu), expected, rtol=1e-6, atol=1e-8)


def test_t_copula_of_many_degrees_of_freedom_is_the_gaussian_one():
    u = np.random.default_rng(3).uniform(0.01, 0.99, size=(50, 3))
    np.testing.assert_allclose(copula_logliks(u, CORRELATION, 1e7), copula_logliks(u, CORRELATION), atol=1e-5)


def test_monotone_transformations_of_the_margins_change_nothing(sample):
    here = fit_copula(sample[:500], "t")
    there = fit_copula(np.exp(sample[:500]) * [1, 10, 100], "t")
    assert there.nu == here.nu
    np.testing.assert_array_equal(there.correlation, here.correlation)


def test_permuting_series_permutes_the_copula(sample):
    order = [2, 0, 1]
    here, there = fit_copula(sample[:800], "t"), fit_copula(sample[:800, order], "t")
    assert there.nu == pytest.approx(here.nu, rel=1e-5)
    np.testing.assert_allclose(there.correlation, here.correlation[np.ix_(order, order)], atol=1e-12)
    np.testing.assert_allclose(there.tail, here.tail[np.ix_(order, order)], atol=1e-6)


def test_correlations_of_comonotone_series_are_repaired_with_a_note(sample):
    fit = fit_copula(np.column_stack([sample[:300], np.exp(sample[:300, 0])]), "gaussian")
    assert fit.notes[0].startswith("PSD_REPAIRED: ")
    assert np.linalg.eigvalsh(fit.correlation)[0] > 0


def test_empirical_tail_dependence_is_the_one_of_the_fit():
    sample = t_sample(200_000, CORRELATION[:2, :2], 3.0, seed=4)
    u = pseudo_observations(sample)
    level = 0.002
    both = np.mean((u[:, 0] < level) & (u[:, 1] < level)) / level
    assert both == pytest.approx(tail_dependence(3.0, 0.6), abs=0.06)


@pytest.mark.parametrize(("rho", "expected"), [(1.0, 1.0), (-1.0, 0.0)])
def test_tail_dependence_at_the_ends_of_correlation(rho, expected):
    assert tail_dependence(4.0, rho) == expected
    assert tail_dependence(math.inf, 0.9) == 0.0


def test_bad_uniforms_and_arguments_are_named(sample):
    with pytest.raises(DataFault, match=r"series 1: .* in row 1 is not inside \(0, 1\)"):
        fit_copula(np.abs(sample) * [0.001, 100, 0.001], "t", ranks=False)
    with pytest.raises(Fault, match="must be gaussian or t"):
        fit_copula(sample, "clayton")
    with pytest.raises(Fault, match="at least two series"):
        fit_copula(sample[:, :1])
    with pytest.raises(Fault, match="nu -1 must be above 0"):
        tail_dependence(-1, 0.5)
    with pytest.raises(Fault, match="at most 30"):
        fit_copula(np.random.default_rng(1).normal(size=(60, 31)), method="ml")
