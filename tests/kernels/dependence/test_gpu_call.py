"""The calls of gpu.py with CuPy stood in for by numpy and the kernels run on the host: the plumbing, not CuPy."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kernels.dependence import gpu, reference
from kernels.device import GpuMissing
from tests.kernels.compiled import HOST_COMPILER, host_library
from tests.kernels.dependence.test_gpu import KERNELS, POINTS, TOLERANCE, cpu_loglik, sample_of, sizes_of
from tests.kernels.stand_in import stand_in

pytestmark = pytest.mark.skipif(HOST_COMPILER is None, reason="no C++ compiler (g++): the kernels' source was not run")
FINITE = POINTS[:3]


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return host_library(gpu.SOURCE, KERNELS, tmp_path_factory.mktemp("host"))


@pytest.fixture
def cupy(compiled: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    found = stand_in(compiled)
    monkeypatch.setattr(gpu, "library", lambda mode: found)
    return found[0]


@pytest.mark.parametrize("kind", ["all", "pairs"])
def test_likelihoods_come_back_the_same_by_launches_and_by_a_graph(cupy: Any, kind: gpu.Kind) -> None:
    sample = sample_of(70, 6)
    made = gpu.DynamicsLikelihood(*sample.arrays, kind=kind)
    found = [made.logliks(FINITE) for _ in range(3)]
    assert [each.launched for each in cupy.stream.graphs] == [2]
    for each in found:
        np.testing.assert_array_equal(each, found[0])
    for point, own in zip(FINITE, found[0], strict=True):
        assert own == pytest.approx(cpu_loglik(kind, sample, point), abs=TOLERANCE * sizes_of(sample))


def test_a_graph_takes_other_points_and_another_number_of_points_another_graph(cupy: Any) -> None:
    sample = sample_of(40, 4)
    made = gpu.DynamicsLikelihood(*sample.arrays, kind="pairs")
    alone = [made.logliks(point[None])[0] for point in FINITE]
    np.testing.assert_array_equal(made.logliks(FINITE), alone)
    np.testing.assert_array_equal(made.logliks(FINITE[::-1]), alone[::-1])
    assert [len(each.launches) for each in cupy.stream.graphs] == [4, 4]


def test_a_sample_in_the_order_of_columns_is_the_same_sample(cupy: Any) -> None:
    sample = sample_of(40, 4)
    turned = (np.asfortranarray(each) for each in sample.arrays)
    expected = gpu.DynamicsLikelihood(*sample.arrays, kind="pairs").logliks(FINITE)
    np.testing.assert_array_equal(gpu.DynamicsLikelihood(*turned, kind="pairs").logliks(FINITE), expected)


def test_points_without_g_have_none_even_after_points_with_it(cupy: Any) -> None:
    made = gpu.DynamicsLikelihood(*sample_of(40, 4).arrays, kind="all")
    plain = made.logliks(POINTS[:1])
    made.logliks(np.array([[0.03, 0.9, 0.02]]))
    np.testing.assert_array_equal(made.logliks(POINTS[:1, :2]), plain)


@pytest.mark.parametrize("kind", ["all", "pairs"])
def test_more_points_than_fit_are_taken_in_several_goes(
    cupy: Any, kind: gpu.Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    sample = sample_of(40, 4)
    many = np.random.default_rng(3).uniform(0.0, 0.45, (7, 2))
    whole = gpu.DynamicsLikelihood(*sample.arrays, kind=kind).logliks(many)
    monkeypatch.setattr(gpu, "MOST_POINTS", 3)
    np.testing.assert_array_equal(gpu.DynamicsLikelihood(*sample.arrays, kind=kind).logliks(many), whole)
    assert np.isfinite(whole).all()


def test_scores_and_likelihoods_share_their_memory(cupy: Any) -> None:
    made = gpu.DynamicsLikelihood(*sample_of(40, 4).arrays, kind="pairs")
    logliks, scores = made.scores(FINITE)
    assert scores.shape == (3, 3)
    np.testing.assert_array_equal(made.logliks(FINITE), logliks)
    again = made.scores(FINITE)
    np.testing.assert_array_equal(again[1], scores)


@pytest.mark.parametrize("kind", ["all", "pairs"])
def test_likelihoods_by_time_add_up_to_the_likelihood(cupy: Any, kind: gpu.Kind) -> None:
    sample = sample_of(300, 5)  # more than two stretches of times
    made = gpu.DynamicsLikelihood(*sample.arrays, kind=kind)
    found = [made.logliks_by_time(FINITE[0]) for _ in range(3)]
    assert found[0].shape == (300,)
    np.testing.assert_array_equal(found[1], found[0])
    np.testing.assert_array_equal(found[2], found[0])
    assert found[0].sum() == pytest.approx(made.logliks(FINITE[:1])[0], rel=1e-12)
    expected = reference.dcc_logliks if kind == "all" else reference.composite_logliks
    np.testing.assert_allclose(found[0], expected(*sample.arrays, *FINITE[0]), rtol=1e-9, atol=1e-9)


def test_scores_of_all_series_at_once_are_refused(cupy: Any) -> None:
    with pytest.raises(ValueError, match="pairs only"):
        gpu.DynamicsLikelihood(*sample_of(40, 4).arrays, kind="all").scores(FINITE)


def test_a_sample_beyond_the_gpus_memory_is_refused_by_name(
    compiled: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    found = stand_in(compiled, free_bytes=1_000)
    monkeypatch.setattr(gpu, "library", lambda mode: found)
    with pytest.raises(GpuMissing, match="4 series of 40 rows need"):
        gpu.DynamicsLikelihood(*sample_of(40, 4).arrays, kind="all")
