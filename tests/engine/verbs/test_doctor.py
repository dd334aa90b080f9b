"""The doctor names what is wrong with a machine, each with its mend."""

import json
from pathlib import Path

import pytest

from engine.config import Config, RunSettings
from engine.verbs import doctor
from tests.engine.verbs.command import bot4, config


def test_the_doctor_looks_at_everything_and_ends_with_a_count(tmp_path: Path) -> None:
    finished = bot4("doctor", "--quick", "--json", "--config", config(tmp_path))
    found = json.loads(finished.stdout)
    names = [row["name"] for row in found["findings"]]
    assert names == [
        "packages", "python", "libraries", "onnxruntime", "extensions", "cores", "waiting", "cpu", "clock",
        "timer slack", "shared memory", "run directory", "open files", "locked memory", "gpu", "systemd",
    ]  # fmt: skip
    assert finished.returncode == (1 if any(row["state"] == "fail" for row in found["findings"]) else 0)
    assert all(row["mend"] for row in found["findings"] if row["state"] != "ok")


def test_a_shared_memory_that_is_too_small_is_a_failure_with_its_mend(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import os

    small = os.statvfs_result((4096, 4096, 256, 256, 256, 0, 0, 0, 0, 255))  # 1 MiB
    monkeypatch.setattr("engine.verbs.doctor.os.statvfs", lambda _: small)
    row = doctor.shared_memory(Config(run=RunSettings(shared_memory_directory=str(tmp_path))))
    assert row["state"] == "fail"
    assert row["seen"].endswith("1 of 1 MiB free, a run needs 31")
    assert row["mend"] == f"mount -o remount,size=63M {tmp_path}"


def test_both_onnxruntimes_at_once_are_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    class Installed:
        def __init__(self, name: str) -> None:
            self.metadata = {"Name": name}

    both = [Installed("onnxruntime"), Installed("onnxruntime-gpu")]
    monkeypatch.setattr("importlib.metadata.distributions", lambda: both)
    row = doctor.onnxruntime()
    assert (row["state"], row["seen"]) == ("fail", "onnxruntime and onnxruntime-gpu")


def test_a_check_that_breaks_is_a_finding_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> doctor.Finding:
        raise OSError("no /proc here")

    monkeypatch.setattr(doctor, "cpu_flags", broken)
    rows = {row["name"]: row for row in doctor.examine(Config(), quick=True)}
    assert rows["broken"]["state"] == "warn"
    assert "no /proc here" in rows["broken"]["seen"]


def test_cores_are_written_as_taskset_writes_them() -> None:
    assert doctor.ranges([0, 1, 2, 5, 8, 9]) == "0-2,5,8-9"
