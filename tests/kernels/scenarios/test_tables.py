"""The tables against the functions they stand for, to 1e-12, out to the last probability that a draw can have."""

import numpy as np
import pytest
from scipy import special, stats

from kernels.scenarios import quantiles, reference, tables
from kernels.scenarios.tables import lower_normal_quantile


def edge_words(count: int) -> np.ndarray:
    """Words over all octaves of both halves, the two outermost and the two innermost draws among them."""
    random = np.random.default_rng(5)
    leading = random.integers(0, 53, count)
    words = random.integers(0, 1 << 63, count, dtype=np.uint64) >> leading.astype(np.uint64)
    words[::2] = ~words[::2]
    words[:4] = [0, (1 << 63) - 1, (1 << 64) - 1, 1 << 63]
    words[4:8] = [quantiles.TAIL - 1, quantiles.TAIL, (1 << 64) - quantiles.TAIL, (1 << 64) - quantiles.TAIL - 1]
    return words


def test_quantile_behind_the_normal_table_is_the_normal_quantile() -> None:
    v = 2.0 ** -np.random.default_rng(2).uniform(1.0, 54.0, 3_000)
    assert np.allclose([lower_normal_quantile(p) for p in v.tolist()], special.ndtri(v), rtol=4e-15, atol=0)


def test_normals_are_the_references_to_the_outermost_draw() -> None:
    words = edge_words(20_000)
    found = np.empty(len(words))
    quantiles.to_normals(words, len(words), tables.normal_table(), found, np.zeros(len(words), np.uint64))
    expected = np.array([reference.normal(int(word)) for word in words])
    assert np.abs(found - expected).max() < 1e-12
    assert found[0] == -found[2] < -8.2


@pytest.mark.parametrize("dof", [1.0, 2.5, 5.0, 30.0, 300.0])
def test_mixing_factors_are_the_references(dof: float) -> None:
    words = edge_words(3_000)
    found = np.empty(len(words))
    quantiles.to_mixing(words, len(words), tables.mixing_table(dof), found)
    expected = np.array([reference.mixing(int(word), dof) for word in words])
    assert np.abs(found / expected - 1.0).max() < 1e-12


@pytest.mark.parametrize(("copula", "margin"), [(5.0, 5.0), (5.0, 3.0), (np.inf, 4.0), (4.0, np.inf), (2.1, 9.0)])
def test_margins_of_scores_are_the_references(copula: float, margin: float) -> None:
    largest = 8.3 if np.isinf(copula) else 8.3 * reference.mixing(0, copula)  # no draw is larger
    x = np.random.default_rng(3).choice([-1.0, 1.0], 4_000) * np.geomspace(1e-3, min(largest, 1e4), 4_000)
    found = x.copy()
    quantiles.to_margin(found, len(x), tables.t_margin_table(copula, margin))
    expected = np.array([reference.t_margin(each, copula, margin) for each in x.tolist()])
    # scipy's own inverse t is good to 1e-11 near the median
    assert np.allclose(found, expected, rtol=1e-11, atol=2e-11)
    # so the distribution function, which is exact, decides: back to the probability
    back = stats.norm if np.isinf(margin) else stats.t(margin, scale=np.sqrt((margin - 2.0) / margin))
    forth = stats.norm if np.isinf(copula) else stats.t(copula)
    assert np.allclose(back.sf(np.abs(found)), forth.sf(np.abs(x)), rtol=1e-10, atol=0)


def test_empirical_margins_are_the_references_and_stay_within_the_data() -> None:
    ordered = np.sort(np.random.default_rng(4).standard_normal(50))
    x = np.concatenate([np.linspace(-30.0, 30.0, 999), [0.0]])
    found = x.copy()
    quantiles.to_empirical(found, len(x), tables.probability_table(4.0), ordered)
    assert np.abs(found - [reference.empirical(each, 4.0, ordered) for each in x.tolist()]).max() < 1e-12
    assert (found.min(), found.max()) == (ordered[0], ordered[-1])


def test_margin_without_a_variance_is_refused() -> None:
    with pytest.raises(ValueError, match="margin_dof is 2"):
        tables.t_margin_table(5.0, 2.0)


def test_normal_table_has_these_bits_on_every_host() -> None:
    """Only + - * / sqrt make it: its checksum must never change."""
    import hashlib

    digest = hashlib.sha256(tables.normal_table().tobytes()).hexdigest()
    assert digest == "ad679b267a675226fdb54f8c5da4abe307c75dc7e3a3e9e4f7179644656bef19"
