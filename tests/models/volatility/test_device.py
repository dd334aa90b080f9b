"""fit_batch with a GPU asked for: refused, left aside with a note, or used (numpy in CuPy's place)."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kernels.device import Answer, Gpu
from kernels.volatility import GJR, NORMAL, gpu
from models import device
from models.faults import Fault
from models.volatility import Spec, fit_batch
from tests.kernels.compiled import HOST_COMPILER, host_library
from tests.kernels.stand_in import stand_in
from tests.kernels.volatility.cases import simulated

RETURNS = np.stack([simulated(seed, 300, GJR, NORMAL) * 0.1**seed for seed in range(3)])
SPEC = Spec(process="gjr")


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "found", lambda: Answer(None, "no NVIDIA driver"))


@pytest.fixture
def a_gpu(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    if HOST_COMPILER is None:
        pytest.skip("no C++ compiler (g++): the kernels' source was not run")
    monkeypatch.setattr(device, "found", lambda: Answer(Gpu("stand-in", (9, 0), 1 << 30, (13, 0))))
    kernels = ("garch_fit", "garch_scores", "garch_filter", "garch_step")
    found = stand_in(host_library(gpu.SOURCE, kernels, tmp_path))
    monkeypatch.setattr(gpu, "library", lambda mode: found)


def test_a_batch_says_nothing_of_devices_unless_one_was_asked_for(no_gpu: None) -> None:
    assert fit_batch(RETURNS, SPEC).notes == ()


def test_without_a_gpu_auto_fits_on_the_cpu_and_says_so(no_gpu: None) -> None:
    batch = fit_batch(RETURNS, SPEC, device="auto")
    assert batch.notes == ("DEVICE: the CPU (no NVIDIA driver)",)
    np.testing.assert_array_equal(batch.parameters, fit_batch(RETURNS, SPEC).parameters)


def test_without_a_gpu_require_is_refused(no_gpu: None) -> None:
    with pytest.raises(Fault, match="no NVIDIA driver"):
        fit_batch(RETURNS, SPEC, device="require")


def test_a_batch_of_the_gpu_is_the_cpus_in_the_datas_units(a_gpu: None) -> None:
    ours, cpu = fit_batch(RETURNS, SPEC, device="require"), fit_batch(RETURNS, SPEC)
    assert ours.notes == ("DEVICE: stand-in",)
    np.testing.assert_allclose(ours.logliks, cpu.logliks, rtol=0.0, atol=1e-6)
    for kind, errors in cpu.standard_errors.items():
        np.testing.assert_allclose(ours.standard_errors[kind], errors, rtol=1e-4)
    assert np.all(np.abs(ours.parameters - cpu.parameters) < 1e-4 * cpu.standard_errors["hessian"])
    np.testing.assert_allclose(ours.next_variance, cpu.next_variance, rtol=1e-4)
    np.testing.assert_array_equal(ours.codes, cpu.codes)


def test_a_batch_starts_warm_on_the_gpu_too(a_gpu: None) -> None:
    cold = fit_batch(RETURNS, SPEC, device="require", standard_errors=False)
    warm = fit_batch(RETURNS, SPEC, device="require", standard_errors=False, warm=cold.parameters)
    assert np.all(warm.evaluations < cold.evaluations)


@pytest.mark.parametrize("spec", [Spec(process="egarch"), Spec(mean="var1")])
def test_models_that_the_gpu_lacks_are_fitted_by_the_cpu_and_said_or_refused(a_gpu: None, spec: Spec) -> None:
    assert (
        fit_batch(RETURNS, spec, device="auto", standard_errors=False).notes[0].startswith("DEVICE: the CPU (it fits")
    )
    with pytest.raises(Fault, match="garch and gjr"):
        fit_batch(RETURNS, spec, device="require")


def test_published_values_of_dm_gbp_are_the_gpus_too(a_gpu: None, vectors: Path) -> None:
    listed = json.loads((vectors / "vectors.json").read_text())["vectors"]
    entry = next(each for each in listed if each["id"] == "garch11_dem2gbp_fcp_tsp")
    expected, returns = entry["expected"], np.loadtxt(vectors / "dem2gbp.csv", skiprows=1)
    batch = fit_batch(returns, Spec(start_variance="benchmark"), device="require")
    assert batch.logliks[0] == pytest.approx(expected["loglik"], abs=entry["tolerance"]["loglik_abs"])
    np.testing.assert_allclose(batch.parameters[0], [expected[name] for name in expected["order"]], rtol=1e-6)
    for kind, key in (("hessian", "se_hessian"), ("opg", "se_opg"), ("robust", "se_qml")):
        np.testing.assert_allclose(batch.standard_errors[kind][0], expected[key], rtol=1e-5)
