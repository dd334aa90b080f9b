import math
from fractions import Fraction

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from models.sizing.chain import ROUNDING, chain

factors = st.floats(0.0, 1.5, allow_nan=False)
raws = st.floats(-1e12, 1e12, allow_nan=False)


@settings(max_examples=500, deadline=None)
@given(raws, st.lists(factors, min_size=1, max_size=11))
@example(1.9999999999999998, [1.0])
@example(3.0000000000000004, [1.0])
@example(-1.7, [0.9, 0.999999999])
@example(5e-324, [0.5])
def test_the_product_is_the_lots_bit_for_bit(raw: float, values: list[float]) -> None:
    found = chain(raw, [(f"term {i}", value) for i, value in enumerate(values)])
    assert found.product() == found.lots
    assert found.exact_product() == Fraction(found.lots)
    running = raw
    for value in values:
        running *= value
    assert abs(found.lots) <= abs(running)
    assert found.lots == math.trunc(running)
    assert found.lots * raw >= 0


@settings(max_examples=500, deadline=None)
@given(st.integers(0, 50), st.floats(1.0, 2.0, exclude_max=True), st.floats(0.01, 1.0))
def test_powers_of_two_just_below_the_next_lot_hold_too(power: int, mantissa: float, factor: float) -> None:
    found = chain(mantissa * 2.0**power / factor, [("a", factor)])
    assert found.product() == found.lots


@given(raws, st.lists(factors, min_size=1, max_size=6))
def test_each_term_starts_where_the_one_before_ended(raw: float, values: list[float]) -> None:
    found = chain(raw, [(f"term {i}", value) for i, value in enumerate(values)])
    ends = [raw, *(term.after for term in found.terms)]
    assert [term.before for term in found.terms] == ends[:-1]
    assert [term.before * term.factor for term in found.terms] == ends[1:]
    assert found.terms[-1].name == ROUNDING
    for term, value in zip(found.terms, values, strict=False):
        assert term.factor == pytest.approx(value, rel=1e-13)


@pytest.mark.parametrize(
    ("raw", "values", "message"),
    [
        (math.nan, [1.0], "raw must be finite"),
        (1.0, [-0.1], "a must be at least 0"),
        (1.0, [math.inf], "a must be at least 0 and finite"),
        (1e300, [1.0], "largest whole number"),
        (1.0, [], "at least one factor"),
    ],
)
def test_what_cannot_be_multiplied_is_refused(raw: float, values: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        chain(raw, [("a", value) for value in values])
