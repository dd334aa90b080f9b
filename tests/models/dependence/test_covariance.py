"""Covariance without dynamics, and correlation matrices made positive definite."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.covariance import ledoit_wolf as sklearn_ledoit_wolf

from kernels.dependence import reference
from models.dependence import ewma_covariance, ledoit_wolf, nearest_correlation, positive_definite
from models.faults import DataFault, Fault


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(3, 60), assets=st.integers(1, 40))
def test_ledoit_wolf_equals_sklearn_and_the_reference_and_is_positive_definite(seed, n, assets):
    returns = np.random.default_rng(seed).normal(size=(n, assets)) * np.linspace(0.5, 2.0, assets)
    estimate = ledoit_wolf(returns)
    for matrix, shrinkage in (sklearn_ledoit_wolf(returns), reference.ledoit_wolf(returns)):
        assert estimate.shrinkage == pytest.approx(shrinkage, abs=1e-9)
        np.testing.assert_allclose(estimate.matrix, matrix, atol=1e-9)
    assert np.linalg.eigvalsh(estimate.matrix)[0] > 0
    assert estimate.notes == ()


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(2, 60), decay=st.sampled_from([0.5, 0.94, 0.99]))
def test_ewma_is_the_weighted_sum_and_positive_definite_or_repaired_with_a_note(seed, n, decay):
    returns = np.random.default_rng(seed).normal(size=(n, 8))
    estimate, expected = ewma_covariance(returns, decay=decay), reference.ewma_covariance(returns, decay)
    assert np.linalg.eigvalsh(estimate.correlation)[0] > 0
    np.testing.assert_allclose(np.diag(estimate.matrix), np.diag(expected), rtol=1e-9)
    if n < 8:
        assert estimate.notes[0].startswith("PSD_REPAIRED: ")
    if not estimate.notes:
        np.testing.assert_allclose(estimate.matrix, expected, rtol=1e-8, atol=1e-12)


def test_permuting_assets_permutes_covariances():
    returns, order = np.random.default_rng(1).normal(size=(50, 5)), [3, 1, 4, 0, 2]
    for estimate in (ewma_covariance, ledoit_wolf):
        here, there = estimate(returns).matrix, estimate(returns[:, order]).matrix
        np.testing.assert_allclose(there, here[np.ix_(order, order)], rtol=1e-9, atol=1e-12)


def test_covariance_of_bad_data_names_the_series():
    returns = np.random.default_rng(1).normal(size=(50, 2))
    with pytest.raises(DataFault, match="BTC: constant over all 50 rows"):
        ledoit_wolf(returns * [1, 0], names=("ETH", "BTC"))
    with pytest.raises(DataFault, match="ETH: value inf in row 3"):
        ewma_covariance(np.where(np.arange(50)[:, None] == 2, np.inf, returns), names=("ETH", "BTC"))
    with pytest.raises(Fault, match=r"decay 1\.0 must lie strictly between 0 and 1"):
        ewma_covariance(returns, decay=1.0)


def test_higham_example_is_his_published_solution():
    """Higham (2002), section 4: the nearest correlation matrix to the tridiagonal one of ones."""
    matrix = np.array([[1.0, 1.0, 0.0], [1.0, 1.0, 1.0], [0.0, 1.0, 1.0]])
    expected = [[1.0, 0.7607, 0.1573], [0.7607, 1.0, 0.7607], [0.1573, 0.7607, 1.0]]
    repaired, note = nearest_correlation(matrix)
    np.testing.assert_allclose(repaired, expected, atol=5e-5)
    assert note is not None
    assert note.startswith("PSD_REPAIRED: smallest eigenvalue of the correlation matrix -0.414")


def test_a_correlation_matrix_is_given_back_as_it_is():
    matrix = np.array([[1.0, 0.5], [0.5, 1.0]])
    repaired, note = nearest_correlation(matrix)
    assert note is None
    np.testing.assert_array_equal(repaired, matrix)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), series=st.integers(2, 15), floor=st.sampled_from([1e-8, 1e-3]))
def test_any_symmetric_matrix_becomes_a_correlation_matrix_no_farther_than_shrinking_it(seed, series, floor):
    rng = np.random.default_rng(seed)
    matrix = np.tril(rng.uniform(-1, 1, size=(series, series)), -1)
    matrix = matrix + matrix.T + np.eye(series)
    repaired, _ = nearest_correlation(matrix, floor=floor)
    assert np.linalg.eigvalsh(repaired)[0] >= floor * (1 - 1e-6) - 1e-15
    np.testing.assert_array_equal(np.diag(repaired), 1.0)
    np.testing.assert_array_equal(repaired, repaired.T)
    smallest = min(np.linalg.eigvalsh(matrix)[0], floor)
    weight = (floor - smallest) / (1 - smallest)
    shrunk = (1 - weight) * matrix + weight * np.eye(series)
    assert np.linalg.norm(repaired - matrix) <= np.linalg.norm(shrunk - matrix) + 1e-9


def test_repairing_a_covariance_keeps_variances():
    singular = np.outer([1.0, 2.0, 3.0], [1.0, 2.0, 3.0])
    repaired, note = positive_definite(singular)
    np.testing.assert_allclose(np.diag(repaired), [1.0, 4.0, 9.0])
    assert np.linalg.cholesky(repaired)[2, 2] > 0
    assert note is not None


@pytest.mark.parametrize(
    ("matrix", "text"),
    [
        (np.ones((2, 3)), "must be square and finite"),
        (np.array([[1.0, np.nan], [np.nan, 1.0]]), "must be square and finite"),
        (np.array([[1.0, 0.5], [0.4, 1.0]]), "not symmetric"),
    ],
)
def test_what_is_no_correlation_matrix_is_refused(matrix, text):
    with pytest.raises(Fault, match=text):
        nearest_correlation(matrix)
