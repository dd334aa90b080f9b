"""Dynamic correlation compiled, against the slow reference: path, likelihood and scores."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels.dependence import cpu, reference
from kernels.dependence.likelihood import dcc_loglik, likelihood_work
from kernels.dependence.scores import dcc_scores
from tests.kernels.dependence.samples import admissible, moments, random_correlation, residuals

SAMPLES = {
    "seed": st.integers(0, 2**32 - 1),
    "assets": st.integers(1, 19),
    "n": st.integers(20, 60),
    "a": st.floats(0.0, 0.2),
    "b": st.floats(0.0, 0.7),
    "share": st.sampled_from([0.0, 0.3, 0.9]),
}
FEW = SAMPLES | {"assets": st.integers(2, 5)}


def loglik(standardised, target, negative_target, a, b, g):
    packed = standardised.shape[1] * (standardised.shape[1] + 1) // 2
    work = likelihood_work(standardised.shape[1])
    return dcc_loglik(standardised, target, negative_target, a, b, g, np.zeros(packed), np.zeros(packed), work)


@settings(max_examples=40, deadline=None)
@given(**SAMPLES)
def test_compiled_likelihood_equals_its_reference(*, seed, assets, n, a, b, share):
    standardised = residuals(np.random.default_rng(seed), n, assets)
    target, negative = moments(standardised)
    g = admissible(share, target, negative, a, b)
    expected = reference.dcc_logliks(standardised, target, negative, a, b, g).sum()
    assert loglik(standardised, target, negative, a, b, g) == pytest.approx(expected, rel=1e-8, abs=1e-9)


@settings(max_examples=20, deadline=None)
@given(**{name: FEW[name] for name in ("seed", "assets", "n", "a", "b")})
def test_near_singular_series_have_the_likelihood_of_the_reference(*, seed, assets, n, a, b):
    standardised = residuals(np.random.default_rng(seed), n, assets, near_singular=True)
    target, negative = moments(standardised)
    expected = reference.dcc_logliks(standardised, target, negative, a, b).sum()
    assert loglik(standardised, target, negative, a, b, 0.0) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("n", range(1, 18))
def test_likelihood_of_any_number_of_rows_fills_or_leaves_lanes(n):
    rng = np.random.default_rng(n)
    standardised, target = residuals(rng, n, 3), random_correlation(rng, 3)
    expected = reference.dcc_logliks(standardised, target, target, 0.05, 0.9).sum()
    assert loglik(standardised, target, target, 0.05, 0.9, 0.0) == pytest.approx(expected, rel=1e-12)


def test_likelihood_of_sixty_assets_takes_logarithms_in_several_parts():
    rng = np.random.default_rng(3)
    standardised, target = residuals(rng, 30, 60), random_correlation(rng, 60)
    expected = reference.dcc_logliks(standardised, target, target, 0.02, 0.9).sum()
    assert loglik(standardised, target, target, 0.02, 0.9, 0.0) == pytest.approx(expected, rel=1e-10)


def test_likelihood_is_not_finite_when_a_quasi_correlation_is_not_positive_definite():
    standardised = residuals(np.random.default_rng(1), 50, 4)
    indefinite = np.full((4, 4), -0.9) + 1.9 * np.eye(4)
    assert np.isnan(reference.dcc_logliks(standardised, indefinite, indefinite, 0.05, 0.9)).any()
    assert not np.isfinite(loglik(standardised, indefinite, indefinite, 0.05, 0.9, 0.0))


@settings(max_examples=20, deadline=None)
@given(**FEW)
def test_permuting_assets_leaves_the_likelihood_and_permutes_the_path(*, seed, assets, n, a, b, share):
    rng = np.random.default_rng(seed)
    standardised = residuals(rng, n, assets)
    target, negative = moments(standardised)
    g = admissible(share, target, negative, a, b)
    order = rng.permutation(assets)
    turned = np.ascontiguousarray(standardised[:, order])
    pair = np.ix_(order, order)
    path, turned_path = np.empty((2, n + 1, assets, assets))
    cpu.dcc_path(standardised, target, negative, a, b, g, np.zeros((assets, assets)), path)
    cpu.dcc_path(turned, target[pair], negative[pair], a, b, g, np.zeros((assets, assets)), turned_path)
    np.testing.assert_allclose(turned_path, path[:, order][:, :, order], atol=1e-12)
    here, there = loglik(standardised, target, negative, a, b, g), loglik(turned, target[pair], negative[pair], a, b, g)
    assert there == pytest.approx(here, rel=1e-9, abs=1e-9)


@settings(max_examples=20, deadline=None)
@given(**SAMPLES)
def test_compiled_path_equals_its_reference_and_is_positive_definite(*, seed, assets, n, a, b, share):
    standardised = residuals(np.random.default_rng(seed), n, assets)
    target, negative = moments(standardised)
    g = admissible(share, target, negative, a, b)
    path, quasi = np.empty((n + 1, assets, assets)), np.zeros((assets, assets))
    cpu.dcc_path(standardised, target, negative, a, b, g, quasi, path)
    expected = reference.quasi_correlations(standardised, target, negative, a, b, g)
    np.testing.assert_allclose(path, reference.correlations(expected), atol=1e-12)
    np.testing.assert_allclose(np.tril(quasi), np.tril(expected[-1]), atol=1e-12)
    assert np.linalg.eigvalsh(path)[:, 0].min() > -1e-12
    np.testing.assert_array_equal(np.diagonal(path, axis1=1, axis2=2), 1.0)


@settings(max_examples=15, deadline=None)
@given(**FEW)
def test_scores_are_the_derivatives_of_the_reference(*, seed, assets, n, a, b, share):
    rng = np.random.default_rng(seed)
    standardised = residuals(rng, n, assets)
    target, a = random_correlation(rng, assets) + 0.3 * np.eye(assets), 0.02 + a
    g = 0.5 * admissible(share, target, moments(standardised)[1], a, b)
    owners = rng.integers(0, assets, 4)
    slopes = rng.normal(size=(n, 4))
    got = scores_of(standardised, slopes, owners, target, (a, b, g))
    expected = differences(standardised, slopes, owners, target, (a, b, g))
    np.testing.assert_allclose(got, expected, atol=2e-6 * (1 + np.abs(expected).max()))


def scores_of(standardised, slopes, owners, target, dynamics):
    assets, negative = standardised.shape[1], np.minimum(standardised, 0.0)
    moved = np.where(standardised[:, owners] < 0, slopes, 0.0)
    negative_slopes = moved.T @ negative / len(negative)
    negative_slopes[np.arange(4), owners] *= 2
    out = np.empty((len(standardised), 4 + assets * (assets + 1) // 2 + 3))
    work = np.zeros((11, assets, assets))
    arguments = (standardised, slopes, owners, negative_slopes, target, moments(standardised)[1])
    dcc_scores(*arguments, *dynamics, work, out)
    return out


def differences(standardised, slopes, owners, target, dynamics, step=1e-6):
    """Central differences of `reference.dcc_logliks` by everything, in the order of `dcc_scores`."""

    def logliks(residual_shift=0.0, target_shift=0.0, dynamics_shift=(0.0, 0.0, 0.0)):
        moved = standardised + residual_shift
        point = np.array(dynamics) + dynamics_shift
        return reference.dcc_logliks(moved, target + target_shift, moments(moved)[1], *point)

    def central(make):
        return (logliks(**make(step)) - logliks(**make(-step))) / (2 * step)

    columns = []
    for q, owner in enumerate(owners):
        unit = np.zeros_like(standardised)
        unit[:, owner] = slopes[:, q]
        columns.append(central(lambda h, unit=unit: {"residual_shift": h * unit}))
    for i in range(len(target)):
        for j in range(i + 1):
            unit = np.zeros_like(target)
            unit[i, j] = unit[j, i] = 1.0
            columns.append(central(lambda h, unit=unit: {"target_shift": h * unit}))
    for unit in np.eye(3):
        columns.append(central(lambda h, unit=unit: {"dynamics_shift": h * unit}))
    return np.column_stack(columns)


def test_a_step_of_the_online_kernel_is_a_step_of_the_reference():
    rng = np.random.default_rng(5)
    standardised, target = residuals(rng, 20, 6), random_correlation(rng, 6)
    negative = moments(standardised)[1]
    variances, quasi = rng.uniform(0.5, 2.0, 6), target.copy()
    garch, covariance, own = np.array([[0.1] * 6, [0.05] * 6, [0.9] * 6]), np.empty((6, 6)), np.empty(6)
    expected_h, expected_q = variances.copy(), target.copy()
    for row in standardised:
        cpu.online_step(row, garch, variances, quasi, target, negative, 0.04, 0.9, 0.02, own, covariance)
        e = row / np.sqrt(expected_h)
        expected_h = 0.1 + 0.05 * row**2 + 0.9 * expected_h
        expected_q = reference.quasi_correlations(e[None], target, negative, 0.04, 0.9, 0.02)[1] + 0.9 * (
            expected_q - target
        )
        correlation = reference.correlations(expected_q)
        np.testing.assert_allclose(covariance, correlation * np.sqrt(np.outer(expected_h, expected_h)), rtol=1e-12)
        np.testing.assert_allclose(own, e, rtol=1e-12)
