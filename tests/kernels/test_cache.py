"""The cache of compiled kernels follows every source, also one that is only called from another file."""

import shutil
import subprocess
import sys
from pathlib import Path

import kernels

CALLED = "from numba import njit\n@njit(cache=True)\ndef inner(x):\n    return x + {}\n"
CALLER = (
    "from numba import njit\nfrom kernels.called import inner\n@njit(cache=True)\ndef outer(x):\n    return inner(x)\n"
)
RUN = "from kernels.caller import outer; print(outer(1))"


def test_a_change_in_a_called_file_reaches_the_caller(tmp_path: Path) -> None:
    package = tmp_path / "kernels"
    package.mkdir()
    shutil.copy(Path(kernels.__file__), package / "__init__.py")
    (package / "caller.py").write_text(CALLER)
    said = []
    for added in (1, 10):
        (package / "called.py").write_text(CALLED.format(added))
        done = subprocess.run(
            [sys.executable, "-c", RUN], cwd=tmp_path, capture_output=True, text=True, check=True, env={}, timeout=60
        )
        said.append(int(done.stdout))
    assert said == [2, 11]
    assert len(list((tmp_path / "build" / "kernels").iterdir())) == 2
