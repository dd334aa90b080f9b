"""Monte Carlo that may use the GPU: numpy stands in for CuPy and the kernels run on the host, so the plumbing is shown;
on a machine with a GPU the last test runs there."""

import dataclasses
import importlib.util
from typing import Any

import numpy as np
import pytest

from kernels.device import Answer, Gpu, probe
from kernels.scenarios import cpu, gpu
from models import device
from models.faults import Fault
from models.market_risk import Measure, filtered_var, measure_simulated, monte_carlo_var
from models.market_risk.simulation import ResidentScenarios
from tests.kernels.compiled import HOST_COMPILER, host_library
from tests.kernels.stand_in import stand_in
from tests.models.market_risk.test_simulation import EXPOSURES, recipes

KERNELS = ("path_losses", "path_returns", "linear_losses")
PATHS = 3_000


@pytest.fixture
def a_gpu(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    if HOST_COMPILER is None:
        pytest.skip("no C++ compiler (g++): the kernels' source was not run")
    made = stand_in(host_library(gpu.SOURCE, KERNELS, tmp_path_factory.mktemp("host")))
    monkeypatch.setattr(gpu, "library", lambda mode: made)
    monkeypatch.setattr(device, "found", lambda: Answer(Gpu("NVIDIA T1", (9, 0), 1 << 34, (13, 0))))


@pytest.fixture
def no_cpu_paths(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("path_losses", "path_returns", "linear_losses"):
        monkeypatch.setattr(cpu, name, lambda *_: pytest.fail("the CPU made paths"))


def same(one: Measure, other: Measure) -> bool:
    def plain(measure: Measure) -> Any:
        return dataclasses.asdict(dataclasses.replace(measure, notes=()))

    return str(plain(one)) == str(plain(other))


@pytest.mark.parametrize("name", ["elliptical", "t copula", "empirical"])
def test_a_measure_made_on_the_gpu_is_the_cpus_to_the_bit_and_names_it(
    name: str, a_gpu: None, request: pytest.FixtureRequest
) -> None:
    made = recipes()[name]
    expected = measure_simulated(made, EXPOSURES, level=0.99, paths=PATHS, method="x")
    request.getfixturevalue("no_cpu_paths")
    found = measure_simulated(made, EXPOSURES, level=0.99, paths=PATHS, method="x", device="auto")
    assert same(found, expected)
    assert found.notes == ("DEVICE: NVIDIA T1", *expected.notes)


def test_several_steps_with_volatility_of_their_own_are_the_cpus_to_the_bit(a_gpu: None) -> None:
    returns = 0.01 * np.random.default_rng(5).standard_normal((300, 2))
    words: dict[str, Any] = {"horizon": 3, "paths": PATHS, "threads": 1}
    for method in (filtered_var, monte_carlo_var):
        expected = method(returns, np.array([1.0, -0.5]), **words)
        found = method(returns, np.array([1.0, -0.5]), **words, device="require")
        assert same(found, expected)
        assert found.notes == ("DEVICE: NVIDIA T1", *expected.notes)


def test_history_taken_once_is_no_simulation_and_says_that_the_cpu_did_it(a_gpu: None) -> None:
    returns = 0.01 * np.random.default_rng(5).standard_normal((300, 2))
    found = filtered_var(returns, np.ones(2), threads=1, device="auto")
    assert found.notes[0].startswith("DEVICE: the CPU (past days each taken once")
    assert not any(note.startswith("DEVICE") for note in filtered_var(returns, np.ones(2), threads=1).notes)


def test_exposures_that_do_not_fit_are_refused_on_the_gpu_too(a_gpu: None) -> None:
    with pytest.raises(Fault, match="one for each of 6 assets"):
        measure_simulated(recipes()["empirical"], EXPOSURES[:2], level=0.99, paths=PATHS, method="x", device="auto")


def test_without_a_gpu_auto_is_the_cpu_with_a_note_and_require_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "found", lambda: Answer(None, "no NVIDIA driver"))
    made = recipes()["elliptical"]
    words: dict[str, Any] = {"level": 0.99, "paths": PATHS, "method": "x"}
    found = measure_simulated(made, EXPOSURES, **words, device="auto")
    assert same(found, measure_simulated(made, EXPOSURES, **words))
    assert found.notes[0] == "DEVICE: the CPU (no NVIDIA driver)"
    with pytest.raises(Fault, match="a GPU is required"):
        measure_simulated(made, EXPOSURES, **words, device="require")


def test_too_little_memory_on_the_gpu_is_the_cpu_with_a_note(
    tmp_path_factory: pytest.TempPathFactory, a_gpu: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = stand_in(host_library(gpu.SOURCE, KERNELS, tmp_path_factory.mktemp("small")), free_bytes=1_000)
    monkeypatch.setattr(gpu, "library", lambda mode: small)
    made, words = recipes()["empirical"], {"level": 0.99, "paths": PATHS, "method": "x"}
    found = measure_simulated(made, EXPOSURES, **words, device="auto")
    assert same(found, measure_simulated(made, EXPOSURES, **words))
    assert found.notes[0].startswith("DEVICE: the CPU (paths of 6 assets need 0.00 GiB")
    with pytest.raises(Fault, match="a GPU is required and cannot be used: paths of 6 assets"):
        measure_simulated(made, EXPOSURES, **words, device="require")


@pytest.mark.parametrize("name", ["elliptical", "t copula", "empirical"])
def test_gpu_losses_and_returns_are_those_of_the_scenarios(name: str) -> None:
    answer = probe()
    if answer.gpu is None:
        pytest.skip(f"no GPU, nothing was run on one: {answer.reason}")
    if importlib.util.find_spec("cupy") is None:
        pytest.skip("there is a GPU, but CuPy is missing: nothing was run on it")
    made = recipes()[name]
    held = ResidentScenarios.of(made)
    assert np.array_equal(held.losses(EXPOSURES, 20_000), made.losses(EXPOSURES, 20_000))
    places = np.array([19_999, 0, 77])
    assert np.array_equal(held.returns(places), made.returns(places))
