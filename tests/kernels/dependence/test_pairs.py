"""Composite likelihood of pairs, and Kendall's tau, against the slow reference and scipy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kendalltau, rankdata

from kernels.dependence import reference
from kernels.dependence.pairs import composite_logliks, composite_work
from kernels.dependence.ranks import kendall_taus
from tests.kernels.dependence.samples import moments, residuals


def composite(standardised, a, b, g):
    assets, out = standardised.shape[1], np.empty(len(standardised))
    work = (np.zeros((assets, assets)), composite_work(assets))
    total = composite_logliks(standardised, *moments(standardised), a, b, g, *work, out)
    return total, out


@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    assets=st.sampled_from([2, 3, 7, 19]),
    n=st.integers(20, 70),
    a=st.floats(0.0, 0.2),
    b=st.floats(0.0, 0.7),
    g=st.sampled_from([0.0, 0.02]),
)
def test_compiled_composite_likelihood_equals_its_reference(*, seed, assets, n, a, b, g):
    standardised = residuals(np.random.default_rng(seed), n, assets)
    expected = reference.composite_logliks(standardised, *moments(standardised), a, b, g)
    total, got = composite(standardised, a, b, g)
    np.testing.assert_allclose(got, expected, rtol=1e-8, atol=1e-8)
    assert total == pytest.approx(expected.sum(), rel=1e-9, abs=1e-8)


def test_composite_likelihood_of_two_assets_is_their_likelihood():
    standardised = residuals(np.random.default_rng(2), 100, 2)
    expected = reference.dcc_logliks(standardised, *moments(standardised), 0.05, 0.9)
    np.testing.assert_allclose(composite(standardised, 0.05, 0.9, 0.0)[1], expected, rtol=1e-10, atol=1e-12)


def test_composite_likelihood_exists_with_fewer_rows_than_assets():
    standardised = residuals(np.random.default_rng(2), 12, 30)
    assert np.isfinite(composite(standardised, 0.02, 0.5, 0.0)[0])


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(3, 90), values=st.sampled_from([3, 10, 10**6]))
def test_kendall_of_all_pairs_equals_the_reference_and_scipy_with_and_without_ties(seed, n, values):
    rng = np.random.default_rng(seed)
    data = rng.integers(0, values, size=(n, 3)).astype(float)
    data[:2] = [[0, 1, 2], [5, 4, 3]]
    ranks = np.ascontiguousarray(rankdata(data, method="dense", axis=0).T.astype(np.int64) - 1)
    taus, errors = np.empty((2, 3, 3))
    kendall_taus(ranks, taus, errors)
    for i in range(3):
        for j in range(3):
            assert taus[i, j] == pytest.approx(reference.kendall_tau(data[:, i], data[:, j]), abs=1e-12)
            assert taus[i, j] == pytest.approx(kendalltau(data[:, i], data[:, j]).statistic, abs=1e-12)


def test_error_of_kendall_is_the_spread_of_repeated_samples():
    rng = np.random.default_rng(4)
    taus, errors = np.empty((2, 300, 2, 2))
    for i in range(300):
        data = rng.multivariate_normal([0, 0], [[1, 0.6], [0.6, 1]], size=200)
        ranks = np.ascontiguousarray(data.argsort(axis=0).argsort(axis=0).T)
        kendall_taus(ranks, taus[i], errors[i])
    assert errors[:, 0, 1].mean() == pytest.approx(taus[:, 0, 1].std(), rel=0.12)
