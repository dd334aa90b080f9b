"""The one place that knows that a library may be missing: those of the optional extras `research` and `inference`."""

import importlib
from typing import Any

EXTRA_OF = {"onnx": "research", "lightgbm": "research", "onnxruntime": "inference", "pyarrow": "research"}


class ExtraMissing(ImportError):
    """A library of an optional extra is not installed; the text says how to get it."""


def optional(module: str) -> Any:
    """The imported module. Raises ExtraMissing with one line that says which extra brings it."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        extra = EXTRA_OF[module.split(".", maxsplit=1)[0]]
        raise ExtraMissing(
            f"{module} is not installed ({error}): it comes with the extra {extra!r}; "
            f".venv/bin/uv pip install -r requirements/research.txt, or make lint, which installs all extras"
        ) from None
