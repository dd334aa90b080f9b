"""CCC and DCC: recovery of what was simulated, invariances, the window, warm starts, and bad data by name."""

import numpy as np
import pytest

from models.dependence import fit_ccc, fit_correlation, fit_dcc
from models.faults import DataFault, Fault
from models.panel import read_panel, returns_of
from models.volatility import Spec, fit, fit_batch
from tests.models.dependence.simulated import ALPHA, BETA, OMEGA, dcc_returns

DYNAMICS = {"dcc.a": 0.04, "dcc.b": 0.93}


@pytest.fixture(scope="module")
def returns():
    return dcc_returns(2_500, 4)


@pytest.mark.parametrize("estimator", ["two-step", "composite", "joint"])
def test_simulated_parameters_are_recovered_within_their_standard_errors(returns, estimator):
    fitted = fit_dcc(returns, estimator=estimator)
    truth = DYNAMICS | {
        f"series {i}.{name}": value
        for i in range(4)
        for name, value in (("omega", OMEGA), ("alpha", ALPHA), ("beta", BETA))
    }
    errors = fitted.standard_errors["robust"]
    assert fitted.converged
    assert fitted.health.code == "OK"
    for label, value in truth.items():
        assert abs(fitted.parameters[label] - value) < 3.5 * errors[label], label
        assert 0 < errors[label] < 0.1


def test_asymmetry_is_recovered_and_raises_the_likelihood():
    returns = dcc_returns(3_000, 3, a=0.02, b=0.88, g=0.08, seed=3)
    plain, asymmetric = fit_dcc(returns), fit_dcc(returns, asymmetric=True)
    assert asymmetric.loglik > plain.loglik + 2
    assert abs(asymmetric.parameters["dcc.g"] - 0.08) < 3.5 * asymmetric.standard_errors["robust"]["dcc.g"]
    assert asymmetric.persistence < 1


def test_joint_estimate_has_at_least_the_likelihood_of_two_steps(returns):
    joint = fit_dcc(returns[:800], estimator="joint")
    two_step = fit_dcc(returns[:800])
    assert joint.two_step_loglik == pytest.approx(two_step.loglik, rel=1e-10)
    assert joint.loglik > two_step.loglik


def test_standard_errors_are_the_spread_of_estimates_over_repeated_samples():
    fits = [fit_dcc(dcc_returns(700, 3, a=0.06, b=0.85, seed=seed)) for seed in range(60)]
    for label in ("dcc.a", "corr.series 0.series 1", "series 0.alpha"):
        spread = np.std([each.parameters[label] for each in fits])
        stated = np.nanmedian([each.standard_errors["robust"][label] for each in fits])
        assert stated == pytest.approx(spread, rel=0.35), label


@pytest.mark.parametrize("estimator", ["two-step", "composite", "joint"])
def test_only_the_last_rows_of_a_window_change_the_result(returns, estimator):
    whole = fit_dcc(returns, window=500, mean="var1", estimator=estimator)
    cut = fit_dcc(returns[-500:], mean="var1", estimator=estimator)
    other = returns.copy()
    other[:-500] = np.random.default_rng(1).normal(size=(2_000, 4))
    disturbed = fit_dcc(other, window=500, mean="var1", estimator=estimator)
    assert whole.n == 499  # the first row of the window is the lag of the second
    assert whole.parameters == cut.parameters == disturbed.parameters
    np.testing.assert_array_equal(whole.correlations, disturbed.correlations)
    other[-500] *= 1.5
    assert fit_dcc(other, window=500, mean="var1", estimator=estimator).parameters != whole.parameters


@pytest.mark.parametrize("estimator", ["two-step", "composite"])
def test_permuting_series_permutes_the_result(returns, estimator):
    order = [2, 0, 3, 1]
    names = np.array(["A", "B", "C", "D"])
    here = fit_dcc(returns, names=names, estimator=estimator)
    there = fit_dcc(returns[:, order], names=names[order], estimator=estimator)
    assert there.loglik == pytest.approx(here.loglik, abs=1e-4)
    for label in ("dcc.a", "dcc.b", "A.alpha", "D.beta"):
        assert there.parameters[label] == pytest.approx(here.parameters[label], abs=1e-4)
    np.testing.assert_allclose(there.correlation, here.correlation[np.ix_(order, order)], atol=1e-5)


def test_scaling_returns_scales_variances_and_leaves_correlations(returns):
    here, there = fit_dcc(returns), fit_dcc(100 * returns)
    np.testing.assert_allclose(there.correlations, here.correlations, atol=1e-4)
    np.testing.assert_allclose(there.next_variances, 1e4 * here.next_variances, rtol=1e-3)


def test_correlation_path_ends_one_step_before_the_forecast(returns):
    fitted = fit_dcc(returns)
    path = fitted.correlations
    assert path.shape == (2_500, 4, 4)
    assert np.linalg.eigvalsh(path)[:, 0].min() > 0
    longer = np.vstack([returns, returns[:1]])
    filtered = fit_dcc(longer, warm=fitted)
    np.testing.assert_allclose(filtered.correlations[-1], fitted.correlation, atol=5e-3)
    deviations = np.sqrt(fitted.next_variances)
    np.testing.assert_allclose(fitted.covariance, fitted.correlation * np.outer(deviations, deviations))


def test_warm_start_finds_the_same_maximum(returns):
    cold = fit_dcc(returns)
    warm = fit_dcc(returns, warm=fit_dcc(returns[:2_000]))
    assert warm.loglik == pytest.approx(cold.loglik, abs=1e-3)
    assert warm.parameters["dcc.a"] == pytest.approx(cold.parameters["dcc.a"], abs=1e-4)


def test_margins_are_those_of_the_univariate_model(returns):
    fitted = fit_ccc(returns, estimator="two-step")
    for i in range(2):
        alone = fit(returns[:, i], Spec(process="garch", mean="constant", start_variance="benchmark"))
        for ours, theirs in (("omega", "omega"), ("alpha", "alpha"), ("beta", "beta")):
            label = f"series {i}.{ours}"
            error = alone.standard_errors["hessian"][theirs]
            assert fitted.parameters[label] == pytest.approx(alone.parameters[theirs], abs=0.01 * error)
            assert fitted.standard_errors["hessian"][label] == pytest.approx(error, rel=0.01)
            robust = alone.standard_errors["robust"][theirs]
            assert fitted.standard_errors["robust"][label] == pytest.approx(robust, rel=0.01)


def test_two_step_ccc_correlates_standardised_residuals(returns):
    fitted = fit_ccc(returns, estimator="two-step")
    e = fitted.standardised
    np.testing.assert_allclose(fitted.correlation, np.corrcoef(e.T), atol=2e-3)
    assert fitted.parameters["corr.series 0.series 1"] == pytest.approx(fitted.correlation[0, 1], abs=1e-12)
    assert fitted.loglik == pytest.approx(fit_ccc(returns).two_step_loglik, rel=1e-12)
    assert fit_ccc(returns).loglik >= fitted.loglik


def test_series_without_dynamics_are_fitted_at_the_bound_and_said_so():
    noise = 0.01 * np.random.default_rng(8).normal(size=(1_500, 3))
    fitted = fit_dcc(noise)
    assert fitted.health.ok
    assert fitted.parameters["dcc.a"] < 0.02
    assert np.isfinite(fitted.loglik)
    assert np.linalg.eigvalsh(fitted.correlation)[0] > 0


def test_collinear_series_are_named(returns):
    twins = np.column_stack([returns[:, 0], returns[:, 1], 2 * returns[:, 0]])
    with pytest.raises(DataFault, match="A, C: linearly dependent"):
        fit_dcc(twins, names=("A", "B", "C"))
    with pytest.raises(DataFault, match="A and C move as one"):
        fit_dcc(twins, names=("A", "B", "C"), estimator="composite")


def test_more_series_than_rows_are_fitted_by_pairs_with_a_repaired_target():
    many = dcc_returns(120, 130, seed=5)
    fitted = fit_dcc(many, estimator="composite")
    assert any(note.startswith("PSD_REPAIRED") for note in fitted.notes)
    assert np.linalg.eigvalsh(fitted.correlation)[0] > 0
    with pytest.raises(DataFault, match="linearly dependent"):
        fit_dcc(many)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda x: x[:50], "50 observations of 4 series: at least 100"),
        (lambda x: np.where(np.arange(len(x))[:, None] == 7, np.nan, x), "series 0: value nan in row 8"),
        (lambda x: x * [1, 0, 1, 1], "series 1: constant over all 2500 rows"),
        (lambda x: x[:, 0], "one row an observation"),
    ],
)
def test_bad_data_is_named_in_one_line(returns, change, text):
    with pytest.raises(Fault, match=text) as caught:
        fit_dcc(change(returns))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"estimator": "fast"}, "must be one of two-step, joint, composite"),
        ({"window": 3_000}, "window 3000: must lie between 100 and the 2500 rows"),
        ({"mean": "honda=L.fiat"}, "is not zero, constant, var1 or"),
        ({"names": ("a", "b")}, "2 names for 4 series"),
    ],
)
def test_arguments_that_cannot_be_used_are_refused(returns, arguments, text):
    with pytest.raises(Fault, match=text):
        fit_dcc(returns, **arguments)


def test_joint_likelihood_of_too_many_series_is_refused():
    with pytest.raises(Fault, match="21 series: the joint likelihood takes at most 20"):
        fit_dcc(dcc_returns(200, 21), estimator="joint")


def test_joint_likelihood_of_tiny_returns_is_that_of_large_ones(returns):
    here = fit_dcc(returns[:600, :2], estimator="joint")
    there = fit_dcc(1e-6 * returns[:600, :2], estimator="joint")
    assert there.converged
    assert there.loglik == pytest.approx(here.loglik + 1_200 * np.log(1e6), abs=1e-3)
    assert there.parameters["dcc.b"] == pytest.approx(here.parameters["dcc.b"], abs=1e-3)


def test_series_on_a_bound_does_not_spoil_the_errors_of_the_rest(data):
    panel = read_panel([data / "panels" / "stocks20_daily_1989-2018.csv.gz"], columns=["UAA", "BBY", "JPM", "BAC"])
    rows = returns_of(panel, are_returns=False)
    fitted = fit_dcc(rows.values, names=rows.names, window=895)
    assert fitted.health.ok
    assert fitted.health.code == "AT_BOUND"
    assert np.isnan(fitted.standard_errors["robust"]["BBY.beta"])
    assert 0 < fitted.standard_errors["robust"]["dcc.a"] < 0.05
    assert 0 < fitted.standard_errors["robust"]["corr.JPM.BAC"] < 0.05


@pytest.mark.parametrize("estimator", ["two-step", "composite"])
def test_second_step_alone_is_the_second_step_of_the_whole(returns, estimator):
    whole = fit_dcc(returns, estimator=estimator)
    alone = fit_correlation(whole.standardised, estimator=estimator)
    assert alone.health.code == "OK"
    assert alone.notes[0].startswith("MARGINS_KNOWN: ")
    for label in DYNAMICS:
        assert alone.parameters[label] == pytest.approx(whole.parameters[label], abs=1e-9)
        assert alone.standard_errors["robust"][label] == pytest.approx(whole.standard_errors["robust"][label], rel=0.35)
    np.testing.assert_allclose(alone.correlation, whole.correlation, atol=1e-9)
    np.testing.assert_allclose(alone.correlations[7], whole.correlations[7], atol=1e-9)
    again = fit_correlation(whole.standardised, estimator=estimator, warm=alone, window=2_400)
    assert again.parameters["dcc.b"] == pytest.approx(alone.parameters["dcc.b"], abs=0.02)


def test_second_step_takes_residuals_of_another_volatility_model(returns):
    margins = fit_batch(np.ascontiguousarray(returns.T), Spec(process="gjr", errors="t"))
    found = fit_correlation(margins.standardised.T, asymmetric=True)
    assert found.health.ok
    assert abs(found.parameters["dcc.b"] - 0.93) < 0.05
    with pytest.raises(DataFault, match="move as one"):
        fit_correlation(margins.standardised.T[:, [0, 1, 0]], estimator="composite")
    with pytest.raises(Fault, match="must be one of two-step, composite"):
        fit_correlation(margins.standardised.T, estimator="joint")


def test_series_whose_garch_cannot_be_used_has_ewma_variances_and_a_note(returns):
    broken = returns[:1_000].copy()
    broken[:500, 2] *= 0.05  # one break in the level: alpha + beta goes to one
    fitted = fit_dcc(broken, names=("A", "B", "C", "D"))
    assert fitted.health.ok
    assert fitted.notes[0].startswith("EWMA_MARGIN: variances of C are those of EWMA(0.94): alpha + beta ")
    assert len(fitted.notes) == 1
    assert [fitted.parameters[f"C.{name}"] for name in ("omega", "alpha", "beta")] == pytest.approx([0, 0.06, 0.94])
    assert np.isnan(fitted.standard_errors["robust"]["C.alpha"])
    assert np.isfinite(fitted.standard_errors["robust"]["dcc.a"])
    residuals = fitted.residuals[:, 2]
    expected = np.mean(residuals**2)
    for residual, variance in zip(residuals, fitted.variances[:, 2], strict=True):
        assert variance == pytest.approx(expected, rel=1e-9)
        expected = 0.94 * expected + 0.06 * residual**2


def test_correlations_that_nothing_moves_are_constant_and_said_to_be_at_the_bound():
    noise = 0.01 * np.random.default_rng(0).normal(size=(150, 20))
    fitted = fit_dcc(noise)
    assert fitted.parameters["dcc.a"] == fitted.parameters["dcc.b"] == 0.0
    assert fitted.health.code == "AT_BOUND"
    assert "dcc.a, dcc.b" in fitted.health.note
    np.testing.assert_allclose(fitted.correlations, np.broadcast_to(fitted.correlation, (150, 20, 20)), atol=1e-12)
    assert fitted.loglik == pytest.approx(fit_ccc(noise, estimator="two-step").loglik, abs=1e-6)
