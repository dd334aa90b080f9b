"""Coverage tests against the published and computed values of the vectors."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from models.faults import Fault
from models.market_risk import (
    acerbi_szekely,
    christoffersen,
    christoffersen_counts,
    diebold_mariano,
    kupiec,
    tick_loss,
    traffic_light,
)


@pytest.fixture(scope="module")
def known(vectors: Path) -> dict[str, dict[str, Any]]:
    return {each["id"]: each for each in json.loads((vectors / "vectors.json").read_text())["vectors"]}


def test_kupiec_is_the_published_statistic(known: dict[str, dict[str, Any]]) -> None:
    vector = known["kupiec_pof"]
    for row in vector["expected"]:
        found = kupiec(row["T"], row["x"], 1.0 - row["p"]).statistic
        assert found == pytest.approx(row["LR"], abs=vector["tolerance"]["LR_abs"])
        if row["published"] is not None:
            assert found == pytest.approx(row["published"], abs=vector["tolerance"]["vs_published"])


def test_kupiec_accepts_the_published_regions(known: dict[str, dict[str, Any]]) -> None:
    for row in known["kupiec_regions"]["expected"]:
        accepted = [x for x in range(row["T"] // 3) if kupiec(row["T"], x, 1.0 - row["p"]).passes()]
        assert [accepted[0], accepted[-1]] == row["accept"]
        assert accepted == list(range(accepted[0], accepted[-1] + 1))


def test_christoffersen_is_the_published_statistic(known: dict[str, dict[str, Any]]) -> None:
    vector = known["christoffersen"]
    first, second = vector["expected"]
    tolerance = vector["tolerance"]["abs"]
    found = christoffersen_counts(first["n00"], first["n01"], first["n10"], first["n11"], 1.0 - first["p"])
    assert found.independence.statistic == pytest.approx(first["LR_ind"], abs=tolerance)
    assert found.independence.p_value == pytest.approx(first["p_ind"], abs=tolerance)
    assert found.conditional.statistic == pytest.approx(first["LR_cc"], abs=tolerance)
    assert found.conditional.p_value == pytest.approx(first["p_cc"], abs=tolerance)
    found = christoffersen_counts(second["n00"], second["n01"], second["n10"], second["n11"], 0.99)
    assert found.independence.statistic == pytest.approx(second["LR_ind"], abs=tolerance)


def test_traffic_light_is_the_published_table(known: dict[str, dict[str, Any]]) -> None:
    expected = known["basel_traffic_light"]["expected"]
    for count, probability in enumerate(expected["cdf_0_to_10"]):
        light = traffic_light(250, count, 0.99)
        assert light.probability == pytest.approx(probability, abs=1e-12)
        zone = "green" if count <= expected["green"][1] else "red" if count >= expected["red_from"] else "yellow"
        assert light.zone == zone
        key = "0-4" if count < 5 else "10+" if count > 9 else str(count)
        assert light.multiplier == expected["multiplier"][key]
    assert traffic_light(250, 5, 0.99).more_probability == pytest.approx(expected["P_ge_5"], abs=1e-12)
    row = expected["mathworks_tl"]
    light = traffic_light(row["N"], row["x"], 1.0 - row["p"])
    assert light.probability == pytest.approx(row["probability"], abs=1e-5)
    assert light.more_probability == pytest.approx(row["typeI"], abs=1e-5)
    assert light.multiplier is None


def test_a_sequence_gives_the_statistics_of_its_counts() -> None:
    hits = np.zeros(1_000, bool)
    hits[[10, 11, 12, 500, 700, 701]] = True
    found = christoffersen(hits, 0.99)
    assert (found.n00, found.n01, found.n10, found.n11) == (990, 3, 3, 3)
    counts = christoffersen_counts(990, 3, 3, 3, 0.99)
    assert found == counts
    assert not found.independence.passes()


def test_clusters_fail_and_spread_exceptions_pass() -> None:
    clustered, spread = np.zeros(1_000, bool), np.zeros(1_000, bool)
    clustered[500:510], spread[50::100] = True, True
    assert christoffersen(clustered, 0.99).independence.p_value < 1e-10
    assert christoffersen(spread, 0.99).conditional.passes()


def test_impossible_counts_are_refused() -> None:
    with pytest.raises(Fault, match="5 exceptions of 4"):
        kupiec(4, 5, 0.99)
    with pytest.raises(Fault, match="at least two"):
        christoffersen([True], 0.99)


def test_tick_loss_is_least_at_the_quantile() -> None:
    losses = np.random.default_rng(0).standard_normal(200_000)
    means = [tick_loss(losses, np.full(len(losses), v), 0.95).mean() for v in np.linspace(1.2, 2.1, 19)]
    assert np.linspace(1.2, 2.1, 19)[int(np.argmin(means))] == pytest.approx(stats.norm.ppf(0.95), abs=0.03)
    assert tick_loss([3.0, 1.0], [2.0, 2.0], 0.9).tolist() == pytest.approx([0.9, 0.1])


def test_diebold_mariano_is_the_t_test_without_lags_and_signs_the_better() -> None:
    random = np.random.default_rng(0)
    first, second = random.random(500) + 0.1, random.random(500)
    found = diebold_mariano(first, second, lags=0)
    expected = stats.ttest_1samp(first - second, 0.0).statistic * np.sqrt(500 / 499)
    assert found.statistic == pytest.approx(expected, rel=1e-12)
    assert found.statistic > 2.0
    assert diebold_mariano(second, first).statistic == -diebold_mariano(first, second).statistic
    assert diebold_mariano(first, second).lags == int(4 * 5 ** (2 / 9))


def test_diebold_mariano_has_the_newey_west_error_of_statsmodels() -> None:
    regression = pytest.importorskip("statsmodels.api")
    difference = np.convolve(np.random.default_rng(2).standard_normal(405), np.ones(6), "valid")
    ours = diebold_mariano(difference, np.zeros(400), lags=7)
    theirs = regression.OLS(difference, np.ones(400)).fit(
        cov_type="HAC", cov_kwds={"maxlags": 7, "use_correction": False}
    )
    assert ours.statistic == pytest.approx(float(theirs.tvalues[0]), rel=1e-10)


def test_shortfall_tests_accept_the_right_forecast_and_reject_the_short_one() -> None:
    losses = np.random.default_rng(1).standard_t(5, 5_000)
    var, cvar = stats.t.ppf(0.975, 5), 3.5220  # ES of t(5) at 97.5 %
    right = acerbi_szekely(losses, np.full(5_000, var), np.full(5_000, cvar), 0.975, shape=0.2, simulations=2_000)
    assert abs(right.z1) < 0.12
    assert abs(right.z2) < 0.25
    assert right.z1_p_value > 0.05
    assert right.z2_p_value > 0.05
    z, density = stats.norm.ppf(0.975), stats.norm.pdf(stats.norm.ppf(0.975))
    deviation = np.sqrt(5.0 / 3.0)
    normal = deviation * density / 0.025
    short = acerbi_szekely(losses, np.full(5_000, deviation * z), np.full(5_000, normal), 0.975, simulations=2_000)
    assert short.z1_p_value < 0.01
    assert short.z2_p_value < 0.01


def test_shortfall_statistics_are_their_formulas() -> None:
    losses = np.array([0.0, 3.0, 0.0, 5.0] * 25)
    found = acerbi_szekely(losses, np.full(100, 2.0), np.full(100, 4.0), 0.9, simulations=200)
    assert found.exceptions == 50
    assert found.z1 == pytest.approx(1.0 - (3.0 + 5.0) / 2.0 / 4.0)
    assert found.z2 == pytest.approx(1.0 - 25 * (3.0 + 5.0) / 4.0 / (100 * 0.1))


def test_simulated_shortfall_statistics_are_zero_on_average() -> None:
    from models.market_risk.shortfall_backtests import simulate

    z1, z2 = simulate(np.full(500, 2.0), np.full(500, 3.0), 0.975, 0.2, 4_000, 1)
    assert np.nanmean(z1) == pytest.approx(0.0, abs=0.02)
    assert z2.mean() == pytest.approx(0.0, abs=0.02)


def test_cvar_below_var_is_refused() -> None:
    with pytest.raises(Fault, match="observation 3: CVaR 1 must be positive and at least VaR 2"):
        acerbi_szekely(np.zeros(5), np.full(5, 2.0), np.array([2.0, 2.0, 1.0, 2.0, 2.0]), 0.99)
