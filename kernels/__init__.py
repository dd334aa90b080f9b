"""Pure array maths. Imports nothing of ours; no clock, no I/O, no state.

One exception, here: numba keeps machine code beside each file and renews it when that file changes, but not when a
function that it calls in another file does, and would then go on running the old code. So all kernels share a cache
folder that is named by the hash of all their sources.
"""

import hashlib
import os
import sys
from pathlib import Path


def cache_folder() -> Path:
    """Where this very source's machine code is kept: build/kernels/<hash>."""
    here = Path(__file__).resolve().parent
    digest = hashlib.blake2b(digest_size=12)
    for path in sorted(here.rglob("*.py")):
        digest.update(path.relative_to(here).as_posix().encode() + b"\0" + path.read_bytes())
    return here.parent / "build" / "kernels" / digest.hexdigest()


def set_cache() -> None:
    """Tells numba, imported already or not. A folder that the environment names is left alone."""
    if "NUMBA_CACHE_DIR" in os.environ:
        return
    os.environ["NUMBA_CACHE_DIR"] = str(cache_folder())
    if "numba" in sys.modules:
        sys.modules["numba"].config.reload_config()


set_cache()
