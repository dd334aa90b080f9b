"""Reads a panel from files and checks its dates."""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from models.extras import optional
from models.faults import DataFault, Fault
from models.panel.dates import date_column, is_date, is_date_name, to_dates, to_numbers
from models.panel.panel import Panel
from models.panel.table import read_table

Array = np.ndarray[Any, Any]
SLIPS = 0.5  # a column with more cells than this that are no numbers was never meant to be one


def read_panel(paths: Sequence[Path | str] | Path | str, *, columns: Sequence[str] = ()) -> Panel:
    """One panel from files that hold different series of the same dates, or one file.

    CSV (plain or .gz, a header line, commas or semicolons), Parquet and Feather (extra `research`). The dates are the
    column named date, time or the like, else the only one that begins with a date; without one the rows are numbered.
    Columns that hold anything but numbers are left out and noted, further dates too; none of `columns`. Raises Fault,
    DataFault, ExtraMissing.
    """
    listed = [paths] if isinstance(paths, (str, Path)) else list(paths)
    if not listed:
        raise Fault("no data file was given")
    try:
        panels = [read_file(Path(path), columns) for path in listed]
    except OSError as error:
        raise Fault(f"{error.filename or listed[0]}: cannot be read: {error.strerror or error}") from None
    whole = panels[0] if len(panels) == 1 else joined(panels, [str(path) for path in listed])
    return checked_dates(whole.only(columns), str(listed[0]))


def read_file(path: Path, asked: Sequence[str] = ()) -> Panel:
    """One file, every column that holds numbers; a column `asked` for must hold them."""
    header, cells = columns_of(path)
    dated = date_column(header)
    if dated is None and all(to_numbers([name]) is not None or is_date(name) for name in header):
        raise DataFault(f"{path}: the first line holds values ({', '.join(header[:3])}), not the names of the columns")
    dated = only_dates(cells) if dated is None else dated
    repeated = sorted({name for name in header if header.count(name) > 1})
    if repeated:
        raise DataFault(f"{path}: two columns are called {repeated[0]!r}; rename one")
    rows = len(cells[0]) if cells else 0
    dates = to_dates(cells[dated], path) if dated is not None else np.arange(rows).astype("datetime64[ns]")
    names, values, left_out, further = [], [], [], []
    wanted = {name.lower() for name in asked}
    for i, name in enumerate(header):
        if i == dated:
            continue
        numbers = to_numbers(cells[i]) if name.strip() else None
        if is_date_name(name):
            further.append(name.strip())
        elif numbers is None:
            left_out.append(name.strip() or f"column {i + 1}, which has no name")
            slips = 1.0 if name.strip().lower() in wanted else SLIPS
            refuse_slip(name, cells[i], dates, dated is not None, path, slips)
        else:
            names.append(name.strip())
            values.append(numbers)
    if not names or rows == 0:
        cell = next((column[0] for i, column in enumerate(cells) if i != dated and len(column)), None)
        example = "" if cell is None else f", and the others numbers like 1234.5, not {cell!r}"
        raise DataFault(
            f"{path}: no column of numbers and rows; the first line must hold the names of the columns{example}"
        )
    notes = [f"COLUMN_NOT_NUMBERS: {', '.join(left_out)} left out"] if left_out else []
    if further and dated is not None:
        notes.append(f"DATES_TWICE: {', '.join(further)} left out, the dates are those of {header[dated].strip()}")
    return Panel(tuple(names), dates, np.column_stack(values), dated is not None, tuple(notes))


def only_dates(cells: list[Any]) -> int | None:
    """The one column that begins with a date and is no number, whatever its name; None without one or with several.

    A data frame's index without a name is written as `__index_level_0__`, and rows taken without their dates would be
    read in whatever order they stand.
    """
    found = [
        i
        for i, column in enumerate(cells)
        if len(column) and to_numbers(column[:1]) is None and is_date(str(column[0]))
    ]
    return found[0] if len(found) == 1 else None


def refuse_slip(name: str, cells: Any, dates: Array, dated: bool, path: Path, slips: float) -> None:
    """Raises DataFault for a column with a share of at most `slips` cells that are no numbers: it is not left out."""
    wrong = [row for row, cell in enumerate(cells) if to_numbers([cell]) is None]
    if name.strip() and 0 < len(wrong) <= slips * len(cells):
        cell, place = cells[wrong[0]], Panel((), dates, np.empty((len(dates), 0)), dated).place(wrong[0])
        mend = "write it like 1234.5" if is_written_out(cell) else "mend it or leave it empty"
        raise DataFault(f"{path}: {name.strip()} is {cell!r} on {place}, no number; {mend}")


def is_written_out(cell: Any) -> bool:
    """A number with separators of thousands, a decimal comma, a sign of a currency or of per cent."""
    return bool(re.fullmatch(r"[-+(]?[^\w.,-]?\s*\d[\d.,' \u00a0\u202f]*\s*[^\w.,]?\)?", str(cell).strip()))


def columns_of(path: Path) -> tuple[list[str], list[Any]]:
    """(header, a sequence of cells for each column)."""
    name = path.name.lower()
    if name.endswith((".parquet", ".pq")):
        return arrow_columns(optional("pyarrow.parquet").read_table, path)
    if name.endswith((".feather", ".arrow")):
        return arrow_columns(optional("pyarrow.feather").read_table, path)
    header, lines = read_table(path)
    return header, list(zip(*(cells for _, cells in lines), strict=True)) or [()] * len(header)


def arrow_columns(read: Callable[[str], Any], path: Path) -> tuple[list[str], list[Any]]:
    if not path.exists():
        raise FileNotFoundError(2, "No such file or directory", str(path))
    try:
        found = read(str(path))
    except Exception as error:  # pyarrow has no base class of its own for a damaged file
        raise DataFault(f"{path}: cannot be read ({' '.join(str(error).split())[:120]})") from None
    return list(found.column_names), [column.to_numpy() for column in found.columns]


def joined(panels: list[Panel], paths: list[str]) -> Panel:
    """Several files side by side on all their dates; a name that two files share gets its file's before it."""
    if not all(panel.dated for panel in panels):
        raise Fault("several files can only be joined by their dates, and one of them has no date column")
    for panel, path in zip(panels, paths, strict=True):
        checked_dates(panel, path)
    dates = np.unique(np.concatenate([panel.dates for panel in panels]))
    every = [name for panel in panels for name in panel.names]
    names: list[str] = []
    values = []
    for panel, path in zip(panels, paths, strict=True):
        rows = np.searchsorted(dates, panel.dates)
        stem = Path(path).name.split(".")[0]
        for i, name in enumerate(panel.names):
            column = np.full(len(dates), np.nan)
            column[rows] = panel.values[:, i]
            names.append(f"{stem}.{name}" if every.count(name) > 1 else name)
            values.append(column)
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise Fault(f"two files hold a series {twice[0]}: give each file once, or rename the column in one")
    return Panel(tuple(names), dates, np.column_stack(values), True, tuple(n for panel in panels for n in panel.notes))


def checked_dates(panel: Panel, where: str) -> Panel:
    """The same panel, oldest row first, every date once.

    A file written newest first is turned round, and a row that repeats its date with the same values is left out; both
    are noted. Raises DataFault on a date with two different values and on a date out of order.
    """
    if len(panel.dates) > 1 and panel.dates[0] > panel.dates[-1]:
        turned = replace(panel, dates=panel.dates[::-1], values=panel.values[::-1])
        panel = replace(turned, notes=(*turned.notes, f"NEWEST_FIRST: {len(panel.dates):,} rows turned round"))
    steps = np.diff(panel.dates)
    back = np.flatnonzero(steps < np.timedelta64(0))
    if len(back):
        row = int(back[0]) + 1
        raise DataFault(f"{where}: {panel.place(row)} comes after {panel.place(row - 1)}; sort the file by date")
    twice = np.flatnonzero(steps == np.timedelta64(0)) + 1
    if len(twice) == 0:
        return panel
    for row in map(int, twice):
        if not np.array_equal(panel.values[row], panel.values[row - 1], equal_nan=True):
            raise DataFault(
                f"{where}: the date {panel.place(row)} stands twice with different values ({len(twice):,} dates stand "
                f"twice); keep one of each"
            )
    keep = np.ones(len(panel.dates), dtype=bool)
    keep[twice] = False
    note = f"DATE_REPEATED: {len(twice):,} rows left out that repeat a date with the same values"
    return replace(panel, dates=panel.dates[keep], values=panel.values[keep], notes=(*panel.notes, note))
