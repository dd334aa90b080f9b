"""The one place that knows that a library may be missing: those of the optional extras `research` and `inference`."""

import importlib
from typing import Any

EXTRA_OF = {"onnx": "research", "lightgbm": "research", "onnxruntime": "inference"}


class ExtraMissing(ImportError):
    """A library of an optional extra is not installed; the text says how to get it."""


def optional(module: str) -> Any:
    """The imported module. Raises ExtraMissing with one line that says which extra brings it."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ExtraMissing(f"{module} is not installed ({error}): pip install 'bot4[{EXTRA_OF[module]}]'") from None
