"""Builds the Cython extensions: one table of directives, one of compiler flags, every .pyx a module.

Environment: BOT4_CHECKED=1 builds with bounds, wraparound and initialisation checks and the crash hooks of the tests.
BOT4_ONLY=engine/book,ipc/ring builds only the modules whose path starts so.
The flags are part of the replay promise: never fast-math, never native (docs/decisions/0002-bit-for-bit.md).
"""

import os
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, find_packages, setup

CHECKED = os.environ.get("BOT4_CHECKED") == "1"
ONLY = tuple(filter(None, os.environ.get("BOT4_ONLY", "").split(",")))
PACKAGES = ("ipc", "kernels", "models", "engine")
# the checked build is compiled for its checks: -O1 halves the time and changes no result
FLAGS = ["-O1" if CHECKED else "-O3", "-march=x86-64-v3", "-ffp-contract=off", "-fno-math-errno", "-g1"]
DIRECTIVES = {
    "language_level": "3",
    "binding": True,
    "embedsignature": True,
    "boundscheck": CHECKED,
    "wraparound": CHECKED,
    "initializedcheck": CHECKED,
    "nonecheck": False,  # cannot be compiled where a method runs without the GIL
    "cdivision": True,  # also when checked: the two builds must compute the same
}


def extensions() -> list[Extension]:
    paths = sorted(path for package in PACKAGES for path in Path(package).rglob("*.pyx"))
    return [
        Extension(
            ".".join(path.with_suffix("").parts),
            [str(path)],
            extra_compile_args=FLAGS,
            include_dirs=[str(path.parent)],
            define_macros=[("BOT4_CHECKED", "1" if CHECKED else "0"), ("NPY_NO_DEPRECATED_API", "NPY_1_7_API_VERSION")],
        )
        for path in paths
        if not ONLY or str(path).startswith(ONLY)
    ]


# Cython's own code for typed memory views, once for all modules: halves what there is to compile.
SHARED = "ipc.cython_shared"


def shared() -> list[Extension]:
    built = list(Path("ipc").glob("cython_shared.*.so"))
    return [] if ONLY and built else [Extension(SHARED, ["ipc/cython_shared.c"], extra_compile_args=["-O2"])]


setup(
    packages=find_packages(include=[f"{package}*" for package in PACKAGES]),
    ext_modules=cythonize(
        [*shared(), *extensions()],
        shared_utility_qualified_name=SHARED,
        build_dir="build/cython-checked" if CHECKED else "build/cython",
        compiler_directives=DIRECTIVES,
        nthreads=os.cpu_count() or 1,
    ),
)
