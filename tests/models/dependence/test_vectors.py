"""Published and closed-form values: CCC and DCC on Stata's stocks, Ledoit-Wolf, tail dependence of the t copula."""

import json

import numpy as np
import pytest

from models.dependence import fit_ccc, fit_dcc, ledoit_wolf, tail_dependence

NAMES = ("toyota", "nissan", "honda")


@pytest.fixture(scope="module")
def published(vectors):
    return {entry["id"]: entry for entry in json.loads((vectors / "vectors.json").read_text())["vectors"]}


@pytest.fixture(scope="module")
def stocks(vectors):
    return np.genfromtxt(vectors / "stata_stocks.csv", delimiter=",", skip_header=1)[:, 2:]


def test_ccc_on_stocks_is_the_published_likelihood_and_coefficients(published, stocks):
    entry = published["ccc_stata_stocks"]
    expected, tolerance = entry["expected"], entry["tolerance"]
    fit = fit_ccc(stocks, names=NAMES, mean="honda=L.nissan")
    assert fit.loglik == pytest.approx(expected["loglik"], abs=tolerance["loglik_abs"])
    assert fit.parameters["honda.L.nissan"] == pytest.approx(expected["honda_Lnissan"], abs=tolerance["coef_abs"])
    for name in NAMES:
        assert fit.parameters[f"{name}.alpha"] == pytest.approx(expected[name]["arch"], abs=tolerance["coef_abs"])
        assert fit.parameters[f"{name}.beta"] == pytest.approx(expected[name]["garch"], abs=tolerance["coef_abs"])
        assert fit.parameters[f"{name}.omega"] == pytest.approx(expected[name]["cons"], rel=tolerance["cons_rel"])
    assert fit.converged
    assert fit.n == 2_014


@pytest.mark.parametrize(("mean", "loglik"), [("zero", 17446.84), ("var1", 17447.65)])
def test_ccc_with_other_means_is_the_likelihood_its_convention_states(stocks, mean, loglik):
    assert fit_ccc(stocks, names=NAMES, mean=mean).loglik == pytest.approx(loglik, abs=0.01)


def test_joint_dcc_on_stocks_is_within_one_point_of_the_published_likelihood(published, stocks):
    entry = published["dcc_stata_stocks"]
    expected, tolerance = entry["expected"], entry["tolerance"]
    fit = fit_dcc(stocks, names=NAMES, mean="var1", estimator="joint")
    assert fit.loglik == pytest.approx(expected["loglik"], abs=tolerance["loglik_abs"])
    assert fit.loglik == pytest.approx(17485.47, abs=0.005)  # the vector's own verification, same presample rule
    assert fit.two_step_loglik == pytest.approx(17479.52, abs=0.01)  # ours: means and GARCH of each series jointly
    errors = fit.standard_errors["hessian"]
    for name in ("toyota", "nissan"):
        for ours, theirs in (("alpha", "arch"), ("beta", "garch")):
            error = expected["se"][f"{name}_{theirs}"]
            assert errors[f"{name}.{ours}"] == pytest.approx(error, rel=0.05)
            assert (
                abs(fit.parameters[f"{name}.{ours}"] - expected[name][theirs]) < tolerance["coef_in_se_units"] * error
            )
    for name in NAMES:
        for lag, value in zip(NAMES, expected[f"mean_{name}"], strict=True):
            label = f"{name}.L.{lag}"
            assert abs(fit.parameters[label] - value) < tolerance["coef_in_se_units"] * errors[label]


def test_ledoit_wolf_is_the_closed_form(published):
    entry = published["ledoit_wolf"]
    i, j = np.arange(20)[:, None], np.arange(5)
    estimate = ledoit_wolf(np.sin(1.3 * i + 0.7 * j**2) + 0.5 * np.cos(0.9 * i * (j + 1)))
    got = [estimate.shrinkage, *estimate.matrix[0, :2], np.trace(estimate.matrix)]
    expected = [entry["expected"][key] for key in ("shrinkage", "cov00", "cov01", "trace")]
    np.testing.assert_allclose(got, expected, rtol=0, atol=entry["tolerance"]["abs"])
    assert estimate.notes == ()


def test_tail_dependence_is_the_closed_form(published):
    for case in published["t_copula_tail"]["expected"]:
        assert tail_dependence(case["nu"], case["rho"]) == pytest.approx(case["lam"], abs=1e-10)
