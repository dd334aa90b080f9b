"""Rolling forecasts know nothing of the day they are for, and have the shape they promise."""

import numpy as np
import pytest

from models.faults import DataFault, Fault
from models.market_risk import forecasts
from models.market_risk.conditional import fit_conditional
from models.market_risk.order_statistics import empirical_cvar, empirical_var
from models.market_risk.rolling import METHODS

WINDOW, REFIT = 250, 20


def garch_returns(n: int, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    variance, found = 1e-4, np.empty(n)
    for t in range(n):
        found[t] = np.sqrt(variance) * random.standard_t(6) * np.sqrt(4.0 / 6.0)
        variance = 2e-6 + (0.04 + 0.1 * (found[t] < 0.0)) * found[t] ** 2 + 0.88 * variance
    return found


RETURNS = garch_returns(WINDOW + 95)


@pytest.mark.parametrize("method", METHODS)
def test_later_days_change_no_forecast_already_made(method: str) -> None:
    whole = forecasts(RETURNS, [method], window=WINDOW, refit=REFIT)[0]
    changed = RETURNS.copy()
    changed[WINDOW + 37 :] = 4.0 * changed[WINDOW + 37 :][::-1]  # the day of forecast 37 itself is changed as well
    other = forecasts(changed, [method], window=WINDOW, refit=REFIT)[0]
    shorter = forecasts(RETURNS[: WINDOW + 38], [method], window=WINDOW, refit=REFIT)[0]
    assert np.array_equal(whole.var[:38], other.var[:38])
    assert np.array_equal(whole.cvar[:38], other.cvar[:38])
    assert np.array_equal(whole.var[:38], shorter.var)
    assert not np.array_equal(whole.var[39:], other.var[39:])


@pytest.mark.parametrize("method", METHODS)
def test_the_first_returns_are_forgotten(method: str) -> None:
    changed = RETURNS.copy()
    changed[:30] = 0.1 * np.random.default_rng(1).standard_normal(30)
    one, other = (forecasts(returns, [method], window=WINDOW, refit=REFIT)[0] for returns in (RETURNS, changed))
    assert np.array_equal(one.var[60:], other.var[60:])  # refit 60 begins its window at return 60
    assert not np.array_equal(one.var[:29], other.var[:29])


def test_historical_forecast_is_the_quantile_of_the_window() -> None:
    found = forecasts(RETURNS, ["historical"], window=WINDOW, refit=REFIT)[0]
    for day in (0, 50, 94):
        window = RETURNS[day : day + WINDOW]
        assert found.var[day] == pytest.approx(empirical_var(-window, 0.99), abs=1e-15)
        assert found.cvar[day] == pytest.approx(empirical_cvar(-window, 0.99), abs=1e-15)


def test_filtered_forecast_on_a_refit_day_is_the_one_of_filtered_var() -> None:
    found = forecasts(RETURNS, ["filtered"], window=WINDOW, refit=REFIT)[0]
    for day in (0, 40):
        fitted = fit_conditional(RETURNS[day : day + WINDOW])
        scenarios = fitted.process.mean + np.sqrt(fitted.process.variance) * fitted.standardised
        assert found.var[day] == pytest.approx(empirical_var(-scenarios[:, 0], 0.99), rel=1e-9)
        assert found.cvar[day] == pytest.approx(empirical_cvar(-scenarios[:, 0], 0.99), rel=1e-9)


def test_monte_carlo_forecast_is_the_t_quantile_to_its_error() -> None:
    from scipy import stats

    found = forecasts(RETURNS, ["monte-carlo"], window=WINDOW, refit=REFIT)[0]
    fitted = fit_conditional(RETURNS[:WINDOW])
    dof = fitted.dofs[0]
    exact = np.sqrt(fitted.process.variance[0] * (dof - 2.0) / dof) * stats.t.ppf(0.99, dof) - fitted.process.mean[0]
    assert found.var[0] == pytest.approx(exact, rel=0.02)


def test_a_volatility_jump_moves_the_filtered_forecast_at_once_and_the_historical_one_late() -> None:
    returns = np.concatenate([garch_returns(WINDOW + 60, 3), [-0.08, 0.07, -0.09]])
    historical, filtered = forecasts(returns, ["historical", "filtered"], window=WINDOW, refit=REFIT)
    assert filtered.var[-1] > 2.0 * filtered.var[-4]
    assert historical.var[-1] < 1.5 * historical.var[-4] or historical.var[-1] < filtered.var[-1]


def test_impossible_settings_are_refused() -> None:
    with pytest.raises(Fault, match="too short for level"):
        forecasts(RETURNS, ["historical"], window=60, refit=REFIT)
    with pytest.raises(Fault, match="no day is left"):
        forecasts(RETURNS[:WINDOW], ["historical"], window=WINDOW)
    with pytest.raises(Fault, match="'garch' is no method"):
        forecasts(RETURNS, ["garch"])


@pytest.mark.parametrize("method", ["filtered", "filtered-evt", "monte-carlo", "parametric-t"])
def test_a_window_in_which_nothing_moves_is_named_as_that(method: str) -> None:
    returns = np.concatenate([np.zeros(WINDOW + 5), RETURNS])
    with pytest.raises(DataFault, match=r"the 250 returns behind 1 of 18 estimates do not move \(all 0\)"):
        forecasts(returns, [method], window=WINDOW, refit=REFIT)
    assert np.isfinite(forecasts(returns, ["historical"], window=WINDOW, refit=REFIT)[0].var).all()
