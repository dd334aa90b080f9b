"""Bars that outlive the process: those of the last refit, in a file of the run. A new process goes on with them."""

import os
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def save(path: Path, returns: Array) -> None:
    """returns: (bars, n). Whole or not at all; not synced: a power cut ends the run's shared memory too."""
    fresh = path.with_name(f"{path.name}.new")
    with fresh.open("wb") as file:
        np.save(file, returns, allow_pickle=False)
    os.replace(fresh, path)


def load(path: Path, instruments: int) -> Array:
    """(bars, instruments), no rows where nothing was saved; what cannot be used is said in the log."""
    nothing = np.zeros((0, instruments))
    try:
        found = np.load(path, allow_pickle=False)
    except FileNotFoundError:
        return nothing
    except (OSError, ValueError, EOFError) as error:
        print(f"HISTORY_LOST: {path.name}: {error}: the bars begin anew", file=sys.stderr)
        return nothing
    if found.dtype != np.float64 or found.ndim != 2 or found.shape[1] != instruments or not np.isfinite(found).all():
        print(f"HISTORY_LOST: {path.name} holds {found.dtype} {found.shape}: the bars begin anew", file=sys.stderr)
        return nothing
    return np.asarray(found)
