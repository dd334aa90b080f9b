"""Where a model computes: on the GPU when that is allowed and there is one, or on the CPU; what was chosen is noted."""

from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from typing import TypeVar

from kernels.device import MODES, Answer, GpuMissing, Mode, probe
from models.faults import Fault

Made = TypeVar("Made")


@cache
def found() -> Answer:
    """The GPU or the reason why there is none, asked once a process: a driver that hangs costs one time-out."""
    return probe()


def check(mode: Mode) -> None:
    """That what "require" promises is there, before anything is computed; CuPy is looked for, not loaded.

    Raises Fault where it is not.
    """
    answer = found() if mode == "require" else None
    if answer is not None and answer.gpu is None:
        raise Fault(f"a GPU is required and there is none: {answer.reason}")
    if answer is not None and find_spec("cupy") is None:
        raise Fault("a GPU is required and there is one, but CuPy is missing: install the extra gpu")


def on_gpu(mode: Mode, make: Callable[[], Made]) -> tuple[Made | None, tuple[str, ...]]:
    """What `make` makes of the GPU, or None for the CPU; and a note DEVICE unless the mode is "off".

    "auto" takes the CPU where there is no GPU or `make` raises GpuMissing; "require" raises Fault there.
    """
    if mode not in MODES:
        raise Fault(f"device {mode!r}: must be one of {', '.join(MODES)}")
    if mode == "off":
        return None, ()
    answer = found()
    reason = answer.reason
    if answer.gpu is not None:
        try:
            return make(), (f"DEVICE: {answer.gpu.name}",)
        except GpuMissing as missing:
            reason = str(missing)
    if mode == "require":
        raise Fault(f"a GPU is required and cannot be used: {reason}")
    return None, (f"DEVICE: the CPU ({reason})",)
