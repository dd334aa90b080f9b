"""The hidden Markov kernels against the slow reference and against enumeration of every path."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels.regimes import cpu, reference

Model = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def model_of(seed: int, states: int) -> Model:
    """(initial, transition, means, variances), some transitions impossible."""
    random = np.random.default_rng(seed)
    transition = random.dirichlet(np.ones(states), states)
    if states > 2:
        transition[0, 1] = 0.0
        transition /= transition.sum(axis=1, keepdims=True)
    return random.dirichlet(np.ones(states)), transition, random.normal(size=states), random.uniform(0.05, 3.0, states)


def series(seed: int, n: int, gaps: bool = True) -> np.ndarray:
    random = np.random.default_rng(seed)
    values = random.normal(size=n) * np.where(random.random(n) < 0.3, 3.0, 0.5)
    if gaps:
        values[random.random(n) < 0.1] = np.nan
    return values


def filtered(values: np.ndarray, model: Model) -> tuple[np.ndarray, np.ndarray]:
    """The compiled filter as the reference is called."""
    found, increments = np.empty((values.size, model[0].size)), np.empty(values.size)
    loglik = cpu.forward_filter(values, *model, found, increments)
    assert loglik == pytest.approx(increments.sum(), rel=1e-12, abs=1e-12)
    return found, increments


FILTERS = {"cpu": filtered, "reference": lambda values, model: reference.forward_filter(values, *model)}


@pytest.mark.parametrize("backend", FILTERS)
@pytest.mark.parametrize("states", [1, 2, 3])
def test_filter_equals_the_sum_over_every_path(backend: str, states: int) -> None:
    for seed in range(5):
        model, values = model_of(seed, states), series(seed, 6)
        found, increments = FILTERS[backend](values, model)
        for t in range(values.size):
            probabilities, loglik = reference.enumerated(values[: t + 1], *model)
            np.testing.assert_allclose(found[t], probabilities, rtol=1e-11, atol=1e-13)
            assert increments[: t + 1].sum() == pytest.approx(loglik, rel=1e-11, abs=1e-11)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 5), st.integers(1, 80))
def test_compiled_filter_and_reference_agree(seed: int, states: int, n: int) -> None:
    model, values = model_of(seed, states), series(seed, n)
    for mine, slow in zip(filtered(values, model), reference.forward_filter(values, *model), strict=True):
        np.testing.assert_allclose(mine, slow, rtol=1e-9, atol=1e-12)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 4), st.booleans())
def test_one_iteration_of_em_agrees_with_the_reference(seed: int, states: int, mixture: bool) -> None:
    initial, transition, means, variances = model_of(seed, states)
    values = series(seed, 150)
    if mixture:
        transition = np.tile(initial, (states, 1))
    expected = reference.em_iteration(values, initial, transition, means, variances, 1e-8, mixture)
    found = tuple(array.copy() for array in (initial, transition, means, variances))
    cpu.expectation_maximisation(
        values, *found, 1e-8, mixture, 1, 0.0, np.empty((values.size, states)), np.empty(values.size)
    )
    for mine, slow in zip(found, expected, strict=True):
        np.testing.assert_allclose(mine, slow, rtol=1e-8, atol=1e-11)


def test_em_never_loses_likelihood() -> None:
    values, found = series(3, 400), model_of(3, 3)
    logliks = [
        cpu.expectation_maximisation(values, *found, 1e-8, False, 1, 0.0, np.empty((400, 3)), np.empty(400))[0]
        for _ in range(60)
    ]
    assert np.diff(logliks).min() > -1e-9


def test_steps_value_by_value_publish_the_bits_of_the_array() -> None:
    initial, transition, means, variances = model_of(5, 3)
    values = series(5, 200)
    probabilities, whole, increments, tails = initial.copy(), np.empty((200, 3)), np.empty(200), np.empty(200)
    cpu.filter_on(values, transition, means, variances, probabilities, whole, increments, tails)
    stepped, scratch = initial.copy(), np.empty(3)
    for t, value in enumerate(values):
        assert cpu.filter_step(value, transition, means, variances, stepped, scratch) == increments[t]
        np.testing.assert_array_equal(stepped, whole[t])
    np.testing.assert_array_equal(probabilities, stepped)


def test_signed_tail_is_the_probability_beyond_the_value() -> None:
    means, variances, weights = np.array([0.0, 1.0]), np.array([1.0, 4.0]), np.array([0.7, 0.3])

    def below(value: float) -> float:
        normal = [0.5 * math.erfc(-(value - m) / math.sqrt(2 * v)) for m, v in zip(means, variances, strict=True)]
        return float(weights @ normal)

    assert cpu.signed_tail(-0.5, means, variances, weights) == pytest.approx(below(-0.5), rel=1e-14)
    assert cpu.signed_tail(2.0, means, variances, weights) == pytest.approx(below(2.0) - 1.0, rel=1e-12)
    assert math.isnan(cpu.signed_tail(math.nan, means, variances, weights))


def test_outlier_of_a_thousand_deviations_leaves_probabilities() -> None:
    initial, transition = np.array([1.0, 0.0]), np.array([[1.0, 0.0], [0.5, 0.5]])
    values = np.array([0.1, 1e3, -1e8, 0.2])
    found, increments = filtered(values, (initial, transition, np.zeros(2), np.array([1.0, 100.0])))
    np.testing.assert_array_equal(found, [[1.0, 0.0]] * 4)  # the wild state cannot be reached from the calm one
    assert np.isfinite(increments).all()


def test_missing_value_moves_the_probabilities_by_the_transition_alone() -> None:
    initial, transition, means, variances = model_of(1, 2)
    found, increments = filtered(np.array([0.3, math.nan, math.nan]), (initial, transition, means, variances))
    np.testing.assert_allclose(found[1], found[0] @ transition, rtol=1e-14)
    np.testing.assert_allclose(found[2], found[1] @ transition, rtol=1e-14)
    assert increments[1:].tolist() == [0.0, 0.0]
