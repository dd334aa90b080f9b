"""The compiled tree evaluator against its reference, bit for bit: NaN, infinities, thresholds hit exactly."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels.trees import reference
from kernels.trees.cpu import Trees

EDGES = np.array([0.0, -0.0, 1.0, -1.0, 1e-45, -1e-45, 3.4e38, -3.4e38, np.inf, -np.inf], dtype=np.float32)


def random_trees(rng, count, depth):
    """Thresholds drawn from few values, so that rows drawn from the same ones hit them exactly."""
    nodes = 2**depth - 1
    pool = np.concatenate([EDGES, rng.normal(size=10).astype(np.float32)])
    return {
        "features_tn": rng.integers(0, 32, (count, nodes)),
        "thresholds_tn": rng.choice(pool, (count, nodes)),
        "nan_right_tn": rng.random((count, nodes)) < 0.5,
        "leaves_tl": rng.normal(size=(count, nodes + 1)),
        "output_t": rng.integers(0, 4, count),
        "base_o": rng.normal(size=4),
    }, pool


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32), count=st.integers(0, 20), depth=st.integers(1, 8))
def test_compiled_trees_equal_their_reference_bit_for_bit(seed, count, depth):
    rng = np.random.default_rng(seed)
    arrays, pool = random_trees(rng, count, depth)
    rows = rng.choice(np.concatenate([pool, [np.nan, 1e300, -1e300, 5e-324]]), (8, 32)).astype(np.float64)
    got = Trees(**arrays).evaluate(rows)
    expected = np.array([reference.trees(row, **arrays) for row in rows])
    np.testing.assert_array_equal(got, expected)


def one_split(threshold, nan_right=False):
    return {
        "features_tn": [[3]],
        "thresholds_tn": np.array([[threshold]], dtype=np.float32),
        "nan_right_tn": [[nan_right]],
        "leaves_tl": [[-1.0, 1.0]],
        "output_t": [0],
        "base_o": np.zeros(4),
    }


@pytest.mark.parametrize(
    ("value", "threshold", "nan_right", "leaf"),
    [
        (0.5, 0.5, False, -1.0),
        (np.nextafter(np.float32(0.5), np.float32(1)), 0.5, False, 1.0),
        (0.0, -0.0, False, -1.0),
        (-0.0, 0.0, False, -1.0),
        (1e-45, -0.0, False, 1.0),
        (np.inf, np.inf, False, -1.0),
        (np.inf, 3.4e38, False, 1.0),
        (-np.inf, -np.inf, False, -1.0),
        (np.nan, np.inf, False, -1.0),
        (np.nan, np.inf, True, 1.0),
        (np.nan, -np.inf, False, -1.0),
        (-np.nan, -np.inf, True, 1.0),
    ],
)
def test_split_sends_less_or_equal_left_and_nan_where_the_node_says(value, threshold, nan_right, leaf):
    row = np.zeros((1, 32))
    row[0, 3] = value
    assert Trees(**one_split(threshold, nan_right)).evaluate(row)[0, 0] == leaf


def test_values_are_compared_after_rounding_to_float32():
    row = np.zeros((1, 32))
    row[0, 3] = 0.1 + 1e-12
    assert Trees(**one_split(0.1)).evaluate(row)[0, 0] == -1.0


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (
            {"thresholds_tn": np.zeros((1, 2), np.float32), "features_tn": [[0, 0]], "nan_right_tn": [[0, 0]]},
            "2\\*\\*depth",
        ),
        ({"features_tn": [[32]]}, "features_tn must be below 32"),
        ({"output_t": [4]}, "output_t below 4"),
        ({"leaves_tl": [[0.0, np.nan]]}, "finite"),
        ({"thresholds_tn": np.array([[np.nan]], np.float32)}, "must not be NaN"),
        ({"leaves_tl": [[0.0]]}, "leaves_tl must be"),
        ({"features_tn": [[1], [2]]}, "same shape"),
    ],
)
def test_arrays_that_do_not_fit_are_refused_by_name(change, text):
    with pytest.raises(ValueError, match=text):
        Trees(**one_split(0.0) | change)


def test_tree_deeper_than_eight_is_refused():
    arrays, _ = random_trees(np.random.default_rng(1), 1, 9)
    with pytest.raises(ValueError, match="depth of 1 to 8"):
        Trees(**arrays)
