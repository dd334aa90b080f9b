"""The GPU's fits: kernels.cu run on the host against the CPU kernels, assembled for every GPU, run on one if any.

Without a GPU what is shown is that the source computes the same and compiles without spills, not that a GPU ran it.
"""

import importlib.util
import re
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kernels.device import GpuMissing, probe
from kernels.volatility import (
    APARCH,
    BACKCAST,
    BENCHMARK,
    CONSTANT,
    EGARCH,
    GARCH,
    GJR,
    NORMAL,
    OLS,
    REGRESSORS,
    SKEWED,
    STUDENT,
    UNCONDITIONAL,
    ZERO,
    gpu,
)
from kernels.volatility.steps import gjr_step
from tests.kernels.compiled import ARCHITECTURES, HOST_COMPILER, NVCC, assembler_report, host_library
from tests.kernels.stand_in import stand_in
from tests.kernels.volatility.fits import Fit, assert_same, assert_same_filter, fit_of

KERNELS = ("garch_fit", "garch_scores", "garch_filter", "garch_step")
MODELS = list(product((GARCH, GJR), (NORMAL, STUDENT, SKEWED)))


@pytest.fixture(scope="module")
def on_host(tmp_path_factory: pytest.TempPathFactory) -> Any:
    if HOST_COMPILER is None:
        pytest.skip("no C++ compiler (g++): the kernels' source was not run")
    return host_library(gpu.SOURCE, KERNELS, tmp_path_factory.mktemp("host"))


@pytest.fixture
def simulator(on_host: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    found = stand_in(on_host)
    monkeypatch.setattr(gpu, "library", lambda mode: found)
    return found[0]


@pytest.fixture(scope="module")
def device() -> None:
    answer = probe()
    if answer.gpu is None:
        pytest.skip(f"no GPU, nothing was run on one: {answer.reason}")
    if importlib.util.find_spec("cupy") is None:
        pytest.skip("there is a GPU, but CuPy is missing: nothing was run on it")


def by_gpu(made: Fit, mode: Any = "auto") -> gpu.Found:
    found = made.empty()
    gpu.fit_range(made.returns, made.scales, made.codes, made.warm, *made.search, found, mode=mode)
    return found


def assert_fits_as_the_cpu(made: Fit, mode: Any = "auto") -> None:
    found, rest = made.by_cpu()
    assert_same(by_gpu(made, mode), found)
    held = gpu.resident(made.returns, made.scales, mode=mode)
    on_device = gpu.filtered(held, made.codes, found.theta, mode=mode)
    on_host = gpu.Filtered(*(np.empty(each.shape) for each in on_device))
    for each, copy in zip(on_device, on_host, strict=True):
        each.get(out=copy)
    assert_same_filter(on_host, rest)


@pytest.mark.parametrize(("process", "errors"), MODELS)
def test_source_run_on_the_host_fits_as_the_cpu_does(simulator: Any, process: int, errors: int) -> None:
    assert_fits_as_the_cpu(fit_of(process, errors))


@pytest.mark.parametrize("start", [BENCHMARK, BACKCAST, UNCONDITIONAL, OLS])
@pytest.mark.parametrize("mean", [ZERO, CONSTANT])
def test_every_start_variance_and_mean_run_on_the_host_is_the_cpus(simulator: Any, start: int, mean: int) -> None:
    assert_fits_as_the_cpu(fit_of(GJR, NORMAL, mean=mean, start=start))


@pytest.mark.parametrize("errors", [NORMAL, STUDENT])
def test_short_series_run_on_the_host_climb_from_several_starts_to_the_cpus_top(simulator: Any, errors: int) -> None:
    made = fit_of(GARCH, errors, n=400, series=6, standard_errors=False)
    ours, cpu = by_gpu(made), made.by_cpu()[0]
    np.testing.assert_array_equal(ours.converged, cpu.converged)
    np.testing.assert_allclose(ours.logliks, cpu.logliks, rtol=0.0, atol=1e-6)


def test_a_last_newton_step_run_on_the_host_squares_the_distance_to_the_maximum(simulator: Any) -> None:
    made = fit_of(GJR, STUDENT, polish=True)
    ours, cpu = by_gpu(made), made.by_cpu()[0]
    errors = np.sqrt(np.diagonal(cpu.covariance[:, 0], axis1=1, axis2=2))
    assert np.all(np.abs(ours.theta - cpu.theta) < 1e-7 * errors)


def test_a_warm_start_arrives_with_fewer_evaluations_and_a_row_of_nan_starts_afresh(simulator: Any) -> None:
    made = fit_of(GARCH, NORMAL)
    cold = by_gpu(made)
    warm = np.array(cold.theta)
    warm[1] = np.nan
    again = by_gpu(made._replace(warm=warm))
    np.testing.assert_allclose(again.logliks, cold.logliks, rtol=0.0, atol=1e-6)
    assert again.evaluations[1] == cold.evaluations[1]
    assert again.evaluations[0] < cold.evaluations[0]


def test_a_warm_start_that_leads_nowhere_is_left_for_the_grid(simulator: Any) -> None:
    made = fit_of(GARCH, NORMAL)
    lost = made._replace(warm=np.tile([1e300, 0.05, 0.1, 0.85], (3, 1)))
    np.testing.assert_array_equal(by_gpu(lost).theta, by_gpu(made).theta)


def test_a_series_too_odd_to_fit_is_reported_as_not_converged_and_leaves_the_others_alone(simulator: Any) -> None:
    made = fit_of(GARCH, NORMAL)
    spoiled = made._replace(returns=made.returns.copy())
    spoiled.returns[1, 700] = np.nan
    ours, plain = by_gpu(spoiled), by_gpu(made)
    assert ours.converged.tolist() == [True, False, True]
    np.testing.assert_array_equal(ours.theta[[0, 2]], plain.theta[[0, 2]])


def test_one_go_and_several_give_the_same_bits(simulator: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    made = fit_of(GARCH, STUDENT, n=300, series=5)
    whole = by_gpu(made)
    monkeypatch.setattr(gpu, "series_at_once", lambda *_: 2)
    for one, other in zip(by_gpu(made), whole, strict=True):
        np.testing.assert_array_equal(one, other)


def test_resident_series_are_fitted_again_without_another_copy(simulator: Any) -> None:
    made = fit_of(GJR, NORMAL, n=300, standard_errors=False)
    held, found = gpu.resident(made.returns, made.scales), made.empty()
    for _ in range(2):
        gpu.fit(held, made.codes, made.warm, *made.search, found)
        np.testing.assert_array_equal(found.theta, by_gpu(made).theta)


def test_the_step_run_on_the_host_is_the_cpus_to_the_bit_bar_after_bar(simulator: Any) -> None:
    assert_steps_are_the_cpus("auto")
    assert [graph.launched for graph in simulator.stream.graphs] == [4]
    assert [len(graph.launches) for graph in simulator.stream.graphs] == [3]


def assert_steps_are_the_cpus(mode: Any) -> None:
    random = np.random.default_rng(4)
    theta = np.abs(random.normal(0.0, 0.1, (40, 5))) * [1.0, 1.0, 1.0, 1.0, 8.0]
    parameters = gpu.step_parameters(np.array([1, CONSTANT, GJR, NORMAL, BACKCAST]), theta)
    expected = random.uniform(0.5, 2.0, 40)
    live = gpu.LiveVariances(np.asfortranarray(parameters), expected.copy(), mode=mode)
    for bar in random.standard_normal((4, 40)):
        for i, (mu, *four) in enumerate(theta):
            expected[i] = gjr_step(bar[i] - mu, expected[i], *four)
        np.testing.assert_array_equal(live.step(bar), expected)


def test_parameters_of_a_garch_without_a_mean_have_zeros_where_it_has_none() -> None:
    rows = gpu.step_parameters(np.array([0, ZERO, GARCH, STUDENT, BACKCAST]), np.array([[0.1, 0.2, 0.7, 5.0]]))
    np.testing.assert_array_equal(rows[:, 0], [0.0, 0.1, 0.2, 0.0, 0.7])


def test_memory_of_the_search_is_what_the_source_lays_out() -> None:
    text = (gpu.SOURCE.parent / "search.cuh").read_text()
    most = int(re.search(r"#define MOST (\d+)", text)[1])  # type: ignore[index]
    classes = int(re.search(r"#define CLASSES (\d+)", text)[1])  # type: ignore[index]
    assert "LOWER + MOST, BLOCKS = HALF + MOST" in text
    assert (10 + classes + 5 * most) * most == gpu.MEMORY_ROWS
    assert gpu.series_at_once(2_500, 6, 0) == 1
    assert 8 * gpu.series_at_once(2_500, 6, 1 << 33) * 3 * 2_500 < 1 << 33


@pytest.mark.slow
@pytest.mark.timeout(600)
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
    made = fit_of(GARCH, NORMAL, series=1, n=60)
    with pytest.raises(GpuMissing, match="switched off"):
        by_gpu(made, "off")
    if probe().gpu is None:
        with pytest.raises(GpuMissing, match="there is none"):
            by_gpu(made, "auto")


@pytest.mark.parametrize(("mean", "process"), [(REGRESSORS, GARCH), (ZERO, EGARCH), (ZERO, APARCH)])
def test_models_that_the_gpu_lacks_are_refused(mean: int, process: int) -> None:
    codes = np.array([0, mean, process, NORMAL, BACKCAST])
    assert not gpu.fits(codes)
    with pytest.raises(ValueError, match="GARCH and GJR"):
        gpu.fit(gpu.Resident(None, None), codes, np.empty((1, 4)), 1e-9, 1, False, False, gpu.Found(*[None] * 5))


@pytest.mark.parametrize(("process", "errors"), MODELS)
def test_gpu_fits_as_the_cpu_does(device: None, process: int, errors: int) -> None:
    assert_fits_as_the_cpu(fit_of(process, errors, series=70), "require")


def test_gpu_has_the_bits_of_its_source_run_on_the_host(
    device: None, on_host: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = fit_of(GJR, SKEWED, series=40, n=500)
    ours = by_gpu(made, "require")
    monkeypatch.setattr(gpu, "library", lambda mode: stand_in(on_host))
    np.testing.assert_array_equal(ours.theta, by_gpu(made).theta)


def test_gpu_steps_as_the_cpu_does(device: None) -> None:
    assert_steps_are_the_cpus("require")
