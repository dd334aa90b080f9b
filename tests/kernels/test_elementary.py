"""exp and log: within 1 ulp of the truth (50-digit decimal arithmetic), and the same bits however they are compiled."""

import math
import struct
from decimal import Decimal, localcontext

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels import elementary_arrays, elementary_reference

numba_exp = numba.njit(elementary_reference.exp, error_model="numpy")
numba_log = numba.njit(elementary_reference.log, error_model="numpy")

any_float = st.floats(allow_nan=True, allow_infinity=True, allow_subnormal=True)
exponent = st.one_of(st.floats(-745.2, 709.8), st.floats(-1, 1), st.floats(-1e-6, 1e-6), any_float)
positive = st.one_of(st.floats(min_value=5e-324, allow_infinity=False), st.floats(0.5, 2.0), st.floats(0.999, 1.001))


def bits(x: float) -> bytes:
    return b"NaN" if math.isnan(x) else struct.pack("<d", x)


def error_ulp(value: float, exact: Decimal) -> float:
    return float(abs(Decimal(value) - exact) / Decimal(math.ulp(value)))


@given(x=st.one_of(st.floats(-745.0, 709.78), st.floats(-1, 1), st.floats(-1e-6, 1e-6)))
@settings(max_examples=400, deadline=None)
def test_exp_is_within_one_ulp(x: float) -> None:
    with localcontext() as context:
        context.prec = 50
        assert error_ulp(float(elementary_arrays.exp(x)), Decimal(x).exp()) <= 1.0


@given(x=positive)
@settings(max_examples=400, deadline=None)
def test_log_is_within_one_ulp(x: float) -> None:
    with localcontext() as context:
        context.prec = 50
        assert error_ulp(float(elementary_arrays.log(x)), Decimal(x).ln()) <= 1.0


@given(x=exponent)
@settings(max_examples=500, deadline=None)
def test_exp_has_the_same_bits_in_python_numba_and_cython(x: float) -> None:
    assert bits(elementary_reference.exp(x)) == bits(numba_exp(x)) == bits(float(elementary_arrays.exp(x)))


@given(x=st.one_of(positive, any_float))
@settings(max_examples=500, deadline=None)
def test_log_has_the_same_bits_in_python_numba_and_cython(x: float) -> None:
    assert bits(elementary_reference.log(x)) == bits(numba_log(x)) == bits(float(elementary_arrays.log(x)))


@pytest.mark.parametrize(
    ("function", "x", "expected"),
    [
        ("exp", 0.0, 1.0),
        ("exp", -0.0, 1.0),
        ("exp", math.inf, math.inf),
        ("exp", -math.inf, 0.0),
        ("exp", 710.0, math.inf),
        ("exp", -746.0, 0.0),
        ("exp", -745.13, 5e-324),
        ("exp", math.nan, math.nan),
        ("log", 1.0, 0.0),
        ("log", 0.0, -math.inf),
        ("log", -0.0, -math.inf),
        ("log", -1.0, math.nan),
        ("log", math.inf, math.inf),
        ("log", -math.inf, math.nan),
        ("log", 5e-324, -744.4400719213812),
    ],
)
def test_special_values(function: str, x: float, expected: float) -> None:
    for module in (elementary_arrays, elementary_reference):
        assert bits(float(getattr(module, function)(x))) == bits(expected)


def test_a_fixed_sample_has_the_bits_that_every_host_must_give() -> None:
    x = np.linspace(-700.0, 700.0, 4001)
    y = elementary_arrays.exp(x.reshape(1, -1))
    assert y.shape == (1, 4001)
    total = np.bitwise_xor.reduce(y.view(np.uint64).ravel())
    back = np.bitwise_xor.reduce(elementary_arrays.log(y).view(np.uint64).ravel())
    assert (f"{total:016x}", f"{back:016x}") == ("5f3ef22844ff9a08", "0007bfffffffca55")
