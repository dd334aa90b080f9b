"""What a fit promises: units, batches, warm starts, health, online steps, and data that cannot be fitted."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels.volatility import reference
from models.faults import DataFault, Fault
from models.volatility import Spec, filter_batch, fit, fit_batch, step
from models.volatility.health import EWMA_DECAY
from tests.kernels.volatility.cases import simulated

EVERY = [(process, errors) for process in ("garch", "gjr", "egarch", "aparch") for errors in ("normal", "t", "skewt")]


def spec(process: str, errors: str, **words: Any) -> Spec:
    return Spec(process=process, errors=errors, **words)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def returns() -> np.ndarray[Any, Any]:
    return simulated(11, 700, 1, 1)


@pytest.mark.parametrize(("process", "errors"), EVERY)
def test_percent_and_fractions_give_the_same_standardised_results(returns: Any, process: str, errors: str) -> None:
    percent, fraction = (fit(returns * unit, spec(process, errors)) for unit in (1.0, 0.01))
    np.testing.assert_allclose(percent.standardised, fraction.standardised, rtol=1e-6, atol=1e-8)
    assert percent.health.code == fraction.health.code
    assert percent.next_variance == pytest.approx(1e4 * fraction.next_variance, rel=1e-6)
    assert percent.loglik == pytest.approx(fraction.loglik + len(returns) * np.log(0.01), abs=1e-7)
    for name in ("beta", "alpha"):
        assert percent.parameters[name] == pytest.approx(fraction.parameters[name], rel=1e-5, abs=1e-7)
        for kind in ("hessian", "opg", "robust"):
            errors_of = (percent.standard_errors[kind][name], fraction.standard_errors[kind][name])
            assert errors_of[0] == pytest.approx(errors_of[1], rel=1e-3, nan_ok=True)


@settings(max_examples=25, deadline=None)
@given(scale=st.floats(1e-6, 1e6), seed=st.integers(0, 50))
def test_scaling_returns_scales_the_variance(scale: float, seed: int) -> None:
    series = simulated(seed, 200, 0, 0)
    one, other = fit(series, Spec()), fit(series * scale, Spec())
    np.testing.assert_allclose(other.variances, one.variances * scale**2, rtol=1e-5)
    assert other.parameters["mu"] == pytest.approx(one.parameters["mu"] * scale, rel=1e-4, abs=1e-6 * scale)
    assert other.parameters["omega"] == pytest.approx(one.parameters["omega"] * scale**2, rel=1e-4, abs=1e-9 * scale**2)


@pytest.mark.parametrize(("process", "errors"), EVERY)
def test_online_steps_walk_the_fitted_variances(returns: Any, process: str, errors: str) -> None:
    fitted = fit(returns, spec(process, errors))
    assert fitted.health.ok
    variance = float(fitted.variances[0])
    for t, residual in enumerate(fitted.residuals):
        assert variance == pytest.approx(float(fitted.variances[t]), rel=1e-9)
        variance = step(variance, fitted.spec, fitted.parameters, float(residual))
    assert variance == pytest.approx(fitted.next_variance, rel=1e-9)


@pytest.mark.parametrize(("process", "errors"), EVERY)
def test_loglik_is_that_of_the_reference_in_the_units_of_the_data(returns: Any, process: str, errors: str) -> None:
    found = fit(0.01 * returns, spec(process, errors, start_variance="benchmark"))
    codes = found.spec.codes(1)
    theta = np.array(list(found.parameters.values()))
    rows = reference.loglik_rows(theta, 0.01 * returns, np.zeros((0, len(returns))), *codes[1:], 0.0)
    assert found.loglik == pytest.approx(float(rows.sum()), abs=1e-6)


def test_batch_threads_and_single_fits_agree() -> None:
    panel = np.stack([simulated(seed, 400, 1, 1) for seed in range(20)])
    one, two = (fit_batch(panel, spec("gjr", "t"), threads=threads) for threads in (1, 2))
    assert two.threads == 2
    np.testing.assert_array_equal(one.parameters, two.parameters)
    np.testing.assert_array_equal(one.covariances, two.covariances)
    np.testing.assert_array_equal(one.variances, two.variances)
    for i in range(0, 20, 5):
        single = fit(panel[i], spec("gjr", "t"))
        assert one.logliks[i] == pytest.approx(single.loglik, abs=1e-7)
        errors = np.array(list(single.standard_errors["robust"].values()))
        gap = np.abs(one.parameters[i] - np.array(list(single.parameters.values())))
        assert np.all((gap < 1e-3 * errors) | ~np.isfinite(errors))


def test_a_warm_start_arrives_at_the_same_place_sooner() -> None:
    panel = np.stack([simulated(seed, 900, 0, 0) for seed in range(8)])
    before = fit_batch(panel[:, :-20], Spec())
    cold, warm = fit_batch(panel, Spec()), fit_batch(panel, Spec(), warm=before.parameters)
    np.testing.assert_allclose(warm.logliks, cold.logliks, atol=1e-6)
    assert warm.evaluations.sum() < cold.evaluations.sum()
    partly = before.parameters.copy()
    partly[0] = np.nan
    np.testing.assert_allclose(fit_batch(panel, Spec(), warm=partly).logliks, cold.logliks, atol=1e-6)


@pytest.mark.parametrize(("process", "errors"), EVERY)
def test_filtering_with_the_fitted_parameters_gives_the_fitted_variances(
    returns: Any, process: str, errors: str
) -> None:
    batch = fit_batch(returns[None], spec(process, errors))
    found = filter_batch(returns[None], spec(process, errors), batch.parameters)
    np.testing.assert_allclose(found, batch.variances, rtol=1e-9)


def test_regressors_recover_the_coefficients_of_the_mean() -> None:
    random = np.random.Generator(np.random.PCG64(4))
    matrix = np.column_stack([np.ones(3_000), 100.0 * random.standard_normal(3_000)])
    series = simulated(6, 3_000, 0, 0, mean=0.0) + matrix @ np.array([0.5, 0.02])
    found = fit(series, Spec(mean="regressors"), regressors=matrix, regressor_names=("one", "x"))
    for name, true in (("one", 0.5), ("x", 0.02)):
        assert abs(found.parameters[name] - true) < 4 * found.standard_errors["robust"][name]
    constant = fit(series, Spec(), name="A")
    ones = fit(series, Spec(mean="regressors"), regressors=np.ones(3_000), regressor_names=("mu",))
    assert ones.parameters == pytest.approx(constant.parameters, rel=1e-5)
    assert ones.loglik == pytest.approx(constant.loglik, abs=1e-8)


def test_own_lag_is_the_mean_var1_of_one_series() -> None:
    noise = simulated(9, 2_000, 0, 0, mean=0.0)
    series = noise.copy()
    for t in range(1, len(series)):
        series[t] += 0.3 * series[t - 1]
    found = fit(series, Spec(mean="var1"))
    assert found.n == 1_999
    assert found.parameters["x0"] == pytest.approx(0.3, abs=0.08)


def test_ewma_takes_the_place_of_a_fit_that_is_not_stationary() -> None:
    random = np.random.Generator(np.random.PCG64(2))
    series = random.standard_normal(600) * np.exp(np.linspace(0.0, 5.0, 600))  # volatility that only grows
    found = fit(series, Spec(mean="zero"))
    assert found.health.code == "NOT_STATIONARY"
    assert not found.health.ok
    assert "EWMA" in found.health.note
    assert found.notes[0] == found.health.note
    expected = EWMA_DECAY * found.variances[-1] + (1 - EWMA_DECAY) * found.residuals[-1] ** 2
    assert found.next_variance == pytest.approx(expected)
    assert found.converged


def test_a_parameter_on_its_bound_is_named() -> None:
    leverage_only = simulated(1, 1_500, 1, 0, [0.05, 0.0, 0.2, 0.85])
    found = fit(leverage_only, Spec(process="gjr"))
    assert any(note.startswith("AT_BOUND: alpha = 0") for note in found.notes)
    assert found.health.ok


def test_data_that_cannot_be_fitted_is_named() -> None:
    panel = np.stack([simulated(seed, 100, 0, 0) for seed in range(3)])
    panel[1, 17] = np.nan
    with pytest.raises(DataFault, match=r"B: nan at position 17 \(1 in all\)"):
        fit_batch(panel, Spec(), names=("A", "B", "C"))
    panel[1, 17], panel[2, 3] = 0.0, np.inf
    with pytest.raises(DataFault, match=r"series 2: inf at position 3"):
        fit_batch(panel, Spec())
    with pytest.raises(DataFault, match="constant"):
        fit(np.full(100, 0.1), Spec())
    with pytest.raises(DataFault, match="20 returns are too few"):
        fit(panel[0, :20], Spec())
    with pytest.raises(DataFault, match="collinear"):
        fit(panel[0], Spec(mean="regressors"), regressors=np.ones((100, 2)))
    with pytest.raises(DataFault, match="zero throughout"):
        fit(panel[0], Spec(mean="regressors"), regressors=np.zeros(100))


def test_arguments_that_contradict_each_other_are_named() -> None:
    series = simulated(1, 100, 0, 0)
    with pytest.raises(Fault, match="process must be one of garch, gjr, egarch, aparch"):
        spec("figarch", "normal")
    with pytest.raises(Fault, match="takes no regressors"):
        fit(series, Spec(), regressors=np.ones(100))
    with pytest.raises(Fault, match="needs a matrix"):
        fit(series, Spec(mean="regressors"))
    with pytest.raises(Fault, match="one row per return"):
        fit(series, Spec(mean="regressors"), regressors=np.ones(99))
    with pytest.raises(Fault, match="warm has shape"):
        fit_batch(series[None], Spec(), warm=np.ones((1, 3)))


def test_many_zeros_and_outliers_do_not_break_the_search() -> None:
    random = np.random.Generator(np.random.PCG64(8))
    stale = np.where(random.random(800) < 0.6, 0.0, random.standard_normal(800))
    spiked = random.standard_normal(800)
    spiked[400] = 1e4
    batch = fit_batch(np.stack([stale, spiked]), spec("gjr", "t"))
    assert np.isfinite(batch.logliks).all()
    assert np.isfinite(batch.variances).all()
    assert (batch.next_variance > 0).all()
