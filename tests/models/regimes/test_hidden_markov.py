"""The fit of regimes against hmmlearn, scikit-learn and statsmodels, its symmetries, and its health."""

import warnings
from pathlib import Path

import numpy as np
import pytest

from models.faults import Fault
from models.panel import read_panel, returns_of
from models.regimes import HmmFit, fit_hmm, fit_mixture, hidden_markov
from tests.models.regimes.series import switching


@pytest.fixture(scope="module")
def returns() -> np.ndarray:
    return switching(1, 1_500)[0]


@pytest.fixture(scope="module")
def fitted(returns: np.ndarray) -> HmmFit:
    return fit_hmm(returns)


def test_hmmlearn_finds_the_same_maximum(returns: np.ndarray, fitted: HmmFit) -> None:
    from hmmlearn.hmm import GaussianHMM

    oracle = GaussianHMM(
        2, "diag", covars_prior=0.0, covars_weight=1.0, n_iter=2_000, tol=1e-9, init_params="", params="stmc"
    )
    scaled = returns / returns.std()  # hmmlearn keeps variances above 1e-3
    oracle.startprob_, oracle.transmat_ = np.array([0.5, 0.5]), np.array([[0.95, 0.05], [0.05, 0.95]])
    oracle.means_, oracle.covars_ = np.zeros((2, 1)), np.array([[0.3], [3.0]])
    oracle.fit(scaled[:, None])
    loglik = oracle.score(scaled[:, None]) - returns.size * np.log(returns.std())
    assert fitted.converged
    assert fitted.loglik == pytest.approx(loglik, abs=1e-5)
    np.testing.assert_allclose(fitted.transition, oracle.transmat_, atol=2e-5)
    np.testing.assert_allclose(fitted.volatilities, np.sqrt(oracle.covars_.ravel()) * returns.std(), rtol=1e-4)


def test_scikit_learn_finds_the_same_mixture(returns: np.ndarray) -> None:
    from sklearn.mixture import GaussianMixture

    found = fit_mixture(returns)
    scaled = (returns / returns.std())[:, None]
    oracle = GaussianMixture(2, tol=1e-12, max_iter=20_000, reg_covar=0.0, random_state=0, n_init=3).fit(scaled)
    loglik = oracle.score(scaled) * returns.size - returns.size * np.log(returns.std())
    order = np.argsort(oracle.covariances_.ravel())
    assert found.loglik == pytest.approx(loglik, abs=1e-4)
    np.testing.assert_allclose(found.initial, oracle.weights_[order], atol=2e-3)
    np.testing.assert_array_equal(found.transition, np.tile(found.initial, (2, 1)))


def test_standard_errors_are_those_of_statsmodels(returns: np.ndarray, fitted: HmmFit) -> None:
    from statsmodels.tsa.regime_switching.markov_regression import MarkovRegression

    scaled = returns / returns.std()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        oracle = MarkovRegression(scaled, 2, trend="c", switching_variance=True).fit(cov_type="approx")
    errors = dict(zip(oracle.model.param_names, oracle.bse, strict=True))
    order = np.argsort([oracle.params[oracle.model.param_names.index(f"sigma2[{i}]")] for i in range(2)])
    mine = fitted.standard_errors["hessian"]
    for state, other in enumerate(order):
        assert mine[f"mean_{state}"] == pytest.approx(errors[f"const[{other}]"] * returns.std(), rel=0.02)
        assert mine[f"p_{state}_0"] == pytest.approx(errors[f"p[{other}->0]"], rel=0.05)


def test_one_state_has_the_standard_errors_of_the_normal() -> None:
    values = np.random.default_rng(4).normal(0.001, 0.02, 400)
    found = fit_hmm(values, states=1)
    assert found.standard_errors["hessian"]["mean_0"] == pytest.approx(values.std() / 20.0, rel=1e-5)
    assert found.standard_errors["hessian"]["volatility_0"] == pytest.approx(values.std() / np.sqrt(800.0), rel=1e-5)
    assert found.parameters["mean_0"] == pytest.approx(values.mean(), abs=1e-12)


def test_states_are_ordered_by_volatility() -> None:
    found = fit_hmm(switching(2, 1_500, (0.03, 0.004, 0.012))[0], states=3)
    assert found.health.ok
    assert (np.diff(found.volatilities) > 0.0).all()
    np.testing.assert_allclose(found.volatilities, [0.004, 0.012, 0.03], rtol=0.15)
    assert found.stationary.sum() == pytest.approx(1.0)
    np.testing.assert_allclose(found.stationary @ found.transition, found.stationary, atol=1e-12)


@pytest.mark.parametrize("factor", [100.0, 1e-6])
def test_scaling_returns_scales_volatilities_and_leaves_probabilities(
    returns: np.ndarray, fitted: HmmFit, factor: float
) -> None:
    scaled = fit_hmm(factor * returns)
    np.testing.assert_allclose(scaled.volatilities, factor * fitted.volatilities, rtol=1e-6)
    np.testing.assert_allclose(scaled.transition, fitted.transition, atol=1e-7)
    np.testing.assert_allclose(scaled.last_probabilities, fitted.last_probabilities, atol=1e-7)
    assert scaled.loglik == pytest.approx(fitted.loglik - returns.size * np.log(factor), abs=1e-6)


def test_permuted_starts_give_the_same_fit(
    returns: np.ndarray, fitted: HmmFit, monkeypatch: pytest.MonkeyPatch
) -> None:
    straight = hidden_markov.seeded_starts

    def permuted(*arguments: object) -> list[hidden_markov.Start]:
        return [
            hidden_markov.Start(
                start.initial[::-1].copy(), start.transition[::-1, ::-1].copy(), start.means[::-1].copy(),
                start.variances[::-1].copy(),
            )
            for start in straight(*arguments)  # type: ignore[arg-type]
        ]  # fmt: skip

    monkeypatch.setattr(hidden_markov, "seeded_starts", permuted)
    found = fit_hmm(returns)
    np.testing.assert_allclose(found.volatilities, fitted.volatilities, rtol=1e-9)
    np.testing.assert_allclose(found.last_probabilities, fitted.last_probabilities, atol=1e-9)
    assert found.loglik == pytest.approx(fitted.loglik, abs=1e-8)


def test_same_seed_gives_the_same_bits(returns: np.ndarray, fitted: HmmFit) -> None:
    assert fit_hmm(returns).parameters == fitted.parameters


@pytest.mark.parametrize(
    ("values", "code"),
    [
        (np.random.default_rng(0).normal(size=99), "TOO_FEW_OBSERVATIONS"),
        (np.full(500, 0.25), "CONSTANT_SERIES"),
        (np.full(500, np.nan), "TOO_FEW_OBSERVATIONS"),
        (np.where(np.arange(500) % 3, 0.0, np.random.default_rng(0).normal(size=500)), "DEGENERATE_STATE"),
        (np.append(np.random.default_rng(0).normal(size=499), 60.0), "DEGENERATE_STATE"),
    ],
    ids=["short", "constant", "missing", "two-thirds-zero", "one-outlier"],
)
def test_series_that_cannot_be_fitted_says_why(values: np.ndarray, code: str) -> None:
    found = fit_hmm(values)
    assert not found.health.ok
    assert found.health.code == code
    assert found.notes[0].startswith(code)


@pytest.mark.parametrize("near", [0.0, 1e-4], ids=["one value", "a tick to both sides"])
def test_prices_that_did_not_move_are_taken_as_missing_when_a_state_collapses_on_them(near: float) -> None:
    values, states = switching(4, 2_000, (0.008, 0.014), 0.99)
    random = np.random.default_rng(4)
    still = random.random(2_000) < 0.25
    values[still] = near * random.integers(-1, 2, int(still.sum()))
    found = fit_hmm(values)
    assert found.health.ok
    assert found.notes[0].startswith("UNMOVED_PRICES: a state collapsed on returns of nearly one value; ")
    moved = ~np.isnan(found.observed(values))
    assert found.n == moved.sum() < 2_000 - 100
    assert still[~moved].all()  # only what did not move, and of that what the fit could not do with
    np.testing.assert_allclose(found.volatilities, [values[moved & (states == i)].std() for i in (0, 1)], rtol=0.06)
    assert min(found.persistence) > 0.95


def test_a_spike_that_does_not_last_is_no_regime_and_a_peg_that_lasts_is_one() -> None:
    even, variances = np.full(2, 0.5), np.array([0.005, 1.0])
    fleeting, lasting = (np.array([[p, 1.0 - p], [0.02, 0.98]]) for p in (0.3, 0.95))
    assert hidden_markov.spike(hidden_markov.Start(even, fleeting, np.zeros(2), variances), 0)
    assert not hidden_markov.spike(hidden_markov.Start(even, lasting, np.zeros(2), variances), 0)
    assert not hidden_markov.spike(hidden_markov.Start(even, fleeting, np.zeros(2), np.array([0.02, 1.0])), 0)


@pytest.mark.parametrize("name", ["LTC_BTC", "XMR_BTC", "DASH_BTC"])
def test_five_minute_closes_have_two_regimes_that_last(data: Path, name: str) -> None:
    panel = returns_of(read_panel(data / "candles" / f"{name}-5m.feather", columns=["close"]), are_returns=False)
    found = fit_hmm(panel.values[:1_000, 0], errors=False)
    assert found.health.ok
    assert found.notes[0].startswith("UNMOVED_PRICES")
    assert min(found.persistence) > 0.9


def test_states_that_hardly_differ_are_noted() -> None:
    even = np.full((2, 2), 0.5)
    near = hidden_markov.Start(even[0], even, np.array([0.0, 0.05]), np.array([1.0, 1.05]))
    far = hidden_markov.Start(even[0], even, np.array([0.0, 0.05]), np.array([1.0, 1.2]))
    assert hidden_markov.indistinct(near)[0].startswith("INDISTINCT_STATES: states 0 and 1")
    assert hidden_markov.indistinct(far) == []


def test_missing_returns_change_little(returns: np.ndarray, fitted: HmmFit) -> None:
    gappy = returns.copy()
    gappy[::50] = np.nan
    found = fit_hmm(gappy)
    assert found.n == returns.size - 30
    np.testing.assert_allclose(found.volatilities, fitted.volatilities, rtol=0.03)


def test_impossible_arguments_are_one_line() -> None:
    with pytest.raises(Fault, match="states is 0"):
        fit_hmm(np.zeros(10), states=0)
    with pytest.raises(Fault, match="return 3 is inf"):
        fit_hmm(np.array([0.1, 0.2, 0.3, np.inf]))
    with pytest.raises(Fault, match="2 dimensions"):
        fit_hmm(np.zeros((10, 2)))


def test_collapsed_state_is_passed_over_when_another_start_leads_elsewhere() -> None:
    values = switching(2, 800)[0]
    values[np.random.default_rng(2).random(800) < 0.15] = 0.0
    values = values / values.std()
    calm = hidden_markov.quantile_start(values, "hmm", 2)
    collapsing = hidden_markov.start_of("hmm", 0.5, np.zeros(2), np.array([1e-3, 1.3]))
    found, passed = hidden_markov.best_of(values, "hmm", [calm, collapsing])
    spurious = hidden_markov.maximum(values, "hmm", collapsing.copy(), 2_000)
    assert spurious.health.code == "DEGENERATE_STATE"
    assert spurious.loglik > found.loglik
    assert found.health.ok
    assert passed == 1
