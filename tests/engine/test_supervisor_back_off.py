"""A process that is not vital is started again for ever, ever more slowly, and never halts the run."""

import subprocess
from pathlib import Path

import msgspec
import pytest

from engine import supervisor
from engine.run_files import RunFiles
from engine.supervisor import Child, Supervisor


class Nothing(msgspec.Struct):
    pass


class Watched(Supervisor):
    """Spawns what dies at once, and notes when."""

    def __init__(self, files: RunFiles, children: list[Child]) -> None:
        super().__init__(files, children)
        self.spawned_s: list[float] = []
        self.now_s = 0.0

    def _spawn(self, child: Child) -> None:
        self.spawned_s.append(self.now_s)
        child.process = subprocess.Popen(["false"])
        child.process.wait()


def test_each_death_doubles_the_wait_and_trading_is_never_halted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = RunFiles("run", tmp_path / "run", tmp_path / "shm")
    files.make()
    child = Child("risk", Nothing, lambda: True, vital=False)
    watched = Watched(files, [child])
    watched._spawn(child)
    monkeypatch.setattr(supervisor.time, "monotonic", lambda: watched.now_s)
    for step in range(1, 2_400):
        watched.now_s = step * 0.1
        watched.watch()
    waits = [later - earlier for earlier, later in zip(watched.spawned_s, watched.spawned_s[1:], strict=False)]
    assert waits[:4] == pytest.approx([0.6, 1.1, 2.1, 4.1], abs=0.15)  # one look later than the wait
    assert max(waits) <= supervisor.LONGEST_BACK_OFF_S + 0.2
    assert len(waits) > 12
    assert watched.halted is None
    assert watched.ended is None
    assert child.restarts == len(waits)
    watched._health.close()
