"""VaR, CVaR and contributions: the vectors, the properties that any method must have, and closed forms."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from models.faults import Fault
from models.market_risk import (
    Measure,
    euler_elliptical,
    euler_volatility,
    historical_var,
    parametric_var,
    stand_alone_cvar,
)
from models.market_risk.conditional import filtered_var, monte_carlo_var

ROWS, ASSETS = 400, 4
Method = Callable[..., Measure]


def market(seed: int = 0, rows: int = ROWS) -> np.ndarray:
    random = np.random.default_rng(seed)
    common = 0.01 * random.standard_t(5, rows)
    return common[:, None] * np.array([1.0, 0.7, -0.3, 0.2]) + 0.006 * random.standard_t(6, (rows, ASSETS))


def normal(returns: np.ndarray, exposures: np.ndarray, **settings: float) -> Measure:
    return parametric_var(returns, exposures, errors="normal", **settings)  # type: ignore[arg-type]


def student(returns: np.ndarray, exposures: np.ndarray, **settings: float) -> Measure:
    return parametric_var(returns, exposures, errors="t", **settings)  # type: ignore[arg-type]


def cornish_fisher(returns: np.ndarray, exposures: np.ndarray, **settings: float) -> Measure:
    return parametric_var(returns, exposures, errors="cornish-fisher", **settings)  # type: ignore[arg-type]


def monte_carlo(returns: np.ndarray, exposures: np.ndarray, **settings: float) -> Measure:
    return monte_carlo_var(returns, exposures, paths=4_000, **settings)  # type: ignore[arg-type]


def filtered_paths(returns: np.ndarray, exposures: np.ndarray, **settings: float) -> Measure:
    return filtered_var(returns, exposures, horizon=3, paths=4_000, **settings)  # type: ignore[arg-type]


QUICK: list[Method] = [historical_var, normal, student, cornish_fisher]
ALL: list[Method] = [*QUICK, filtered_var, filtered_paths, monte_carlo]


def test_elliptical_contributions_are_the_vector(vectors: Path) -> None:
    known = json.loads((vectors / "vectors.json").read_text())["vectors"]
    vector = next(each for each in known if each["id"] == "euler_var")
    given_, expected = vector["inputs"], vector["expected"]
    covariance = np.outer(given_["vol"], given_["vol"]) * np.array(given_["corr"])
    weights = np.array(given_["w"])
    risk = euler_elliptical(weights, covariance, level=0.99)
    assert risk.volatility.total == pytest.approx(expected["sigma"], abs=1e-12)
    assert np.abs(risk.volatility.component - expected["vol_contrib"]).max() < 1e-12
    assert risk.var.total == pytest.approx(expected["VaR99"], abs=1e-12)
    assert np.abs(risk.var.component - expected["VaR_contrib"]).max() < 1e-12
    assert euler_elliptical(weights, covariance, level=0.975).cvar.total == pytest.approx(expected["ES975"], abs=1e-12)
    for part in (risk.volatility, risk.var, risk.cvar):
        assert part.component.sum() == pytest.approx(part.total, abs=1e-12)


def test_student_var_and_cvar_are_their_integrals() -> None:
    risk = euler_elliptical(np.ones(1), np.eye(1), level=0.99, dof=5.0)
    unit = np.sqrt(3.0 / 5.0)
    assert risk.var.total == pytest.approx(unit * stats.t.ppf(0.99, 5), abs=1e-12)
    tail = stats.t.expect(lambda x: x, (5,), lb=stats.t.ppf(0.99, 5)) / 0.01
    assert risk.cvar.total == pytest.approx(unit * tail, rel=1e-8)


@pytest.mark.parametrize("method", ALL)
def test_contributions_sum_to_the_total(method: Method) -> None:
    found = method(market(), np.array([1.0, 2.0, -0.5, 0.7]))
    assert found.var_contributions.component.sum() == pytest.approx(found.var, abs=1e-10)
    assert found.cvar_contributions.component.sum() == pytest.approx(found.cvar, abs=1e-10)
    assert found.cvar > found.var > 0.0
    assert found.standard_error > 0.0
    assert found.standard_error_cvar > 0.0


@settings(max_examples=20, deadline=None)
@given(st.sampled_from(QUICK), st.floats(0.01, 100.0), st.integers(0, 1_000))
def test_scaling_returns_scales_var(method: Method, factor: float, seed: int) -> None:
    exposures = np.array([1.0, 2.0, -0.5, 0.7])
    one, many = method(market(seed), exposures), method(factor * market(seed), exposures)
    for name in ("var", "cvar", "standard_error", "standard_error_cvar"):
        assert getattr(many, name) == pytest.approx(factor * getattr(one, name), rel=2e-4)


@pytest.mark.parametrize("method", [filtered_var, monte_carlo])
def test_scaling_returns_scales_var_that_knows_the_volatility(method: Method) -> None:
    exposures = np.array([1.0, 2.0, -0.5, 0.7])
    one, many = method(market(), exposures), method(0.25 * market(), exposures)
    assert many.var == pytest.approx(0.25 * one.var, rel=2e-4)
    assert many.cvar == pytest.approx(0.25 * one.cvar, rel=2e-4)


@pytest.mark.parametrize("method", ALL)
def test_doubling_the_portfolio_doubles_var_and_keeps_the_shares(method: Method) -> None:
    exposures = np.array([1.0, 2.0, -0.5, 0.7])
    one, two = method(market(), exposures), method(market(), 2.0 * exposures)
    assert two.var == pytest.approx(2.0 * one.var, rel=1e-9)
    assert np.allclose(two.var_contributions.component, 2.0 * one.var_contributions.component, rtol=1e-6, atol=1e-12)
    assert np.allclose(two.cvar_contributions.marginal, one.cvar_contributions.marginal, rtol=1e-6, atol=1e-12)


@settings(max_examples=20, deadline=None)
@given(st.sampled_from([*QUICK, filtered_var]), st.permutations(range(ASSETS)))
def test_permuting_assets_permutes_contributions(method: Method, order: list[int]) -> None:
    exposures = np.array([1.0, 2.0, -0.5, 0.7])
    one, other = method(market(), exposures), method(market()[:, order], exposures[order])
    assert other.var == pytest.approx(one.var, rel=1e-6)
    for kind in ("var_contributions", "cvar_contributions"):
        for part in ("marginal", "component", "incremental"):
            expected = getattr(getattr(one, kind), part)[order]
            assert np.allclose(getattr(getattr(other, kind), part), expected, rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize("method", [normal, cornish_fisher])
@pytest.mark.parametrize("figure", ["var", "cvar"])
def test_marginal_is_the_derivative(method: Method, figure: str) -> None:
    returns, exposures, step = market(), np.array([1.0, 2.0, -0.5, 0.7]), 1e-5
    found = getattr(method(returns, exposures), f"{figure}_contributions").marginal
    for i in range(ASSETS):
        nudge = np.where(np.arange(ASSETS) == i, step, 0.0)
        rise = getattr(method(returns, exposures + nudge), figure) - getattr(method(returns, exposures - nudge), figure)
        assert found[i] == pytest.approx(rise / (2.0 * step), abs=1e-8)


def test_marginal_cvar_of_scenarios_is_the_derivative() -> None:
    returns, exposures, step = market(), np.array([1.0, 2.0, -0.5, 0.7]), 1e-9
    found = historical_var(returns, exposures).cvar_contributions.marginal
    for i in range(ASSETS):
        nudge = np.where(np.arange(ASSETS) == i, step, 0.0)
        rise = historical_var(returns, exposures + nudge).cvar - historical_var(returns, exposures - nudge).cvar
        assert found[i] == pytest.approx(rise / (2.0 * step), abs=1e-5)


@pytest.mark.parametrize("method", ALL[:-2])
def test_incremental_is_what_leaving_the_position_takes_away(method: Method) -> None:
    exposures = np.array([1.0, 2.0, -0.5, 0.7])
    whole = method(market(), exposures)
    for i in range(ASSETS):
        without = method(market(), np.where(np.arange(ASSETS) == i, 0.0, exposures))
        if method is student:  # its degrees of freedom are held when a position is left out
            continue
        assert whole.var_contributions.incremental[i] == pytest.approx(whole.var - without.var, abs=1e-9)
        assert whole.cvar_contributions.incremental[i] == pytest.approx(whole.cvar - without.cvar, abs=1e-9)


def test_normal_var_of_many_normal_returns_is_the_closed_form() -> None:
    returns = 0.01 * np.random.default_rng(5).standard_normal((100_000, 1))
    for found in (historical_var(returns, [1.0]), normal(returns, np.ones(1)), cornish_fisher(returns, np.ones(1))):
        assert found.var == pytest.approx(0.01 * stats.norm.ppf(0.99), abs=4.0 * found.standard_error)
        assert found.cvar == pytest.approx(0.0266521, abs=4.0 * found.standard_error_cvar)


def test_cornish_fisher_cvar_is_the_mean_of_its_quantiles() -> None:
    from models.market_risk.parametric import cornish_fisher_factors

    levels = 1.0 - (np.arange(200_000) + 0.5) / 200_000 * 0.01
    moments = np.array([1.0, -0.4, 1.5, 0.16])
    quantiles = [np.dot(cornish_fisher_factors(level)[0], moments) for level in levels[50::100]]
    assert np.dot(cornish_fisher_factors(0.99)[1], moments) == pytest.approx(np.mean(quantiles), rel=5e-3)


def test_cornish_fisher_outside_its_domain_says_so() -> None:
    returns = np.concatenate([np.full(10, -0.2), 0.001 * np.random.default_rng(0).standard_normal(990)])
    assert cornish_fisher(returns, np.ones(1)).notes[0].startswith("CORNISH_FISHER_DOMAIN")


def test_overlapping_windows_compound_and_widen_the_error() -> None:
    returns = market(rows=1_000)[:, :1]
    found = historical_var(returns, [1.0], horizon=10)
    growth = np.array([np.prod(1.0 + returns[i : i + 10, 0]) - 1.0 for i in range(991)])
    assert found.var == pytest.approx(np.quantile(-growth, 0.99, method="weibull"), abs=1e-12)
    assert found.observations == 991
    assert found.notes[0].startswith("OVERLAPPING_WINDOWS: 991 windows of 10 steps, about 99 of them")


def test_horizon_of_parametric_var_grows_with_the_root_of_time() -> None:
    returns = market() - market().mean(axis=0)
    one, nine = normal(returns, np.ones(4)), normal(returns, np.ones(4), horizon=9)
    assert nine.var == pytest.approx(3.0 * one.var, rel=1e-9)


def test_a_portfolio_loses_at_most_what_its_positions_lose_alone_and_at_least_its_marginals() -> None:
    """CVaR is convex and positively homogeneous: what the pre-trade bounds of an order rest on."""
    returns, exposures = market(), np.array([1.0, 2.0, -0.5, 0.7])
    long, short = stand_alone_cvar(returns, 0.975)
    base = historical_var(returns, exposures, level=0.975)
    for i in range(ASSETS):
        assert long[i] == pytest.approx(historical_var(returns[:, i], [1.0], level=0.975).cvar, abs=1e-15)
        assert short[i] == pytest.approx(historical_var(returns[:, i], [-1.0], level=0.975).cvar, abs=1e-15)
        for change in (-3.0, -0.1, 0.1, 3.0):
            after = historical_var(returns, exposures + change * (np.arange(ASSETS) == i), level=0.975).cvar
            alone = change * long[i] if change > 0.0 else -change * short[i]
            assert base.cvar + change * base.cvar_contributions.marginal[i] <= after + 1e-12
            assert after <= base.cvar + alone + 1e-12


def test_a_hedged_book_has_contributions_that_cancel() -> None:
    risk = euler_volatility(np.array([1.0, -1.0]), np.array([[1.0, 0.999], [0.999, 1.0]]))
    assert risk.total == pytest.approx(np.sqrt(0.002))
    assert risk.component.tolist() == pytest.approx([risk.total / 2.0] * 2)
    with pytest.raises(Fault, match="variance is 0"):
        euler_volatility(np.array([1.0, -1.0]), np.ones((2, 2)))


@pytest.mark.parametrize("method", ALL)
def test_a_missing_return_is_named(method: Method) -> None:
    returns = market()
    returns[5, 2] = np.nan
    with pytest.raises(Fault, match="return 6 of series 3 is not a number"):
        method(returns, np.ones(4))
