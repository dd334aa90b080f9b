"""The generalised Pareto tail: the maximum that scipy finds, closed forms, scaling, what it refuses."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from models.faults import DataFault, Fault
from models.market_risk import forecasts
from models.market_risk.extreme_tail import ParetoTail, fit_tail, most_likely


@pytest.mark.parametrize("shape", [-0.3, -0.1, 0.0, 0.1, 0.3, 0.6])
def test_the_likelihood_is_that_of_scipys_maximum(shape: float) -> None:
    excesses = np.sort(stats.genpareto.rvs(shape, size=400, random_state=np.random.default_rng(1)))
    mean = excesses.mean()
    own, scale = most_likely(excesses / mean)
    other, _, other_scale = stats.genpareto.fit(excesses, floc=0)
    assert own == pytest.approx(other, abs=1e-3)
    likely = stats.genpareto.logpdf(excesses, own, 0, scale * mean).sum()
    assert likely >= stats.genpareto.logpdf(excesses, other, 0, other_scale).sum() - 1e-6


@pytest.mark.parametrize("shape", [-0.2, 0.0, 0.3])
def test_var_and_cvar_are_those_of_the_distribution(shape: float) -> None:
    tail = ParetoTail(1.5, 0.1, shape, 0.7)
    beyond = 1.0 - 0.01 / 0.1
    assert tail.var(0.99) == pytest.approx(1.5 + stats.genpareto.ppf(beyond, shape, 0, 0.7))
    quantile = tail.var(0.99) - 1.5
    mean = stats.genpareto.expect(lambda x: x, args=(shape,), scale=0.7, lb=quantile, conditional=True)
    assert tail.cvar(0.99) == pytest.approx(1.5 + mean, rel=1e-5)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), scale=st.floats(1e-6, 1e6))
def test_scaled_losses_have_a_scaled_tail(seed: int, scale: float) -> None:
    losses = np.random.default_rng(seed).standard_t(4, 500)
    one, many = fit_tail(losses), fit_tail(scale * losses)
    assert many.var(0.99) == pytest.approx(scale * one.var(0.99), rel=1e-4)
    assert many.cvar(0.99) == pytest.approx(scale * one.cvar(0.99), rel=1e-3)
    assert one.cvar(0.99) > one.var(0.99) > one.threshold


def test_the_quantile_of_a_student_t_is_met() -> None:
    losses = np.random.default_rng(5).standard_t(4, 50_000)
    tail = fit_tail(losses)
    assert tail.shape == pytest.approx(0.25, abs=0.12)  # 1 / degrees of freedom, as far out as a tenth
    assert tail.var(0.999) == pytest.approx(stats.t.ppf(0.999, 4), rel=0.05)


def test_losses_without_a_tail_are_refused() -> None:
    with pytest.raises(DataFault, match="100 losses have 10 beyond the threshold: 20 are needed"):
        fit_tail(np.arange(100.0))
    with pytest.raises(DataFault, match="they have no tail"):
        fit_tail(np.repeat([0.0, 1.0], [300, 200]))


def test_a_forecast_uses_only_what_was_known_and_needs_a_window_with_a_tail() -> None:
    returns = 0.01 * np.random.default_rng(6).standard_t(5, 700)
    whole = forecasts(returns, ["filtered-evt"], window=300, refit=50)[0]
    early = forecasts(returns[:600], ["filtered-evt"], window=300, refit=50)[0]
    np.testing.assert_array_equal(whole.var[:300], early.var)
    assert (whole.cvar > whole.var).all()
    with pytest.raises(Fault, match=r"the level must be above 0\.9 and the window at least 200"):
        forecasts(returns, ["filtered-evt"], window=150)
