"""A process whose supervisor died while it was being started: nobody noted it, so it must not begin."""

import os
import subprocess
import sys
from pathlib import Path

from engine.orphans import ENVIRONMENT
from tests.architecture.tree import PROJECT


def test_a_process_whose_supervisor_died_before_it_began_does_nothing_and_says_so(tmp_path: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    settings = tmp_path / "absent.json"  # would be missed by whoever began
    done = subprocess.run(
        [sys.executable, "-m", "engine.child", "journal", str(settings)],
        cwd=PROJECT,
        env=os.environ | {ENVIRONMENT: str(gone.pid)},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert done.returncode == 1
    assert done.stderr == f"journal: the supervisor (pid {gone.pid}) died before this process began\n"
