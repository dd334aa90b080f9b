"""elementary.cuh run on the host: the bits of the reference, and the truth of scipy where there is no reference."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import special

from kernels import elementary_reference
from tests.kernels.compiled import HOST_COMPILER, host_library, run_on_host

SOURCE = Path(__file__).with_name("elementary.cu")
EXP, LOG, SINE, COSINE, ARCSINE, LOG_GAMMA, DIGAMMA = range(7)

pytestmark = pytest.mark.skipif(HOST_COMPILER is None, reason="no C++ compiler (g++): the source was not run")


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return host_library(SOURCE, ("tabulate",), tmp_path_factory.mktemp("host"))


def tabulated(library: Any, x: np.ndarray) -> np.ndarray:
    found = np.full((7, len(x)), np.nan)
    run_on_host(library.tabulate_on_host, -(-len(x) // 64), 64, (np.int32(len(x)), x, found))
    return found


def test_exp_and_log_have_the_bits_of_the_reference(library: Any) -> None:
    random = np.random.default_rng(1)
    edges = [0.0, -0.0, 1.0, np.inf, -np.inf, np.nan, -1.0, 5e-324, 1e-310, 2.2250738585072014e-308, 1.7e308, 709.78]
    x = np.concatenate(
        [edges, [709.79, -745.1, -745.2], random.uniform(-746, 710, 500), 10 ** random.uniform(-320, 308, 500)]
    )
    found = tabulated(library, x)
    for row, function in ((EXP, elementary_reference.exp), (LOG, elementary_reference.log)):
        np.testing.assert_array_equal(found[row], [function(float(each)) for each in x])


def test_sine_and_cosine_are_right_to_1e_15(library: Any) -> None:
    random = np.random.default_rng(2)
    x = np.concatenate(
        [np.arange(-40, 41) * np.pi / 4, random.uniform(-10, 10, 2_000), random.uniform(-1e5, 1e5, 2_000)]
    )
    found = tabulated(library, x)
    np.testing.assert_allclose(found[SINE], np.sin(x), rtol=0.0, atol=1e-15)
    np.testing.assert_allclose(found[COSINE], np.cos(x), rtol=0.0, atol=1e-15)


def test_the_arcsine_is_right_to_1e_15_and_nothing_outside(library: Any) -> None:
    x = np.concatenate([[-1.0, -0.5, 0.0, 0.5, 1.0], np.random.default_rng(3).uniform(-1, 1, 2_000)])
    np.testing.assert_allclose(tabulated(library, x)[ARCSINE], np.arcsin(x), rtol=0.0, atol=1e-15)
    assert np.isnan(tabulated(library, np.array([1.1, -1.1]))[ARCSINE]).all()


def test_log_gamma_and_its_derivative_are_right(library: Any) -> None:
    x = np.concatenate([[1.0, 2.0, 7.999, 8.0], np.random.default_rng(4).uniform(0.5, 300, 2_000)])
    found = tabulated(library, x)
    np.testing.assert_allclose(found[LOG_GAMMA], special.gammaln(x), rtol=1e-14, atol=1e-14)
    np.testing.assert_allclose(found[DIGAMMA], special.digamma(x), rtol=1e-14, atol=3e-15)
