"""Pattern of the day and Lee-Mykland statistic against the slow reference."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels.jumps import intraday, reference


def days(seed: int, count: int, bins: int) -> np.ndarray:
    random = np.random.default_rng(seed)
    found = random.normal(size=(count, bins)) * np.linspace(3.0, 1.0, bins)
    found[random.random(found.shape) < 0.05] = np.nan
    found[random.random(found.shape) < 0.02] *= 20.0
    return found


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([1, 20, 60]))
def test_factors_agree_with_the_reference(seed: int, fewest_values: int) -> None:
    returns = days(seed, 24, 10)
    factors = np.empty_like(returns)
    intraday.intraday_factors(returns, 15, 5, fewest_values, factors)
    for day in range(24):
        expected = reference.intraday_factors(returns, day, 15, 5, fewest_values)
        np.testing.assert_allclose(factors[day], expected, rtol=1e-10)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10_000), st.integers(10, 40))
def test_lee_mykland_agrees_with_the_reference(seed: int, window: int) -> None:
    returns = days(seed, 6, 20).ravel()
    found = np.empty(returns.size)
    intraday.lee_mykland(returns, window, found)
    np.testing.assert_allclose(found, reference.lee_mykland(returns, window), rtol=1e-10)


def test_scale_ignores_jumps_and_is_that_of_the_normal() -> None:
    values = np.random.default_rng(0).normal(size=20_000) * 0.3
    values[::50] += 30.0
    assert intraday.weighted_scale(values, values.size) == pytest.approx(0.3, rel=0.02)


def test_series_of_zeros_has_no_scale_and_no_statistic() -> None:
    found = np.empty(60)
    intraday.lee_mykland(np.zeros(60), 20, found)
    assert np.isnan(found).all()
    assert np.isnan(intraday.weighted_scale(np.zeros(5), 5))
