"""Runs `bot4` as a user does: a process of its own, its exit code and both its outputs."""

import os
import subprocess
import sys
from pathlib import Path

from tests.architecture.tree import PROJECT


def bot4(*arguments: str | Path, cwd: Path = PROJECT, **environment: str) -> subprocess.CompletedProcess[str]:
    """A finished `python -m engine ARGUMENTS`; from another folder the project is found through PYTHONPATH."""
    return subprocess.run(
        [sys.executable, "-m", "engine", *map(str, arguments)],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
        env=os.environ | {"PYTHONPATH": str(PROJECT)} | environment,
    )


def said(finished: subprocess.CompletedProcess[str]) -> str:
    """The one line of an error, without `bot4: `; whatever else there is fails the test."""
    lines = [line for line in finished.stderr.splitlines() if line.startswith("bot4: ")]
    assert "Traceback" not in finished.stderr
    assert len(lines) == 1, finished.stderr
    assert finished.stderr.splitlines()[-1] == lines[0]
    return lines[0].removeprefix("bot4: ")


def config(folder: Path, text: str = "") -> Path:
    """A configuration file whose runs lie in the folder."""
    path = folder / "bot4.toml"
    path.write_text(f'[run]\ndirectory = "{folder / "runs"}"\ninstance = "test"\n' + text)
    return path
