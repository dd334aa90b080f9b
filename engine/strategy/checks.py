"""Looks at a strategy's text before anything is compiled, so that a mistake gets one line a reader can act on."""

from collections.abc import Mapping
from pathlib import Path
from types import FunctionType
from typing import Any

import numpy as np

from engine.strategy.contract import Callback


def check(
    folder: Path,
    functions: tuple[FunctionType, ...],
    callbacks: Mapping[str, Callback],
    state: "np.dtype[Any]",
    params: "np.dtype[Any]",
) -> None:
    pass
