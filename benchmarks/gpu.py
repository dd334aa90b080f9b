"""`make gpu-test` and `make gpu-bench`: what needs a GPU. Nothing is claimed here that was not run.

    python -m benchmarks.gpu gpu-test|gpu-bench [--require] [--part scenarios|garch|dcc]

gpu-test runs the contract tests of the GPU kernels (GPU = CPU = reference). gpu-bench times scenarios, volatility fits
and dynamic correlation on CPU and GPU, prints a table of each with the size at which the GPU wins, and writes
benchmarks/results/gpu-<name>.json. Without a GPU both say that nothing was run: exit 0; with --require 1. A failed
test, or answers that differ, end with 1.
"""

import argparse
import dataclasses
import importlib
import importlib.util
import json
import os
import platform
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kernels.device import Gpu, GpuMissing, describe, gpu

TESTS = ("tests/kernels", "tests/models")
ON_A_GPU = "test_gpu and not without_a_gpu"
RESULTS = Path(__file__).resolve().parent / "results"
MODULES = {  # of each part: benchmarks.gpu_..., and the field of a row that has a crossover of its own
    "scenarios": ("scenarios", "assets"),
    "garch": ("volatility", "what"),
    "dcc": ("dependence", "likelihood"),
}
PARTS = tuple(MODULES)


def run_tests() -> int:
    """pytest on every test_gpu_..., and on every test of a test_gpu.py."""
    command = [sys.executable, "-m", "pytest", *TESTS, "-k", ON_A_GPU, "-rs"]
    return subprocess.run(command, cwd=Path(__file__).resolve().parents[1], check=False).returncode


def run_bench(found: Gpu, folder: Path = RESULTS, parts: Sequence[str] = PARTS) -> int:
    """Times, prints, writes after each part; other parts in the file stay. Raises GpuMissing when CuPy is missing."""
    print(f"{found.name}; {os.cpu_count()} CPU threads, {platform.machine()}")
    target = folder / f"gpu-{slug(found.name)}.json"
    folder.mkdir(parents=True, exist_ok=True)
    document: dict[str, Any] = json.loads(target.read_text()) if target.exists() else {"crossover": {}}
    document |= {"gpu": dataclasses.asdict(found), "cpu_threads": len(os.sched_getaffinity(0))}
    same = True
    for part in parts:
        module, kind = importlib.import_module(f"benchmarks.gpu_{MODULES[part][0]}"), MODULES[part][1]
        done = module.rows()
        print(f"\n{part}\n{module.table(done)}", flush=True)
        document[part] = [dataclasses.asdict(row) | {"ratio": row.ratio} for row in done]
        kinds = dict.fromkeys(getattr(row, kind) for row in done)
        document["crossover"][part] = {str(each): module.crossover(done, each) for each in kinds}
        target.write_text(json.dumps(document, indent=1) + "\n")
        same = same and all(row.same for row in done)
    print(f"written to benchmarks/results/{target.name}")
    return 0 if same else 1


def slug(name: str) -> str:
    """A GPU's name as part of a file's."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def main(arguments: list[str] | None = None) -> int:
    """Probes; runs what was asked for, or says that nothing was run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description="What needs a GPU.")
    parser.add_argument("what", choices=("gpu-test", "gpu-bench"))
    parser.add_argument("--require", action="store_true", help="fail without a GPU")
    parser.add_argument("--part", action="append", choices=PARTS, help="of gpu-bench, may be repeated; all without")
    chosen = parser.parse_args(arguments)
    try:
        found = gpu("require" if chosen.require else "auto")
        if found is None:
            print(f"{chosen.what}: {describe()}; nothing was run")
            return 0
        if importlib.util.find_spec("cupy") is None:
            raise GpuMissing(f"there is {found.name}, but CuPy is missing: install the extra gpu")
        return run_tests() if chosen.what == "gpu-test" else run_bench(found, parts=chosen.part or PARTS)
    except GpuMissing as error:
        print(f"{chosen.what}: {error}; nothing was run", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
