"""The GPU probe against fake probes: an answer, a refusal, a crash, a hang, rubbish."""

import json
import sys
import time

import pytest

from kernels.device import COMMAND, Gpu, GpuMissing, describe, gpu, probe

FOUND = {"name": "Fake 9000", "capability": [9, 0], "memory_bytes": 80 << 30, "cuda": [13, 0]}


def fake(code: str) -> tuple[str, ...]:
    return (sys.executable, "-I", "-c", code)


ANSWERS = fake(f"print({json.dumps(FOUND)!r})")
REFUSES = fake('import sys; sys.exit(\'{"reason": "no driver"}\')')
CRASHES = fake("import os; os.kill(os.getpid(), 11)")
RUBBISH = fake("print('[1, 2')")


def test_a_device_that_answers_is_described() -> None:
    assert gpu("auto", ANSWERS) == Gpu("Fake 9000", (9, 0), 80 << 30, (13, 0))
    assert describe(ANSWERS) == "Fake 9000, compute capability 9.0, 80 GiB, CUDA 13.0"


@pytest.mark.parametrize(("command", "reason"), [(REFUSES, "no driver"), (CRASHES, "-11"), (RUBBISH, "no answer")])
def test_without_a_device_auto_goes_on_and_require_says_why(command: tuple[str, ...], reason: str) -> None:
    assert gpu("auto", command) is None
    with pytest.raises(GpuMissing, match=reason):
        gpu("require", command)
    assert reason in describe(command)


def test_a_driver_that_hangs_costs_the_time_out_and_no_more() -> None:
    started = time.monotonic()
    answer = probe(fake("import time; time.sleep(60)"), timeout_s=0.3)
    assert answer.gpu is None
    assert "0.3 s" in answer.reason
    assert time.monotonic() - started < 20


def test_off_does_not_ask(tmp_path) -> None:
    trace = tmp_path / "asked"
    asks = fake(f"open({str(trace)!r}, 'w')")
    assert gpu("off", asks) is None
    assert not trace.exists()
    assert gpu("auto", asks) is None
    assert trace.exists()


def test_an_unknown_mode_is_refused() -> None:
    with pytest.raises(ValueError, match="off, auto, require"):
        gpu("maybe")  # type: ignore[arg-type]


def test_a_probe_that_cannot_start_is_no_device() -> None:
    assert "cannot be started" in describe(("/no/such/python",))


def test_this_machine_is_answered_without_an_exception() -> None:
    answer = probe(COMMAND)
    assert (answer.gpu is None) == bool(answer.reason)
