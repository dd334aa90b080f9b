"""`make gpu-test` and `make gpu-bench`: what needs a GPU. Nothing is claimed here that was not run.

    python -m benchmarks.gpu gpu-test|gpu-bench [--require]

There are no GPU kernels in this build yet, so there is nothing to test or to time: the device is looked for, and what
was found is said. Exit 0; with --require 1 when there is no GPU.
"""

import argparse
import sys

from kernels.device import GpuMissing, describe, gpu


def main(arguments: list[str] | None = None) -> int:
    """Probes, says what was found and that nothing was run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description="What needs a GPU.")
    parser.add_argument("what", choices=("gpu-test", "gpu-bench"))
    parser.add_argument("--require", action="store_true", help="fail without a GPU")
    chosen = parser.parse_args(arguments)
    try:
        found = gpu("require" if chosen.require else "auto")
    except GpuMissing as error:
        print(f"{chosen.what}: {error}; nothing was run", file=sys.stderr)
        return 1
    if found is None:
        print(f"{chosen.what}: {describe()}; nothing was run")
    else:
        print(f"{chosen.what}: {found.name}; this build has no GPU kernels yet; nothing was run")
    return 0


if __name__ == "__main__":
    sys.exit(main())
