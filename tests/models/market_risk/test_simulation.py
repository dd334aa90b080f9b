"""Scenario sets: the same whatever the threads, the closed forms, and the tail made a second time."""

import numpy as np
import pytest

from models.faults import Fault
from models.market_risk import Jumps, Scenarios, elliptical_scenarios, euler_elliptical, measure_simulated
from models.market_risk.conditional import conditional_scenarios, fit_jumps, without_share
from models.market_risk.scenario_risk import measure_scenarios
from models.market_risk.simulation import constant_process, copula_draws, empirical_draws, with_jumps

RANDOM = np.random.default_rng(0)
ROOT = RANDOM.standard_normal((6, 12))
COVARIANCE = ROOT @ ROOT.T * 1e-5
CORRELATION = COVARIANCE / np.sqrt(np.outer(np.diag(COVARIANCE), np.diag(COVARIANCE)))
EXPOSURES = np.array([1.0, 0.5, -0.7, 0.2, 0.9, -0.1])


def recipes() -> dict[str, Scenarios]:
    process = constant_process(np.diag(COVARIANCE))
    observed = RANDOM.standard_normal((300, 6))
    return {
        "elliptical": elliptical_scenarios(COVARIANCE, dof=5.0, seed=11),
        "t copula": Scenarios(copula_draws(CORRELATION, 5.0, np.full(6, 4.0)), process, 1, 11),
        "empirical": Scenarios(empirical_draws(CORRELATION, 5.0, observed), process, 1, 11),
    }


@pytest.mark.parametrize("name", recipes())
def test_losses_are_the_same_with_any_number_of_threads_and_any_batch(name: str) -> None:
    made = recipes()[name]
    whole = made.losses(EXPOSURES, 30_000, threads=1)
    for threads in (2, 3, 7):
        assert np.array_equal(made.losses(EXPOSURES, 30_000, threads=threads), whole)
        assert np.array_equal(
            made.returns(np.arange(30_000), threads=threads), made.returns(np.arange(30_000), threads=1)
        )
    assert np.array_equal(made.losses(EXPOSURES, 1_111, first=1_234, threads=2), whole[1_234 : 1_234 + 1_111])


@pytest.mark.parametrize("name", recipes())
def test_two_passes_measure_what_the_whole_matrix_measures(name: str) -> None:
    made = recipes()[name]
    found = measure_simulated(made, EXPOSURES, level=0.99, paths=5_000, method="x")
    whole = measure_scenarios(made.returns(np.arange(5_000)), EXPOSURES, level=0.99, method="x")
    assert found.var == pytest.approx(whole.var, abs=1e-14)
    assert found.cvar == pytest.approx(whole.cvar, abs=1e-14)
    for kind in ("var_contributions", "cvar_contributions"):
        for part in ("marginal", "component", "incremental"):
            one, other = getattr(getattr(found, kind), part), getattr(getattr(whole, kind), part)
            assert np.abs(one - other).max() < 1e-13


@pytest.mark.parametrize("dof", [5.0, np.inf])
def test_elliptical_scenarios_come_to_the_closed_form(dof: float) -> None:
    mean = np.full(6, 2e-4)
    made = elliptical_scenarios(COVARIANCE, dof=dof, mean=mean)
    found = measure_simulated(made, EXPOSURES, level=0.99, paths=300_000, method="x", incremental=False)
    exact = euler_elliptical(EXPOSURES, COVARIANCE, level=0.99, mean=mean, dof=dof)
    assert abs(found.var - exact.var.total) < 4.0 * found.standard_error
    assert abs(found.cvar - exact.cvar.total) < 4.0 * found.standard_error_cvar
    assert np.abs(found.cvar_contributions.component - exact.cvar.component).max() < 0.02 * exact.cvar.total
    assert np.abs(found.var_contributions.component - exact.var.component).max() < 0.06 * exact.var.total


def test_t_copula_has_its_tail_dependence() -> None:
    """Closed form 0.2532 for nu 4, rho 0.5 (vector t_copula_tail); a Gaussian copula has none."""
    correlation = np.array([[1.0, 0.5], [0.5, 1.0]])
    joint = []
    for dof in (4.0, np.inf):
        made = Scenarios(copula_draws(correlation, dof, np.full(2, np.inf)), constant_process(np.ones(2)), 1, 3)
        below = made.returns(np.arange(400_000)) < -3.090232306167813  # 0.1 % of a standard normal
        assert below.mean(axis=0) == pytest.approx([0.001, 0.001], abs=2e-4)
        joint.append(below.all(axis=1).mean() / 0.001)
    assert joint[0] == pytest.approx(0.2532, abs=0.08)
    assert joint[1] < 0.12


def test_jumps_keep_the_mean_and_add_their_variance() -> None:
    jumps = Jumps(np.full(6, 0.2), np.full(6, -0.02), np.full(6, 0.01))
    process = with_jumps(constant_process(np.diag(COVARIANCE)), jumps)
    made = Scenarios(copula_draws(CORRELATION, np.inf), process, 1, 5)
    returns = made.returns(np.arange(200_000))
    added = 0.2 * (0.02**2 + 0.01**2)
    assert np.abs(returns.mean(axis=0)).max() < 2e-4
    assert returns.var(axis=0) == pytest.approx(np.diag(COVARIANCE) + added, rel=0.03)


def test_jumps_take_their_share_out_of_the_fitted_variance() -> None:
    random = np.random.default_rng(2)
    jumped = (random.random((1_500, 1)) < 0.03) * random.normal(-0.05, 0.02, (1_500, 1))
    returns = 0.01 * random.standard_normal((1_500, 1)) + jumped
    jumps, notes = fit_jumps(returns)
    assert notes == ()
    assert jumps.intensity[0] == pytest.approx(0.03, abs=0.015)
    assert jumps.mean[0] == pytest.approx(-0.05, abs=0.015)
    before = constant_process(returns.var(axis=0))
    after = without_share(before, jumps, returns.var(axis=0))
    assert after.variance[0] == pytest.approx(1e-4, rel=0.15)
    made, _ = conditional_scenarios(returns, horizon=1, seed=1, jumps=jumps)
    simulated = made.returns(np.arange(100_000))
    assert simulated.std() == pytest.approx(returns.std(), rel=0.25)
    assert np.mean(simulated < -0.04) > 0.01  # the jumps are there: a normal of that variance has 0.2 %


def test_standard_error_is_the_spread_over_seeds() -> None:
    runs = [
        measure_simulated(
            elliptical_scenarios(COVARIANCE, dof=5.0, seed=seed), EXPOSURES, level=0.99, paths=5_000, method="x",
            incremental=False,
        )
        for seed in range(200)
    ]  # fmt: skip
    assert np.mean([run.standard_error for run in runs]) == pytest.approx(np.std([run.var for run in runs]), rel=0.15)
    spread = np.std([run.cvar for run in runs])
    assert np.mean([run.standard_error_cvar for run in runs]) == pytest.approx(spread, rel=0.15)


def test_impossible_recipes_are_refused() -> None:
    with pytest.raises(Fault, match="not positive definite"):
        elliptical_scenarios(np.ones((2, 2)))
    with pytest.raises(Fault, match="horizon is 0"):
        Scenarios(copula_draws(np.eye(1), np.inf), constant_process(np.ones(1)), 0, 1)
    with pytest.raises(Fault, match="seed is -1"):
        Scenarios(copula_draws(np.eye(1), np.inf), constant_process(np.ones(1)), 1, -1)
    with pytest.raises(Fault, match="one for each of 6 assets"):
        recipes()["elliptical"].losses(np.ones(5), 100)
