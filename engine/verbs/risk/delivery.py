"""How a risk verb ends: its report is written, its result printed; a report that fails never costs the result."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from engine.errors import Exit, UserError
from engine.verbs.output import emit, progress


def report_path(given: str | None, verb: str, as_json: bool) -> Path:
    """Where the report goes: as asked, else a new file under runs/risk named after the time in UTC.

    Looked at before the work starts: people read at once that it cannot be written there.
    """
    name = f"{verb}-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}.html"
    path = Path(given) if given else Path("runs") / "risk" / name
    why = unwritable(path)
    if why is not None:
        progress(f"{path}: the report cannot be written ({why}); the result will be shown without it", as_json)
    return path


def unwritable(path: Path) -> str | None:
    """Why no file can be written there, as far as that shows without writing; None when nothing speaks against it."""
    if path.is_dir():
        return "it is a folder"
    folder = path.parent
    while not os.path.lexists(folder) and folder != folder.parent:
        folder = folder.parent
    if not folder.is_dir():
        return f"{folder} is no folder"
    return None if os.access(folder, os.W_OK | os.X_OK) else f"{folder} may not be written to"


def deliver(result: Any, as_json: bool, human: Callable[[], str], path: Path, write: Callable[[Path], None]) -> None:
    """Writes the report by `write`, prints the result, and only then raises what went wrong with the report.

    A result that is a dictionary gets the key `report`: the path, or None with a note REPORT_NOT_WRITTEN.
    """
    failure: Exception | None = None
    try:
        write(path)
    except Exception as error:  # whatever it is, the result is printed before it is raised
        failure = error
    if isinstance(result, dict):
        result["report"] = None if failure else str(path)
        if failure:
            result["notes"] = [*result.get("notes", ()), f"REPORT_NOT_WRITTEN: {path}"]
    emit(result, as_json, human)
    if isinstance(failure, OSError):
        raise UserError(f"{path}: the report cannot be written: {failure.strerror}", Exit.FAILED) from None
    if failure is not None:
        raise failure
