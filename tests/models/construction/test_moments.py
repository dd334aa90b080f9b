import numpy as np
import pytest

from models.construction import moments_of, usable_covariance
from models.faults import Fault

NAMES = ("A", "B", "C")


def returns(count: int = 100) -> np.ndarray:
    return np.random.default_rng(1).normal(0, 0.01, (count, 3))


def test_sample_moments_are_numpys_and_clean_ones_have_no_note() -> None:
    found = moments_of(returns(), NAMES, "sample")
    assert found.covariance == pytest.approx(np.cov(returns().T), rel=1e-12)
    assert found.means == pytest.approx(returns().mean(axis=0))
    assert found.notes == ()


def test_a_series_given_twice_is_repaired_with_a_note_that_names_it() -> None:
    twice = returns()
    twice[:, 2] = twice[:, 0]
    found = moments_of(twice, NAMES, "sample")
    assert np.linalg.eigvalsh(found.covariance)[0] > 0.0
    assert np.diag(found.covariance) == pytest.approx(np.var(twice, axis=0, ddof=1), rel=1e-12)
    assert len(found.notes) == 1
    assert found.notes[0].startswith("COVARIANCE_REPAIRED: 1 of 3 eigenvalues")
    assert "A and C" in found.notes[0]


def test_shrinkage_needs_no_repair() -> None:
    twice = returns()
    twice[:, 2] = twice[:, 0]
    assert moments_of(twice, NAMES, "ledoit-wolf").notes == ()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_return_that_is_no_number_is_named_with_its_row(bad: float) -> None:
    broken = returns()
    broken[4, 1] = bad
    with pytest.raises(Fault, match=f"B: return 5 is {bad}"):
        moments_of(broken, NAMES)


def test_a_constant_series_and_too_few_observations_are_named() -> None:
    still = returns()
    still[:, 1] = 0.001
    with pytest.raises(Fault, match="B is constant"):
        moments_of(still, NAMES)
    with pytest.raises(Fault, match="19 observations of 3 series are too few: at least 20"):
        moments_of(returns(19), NAMES)
    wide = np.random.default_rng(1).normal(size=(30, 40))
    with pytest.raises(Fault, match=r"30 observations of 40 series are too few: at least 42.*ledoit-wolf needs fewer"):
        moments_of(wide, [f"A{i}" for i in range(40)], "sample")


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        (np.array([[1.0, np.nan], [0.5, 1.0]]), "covariance of A and B is nan"),
        (np.array([[1.0, 0.5], [0.5, 0.0]]), "B: variance 0 is not above 0"),
        (np.array([[1.0, 0.5], [0.2, 1.0]]), "not symmetric: A with B"),
        (np.eye(3), r"shape \(3, 3\), not \(2, 2\)"),
    ],
)
def test_a_covariance_that_is_none_is_named(matrix: np.ndarray, message: str) -> None:
    with pytest.raises(Fault, match=message):
        usable_covariance(matrix, ("A", "B"))
