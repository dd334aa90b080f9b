"""The only place that asks whether there is a GPU.

The question is put to the CUDA driver itself (libcuda.so.1, by ctypes) in a process of its own with a time-out: a
driver that hangs or crashes takes the probe with it, not the engine, and no GPU library is imported.
Source of the calls: NVIDIA, CUDA Driver API, chapters 6.2 and 6.5.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Mode = Literal["off", "auto", "require"]
MODES: tuple[Mode, ...] = ("off", "auto", "require")
TIMEOUT_S = 10.0

PROBE = """
import ctypes, json, sys
try:
    cuda = ctypes.CDLL("libcuda.so.1")
except OSError:
    sys.exit(json.dumps({"reason": "no NVIDIA driver (libcuda.so.1 is not there)"}))
def call(name, *arguments):
    code = getattr(cuda, name)(*arguments)
    if code:
        sys.exit(json.dumps({"reason": f"{name} answered CUDA error {code}"}))
count, device, number = ctypes.c_int(), ctypes.c_int(), ctypes.c_int()
name, total = ctypes.create_string_buffer(256), ctypes.c_size_t()
call("cuInit", 0)
call("cuDeviceGetCount", ctypes.byref(count))
if not count.value:
    sys.exit(json.dumps({"reason": "the NVIDIA driver shows no device"}))
call("cuDeviceGet", ctypes.byref(device), 0)
call("cuDeviceGetName", name, 256, device)
call("cuDeviceTotalMem_v2", ctypes.byref(total), device)
capability = []
for attribute in (75, 76):  # CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, _MINOR
    call("cuDeviceGetAttribute", ctypes.byref(number), attribute, device)
    capability.append(number.value)
call("cuDriverGetVersion", ctypes.byref(number))
print(json.dumps({"name": name.value.decode(), "capability": capability, "memory_bytes": total.value,
                  "cuda": [number.value // 1000, number.value % 1000 // 10]}))
"""
COMMAND = (sys.executable, "-I", "-c", PROBE)


class GpuMissing(RuntimeError):
    """Mode "require" and no GPU; the text says why there is none."""


@dataclass(frozen=True)
class Gpu:
    """The first device. capability and cuda (what its driver takes): (major, minor). memory_bytes: all of it."""

    name: str
    capability: tuple[int, int]
    memory_bytes: int
    cuda: tuple[int, int]


@dataclass(frozen=True)
class Answer:
    """What the probe found: a GPU, or the reason why there is none."""

    gpu: Gpu | None
    reason: str = ""


def probe(command: Sequence[str] = COMMAND, timeout_s: float = TIMEOUT_S) -> Answer:
    """Asks in a subprocess; never raises, never takes longer than `timeout_s` and the end of a process."""
    try:
        done = subprocess.run(command, capture_output=True, timeout=timeout_s, text=True, check=False)
    except subprocess.TimeoutExpired:
        return Answer(None, f"the driver did not answer within {timeout_s:g} s")
    except OSError as error:
        return Answer(None, f"the probe cannot be started: {error.strerror}")
    try:
        said = json.loads(done.stdout if done.returncode == 0 else done.stderr)
        if done.returncode != 0:
            return Answer(None, str(said["reason"]))
        capability, cuda = (tuple(map(int, said[key])) for key in ("capability", "cuda"))
        return Answer(Gpu(str(said["name"]), capability[:2], int(said["memory_bytes"]), cuda[:2]))  # type: ignore[arg-type]
    except (ValueError, KeyError, TypeError):
        return Answer(None, f"the probe ended with {done.returncode} and no answer")


def gpu(mode: Mode = "auto", command: Sequence[str] = COMMAND, timeout_s: float = TIMEOUT_S) -> Gpu | None:
    """The GPU to use, or None. "off" does not ask; "require" raises GpuMissing. Raises ValueError for another mode."""
    if mode not in MODES:
        raise ValueError(f"mode must be one of {', '.join(MODES)}; it is {mode!r}")
    if mode == "off":
        return None
    answer = probe(command, timeout_s)
    if answer.gpu is None and mode == "require":
        raise GpuMissing(f"a GPU is required and there is none: {answer.reason}")
    return answer.gpu


def describe(command: Sequence[str] = COMMAND, timeout_s: float = TIMEOUT_S) -> str:
    """One line for a person."""
    answer = probe(command, timeout_s)
    if answer.gpu is None:
        return f"no GPU: {answer.reason}"
    found = answer.gpu
    return (
        f"{found.name}, compute capability {found.capability[0]}.{found.capability[1]}, "
        f"{found.memory_bytes / 2**30:.0f} GiB, CUDA {found.cuda[0]}.{found.cuda[1]}"
    )
