"""Places of the words below a limit: the vectors against the plain comparison, word for word."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit
from numba.core.errors import TypingError

from kernels.scenarios.marks import LANES, gather_below
from kernels.scenarios.quantiles import TAIL, gathered

EDGES = (0, 1, TAIL - 1, TAIL, TAIL + 1, 2**64 - TAIL - 1, 2**64 - TAIL, 2**64 - TAIL + 1, 2**63, 2**64 - 1)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), count=st.integers(0, 200))
def test_tails_are_those_of_the_plain_comparison_in_order(seed: int, count: int) -> None:
    random = np.random.Generator(np.random.PCG64(seed))
    words = random.integers(0, 2**64, max(count, 1), dtype=np.uint64)
    edges = random.random(len(words)) < 0.2
    words[edges] = random.choice(np.array(EDGES, np.uint64), int(edges.sum()))
    expected = [i for i in range(count) if int(words[i]) < TAIL or int(words[i]) >= 2**64 - TAIL]
    places = np.full(max(count, 1), 2**63, np.uint64)
    assert gathered(words, count, places) == len(expected)
    assert places[: len(expected)].tolist() == expected


def test_every_pattern_of_eight_is_stored_from_the_place_given() -> None:
    @njit
    def at_eight(words, places, found):  # type: ignore[no-untyped-def]
        return gather_below(words, 8, np.uint64(0), np.uint64(1), places, found)

    for pattern in range(1 << LANES):
        words = np.ones(24, np.uint64)
        words[8:16] = [0 if pattern >> j & 1 else 1 for j in range(LANES)]
        places = np.full(24, 99, np.uint64)
        count = at_eight(words, places, 3)
        assert count == pattern.bit_count()
        assert places[3 : 3 + count].tolist() == [8 + j for j in range(LANES) if pattern >> j & 1]
        assert set(places[:3].tolist()) | set(places[11:].tolist()) == {99}


def test_a_row_with_gaps_is_refused() -> None:
    with pytest.raises(TypingError, match="without gaps"):
        gathered(np.zeros((16, 2), np.uint64)[:, 0], 16, np.zeros(16, np.uint64))
