"""GARCH with Poisson jumps: what was simulated is found, forecasts are expectations, arch is met without jumps."""

import numpy as np
import pytest

from models.faults import Fault
from models.jumps import JumpGarchFit, JumpSpec, fit_jump_garch
from models.jumps.garch_jump import stationary

TRUE = {
    "mean": 0.03, "phi_1": 0.2, "omega": 0.02, "alpha": 0.05, "beta": 0.9, "intensity": 0.05, "jump_mean": -0.5,
    "jump_volatility": 2.0,
}  # fmt: skip


def simulated(seed: int, n: int, paths: int = 1, true: dict[str, float] = TRUE) -> np.ndarray:
    """(n, paths) of the model with constant intensity."""
    random = np.random.default_rng(seed)
    found, residual = np.empty((n, paths)), np.zeros(paths)
    variance = np.full(paths, true["omega"] / (1.0 - true["alpha"] - true["beta"]))
    for t in range(n):
        if t > 0:
            variance = true["omega"] + true["alpha"] * residual**2 + true["beta"] * variance
        jumps = random.poisson(true["intensity"], paths)
        residual = np.sqrt(variance) * random.normal(size=paths) + true["jump_mean"] * (jumps - true["intensity"])
        residual += np.sqrt(jumps) * true["jump_volatility"] * random.normal(size=paths)
        before = found[t - 1] - true["mean"] if t > 0 else 0.0
        found[t] = true["mean"] + true["phi_1"] * before + residual
    return found


@pytest.fixture(scope="module")
def fitted() -> JumpGarchFit:
    return fit_jump_garch(simulated(1, 3_000)[:, 0], JumpSpec(autoregressive=1))


def test_what_was_simulated_is_found_within_its_errors(fitted: JumpGarchFit) -> None:
    assert fitted.health.ok
    for name, value in TRUE.items():
        assert abs(fitted.parameters[name] - value) < 3.5 * fitted.standard_errors["hessian"][name], name
    assert fitted.standard_errors["opg"]["alpha"] == pytest.approx(fitted.standard_errors["hessian"]["alpha"], rel=0.4)
    assert np.isnan(fitted.standard_errors["hessian"]["rho"])


def test_jumps_are_seen_where_they_are(fitted: JumpGarchFit) -> None:
    large = np.abs(fitted.residuals) > 5.0 * np.sqrt(fitted.variances)
    assert large.sum() > 10
    assert fitted.expected_jumps[large].min() > 0.9
    assert fitted.expected_jumps.mean() == pytest.approx(fitted.intensities.mean(), rel=0.1)


def test_forecast_variance_is_the_expectation_of_simulated_paths(fitted: JumpGarchFit) -> None:
    horizon, paths = 5, 100_000
    p, random = fitted.parameters, np.random.default_rng(2)
    residual, variance = np.full(paths, fitted.residuals[-1]), np.full(paths, fitted.variances[-1])
    forecast = fitted.forecast(horizon)
    for h in range(horizon):
        variance = p["omega"] + p["alpha"] * residual**2 + p["beta"] * variance
        jumps = random.poisson(p["intensity"], paths)
        residual = np.sqrt(variance) * random.normal(size=paths) + p["jump_mean"] * (jumps - p["intensity"])
        residual += np.sqrt(jumps) * p["jump_volatility"] * random.normal(size=paths)
        assert forecast.variance[h] == pytest.approx(np.var(residual), rel=0.05)
        assert forecast.normal_variance[h] == pytest.approx(variance.mean(), rel=0.02)
    assert forecast.jump_variance[0] == pytest.approx(p["intensity"] * fitted.jump_second_moment)
    np.testing.assert_array_equal(forecast.variance, forecast.normal_variance + forecast.jump_variance)


def test_far_forecast_is_the_long_run_mean_and_variance(fitted: JumpGarchFit) -> None:
    p, far = fitted.parameters, fitted.forecast(2_000)
    jump = p["intensity"] * fitted.jump_second_moment
    normal = (p["omega"] + p["alpha"] * jump) / (1.0 - fitted.persistence)
    assert far.variance[-1] == pytest.approx(normal + jump, rel=1e-6)
    assert far.mean[-1] == pytest.approx(p["mean"], abs=1e-9)
    first = p["mean"] + p["phi_1"] * (fitted.values[-1] - p["mean"])
    assert far.mean[0] == pytest.approx(first, rel=1e-12)


def test_moving_intensity_is_found_and_its_forecast_returns() -> None:
    """Jumps that come in clusters: intensity 0.35 and 0.02 by turns."""
    random = np.random.default_rng(8)
    rate = np.where(np.arange(2_500) % 500 < 100, 0.35, 0.02)
    jumps = random.poisson(rate)
    values = random.normal(size=2_500) + 4.0 * np.sqrt(jumps) * random.normal(size=2_500)
    moving, constant = fit_jump_garch(values, JumpSpec(moving_intensity=True)), fit_jump_garch(values)
    assert moving.loglik > constant.loglik + 10.0
    assert moving.parameters["rho"] > 0.7
    assert moving.parameters["rho"] >= moving.parameters["gamma"] > 0.0
    assert moving.intensities.min() > 0.0
    assert moving.intensities[rate > 0.1].mean() > 2.0 * moving.intensities[rate < 0.1].mean()
    long_run = moving.parameters["intensity"] / (1.0 - moving.parameters["rho"])
    assert moving.forecast(3_000).intensity[-1] == pytest.approx(long_run, rel=1e-6)


def test_garch_without_jumps_is_not_beaten_by_arch() -> None:
    from arch import arch_model

    values = simulated(5, 1_500, true=TRUE | {"intensity": 0.0, "phi_1": 0.0})[:, 0]
    oracle = arch_model(values, mean="Constant", rescale=False).fit(disp="off", backcast=float(np.var(values)))
    found = fit_jump_garch(values)
    assert found.loglik > oracle.loglikelihood - 0.5
    # what few jumps it sees add little: the forecasts agree
    expected = float(oracle.forecast(horizon=1).variance.iloc[-1, 0])
    assert found.forecast(1).variance[0] == pytest.approx(expected, rel=0.1)


def test_differences_of_prices_give_the_fit_of_returns() -> None:
    values = simulated(6, 600)[:, 0]
    direct = fit_jump_garch(values[1:])
    integrated = fit_jump_garch(np.cumsum(values), JumpSpec(difference=1))
    assert integrated.loglik == pytest.approx(direct.loglik, abs=1e-5)
    assert integrated.n == direct.n == 599


def test_scaling_values_scales_the_fit() -> None:
    values = simulated(7, 600)[:, 0]
    one, other = fit_jump_garch(values), fit_jump_garch(0.01 * values)
    assert other.parameters["jump_volatility"] == pytest.approx(0.01 * one.parameters["jump_volatility"], rel=1e-3)
    assert other.parameters["omega"] == pytest.approx(1e-4 * one.parameters["omega"], rel=1e-2)
    assert other.forecast(1).variance[0] == pytest.approx(1e-4 * one.forecast(1).variance[0], rel=1e-4)


@pytest.mark.parametrize("partial", [[0.9], [0.99, -0.99], [0.5, 0.9, -0.7, 0.3]])
def test_partial_autocorrelations_below_one_are_stationary(partial: list[float]) -> None:
    phi = stationary(np.array(partial))
    roots = np.roots([1.0, *(-phi)])
    assert np.abs(roots).max() < 1.0


def test_unfit_series_say_why_and_mistakes_are_one_line() -> None:
    assert fit_jump_garch(np.zeros(500)).health.code == "CONSTANT_SERIES"
    assert fit_jump_garch(np.ones(100)).health.code == "TOO_FEW_OBSERVATIONS"
    assert fit_jump_garch(np.ones(1), JumpSpec(difference=2)).health.code == "TOO_FEW_OBSERVATIONS"
    with pytest.raises(Fault, match="value 1 is nan"):
        fit_jump_garch(np.array([0.0, np.nan]))
    with pytest.raises(Fault, match="2 dimensions"):
        fit_jump_garch(np.zeros((2, 2)))
    with pytest.raises(ValueError, match="autoregressive is 6"):
        JumpSpec(autoregressive=6)
    with pytest.raises(ValueError, match="difference is 3"):
        JumpSpec(difference=3)


def test_horizon_of_nothing_is_refused(fitted: JumpGarchFit) -> None:
    with pytest.raises(Fault, match="horizon is 0"):
        fitted.forecast(0)
