"""Dynamic correlation searched on the GPU: numpy stands in for CuPy and the kernels run on the host, so the plumbing is
shown; on a machine with a GPU the last test runs there."""

import importlib.util
from typing import Any

import numpy as np
import pytest

from kernels.dependence import gpu
from kernels.device import Answer, Gpu, probe
from models import device
from models.dependence import composite, fit_correlation, fit_dcc
from models.dependence.composite import CompositeLikelihood
from models.dependence.likelihood import CorrelationLikelihood
from models.dependence.two_step import fit_dynamics
from models.faults import Fault
from tests.kernels.compiled import HOST_COMPILER, host_library
from tests.kernels.dependence.test_gpu import KERNELS
from tests.kernels.stand_in import stand_in
from tests.models.dependence.simulated import dcc_returns

NAMED = "DEVICE: NVIDIA T1"


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Any:
    if HOST_COMPILER is None:
        pytest.skip("no C++ compiler (g++): the kernels' source was not run")
    return host_library(gpu.SOURCE, KERNELS, tmp_path_factory.mktemp("host"))


@pytest.fixture
def a_gpu(compiled: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    made = stand_in(compiled)
    monkeypatch.setattr(gpu, "library", lambda mode: made)
    monkeypatch.setattr(device, "found", lambda: Answer(Gpu("NVIDIA T1", (9, 0), 1 << 34, (13, 0))))
    return made[0]


@pytest.fixture
def no_cpu_search(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Counts the CPU's likelihoods, those of composite errors too; a search takes a hundred."""
    calls: list[int] = []
    for kind in (CorrelationLikelihood, CompositeLikelihood):
        plain = kind.loglik
        monkeypatch.setattr(kind, "loglik", lambda *words, plain=plain: (calls.append(1), plain(*words))[1])
    return calls


@pytest.mark.parametrize("estimator", ["two-step", "composite"])
@pytest.mark.parametrize("asymmetric", [False, True])
def test_the_search_on_the_gpu_finds_what_the_cpus_finds(
    estimator: str, asymmetric: bool, a_gpu: Any, no_cpu_search: list[int]
) -> None:
    returns = dcc_returns(600, 4, a=0.05, b=0.9)
    expected = fit_dcc(returns, estimator=estimator, asymmetric=asymmetric)
    by_the_cpu = len(no_cpu_search)
    found = fit_dcc(returns, estimator=estimator, asymmetric=asymmetric, device="auto")
    assert found.notes == (NAMED, *expected.notes)
    assert expected.loglik == pytest.approx(found.loglik, abs=1e-6)
    for label, value in expected.parameters.items():
        assert found.parameters[label] == pytest.approx(value, abs=2e-5), label
    errors, others = (each.standard_errors["robust"] for each in (found, expected))
    for label in ("dcc.a", "dcc.b"):
        assert errors[label] == pytest.approx(others[label], rel=1e-3, nan_ok=True)
    assert len(no_cpu_search) - by_the_cpu < 4
    assert by_the_cpu > 50
    assert a_gpu.stream.graphs  # every search repeats


@pytest.mark.parametrize("estimator", ["two-step", "composite"])
def test_the_second_step_alone_takes_a_device_too(estimator: str, a_gpu: Any) -> None:
    standardised = fit_dcc(dcc_returns(400, 3)).standardised
    expected = fit_correlation(standardised, estimator=estimator)
    found = fit_correlation(standardised, estimator=estimator, device="require")
    assert found.notes == (NAMED, *expected.notes)
    assert found.parameters["dcc.b"] == pytest.approx(expected.parameters["dcc.b"], abs=2e-5)


def test_curvature_by_many_points_at_once_is_that_of_points_one_by_one(a_gpu: Any) -> None:
    standardised = fit_dcc(dcc_returns(400, 3)).standardised
    moments = standardised.T @ standardised / len(standardised)
    sample = CompositeLikelihood(standardised, moments, moments)
    held = gpu.DynamicsLikelihood(standardised, moments, moments, kind="pairs")
    point = np.array([0.03, 0.8, 0.01])
    one, other = (composite.second_differences(at, point) for at in (sample.at, held.logliks))
    np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4 * np.abs(one).max())


def test_the_joint_likelihood_says_that_the_cpu_computed_it(a_gpu: Any, no_cpu_search: list[int]) -> None:
    returns = dcc_returns(300, 2)
    found = fit_dcc(returns, estimator="joint", device="require")
    assert found.notes[0] == "DEVICE: the CPU (the joint likelihood has no GPU kernel)"
    assert not a_gpu.stream.graphs


def test_a_sample_too_large_for_the_gpu_goes_to_the_cpu_with_a_note(
    compiled: Any, a_gpu: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = stand_in(compiled, free_bytes=1_000)
    monkeypatch.setattr(gpu, "library", lambda mode: small)
    returns = dcc_returns(300, 2)
    found = fit_dcc(returns, device="auto")
    assert found.notes[0].startswith("DEVICE: the CPU (2 series of 300 rows need")
    assert found.parameters == fit_dcc(returns).parameters
    with pytest.raises(Fault, match="a GPU is required and cannot be used: 2 series"):
        fit_dcc(returns, device="require")


def test_slopes_that_are_no_number_are_replaced_by_differences() -> None:
    def loglik(a: float, b: float) -> float:
        return -((a - 0.05) ** 2 + (b - 0.9) ** 2)

    plain = fit_dynamics(loglik, 1, None)
    found = fit_dynamics(loglik, 1, None, slopes=lambda point: np.full(2, np.nan))
    np.testing.assert_array_equal(found.parameters, plain.parameters)
    exact = fit_dynamics(loglik, 1, None, slopes=lambda point: -2.0 * (point - [0.05, 0.9]))
    np.testing.assert_allclose(exact.parameters, plain.parameters, atol=1e-7)


@pytest.mark.parametrize("estimator", ["two-step", "composite"])
@pytest.mark.parametrize("asymmetric", [False, True])
def test_gpu_search_finds_what_the_cpus_finds(estimator: str, asymmetric: bool) -> None:
    answer = probe()
    if answer.gpu is None:
        pytest.skip(f"no GPU, nothing was run on one: {answer.reason}")
    if importlib.util.find_spec("cupy") is None:
        pytest.skip("there is a GPU, but CuPy is missing: nothing was run on it")
    returns = dcc_returns(1_000, 12)
    expected = fit_dcc(returns, estimator=estimator, asymmetric=asymmetric)
    found = fit_dcc(returns, estimator=estimator, asymmetric=asymmetric, device="require")
    assert found.notes[0] == f"DEVICE: {answer.gpu.name}"
    for label, value in expected.parameters.items():
        assert found.parameters[label] == pytest.approx(value, abs=2e-5), label
