"""The GPU's likelihoods of dynamic correlation: kernels.cu run on the host against the CPU kernels, assembled for every
GPU, run on one if any.

Without a GPU what is shown is that the source computes the same and compiles without spills, not that a GPU ran it.
"""

import importlib.util
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kernels.dependence import gpu, reference
from kernels.dependence.likelihood import dcc_loglik, likelihood_work
from kernels.dependence.pairs import composite_logliks, composite_work
from kernels.dependence.scores import dcc_scores
from kernels.device import GpuMissing, probe
from tests.kernels.compiled import ARCHITECTURES, HOST_COMPILER, NVCC, assembler_report, host_library, run_on_host
from tests.kernels.dependence.samples import admissible, moments, residuals

KERNELS = (
    "diagonal_paths",
    "diagonal_roots",
    "pair_logliks",
    "pair_times",
    "pair_scores",
    "quasi_paths",
    "dcc_logliks",
    "segment_sums",
)
POINTS = np.array([[0.03, 0.9, 0.0], [0.1, 0.6, 0.0], [0.0, 0.0, 0.0], [0.02, 0.7, 0.03]])
TOLERANCE = 1e-12  # of the sum of the sizes of what is added


@pytest.fixture(scope="module")
def on_host(tmp_path_factory: pytest.TempPathFactory) -> Any:
    if HOST_COMPILER is None:
        pytest.skip("no C++ compiler (g++): the kernels' source was not run")
    return host_library(gpu.SOURCE, KERNELS, tmp_path_factory.mktemp("host"))


@pytest.fixture(scope="module")
def device() -> None:
    answer = probe()
    if answer.gpu is None:
        pytest.skip(f"no GPU, nothing was run on one: {answer.reason}")
    if importlib.util.find_spec("cupy") is None:
        pytest.skip("there is a GPU, but CuPy is missing: nothing was run on it")


def sample_of(rows: int, assets: int, seed: int = 1) -> gpu.Sample:
    standardised = residuals(np.random.default_rng(seed), rows, assets)
    return gpu.Sample(standardised, *moments(standardised))


def memory_of(kind: gpu.Kind, sample: gpu.Sample, points: np.ndarray) -> gpu.Memory:
    """As `gpu.memory_for`, filled with nan: what a kernel reads it must have written."""
    sizes = gpu.memory_sizes(kind, sample.rows, sample.assets)
    paths, slopes, values = (np.full(len(points) * size, np.nan) for size in sizes.values())
    sums = np.full((2, len(points) * gpu.FIELDS * gpu.segments(max(sample.rows, sample.pairs))), np.nan)
    own = np.full(sample.pairs, np.nan), np.full(sample.rows, np.nan)
    return gpu.Memory(points, paths, slopes, values, (sums[0], sums[1]), *own, len(points))


def run(library: Any, launches: list[gpu.Launch], blocks: int, threads: int) -> None:
    for each in launches:
        run_on_host(getattr(library, f"{each.kernel}_on_host"), blocks, threads, each.arguments)


def host_logliks(
    library: Any, kind: gpu.Kind, sample: gpu.Sample, points: np.ndarray = POINTS, blocks: int = 2, threads: int = 8
) -> np.ndarray:
    """Each time's or pair's, (count, rows or pairs)."""
    memory = memory_of(kind, sample, points)
    run(library, gpu.likelihood_launches(kind, sample, len(points), memory), blocks, threads)
    length = sample.pairs if kind == "pairs" else sample.rows
    return memory.values[: len(points) * length].reshape(len(points), length)


def host_scores(library: Any, sample: gpu.Sample, points: np.ndarray = POINTS) -> np.ndarray:
    """(count, FIELDS) sums over pairs."""
    memory = memory_of("pairs", sample, points)
    launches, sums = gpu.sum_launches(len(points) * gpu.FIELDS, sample.pairs, memory)
    run(library, [*gpu.score_launches(sample, len(points), memory), *launches], 3, 4)
    return sums[: len(points) * gpu.FIELDS].reshape(len(points), gpu.FIELDS)


def host_by_time(library: Any, sample: gpu.Sample, point: np.ndarray) -> np.ndarray:
    """(rows,) sums over pairs, in stretches of FIELDS times."""
    memory = memory_of("pairs", sample, point[None])
    run(library, gpu.time_launches(sample, memory), 2, 5)
    return memory.by_time


def cpu_loglik(kind: gpu.Kind, sample: gpu.Sample, point: np.ndarray) -> float:
    assets, packed = sample.assets, sample.assets * (sample.assets + 1) // 2
    if kind == "pairs":
        work = np.zeros((assets, assets)), composite_work(assets), np.empty(sample.rows)
        return float(composite_logliks(*sample.arrays, *point, *work))
    return float(dcc_loglik(*sample.arrays, *point, np.zeros(packed), np.zeros(packed), likelihood_work(assets)))


def pair_scores_of_the_cpu(sample: gpu.Sample, point: np.ndarray) -> np.ndarray:
    """(3,): `dcc_scores` of every pair alone, added up."""
    total = np.zeros(3)
    for i in range(sample.assets):
        for j in range(i):
            both = [j, i]
            grid, scores = np.ix_(both, both), np.empty((sample.rows, 3))
            nothing = np.empty((sample.rows, 0)), np.empty(0, np.int64), np.zeros((0, 2))
            e = np.ascontiguousarray(sample.standardised[:, both])
            targets = np.ascontiguousarray(sample.target[grid]), np.ascontiguousarray(sample.negative_target[grid])
            dcc_scores(e, *nothing, *targets, *point, np.zeros((7, 2, 2)), scores)
            total += scores.sum(axis=0)
    return total


def sizes_of(sample: gpu.Sample) -> float:
    """About the sum of the sizes of the terms of a pair's or of a time's log-likelihood."""
    return float(sample.rows * sample.assets**2)


@pytest.mark.parametrize("kind", ["all", "pairs"])
@pytest.mark.parametrize(("rows", "assets"), [(40, 2), (33, 3), (17, 4), (64, 5), (50, 9), (45, 17), (90, 33)])
def test_source_run_on_the_host_has_the_likelihood_of_the_cpu(
    on_host: Any, kind: gpu.Kind, rows: int, assets: int
) -> None:
    sample = sample_of(rows, assets, seed=assets)
    found = host_logliks(on_host, kind, sample)
    assert np.isfinite(found[:3]).all()
    for point, own in zip(POINTS, found, strict=True):
        expected = cpu_loglik(kind, sample, point)
        if np.isfinite(expected):
            assert own.sum() == pytest.approx(expected, abs=TOLERANCE * sizes_of(sample))
        else:
            assert not np.isfinite(own.sum())


@pytest.mark.parametrize("assets", [4, 11])
def test_near_singular_series_have_the_likelihood_of_the_cpu_as_their_factors_have_its_bits(
    on_host: Any, assets: int
) -> None:
    standardised = residuals(np.random.default_rng(5), 80, assets, near_singular=True)
    sample = gpu.Sample(standardised, *moments(standardised))
    found = host_logliks(on_host, "all", sample)
    for point, own in zip(POINTS[:3], found, strict=False):
        assert own.sum() == pytest.approx(cpu_loglik("all", sample, point), rel=1e-12)


@pytest.mark.parametrize("assets", [2, 6])
def test_source_run_on_the_host_is_the_reference_time_by_time(on_host: Any, assets: int) -> None:
    sample = sample_of(60, assets)
    a, b = 0.05, 0.8
    g = admissible(0.3, sample.target, sample.negative_target, a, b)
    found = host_logliks(on_host, "all", sample, np.array([[a, b, g]]))[0]
    np.testing.assert_allclose(found, reference.dcc_logliks(*sample.arrays, a, b, g), rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize(("rows", "assets"), [(61, 2), (30, 12), (33, 13)])
def test_pairs_run_on_the_host_are_the_reference_time_by_time(on_host: Any, rows: int, assets: int) -> None:
    sample = sample_of(rows, assets)
    for point in POINTS[[0, 3]]:
        found = host_by_time(on_host, sample, point)
        expected = reference.composite_logliks(*sample.arrays, *point)
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)


def test_scores_run_on_the_host_are_those_of_every_pair_on_the_cpu(on_host: Any) -> None:
    sample = sample_of(70, 5)
    found = host_scores(on_host, sample)
    np.testing.assert_array_equal(found[:, 0], sums_of(on_host, "pairs", sample))
    for point, own in zip(POINTS, found, strict=True):
        np.testing.assert_allclose(own[1:], pair_scores_of_the_cpu(sample, point), rtol=1e-9, atol=1e-9)


def sums_of(library: Any, kind: gpu.Kind, sample: gpu.Sample) -> np.ndarray:
    """(count,): the kernels' own sums of what they find."""
    memory = memory_of(kind, sample, POINTS)
    launches, sums = gpu.sum_launches(len(POINTS), sample.pairs if kind == "pairs" else sample.rows, memory)
    run(library, [*gpu.likelihood_launches(kind, sample, len(POINTS), memory), *launches], 1, 16)
    return sums[: len(POINTS)]


@pytest.mark.parametrize("length", [1, 2, 63, 64, 65, 4096, 4097])
def test_sums_take_every_value_once_in_segments(on_host: Any, length: int) -> None:
    sample = gpu.Sample(np.zeros((length, 1)), np.ones((1, 1)), np.ones((1, 1)))
    memory = memory_of("all", sample, POINTS)
    memory.values[:] = np.random.default_rng(length).standard_normal(len(memory.values))
    launches, sums = gpu.sum_launches(len(POINTS), length, memory)
    run(on_host, launches, 2, 3)
    np.testing.assert_allclose(sums[: len(POINTS)], memory.values.reshape(len(POINTS), length).sum(axis=1), atol=1e-11)


def test_an_indefinite_quasi_correlation_is_not_a_number_at_its_point_alone(on_host: Any) -> None:
    sample = sample_of(50, 4)
    indefinite = gpu.Sample(sample.standardised, np.full((4, 4), -0.9) + 1.9 * np.eye(4), sample.negative_target)
    assert np.isnan(host_logliks(on_host, "all", indefinite, np.array([[0.0, 0.0, 0.0]]))).all()
    wild = np.array([[0.03, 0.9, 0.0], [0.5, 0.4, 3.0]])
    for kind in ("all", "pairs"):
        found = host_logliks(on_host, kind, sample, wild).sum(axis=1)  # type: ignore[arg-type]
        assert np.isfinite(found[0])
        assert np.isnan(found[1])


def test_a_correlation_beyond_one_is_not_a_number_however_often_it_occurs(on_host: Any) -> None:
    sample = sample_of(32, 2)  # an even number of negative factors has a positive product
    beyond = gpu.Sample(sample.standardised, np.array([[1.0, 1.25], [1.25, 1.0]]), sample.negative_target)
    assert np.isnan(cpu_loglik("pairs", beyond, POINTS[2]))
    assert np.isnan(host_logliks(on_host, "pairs", beyond, POINTS[2:3])).all()
    assert np.isnan(host_by_time(on_host, beyond, POINTS[2])).all()
    assert np.isnan(host_scores(on_host, beyond, POINTS[2:3])[:, 0]).all()


@pytest.mark.parametrize("kind", ["all", "pairs"])
def test_likelihoods_depend_on_no_grid(on_host: Any, kind: gpu.Kind) -> None:
    sample = sample_of(30, 7)
    whole = host_logliks(on_host, kind, sample, POINTS, 1, 1)
    for blocks, threads in ((1, 32), (7, 5), (40, 16)):  # the last has more threads than work
        assert np.array_equal(host_logliks(on_host, kind, sample, POINTS, blocks, threads), whole, equal_nan=True)


@pytest.mark.slow
@pytest.mark.skipif(NVCC is None, reason="no nvcc: the kernels were not compiled for any GPU")
def test_kernels_compile_for_every_gpu_without_spills(tmp_path: Path) -> None:
    said = assembler_report(gpu.SOURCE, tmp_path / "kernels.fatbin")
    assert "warning" not in said.lower()
    for kernel in KERNELS:
        assert set(re.findall(rf"entry function '{kernel}' for 'sm_(\d+)'", said)) == set(map(str, ARCHITECTURES))
    spills = re.findall(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads", said)
    assert len(spills) == len(KERNELS) * len(ARCHITECTURES)
    assert set(spills) == {("0", "0", "0")}


def test_without_a_gpu_the_call_says_so() -> None:
    sample = sample_of(30, 3)
    with pytest.raises(GpuMissing, match="switched off"):
        gpu.DynamicsLikelihood(*sample.arrays, kind="pairs", mode="off")
    if probe().gpu is None:
        with pytest.raises(GpuMissing, match="there is none"):
            gpu.DynamicsLikelihood(*sample.arrays, kind="all", mode="auto")


def test_points_in_one_go_keep_to_their_memory() -> None:
    assert gpu.capacity_of("pairs", 2_500, 100) == gpu.MOST_POINTS
    assert gpu.capacity_of("all", 2_500, 20) == gpu.MOST_POINTS
    assert gpu.capacity_of("all", 2_500, 100) == 10
    assert gpu.capacity_of("all", 2_500, 1_000) == 1


@pytest.mark.parametrize("kind", ["all", "pairs"])
def test_gpu_is_the_source_run_on_the_host_and_the_cpu(device: None, on_host: Any, kind: gpu.Kind) -> None:
    sample = sample_of(700, 19)
    made = gpu.DynamicsLikelihood(*sample.arrays, kind=kind, mode="require")
    expected = sums_of(on_host, kind, sample)
    for _ in range(3):  # by launches, by a graph captured then, by that graph
        assert np.array_equal(made.logliks(POINTS), expected, equal_nan=True)
    for point, own in zip(POINTS[:3], expected, strict=False):
        assert own == pytest.approx(cpu_loglik(kind, sample, point), abs=TOLERANCE * sizes_of(sample))


@pytest.mark.parametrize("kind", ["all", "pairs"])
def test_gpu_likelihoods_by_time_are_those_of_the_source_run_on_the_host(
    device: None, on_host: Any, kind: gpu.Kind
) -> None:
    sample, point = sample_of(300, 13), POINTS[0]
    made = gpu.DynamicsLikelihood(*sample.arrays, kind=kind, mode="require")
    expected = host_by_time(on_host, sample, point)
    if kind == "all":
        expected = host_logliks(on_host, kind, sample, point[None])[0]
    for _ in range(3):
        assert np.array_equal(made.logliks_by_time(point), expected)


def test_gpu_scores_are_those_of_the_source_run_on_the_host(device: None, on_host: Any) -> None:
    sample = sample_of(200, 6)
    made = gpu.DynamicsLikelihood(*sample.arrays, kind="pairs", mode="require")
    expected = host_scores(on_host, sample)
    for _ in range(3):
        logliks, scores = made.scores(POINTS)
        assert np.array_equal(np.column_stack([logliks, scores]), expected, equal_nan=True)
