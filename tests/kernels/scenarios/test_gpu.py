"""The GPU's scenarios: kernels.cu run on the host against the CPU kernels, assembled for every GPU, run on one if any.

Without a GPU what is shown is that the source computes the same and compiles without spills, not that a GPU ran it.
"""

import importlib.util
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kernels.device import GpuMissing, probe
from kernels.scenarios import cpu, gpu, reference
from tests.kernels.compiled import ARCHITECTURES, HOST_COMPILER, NVCC, assembler_report, host_library, run_on_host
from tests.kernels.scenarios.test_paths import KINDS, draws, process, recipe

KERNELS = ("path_losses", "path_returns", "linear_losses")
EXPOSURES = np.array([2.0, -1.0, 0.5])
TAIL = np.array([5, 0, (1 << 33) + 7, 5, 1 << 40, 3, (1 << 33) - 1])  # of path numbers: in any order, one twice
PATHS, FIRST, SEED = 301, (1 << 33) - 100, (1 << 63) + 12345
NORMAL = np.inf


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


def writable(made: cpu.Draws) -> cpu.Draws:
    """Copies, so that numba compiles for one kind of array and not for each mix with shared, read-only tables."""
    return cpu.Draws(made.kind, *(np.array(field) for field in made[1:]))


def cpu_losses(made: cpu.Draws, by: cpu.Process, steps: int, exposures: np.ndarray, paths: int = PATHS) -> np.ndarray:
    n, losses = len(exposures), np.empty(paths)
    made = writable(made)
    memory = np.empty((3, 64), np.uint64), np.empty((2 * n + 4, 64)), np.empty((n, 64))
    cpu.path_losses(made, by, steps, exposures, FIRST, np.uint64(SEED), losses, *memory)
    return losses


def cpu_returns(made: cpu.Draws, by: cpu.Process, steps: int, numbers: np.ndarray) -> np.ndarray:
    n = len(by.mean)
    returns, made = np.empty((len(numbers), n)), writable(made)
    memory = np.empty((3, 64), np.uint64), np.empty((2 * n + 4, 64)), np.empty((n, 64))
    cpu.path_returns(made, by, steps, numbers, np.uint64(SEED), returns, *memory)
    return returns


def cpu_linear(made: cpu.Draws, direction: np.ndarray, expected: float) -> np.ndarray:
    losses = np.empty(PATHS)
    memory = np.empty((3, 64), np.uint64), np.empty((2 * len(direction) + 4, 64))
    cpu.linear_losses(writable(made), direction, expected, FIRST, np.uint64(SEED), losses, *memory)
    return losses


def host_losses(
    library: Any, made: cpu.Draws, by: cpu.Process, steps: int, exposures: np.ndarray, blocks: int = 3, threads: int = 8
) -> np.ndarray:
    losses = np.full(PATHS, np.nan)
    scratch = np.full(blocks * threads * gpu.scratch_rows(len(exposures), steps), np.nan)
    common = gpu.common_arguments(made, by, gpu.process_rows(by), steps)
    arguments = gpu.path_arguments(common, exposures, FIRST, SEED, losses, scratch)
    run_on_host(library.path_losses_on_host, blocks, threads, arguments)
    return losses


def host_returns(
    library: Any, made: cpu.Draws, by: cpu.Process, steps: int, numbers: np.ndarray, blocks: int = 2, threads: int = 8
) -> np.ndarray:
    assets = len(by.mean)
    returns = np.full((assets, len(numbers)), np.nan)
    scratch = np.full(blocks * threads * gpu.scratch_rows(assets, steps), np.nan)
    common = gpu.common_arguments(made, by, gpu.process_rows(by), steps)
    arguments = gpu.return_arguments(common, numbers, SEED, returns, scratch)
    run_on_host(library.path_returns_on_host, blocks, threads, arguments)
    return returns.T


def many_assets(assets: int) -> tuple[cpu.Draws, cpu.Process, np.ndarray]:
    """More assets than a tile of the kernel holds, and not a multiple of it."""
    random = np.random.default_rng(assets)
    root = random.standard_normal((assets, 2 * assets))
    deviations = np.sqrt(np.sum(root * root, axis=1))
    lower = np.linalg.cholesky(root @ root.T / np.outer(deviations, deviations))
    three, ones = process(jumping=False), np.ones(assets)
    columns = {name: ones * getattr(three, name)[0] for name in gpu.PROCESS_ROWS}
    made = draws(cpu.SCORES, 5.0)._replace(lower=np.ascontiguousarray(lower))
    return made, three._replace(**columns), random.standard_normal(assets)


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize(("dof", "jumping", "steps"), [(5.0, True, 3), (NORMAL, False, 1), (3.0, True, 1)])
def test_source_run_on_the_host_gives_the_bits_of_the_cpu(
    on_host: Any, name: str, dof: float, jumping: bool, steps: int
) -> None:
    made, by = draws(KINDS[name], dof), process(jumping=jumping)
    assert np.array_equal(host_losses(on_host, made, by, steps, EXPOSURES), cpu_losses(made, by, steps, EXPOSURES))


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize(("dof", "jumping", "steps"), [(5.0, True, 3), (NORMAL, False, 1)])
def test_returns_of_a_tail_run_on_the_host_have_the_bits_of_the_cpu(
    on_host: Any, name: str, dof: float, jumping: bool, steps: int
) -> None:
    made, by = draws(KINDS[name], dof), process(jumping=jumping)
    found = host_returns(on_host, made, by, steps, TAIL)
    assert np.array_equal(found, cpu_returns(made, by, steps, TAIL))
    assert np.array_equal(found[0], found[3])


def test_returns_of_a_tail_make_the_losses_of_their_paths(on_host: Any) -> None:
    made, by, exposures = many_assets(9)
    losses, worst = host_losses(on_host, made, by, 2, exposures), np.array([7, 250, 0])
    returns = host_returns(on_host, made, by, 2, FIRST + worst, 1, 2)
    assert np.allclose(-returns @ exposures, losses[worst], rtol=0.0, atol=1e-14)


@pytest.mark.parametrize("assets", [1, 7, 8, 9, 21])
def test_tiles_of_the_triangle_add_in_the_order_of_the_cpu(on_host: Any, assets: int) -> None:
    made, by, exposures = many_assets(assets)
    assert np.array_equal(host_losses(on_host, made, by, 2, exposures), cpu_losses(made, by, 2, exposures))


def test_losses_do_not_depend_on_the_grid(on_host: Any) -> None:
    made, by = draws(cpu.T_MARGINS, 5.0), process(jumping=True)
    whole = host_losses(on_host, made, by, 2, EXPOSURES, 1, 1)
    for blocks, threads in ((1, 32), (7, 5), (40, 16)):  # the last has more threads than paths
        assert np.array_equal(host_losses(on_host, made, by, 2, EXPOSURES, blocks, threads), whole)


@pytest.mark.parametrize("dof", [5.0, NORMAL])
def test_linear_losses_run_on_the_host_give_the_bits_of_the_cpu(on_host: Any, dof: float) -> None:
    made, losses = draws(cpu.SCORES, dof), np.full(PATHS, np.nan)
    arguments = gpu.linear_arguments(made, EXPOSURES, 0.001, FIRST, SEED, losses)
    run_on_host(on_host.linear_losses_on_host, 2, 16, arguments)
    assert np.array_equal(losses, cpu_linear(made, EXPOSURES, 0.001))


def test_source_run_on_the_host_is_the_reference(on_host: Any) -> None:
    made, by = draws(cpu.T_MARGINS, 5.0), process(jumping=True)
    found = host_losses(on_host, made, by, 3, EXPOSURES)
    for place in (0, 99, 100, 300):  # path numbers on both sides of 2**33
        expected = reference.path_return(recipe(cpu.T_MARGINS, 5.0), by, 3, FIRST + place, SEED)
        assert abs(found[place] + expected @ EXPOSURES) < 1e-12


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
    losses = np.empty(1)
    with pytest.raises(GpuMissing, match="switched off"):
        gpu.path_losses(draws(0, 5.0), process(jumping=False), 1, EXPOSURES, 0, 1, losses, mode="off")
    if probe().gpu is None:
        with pytest.raises(GpuMissing, match="there is none"):
            gpu.linear_losses(draws(0, 5.0), EXPOSURES, 0.0, 0, 1, losses, mode="auto")


def test_the_grid_keeps_to_its_memory() -> None:
    assert gpu.grid(1, 50, 132) == (1, 128, 6_400)
    assert gpu.grid(1_000_000, 0, 132) == (2_112, 128, 0)
    assert gpu.grid(1_000_000, 1_500, 132).scratch * 8 <= gpu.SCRATCH_BYTES


@pytest.mark.parametrize("name", KINDS)
def test_gpu_is_the_cpu_and_the_reference(device: None, name: str) -> None:
    made, by, losses = draws(KINDS[name], 5.0), process(jumping=True), np.empty(PATHS)
    gpu.path_losses(made, by, 3, EXPOSURES, FIRST, SEED, losses, mode="require")
    assert np.array_equal(losses, cpu_losses(made, by, 3, EXPOSURES))
    expected = reference.path_return(recipe(KINDS[name], 5.0), by, 3, FIRST, SEED)
    assert abs(losses[0] + expected @ EXPOSURES) < 1e-12


def test_gpu_takes_resident_arrays_and_many_assets(device: None) -> None:
    made, by, exposures = many_assets(21)
    losses = np.empty(PATHS)
    gpu.path_losses(*gpu.resident(made, by, mode="require"), 2, exposures, FIRST, SEED, losses, mode="require")
    assert np.array_equal(losses, cpu_losses(made, by, 2, exposures))


@pytest.mark.parametrize("name", KINDS)
def test_gpu_returns_of_a_tail_are_those_of_the_cpu(device: None, name: str) -> None:
    made, by = draws(KINDS[name], 5.0), process(jumping=True)
    found = gpu.path_returns(*gpu.resident(made, by, mode="require"), 3, TAIL, SEED, mode="require")
    assert np.array_equal(found, cpu_returns(made, by, 3, TAIL))


def test_gpu_linear_losses_are_those_of_the_cpu(device: None) -> None:
    made, losses = draws(cpu.SCORES, 5.0), np.empty(PATHS)
    gpu.linear_losses(made, EXPOSURES, 0.001, FIRST, SEED, losses, mode="require")
    assert np.array_equal(losses, cpu_linear(made, EXPOSURES, 0.001))
