"""One clock for a run, which nobody sets."""

import os
import re
import subprocess
import sys
import time

import pytest

from engine import clock
from tests.architecture.tree import PROJECT

# who may read the host's clock: the clock itself, the built-in exchange, which stands for another machine, and names
# of journal segments
OWN_CLOCKS = {"engine/clock.py", "engine/exchange/server.py", "engine/exchange/ledger.py", "engine/journal/store.py"}


def test_host_s_clock_that_is_set_moves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    real, before_ns = time.time_ns, clock.utc_ns()
    monkeypatch.setattr(time, "time_ns", lambda: real() - 3_600_000_000_000)
    assert 0 <= clock.utc_ns() - before_ns < 60_000_000_000


def test_processes_of_a_run_share_the_base() -> None:
    code = "from engine import clock; print(clock.base_ns(), clock.utc_ns())"
    environment = os.environ | {clock.ENVIRONMENT: "123456789"}
    said = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, env=environment, capture_output=True, check=True)
    base_ns, now_ns = map(int, said.stdout.split())
    assert base_ns == 123456789
    assert 0 <= time.monotonic_ns() + base_ns - now_ns < 60_000_000_000


def test_run_that_has_begun_before_is_gone_on_with_by_its_own_clock() -> None:
    base_ns = clock.base_ns()
    try:
        clock.go_on_by(base_ns - 5)
        assert clock.base_ns() == base_ns - 5
    finally:
        clock.go_on_by(base_ns)


def test_nobody_else_reads_the_host_s_clock() -> None:
    reads = re.compile(r"time\.time\(|time\.time_ns|CLOCK_REALTIME|datetime\.now|utcnow")
    found = {
        path.relative_to(PROJECT).as_posix()
        for package in ("engine", "ipc", "models", "kernels")
        for pattern in ("*.py", "*.pyx", "*.pxd", "*.h", "*.c", "*.cu")
        for path in (PROJECT / package).rglob(pattern)
        if reads.search(path.read_text())
    }
    assert found == OWN_CLOCKS
