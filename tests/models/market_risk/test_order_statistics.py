"""VaR at rank (n + 1) p and CVaR as weighted order statistics."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.faults import Fault
from models.market_risk.order_statistics import empirical_cvar, empirical_var, tail_of
from models.market_risk.rolling import tail_columns
from models.market_risk.scenario_risk import measure_scenarios


def test_var_lies_at_rank_n_plus_one_p() -> None:
    losses = np.random.default_rng(0).permutation(np.arange(1.0, 500.0))  # 1 ... 499, so the rank is the loss
    assert empirical_var(losses, 0.99) == pytest.approx(495.0, abs=1e-9)
    assert empirical_var(losses, 0.95) == pytest.approx(475.0, abs=1e-9)
    assert empirical_var(np.arange(1.0, 251.0), 0.99) == pytest.approx(248.49, abs=1e-9)
    assert empirical_var(np.arange(1.0, 251.0), 0.99) == pytest.approx(
        np.quantile(np.arange(1.0, 251.0), 0.99, method="weibull"), abs=1e-9
    )


def test_cvar_is_the_mean_of_the_worst_with_a_part_of_the_last() -> None:
    losses = np.arange(1.0, 251.0)
    assert empirical_cvar(losses, 0.99) == pytest.approx((250.0 + 249.0 + 0.5 * 248.0) / 2.5)
    assert empirical_cvar(np.arange(1.0, 501.0), 0.99) == pytest.approx(498.0)


@settings(max_examples=80, deadline=None)
@given(
    st.integers(100, 400),
    st.sampled_from([0.9, 0.95, 0.975, 0.99]),
    st.integers(0, 2**32 - 1),
    st.integers(0, 3),
)
def test_tail_agrees_with_sorting_everything(n: int, level: float, seed: int, digits: int) -> None:
    losses = np.round(np.random.default_rng(seed).standard_t(3, n), digits)  # few digits: many ties
    assert empirical_var(losses, level) == pytest.approx(np.quantile(losses, level, method="weibull"), abs=1e-12)
    worst, mass = np.sort(losses)[::-1], n * (1.0 - level)
    whole = int(mass + 1e-9)
    expected = (worst[:whole].sum() + max(mass - whole, 0.0) * worst[min(whole, n - 1)]) / mass
    assert empirical_cvar(losses, level) == pytest.approx(expected, abs=1e-9)
    assert empirical_cvar(losses, level) >= empirical_var(losses, level) - 1e-12
    var, cvar = tail_columns(losses[None], level)
    assert var[0] == pytest.approx(empirical_var(losses, level), abs=1e-12)
    assert cvar[0] == pytest.approx(empirical_cvar(losses, level), abs=1e-12)


@pytest.mark.parametrize("kind", ["plain", "ties", "sorted", "constant"])
def test_the_tail_of_a_long_array_is_the_tail_of_all_of_it_sorted(kind: str) -> None:
    losses = np.random.default_rng(7).standard_t(3, 50_000)
    if kind == "ties":
        losses = np.round(losses, 1)
    if kind == "sorted":
        losses = np.sort(losses)[::-1].copy()
    if kind == "constant":
        losses[:] = 1.0
    tail = tail_of(losses, 0.99)
    order = np.argsort(losses, kind="stable")[-len(tail.places) :]
    assert np.array_equal(tail.losses, losses[order])
    assert np.array_equal(tail.places, order)
    assert len(tail.places) < 700


def test_standard_errors_are_the_spread_over_many_samples() -> None:
    random = np.random.default_rng(3)
    tails = [tail_of(random.standard_normal(5_000), 0.99) for _ in range(300)]
    for name in ("var", "cvar"):
        values = [tail.value(getattr(tail, name)()) for tail in tails]
        errors = [getattr(tail, f"standard_error_{name}")() for tail in tails]
        assert np.mean(errors) == pytest.approx(np.std(values), rel=0.12)


@pytest.mark.filterwarnings("error")
def test_a_tail_of_less_than_two_losses_has_no_standard_error_of_cvar_and_says_so() -> None:
    returns = np.random.default_rng(1).standard_normal(200)
    for count, level in ((9, 0.9), (19, 0.9), (99, 0.99), (199, 0.99)):
        measure = measure_scenarios(returns[:count], [1.0], level=level, method="historical")
        assert np.isnan(measure.standard_error_cvar)
        assert measure.notes[0].startswith("TAIL_SHORT")
    assert f"; {20:,} would" in measure_scenarios(returns[:19], [1.0], level=0.9, method="historical").notes[0]
    measure = measure_scenarios(returns[:20], [1.0], level=0.9, method="historical")
    assert measure.standard_error_cvar > 0.0
    assert measure.notes == ()


def test_contributions_to_a_var_near_zero_are_no_larger_than_what_the_positions_moved() -> None:
    for seed in range(60):
        random = np.random.default_rng(seed)
        returns, held = 0.01 * random.standard_t(4, (500, 4)), random.standard_normal(4)
        measure = measure_scenarios(returns, held, level=0.51, method="historical")
        moved = float(np.abs(returns * held).sum(axis=1).max())
        assert np.abs(measure.var_contributions.component).max() < 0.1 * moved
        assert measure.var_contributions.component.sum() == pytest.approx(measure.var, abs=1e-12)


@pytest.mark.parametrize("level", [0.5, 1.0, 99.0, float("nan")])
def test_a_level_outside_its_range_is_refused(level: float) -> None:
    with pytest.raises(Fault, match="confidence level lies between"):
        empirical_var(np.arange(1_000.0), level)


def test_too_few_scenarios_for_the_level_are_named() -> None:
    with pytest.raises(Fault, match=r"98 scenarios cannot show a loss at level 0\.99.*at least 99"):
        empirical_var(np.arange(98.0), 0.99)
    assert empirical_var(np.arange(99.0), 0.99) == 98.0


def test_a_loss_that_is_no_number_is_named() -> None:
    losses = np.arange(200.0)
    losses[7] = np.nan
    with pytest.raises(Fault, match="scenario 8 of 200"):
        empirical_var(losses, 0.99)
