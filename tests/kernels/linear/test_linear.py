"""The compiled linear evaluator against its reference, bit for bit."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from kernels.linear import reference
from kernels.linear.cpu import Linear

FINITE = st.floats(-1e150, 1e150, allow_subnormal=True)
ANY = st.one_of(FINITE, st.sampled_from([math.nan, math.inf, -math.inf, 5e-324, -0.0]))


@settings(max_examples=60, deadline=None)
@given(
    row_i=arrays(np.float64, 32, elements=ANY),
    weights_io=arrays(np.float64, (32, 4), elements=FINITE),
    bias_o=arrays(np.float64, 4, elements=FINITE),
    link=st.sampled_from(reference.LINKS),
)
def test_compiled_linear_equals_its_reference_bit_for_bit(row_i, weights_io, bias_o, link):
    with np.errstate(all="ignore"):
        expected = reference.linear(row_i, weights_io, bias_o, link)
    got = Linear(weights_io, bias_o, link).evaluate(row_i[None, :])[0]
    np.testing.assert_array_equal(got, expected)


@given(x=st.floats(-800, 0))
def test_own_exponential_is_within_two_units_in_the_last_place(x):
    if x < -708:
        assert reference.exponential(x) == 0.0
    else:
        assert reference.exponential(x) == pytest.approx(math.exp(x), rel=4.5e-16)


def test_sums_are_taken_in_four_chains_and_not_in_another_order():
    row_i = np.zeros(32)
    row_i[[0, 1, 4]] = [1e16, 1.0, -1e16]
    weights_io = np.zeros((32, 4))
    weights_io[:, 0] = 1.0
    assert Linear(weights_io, np.zeros(4)).evaluate(row_i[None, :])[0, 0] == 1.0


def test_logistic_at_extremes_neither_overflows_nor_leaves_zero_to_one():
    weights_io = np.zeros((32, 4))
    weights_io[0] = [1e6, -1e6, 1.0, 0.0]
    rows = np.zeros((2, 32))
    rows[:, 0] = [1e6, -1e6]
    got = Linear(weights_io, np.zeros(4), "logistic").evaluate(rows)
    np.testing.assert_array_equal(got, [[1, 0, 1, 0.5], [0, 1, 0, 0.5]])


@pytest.mark.parametrize(
    ("weights_io", "bias_o", "link", "text"),
    [
        (np.zeros((31, 4)), np.zeros(4), "identity", "weights_io must be"),
        (np.zeros((32, 4)), np.zeros(3), "identity", "bias_o"),
        (np.full((32, 4), np.nan), np.zeros(4), "identity", "finite"),
        (np.zeros((32, 4)), np.zeros(4), "probit", "link must be one of identity, logistic"),
    ],
)
def test_arrays_that_do_not_fit_are_refused_by_name(weights_io, bias_o, link, text):
    with pytest.raises(ValueError, match=text):
        Linear(weights_io, bias_o, link)
