"""Merton's jump diffusion against Haug's table, simulated returns and its own moments."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from scipy.integrate import quad

from models.faults import Fault
from models.jumps import call, density, fit_merton, moments

TRUE = {"drift": 0.0005, "volatility": 0.008, "intensity": 0.05, "jump_mean": -0.01, "jump_volatility": 0.03}


def simulated(seed: int, n: int) -> np.ndarray:
    random = np.random.default_rng(seed)
    jumps = random.poisson(TRUE["intensity"], n)
    shocks = TRUE["volatility"] * random.normal(size=n) + TRUE["jump_volatility"] * np.sqrt(jumps) * random.normal(
        size=n
    )
    return TRUE["drift"] + TRUE["jump_mean"] * jumps + shocks


def test_all_values_of_haug(vectors: Path) -> None:
    table = json.loads((vectors / "vectors.json").read_text())["vectors"]
    vector = next(each for each in table if each["id"] == "merton76_haug")
    with (vectors / vector["data_file"]).open() as lines:
        rows = list(csv.DictReader(lines))
    column = {name: np.array([float(row[name]) for row in rows]) for name in rows[0] if name != "type"}
    total, intensity, gamma = column["vol_total"], column["lambda"], column["gamma"]
    prices = call(
        column["spot"], column["strike"], column["t"], rate=column["r"], dividend=column["q"],
        volatility=total * np.sqrt(1.0 - gamma), intensity=intensity,
        jump_volatility=total * np.sqrt(gamma / intensity),
    )  # fmt: skip
    assert len(rows) == vector["expected"]["n"] == 135
    np.testing.assert_allclose(prices, column["published"], atol=vector["tolerance"]["abs"])
    np.testing.assert_allclose(prices, column["series_value"], atol=vector["tolerance"]["series_abs"])


@pytest.mark.parametrize("mean_jump", [-0.2, 0.0, 0.3])
def test_call_is_the_discounted_payoff_under_the_density(mean_jump: float) -> None:
    volatility, intensity, deviation, rate, dividend, maturity, strike = 0.2, 0.7, 0.25, 0.03, 0.01, 0.75, 105.0
    log_mean = np.log1p(mean_jump) - 0.5 * deviation**2
    drift = (rate - dividend - 0.5 * volatility**2 - intensity * mean_jump) * maturity

    def payoff(x: float) -> float:
        weight = density(x, drift, volatility * np.sqrt(maturity), intensity * maturity, log_mean, deviation)[0]
        return float((100.0 * np.exp(x) - strike) * weight)

    expected = np.exp(-rate * maturity) * quad(payoff, np.log(strike / 100.0), 8.0, epsabs=1e-10, limit=200)[0]
    found = call(
        100.0, strike, maturity, rate=rate, dividend=dividend, volatility=volatility, intensity=intensity,
        mean_jump=mean_jump, jump_volatility=deviation,
    )  # fmt: skip
    assert float(found) == pytest.approx(expected, abs=1e-7)


def test_without_jumps_it_is_black_and_scholes() -> None:
    found = call(100.0, 100.0, 1.0, rate=0.05, volatility=0.2, intensity=0.0, jump_volatility=0.1)
    assert float(found) == pytest.approx(10.450583572185565, abs=1e-12)


def test_many_small_jumps_need_many_terms_and_have_them() -> None:
    many = call(100.0, 100.0, 1.0, rate=0.0, volatility=0.1, intensity=400.0, jump_volatility=0.01)
    whole = call(100.0, 100.0, 1.0, rate=0.0, volatility=np.sqrt(0.05), intensity=0.0, jump_volatility=0.0)
    assert float(many) == pytest.approx(float(whole), rel=2e-3)


def test_density_integrates_to_one_and_has_the_moments() -> None:
    grid = np.linspace(-0.6, 0.6, 40_001)
    weights = density(grid, **TRUE) * (grid[1] - grid[0])
    expected = moments(**TRUE)
    mean = float((weights * grid).sum())
    central = [float((weights * (grid - mean) ** p).sum()) for p in (2, 3, 4)]
    assert weights.sum() == pytest.approx(1.0, abs=1e-9)
    assert mean == pytest.approx(expected["mean"], abs=1e-10)
    assert central[0] == pytest.approx(expected["variance"], rel=1e-8)
    assert central[1] / central[0] ** 1.5 == pytest.approx(expected["skewness"], rel=1e-6)
    assert central[2] / central[0] ** 2 - 3.0 == pytest.approx(expected["excess_kurtosis"], rel=1e-6)


def test_fit_finds_what_was_simulated_within_its_errors() -> None:
    found = fit_merton(simulated(1, 4_000))
    assert found.health.ok
    assert found.converged
    for name, value in TRUE.items():
        for table in ("hessian", "opg", "robust"):
            assert 0.0 < found.standard_errors[table][name] < 1.0
        assert abs(found.parameters[name] - value) < 3.5 * found.standard_errors["hessian"][name], name
    errors = found.standard_errors
    assert errors["opg"]["volatility"] == pytest.approx(errors["hessian"]["volatility"], rel=0.25)


def test_loglik_is_that_of_the_density_and_of_a_maximum() -> None:
    values = simulated(2, 1_000)
    found = fit_merton(values)
    assert np.log(density(values, **found.parameters)).sum() == pytest.approx(found.loglik, abs=1e-6)
    for name, value in found.parameters.items():
        for factor in (0.97, 1.03):
            moved = found.parameters | {name: value * factor}
            assert np.log(density(values, **moved)).sum() <= found.loglik + 1e-6
    assert np.log(density(values, **TRUE)).sum() <= found.loglik
    assert found.moments["mean"] == pytest.approx(values.mean(), abs=1e-6)


def test_scaling_returns_scales_the_fit() -> None:
    values = simulated(3, 800)
    small, large = fit_merton(values), fit_merton(100.0 * values)
    assert large.parameters["intensity"] == pytest.approx(small.parameters["intensity"], rel=1e-5)
    assert large.parameters["jump_volatility"] == pytest.approx(100.0 * small.parameters["jump_volatility"], rel=1e-5)
    assert large.moments["jump_share"] == pytest.approx(small.moments["jump_share"], rel=1e-5)


def test_normal_returns_have_bounds_noted_and_few_jumps() -> None:
    found = fit_merton(np.random.default_rng(5).normal(size=2_000))
    assert found.parameters["jump_volatility"] >= 0.2 * 0.9
    assert found.moments["excess_kurtosis"] < 0.5


def test_unfit_series_say_why() -> None:
    assert fit_merton(np.zeros(500)).health.code == "CONSTANT_SERIES"
    short = fit_merton(np.random.default_rng(0).normal(size=99))
    assert short.health.code == "TOO_FEW_OBSERVATIONS"
    assert np.isnan(short.parameters["drift"])


def test_mistakes_are_one_line() -> None:
    with pytest.raises(Fault, match="maturity must be above 0"):
        call(100.0, 100.0, 0.0, rate=0.0, volatility=0.2, intensity=1.0, jump_volatility=0.1)
    with pytest.raises(Fault, match="intensity must be at least 0"):
        call(100.0, 100.0, 1.0, rate=0.0, volatility=0.2, intensity=-1.0, jump_volatility=0.1)
    with pytest.raises(Fault, match="mean_jump must be above -1"):
        call(100.0, 100.0, 1.0, rate=0.0, volatility=0.2, intensity=1.0, mean_jump=-1.0, jump_volatility=0.1)
    with pytest.raises(Fault, match="return 2 is nan"):
        fit_merton(np.array([0.0, 1.0, np.nan]))
    with pytest.raises(Fault, match="2 dimensions"):
        fit_merton(np.zeros((3, 3)))
