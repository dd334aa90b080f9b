"""Dates as files write them: ISO texts, US dates, epoch numbers in four units, Arrow's own."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from models.faults import DataFault

Array = np.ndarray[Any, Any]

COLUMN_NAMES = ("date", "time", "datetime", "timestamp", "day", "unix")
MISSING = frozenset({"", "na", "nan", "null", "none", "."})
EPOCH_UNITS = ((1e17, "ns"), (1e14, "us"), (1e11, "ms"), (1e8, "s"))
EARLIEST, LATEST = np.datetime64("1678-01-01", "s"), np.datetime64("2262-01-01", "s")  # of 64 bits of nanoseconds
LARGEST = 9.22e18  # of 64 bits; in nanoseconds after `LATEST`
OFFSET = re.compile(r":\d\d(\.\d+)?[+-]\d\d:?\d\d$")


def date_column(header: list[str]) -> int | None:
    """The column that holds the dates; an unnamed first one is the index that data frames write."""
    lower = [name.strip().lower() for name in header]
    for name in COLUMN_NAMES:
        if name in lower:
            return lower.index(name)
    return 0 if lower and lower[0] == "" else None


def is_date_name(name: str) -> bool:
    return name.strip().lower() in COLUMN_NAMES


def is_date(text: str) -> bool:
    """Whether a text is a date as `to_dates` reads it."""
    try:
        return not np.isnat(to_dates([text], Path())[0])
    except DataFault:
        return False


def to_numbers(cells: Any) -> Array | None:
    """float64 with NaN for an empty cell, or None when a cell holds something else."""
    if isinstance(cells, np.ndarray) and cells.dtype.kind != "O":
        return cells.astype(np.float64) if cells.dtype.kind in "iufb" else None
    try:
        return np.array([to_number(cell) for cell in cells], dtype=np.float64)
    except (TypeError, ValueError):
        return None


def to_number(cell: Any) -> float:
    """A text, an Arrow decimal or nothing. Raises TypeError and ValueError."""
    if cell is None or (isinstance(cell, str) and cell.strip().lower() in MISSING):
        return float("nan")
    return float(cell)


def to_dates(cells: Any, path: Path) -> Array:
    """datetime64[ns] from ISO texts, US dates, epoch numbers (each unit by its size) or Arrow's own dates."""
    if isinstance(cells, np.ndarray) and cells.dtype.kind == "M":
        dates = cells.astype("datetime64[ns]")
        if np.isnat(dates).any():
            raise DataFault(f"{path}: row {int(np.argmax(np.isnat(dates))) + 1} has no date")
        return dates
    numbers = to_numbers(cells)
    if numbers is not None and len(numbers) and np.isfinite(numbers).all() and numbers.min() >= EPOCH_UNITS[-1][0]:
        return from_epoch(numbers, path)
    texts = [str(cell).strip() for cell in cells]
    if texts and texts[0].count("/") == 2:
        texts = from_slashes(texts, path)
    found = np.empty(len(texts), dtype="datetime64[ns]")
    for row, text in enumerate(texts):
        try:
            date = iso(text)
            if not EARLIEST <= np.datetime64(date, "s") < LATEST:  # not a date has no order either
                raise ValueError
            found[row] = np.datetime64(date, "ns")
        except ValueError:
            raise DataFault(f"{path}: {text!r} in row {row + 1} is no date; write it like 2008-01-31") from None
    return found


def from_epoch(numbers: Array, path: Path) -> Array:
    """Seconds, ms, us or ns since 1970, told apart row by row: some venues changed the unit within one file."""
    dates = np.empty(len(numbers), dtype="datetime64[ns]")
    above = np.inf
    for least, unit in EPOCH_UNITS:
        rows = (numbers >= least) & (numbers < above)
        given = np.minimum(numbers[rows], LARGEST).astype(np.int64).astype(f"datetime64[{unit}]")
        if not (given < LATEST).all():
            raise DataFault(f"{path}: {numbers[rows][np.argmax(given)]:.0f} is no date; write it like 2008-01-31")
        dates[rows] = given.astype("datetime64[ns]")
        above = least
    return dates


def from_slashes(texts: list[str], path: Path) -> list[str]:
    """1/31/2008 or 31/1/2008 as ISO: which it is, a day above 12 somewhere in the column must tell."""
    parts = [text.split(" ")[0].split("/") for text in texts]
    try:
        first, second = (max(int(part[i]) for part in parts) for i in (0, 1))
        if (first > 12) == (second > 12):
            raise DataFault(f"{path}: {texts[0]!r} may be day/month or month/day; write dates like 2008-01-31")
        month, day = (1, 0) if first > 12 else (0, 1)
        return [f"{int(part[2]):04d}-{int(part[month]):02d}-{int(part[day]):02d}" for part in parts]
    except (ValueError, IndexError) as error:
        if isinstance(error, DataFault):
            raise
        raise DataFault(f"{path}: not every date is written like {texts[0]!r}; write them like 2008-01-31") from None


def iso(text: str) -> str:
    """20080131, a trailing Z, an offset such as -05:00 taken to UTC, or 09-PM for the hour, as numpy reads them.

    Raises ValueError for a number that is no date, such as the 39478 of a spreadsheet, which numpy takes for a year.
    """
    text = text.removesuffix("Z").removesuffix("+00:00")
    if text.isdigit() and len(text) not in (4, 8):
        raise ValueError
    if OFFSET.search(text):
        return datetime.fromisoformat(text).astimezone(UTC).replace(tzinfo=None).isoformat()
    if len(text) >= 8 and text[:8].isdigit():
        text = f"{text[:4]}-{text[4:6]}-{text[6:8]}{text[8:]}"
    if text.endswith(("-AM", "-PM")):
        hour = int(text[-5:-3]) % 12 + (12 if text.endswith("PM") else 0)
        text = f"{text[:-5]}{hour:02d}:00"
    return text
