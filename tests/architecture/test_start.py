"""What starting costs and where the packages come from: a foreign `models` folder must stay out."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.tree import PROJECT

HEAVY = ("arch", "scipy", "pandas", "sklearn", "plotly", "numba", "lightgbm", "onnxruntime", "aiohttp")


def run(*arguments: str, cwd: Path = PROJECT, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env=os.environ | environment,
    )


def test_help_imports_nothing_heavy() -> None:
    script = (
        "import sys\nfrom engine.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        f"print(sorted(set(name.split('.')[0] for name in sys.modules) & set({HEAVY!r})), file=sys.stderr)"
    )
    finished = run("-c", script)
    assert finished.stdout.startswith("Usage: bot4")
    assert finished.stderr.strip() == "[]"


@pytest.mark.parametrize("package", ["models", "kernels", "ipc"])
def test_a_foreign_package_on_the_path_is_named(package: str, tmp_path: Path) -> None:
    (tmp_path / package).mkdir()
    (tmp_path / package / "__init__.py").touch()
    paths = [str(tmp_path), str(PROJECT)]
    script = f"import sys; sys.path[:0] = {paths!r}; from engine.cli import main; main(['--help'])"
    finished = run("-c", script)
    assert finished.returncode == 2
    assert finished.stderr.startswith(f"bot4: '{package}' comes from {tmp_path / package}, not from Bot4:")
    assert finished.stderr.count("\n") == 1


def test_an_unknown_verb_gets_the_nearest_one() -> None:
    finished = run("-m", "engine", "bakctest")
    assert finished.returncode == 2
    assert finished.stderr == "bot4: 'bakctest' is no verb; did you mean backtest? `bot4 --help` lists them\n"
