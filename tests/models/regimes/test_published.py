"""What was published once never changes: returns appended through the refit schedule, value by value compared."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from kernels.regimes import reference
from models.faults import Fault
from models.regimes import Published, RegimeSettings, RegimeStream, changes, fit_hmm, hidden_markov, joined, publish
from models.regimes import published as module
from tests.models.regimes.series import switching

SETTINGS = RegimeSettings(refit=20, window=150, minimum=100, starts=2)
FIELDS = ("probabilities", "labels", "versions", "logliks", "scores")
Publisher = Callable[[np.ndarray], Published]


@pytest.fixture(scope="module")
def returns() -> np.ndarray:
    return switching(3, 330, stay=0.93)[0]


def assert_published_values_stay(publisher: Publisher, returns: np.ndarray) -> None:
    """Publishes ever longer series across five refits; whatever was published before must be there, bit for bit."""
    known = publisher(returns[:100])
    for end in [*range(101, 166), 180, 181, 200, returns.size]:
        later = publisher(returns[:end])
        for name in FIELDS:
            np.testing.assert_array_equal(
                getattr(later, name)[: known.labels.size], getattr(known, name), err_msg=f"{name} at {end}"
            )
        known = later


def causal(returns: np.ndarray) -> Published:
    return publish(returns, SETTINGS)[0]


def smoother(returns: np.ndarray) -> Published:
    """A planted mistake: each probability also uses what came after it."""
    found, versions = publish(returns, SETTINGS)
    if versions:
        fit = versions[-1].fit
        found.probabilities[100:] = reference.smoothed(
            returns, fit.stationary, fit.transition, fit.means, fit.variances
        )[0][100:]
    return found


def fitted_on_all(returns: np.ndarray) -> Published:
    """A planted mistake: filtered, but under parameters that have seen the end."""
    found = module.empty(returns.size, 2)
    fit = fit_hmm(returns, errors=False)
    found.probabilities[:], found.logliks[:] = reference.forward_filter(
        returns, fit.stationary, fit.transition, fit.means, fit.variances
    )
    return found


def test_no_published_value_changes_when_returns_are_appended(returns: np.ndarray) -> None:
    assert_published_values_stay(causal, returns)


@pytest.mark.parametrize("planted", [smoother, fitted_on_all])
def test_planted_look_ahead_is_found(planted: Publisher, returns: np.ndarray) -> None:
    with pytest.raises(AssertionError, match="probabilities at"):
        assert_published_values_stay(planted, returns)


def test_prices_that_did_not_move_are_missing_for_the_filter_too_and_nothing_is_rewritten() -> None:
    values = switching(4, 900)[0]
    values[np.random.default_rng(4).random(900) < 0.25] = 0.0
    settings = RegimeSettings(window=300, minimum=250, refit=50)
    whole, versions = publish(values, settings)
    assert any(version.fit.unmoved for version in versions)
    assert all(version.used for version in versions)
    early = publish(values[:600], settings)[0]
    np.testing.assert_array_equal(early.probabilities, whole.probabilities[:600])
    masked = [t for t in range(250, 900) if versions[whole.versions[t]].fit.unmoved and values[t] == 0.0]
    assert masked
    for t in masked:
        fit = versions[whole.versions[t]].fit
        if whole.versions[t - 1] == whole.versions[t]:  # the transition alone moves the probabilities
            np.testing.assert_allclose(whole.probabilities[t], whole.probabilities[t - 1] @ fit.transition, atol=1e-12)


def test_changed_future_changes_nothing_before_it(returns: np.ndarray) -> None:
    other = returns.copy()
    other[205:] *= -4.0
    straight, bent = causal(returns), causal(other)
    for name in FIELDS:
        np.testing.assert_array_equal(getattr(straight, name)[:205], getattr(bent, name)[:205])
    assert not np.array_equal(straight.probabilities[205:], bent.probabilities[205:])


def test_each_version_has_seen_only_what_lay_before_its_first_value(returns: np.ndarray) -> None:
    found, versions = publish(returns, SETTINGS)
    assert [version.last for version in versions] == list(range(99, 320, 20))
    for version in versions:
        mine = np.flatnonzero(found.versions == version.version)
        assert mine[0] == version.last + 1
        assert version.first == max(0, version.last + 1 - 150)
        again = module.fit(
            returns[version.first : version.last + 1], "hmm", 2, seed=0, starts=2, errors=False,
            warm=versions[version.version - 1].fit if version.version else None,
        )  # fmt: skip
        assert again.parameters == version.fit.parameters


def test_published_probability_is_the_forward_filter_of_its_version(returns: np.ndarray) -> None:
    found, versions = publish(returns, SETTINGS)
    for version in versions:
        fit, mine = version.fit, np.flatnonzero(found.versions == version.version)
        window = returns[version.first : mine[-1] + 1]
        expected, _ = reference.forward_filter(window, fit.initial, fit.transition, fit.means, fit.variances)
        np.testing.assert_allclose(found.probabilities[mine], expected[-mine.size :], rtol=1e-8, atol=1e-10)


def test_stream_in_any_pieces_publishes_the_bits_of_the_whole(returns: np.ndarray) -> None:
    stream = RegimeStream(SETTINGS)
    pieces = [stream.observe(returns[:37]), *(stream.observe(value) for value in returns[37:150])]
    pieces.append(stream.observe(returns[150:]))
    together, whole = joined(pieces), causal(returns)
    for name in FIELDS:
        np.testing.assert_array_equal(getattr(together, name), getattr(whole, name))


def test_true_states_are_found_and_scores_are_standard_normal() -> None:
    returns, truth = switching(5, 3_000)
    found, versions = publish(returns, RegimeSettings(refit=250, window=0))
    known = found.labels >= 0
    assert (found.labels[known] == truth[known]).mean() > 0.9
    assert found.scores[known].std() == pytest.approx(1.0, abs=0.05)
    assert (found.scores[known] ** 4).mean() == pytest.approx(3.0, abs=0.5)
    assert sum(version.label_jumps for version in versions) == 0
    marks = changes(found)
    assert [mark.index for mark in marks] == (np.flatnonzero(np.diff(found.labels[250:])) + 251).tolist()
    assert all(mark.before == found.labels[mark.index - 1] and mark.probability > 0.5 for mark in marks)


def test_refused_fit_leaves_the_version_before_in_use(returns: np.ndarray) -> None:
    stuck = np.concatenate([returns[:130], np.zeros(200)])
    found, versions = publish(stuck, RegimeSettings(refit=20, window=100, minimum=100, starts=2))
    refused = [version for version in versions if not version.used]
    assert {version.fit.health.code for version in refused} == {"DEGENERATE_STATE", "CONSTANT_SERIES"}
    assert found.versions[-1] == max(version.version for version in versions if version.used)
    assert np.isfinite(found.probabilities[100:]).all()


def test_swapped_states_are_counted_as_label_jumps() -> None:
    returns = switching(6, 600)[0]
    before = fit_hmm(returns, errors=False)
    swapped: dict[str, Any] = {
        "means": before.means[::-1].copy(),
        "variances": before.variances[::-1].copy(),
        "transition": before.transition[::-1, ::-1].copy(),
    }
    after = module.HmmFit(**{**vars(before), **swapped})
    assert module.label_jumps(returns, before, before) == (0, 0.0)
    jumps, relabelled = module.label_jumps(returns, before, after)
    assert (jumps, relabelled) == (2, 1.0)


def test_missing_returns_are_counted_and_published_over(returns: np.ndarray) -> None:
    gappy = returns.copy()
    gappy[[110, 120, 121, 300]] = np.nan
    stream = RegimeStream(SETTINGS)
    found = stream.observe(gappy)
    assert stream.missing == 4
    assert np.isfinite(found.probabilities[100:]).all()


def test_refit_now_precedes_the_next_value_and_resets_the_schedule(returns: np.ndarray) -> None:
    stream = RegimeStream(SETTINGS)
    stream.observe(returns[:105])
    stream.refit_now()
    stream.observe(returns[105:])
    assert [version.last for version in stream.versions[:4]] == [99, 104, 124, 144]


def test_scaled_returns_publish_the_same_probabilities(returns: np.ndarray) -> None:
    np.testing.assert_allclose(
        causal(1000.0 * returns).probabilities, causal(returns).probabilities, atol=1e-5, equal_nan=True
    )


def test_permuted_starts_publish_the_same(returns: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    expected, straight = causal(returns), hidden_markov.seeded_starts

    def permuted(*arguments: Any) -> list[hidden_markov.Start]:
        return [
            hidden_markov.Start(
                start.initial[::-1].copy(), start.transition[::-1, ::-1].copy(), start.means[::-1].copy(),
                start.variances[::-1].copy(),
            )
            for start in straight(*arguments)
        ]  # fmt: skip

    monkeypatch.setattr(hidden_markov, "seeded_starts", permuted)
    found = causal(returns)
    np.testing.assert_allclose(found.probabilities, expected.probabilities, atol=1e-7, equal_nan=True)
    np.testing.assert_array_equal(found.labels, expected.labels)


def test_stream_keeps_no_more_than_two_windows(returns: np.ndarray) -> None:
    stream = RegimeStream(SETTINGS)
    for value in returns:
        stream.observe(value)
        assert len(stream._history) <= 2 * SETTINGS.window


def test_mixture_is_published_without_memory(returns: np.ndarray) -> None:
    settings = RegimeSettings(kind="mixture", refit=50, window=0, minimum=100, starts=2)
    found, versions = publish(returns, settings)
    fit = versions[0].fit
    one = reference.forward_filter(returns[120:121], fit.initial, fit.transition, fit.means, fit.variances)[0][0]
    np.testing.assert_allclose(found.probabilities[120], one, rtol=1e-10)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"states": 9}, "states is 9"),
        ({"refit": 0}, "refit is 0"),
        ({"minimum": 50}, "minimum is 50"),
        ({"window": 200}, "window is 200"),
        ({"starts": 0}, "starts is 0"),
        ({"change_spacing": 0}, "change_spacing is 0"),
    ],
)
def test_impossible_settings_name_the_field_and_the_limit(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        RegimeSettings(**wrong)


def test_impossible_return_is_named() -> None:
    stream = RegimeStream(SETTINGS)
    stream.observe(np.zeros(10))
    with pytest.raises(Fault, match=r"return 12 is 1e\+200"):
        stream.observe(np.array([0.0, 0.0, 1e200]))
