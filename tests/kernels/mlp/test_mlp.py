"""The compiled perceptron against its reference, bit for bit."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels.mlp import reference
from kernels.mlp.cpu import Mlp


def random_layers(rng, sizes):
    weights = [rng.normal(size=shape).astype(np.float32) for shape in pairwise(sizes)]
    return weights, [rng.normal(size=size).astype(np.float32) for size in sizes[1:]]


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    inputs=st.integers(1, 32),
    hidden=st.lists(st.integers(1, 130), min_size=1, max_size=3),
    outputs=st.integers(1, 4),
    activation=st.sampled_from(reference.ACTIVATIONS),
    special=st.sampled_from([0.0, np.nan, np.inf, -np.inf, 1e300, 1e-300]),
)
def test_compiled_perceptron_equals_its_reference_bit_for_bit(*, seed, inputs, hidden, outputs, activation, special):
    rng = np.random.default_rng(seed)
    weights, biases = random_layers(rng, (inputs, *hidden, outputs))
    rows = np.zeros((3, 32))
    rows[:, :inputs] = rng.normal(size=(3, inputs))
    rows[2, rng.integers(inputs)] = special
    got = Mlp(weights, biases, activation).evaluate(rows)
    with np.errstate(all="ignore"):
        expected = [reference.mlp(row[:inputs], weights, biases, activation) for row in rows]
    np.testing.assert_array_equal(got[:, :outputs], expected)


def test_own_tanh_is_within_four_units_in_the_last_place_of_one():
    x = np.linspace(-12, 12, 200_001).astype(np.float32)
    assert np.abs(reference.hyperbolic_tangent(x) - np.tanh(x.astype(np.float64))).max() < 4 * np.finfo(np.float32).eps


def test_tanh_of_infinity_is_one_and_of_nan_is_nan():
    got = reference.hyperbolic_tangent(np.array([np.inf, -np.inf, np.nan], dtype=np.float32))
    np.testing.assert_allclose(got, [1, -1, np.nan], rtol=1e-6)


@pytest.mark.parametrize(
    ("sizes", "activation", "text"),
    [
        ((33, 8, 1), "relu", "1 to 32 inputs"),
        ((4, 257, 1), "relu", "1 to 256 outputs"),
        ((4, 8, 5), "relu", "1 to 4 outputs"),
        ((4, 1), "relu", "1 to 6 hidden layers"),
        ((4, *[2] * 7, 1), "relu", "1 to 6 hidden layers"),
        ((4, 8, 1), "gelu", "activation must be one of relu, tanh"),
    ],
)
def test_layers_that_do_not_fit_are_refused_by_name(sizes, activation, text):
    weights, biases = random_layers(np.random.default_rng(1), sizes)
    with pytest.raises(ValueError, match=text):
        Mlp(weights, biases, activation)


def test_weights_that_are_not_finite_are_refused():
    weights, biases = random_layers(np.random.default_rng(1), (4, 8, 1))
    weights[1][0] = np.inf
    with pytest.raises(ValueError, match="layer 1 must have finite"):
        Mlp(weights, biases)


def test_layers_that_do_not_follow_each_other_are_refused():
    weights, biases = random_layers(np.random.default_rng(1), (4, 8, 1))
    weights[1] = weights[1][:5]
    with pytest.raises(ValueError, match="layer 1 must have 8 inputs"):
        Mlp(weights, biases)
