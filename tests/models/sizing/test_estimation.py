import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad

from models.faults import Fault
from models.sizing import adjusted_squared_sharpe, kan_zhou_factor


@pytest.mark.parametrize(("squared", "assets", "observations"), [(0.1, 3, 120), (0.02, 10, 60), (0.5, 2, 30)])
def test_the_incomplete_beta_is_integrated_as_the_paper_writes_it(
    squared: float, assets: int, observations: int
) -> None:
    share = squared / (1 + squared)
    beta, _ = quad(lambda y: y ** (assets / 2 - 1) * (1 - y) ** ((observations - assets) / 2 - 1), 0, share)
    plain = ((observations - assets - 2) * squared - assets) / observations + 2 * squared ** (assets / 2) * (
        1 + squared
    ) ** (-(observations - 2) / 2) / (observations * beta)
    assert adjusted_squared_sharpe(squared, assets, observations) == pytest.approx(plain, rel=1e-9)


@given(st.floats(0, 10), st.integers(1, 50), st.integers(0, 5000))
def test_the_factor_lies_between_nothing_and_all(squared: float, assets: int, more: int) -> None:
    found = kan_zhou_factor(squared, assets, assets + 5 + more)
    assert 0.0 <= found < 1.0


@given(st.floats(0.001, 1), st.integers(1, 20))
def test_more_observations_are_believed_more(squared: float, assets: int) -> None:
    found = [kan_zhou_factor(squared, assets, assets + 5 + more) for more in (0, 50, 500, 5000, 500_000)]
    assert found == sorted(found)
    assert found[-1] > 0.95


def test_of_all_multiples_of_the_estimated_optimum_the_rule_grows_best_out_of_sample() -> None:
    """Kan and Zhou's claim itself, with the true Sharpe ratio: average growth over samples peaks near their factor."""
    draws = np.random.default_rng(5)
    assets, observations, samples = 4, 80, 4000
    means = np.full(assets, 0.15)
    theta = float(means @ means)
    growth = np.zeros((samples, 3))
    factor = (
        (observations - assets - 1) * (observations - assets - 4) / (observations * (observations - 2))
        * theta / (theta + assets / observations)
    )  # fmt: skip
    for row in growth:
        seen = draws.normal(size=(observations, assets)) + means
        bet = np.linalg.solve(np.cov(seen.T, bias=True), seen.mean(axis=0))
        row[:] = [c * bet @ means - c * c * bet @ bet / 2 for c in (factor, 0.5 * factor, min(1.0, 1.7 * factor))]
    average = growth.mean(axis=0)
    assert average[0] > average[1]
    assert average[0] > average[2]


def test_too_few_observations_are_named() -> None:
    with pytest.raises(Fault, match="8 observations are too few to size 4 instruments: at least 9 are needed"):
        kan_zhou_factor(0.1, 4, 8)
