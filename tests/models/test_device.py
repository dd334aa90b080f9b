"""Where a model computes, and what is said of it."""

import sys

import pytest

from kernels.device import Answer, Gpu, GpuMissing
from models import device
from models.faults import Fault

A_GPU = Answer(Gpu("NVIDIA T1", (9, 0), 1 << 34, (13, 0)))
NONE = Answer(None, "no NVIDIA driver")


def too_small() -> str:
    raise GpuMissing("too little memory")


def test_off_asks_nothing_and_notes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "found", lambda: pytest.fail("the GPU was asked for"))
    assert device.on_gpu("off", too_small) == (None, ())


@pytest.mark.parametrize("mode", ["auto", "require"])
def test_a_gpu_that_is_there_is_used_and_named(mode: device.Mode, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "found", lambda: A_GPU)
    assert device.on_gpu(mode, lambda: "made") == ("made", ("DEVICE: NVIDIA T1",))


@pytest.mark.parametrize(("answer", "reason"), [(NONE, "no NVIDIA driver"), (A_GPU, "too little memory")])
def test_without_a_usable_gpu_auto_takes_the_cpu_with_the_reason_and_require_refuses(
    answer: Answer, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device, "found", lambda: answer)
    assert device.on_gpu("auto", too_small) == (None, (f"DEVICE: the CPU ({reason})",))
    with pytest.raises(Fault, match=f"required and cannot be used: {reason}"):
        device.on_gpu("require", too_small)


def test_another_mode_is_refused() -> None:
    with pytest.raises(Fault, match="'maybe': must be one of off, auto, require"):
        device.on_gpu("maybe", too_small)  # type: ignore[arg-type]


def test_a_model_that_may_use_a_gpu_imports_no_gpu_library() -> None:
    import models.dependence
    import models.market_risk  # noqa: F401

    assert "cupy" not in sys.modules


@pytest.mark.parametrize(
    ("answer", "refused"),
    [
        (Answer(None, "no driver"), "a GPU is required and there is none: no driver"),
        (Answer(Gpu("G", (9, 0), 1 << 30, (13, 0))), "there is one, but CuPy is missing: install the extra gpu"),
    ],
)
def test_what_require_promises_is_looked_for_before_the_first_refit(
    monkeypatch: pytest.MonkeyPatch, answer: Answer, refused: str
) -> None:
    monkeypatch.setattr(device, "found", lambda: answer)
    monkeypatch.setattr(device, "find_spec", lambda _: None)
    device.check("auto")
    with pytest.raises(Fault, match=refused):
        device.check("require")
