"""Counts the allocations of a row in a pass of its own, in a process with the shim preloaded.

    python -m benchmarks.allocations ROW [ROW ...]        prints {row: {"allocations", "minor_faults"}}

`count(rows)` starts that process. What cannot be counted (no C compiler, a row that counts nothing) is None, never 0.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parent.parent
SOURCE = PROJECT / "engine" / "telemetry" / "allocation_shim.c"
TIMEOUT_S = 300


def shim() -> Path | None:
    """The shim, compiled if it is older than its source; None without a compiler."""
    target = PROJECT / "build" / "allocation_shim.so"
    compiler = shutil.which(os.environ.get("CC", "cc"))
    if target.exists() and target.stat().st_mtime >= SOURCE.stat().st_mtime:
        return target
    if compiler is None:
        return None
    target.parent.mkdir(exist_ok=True)
    finished = subprocess.run([compiler, "-O2", "-shared", "-fPIC", "-o", str(target), str(SOURCE)], check=False)
    return target if finished.returncode == 0 else None


def count(rows: list[str]) -> dict[str, dict[str, int | None]]:
    """{row: {"allocations", "minor_faults"}} for the rows that count; {} when there is no shim."""
    library = shim()
    if library is None or not rows:
        return {}
    environment = os.environ | {"LD_PRELOAD": str(library), "PYTHONMALLOC": "malloc"}
    finished = subprocess.run(
        [sys.executable, "-m", "benchmarks.allocations", *rows],
        cwd=PROJECT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT_S,
    )
    if finished.returncode != 0:
        raise RuntimeError(f"the counting pass failed: {finished.stderr.strip().splitlines()[-1:]}")
    counted: dict[str, dict[str, int | None]] = json.loads(finished.stdout.splitlines()[-1])
    return counted


def main() -> None:
    from benchmarks.rows import ROWS

    counted: dict[str, Any] = {}
    for name in sys.argv[1:]:
        row = ROWS[name].measure_alone()
        counted[name] = {"allocations": row.get("allocations"), "minor_faults": row.get("minor_faults")}
    print(json.dumps(counted))


if __name__ == "__main__":
    main()
