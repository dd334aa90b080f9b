"""A table as text: CSV, plain or gzip, checked to be one before a number is taken from it."""

import csv
import gzip
import io
import zlib
from collections.abc import Iterator
from pathlib import Path

from models.faults import DataFault


def read_table(path: Path | str) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """(header, [(line number, cells)]), every line as wide as the header. Raises DataFault, OSError."""
    lines = list(table_lines(text_of(Path(path)), path))
    if not lines:
        raise DataFault(f"{path}: the file is empty")
    header = lines[0][1]
    for number, cells in lines[1:]:
        if len(cells) != len(header):
            raise DataFault(f"{path}: line {number} has {len(cells)} cells, the header {len(header)}")
    return header, lines[1:]


def read_records(path: Path | str) -> tuple[list[str], list[tuple[int, dict[str, str]]]]:
    """(header, [(line number, column -> cell)]). Raises DataFault, OSError."""
    header, lines = read_table(path)
    names = [name.strip() for name in header]
    return names, [(number, dict(zip(names, map(str.strip, cells), strict=True))) for number, cells in lines]


def text_of(path: Path) -> str:
    raw = path.read_bytes()
    try:
        return (gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw).decode("utf-8-sig")
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataFault(f"{path}: the gzip file is damaged ({error}); fetch it again") from None
    except UnicodeDecodeError as error:
        raise DataFault(f"{path}: byte {error.start} is no text; give CSV, Parquet or Feather") from None


def table_lines(text: str, path: Path | str) -> Iterator[tuple[int, list[str]]]:
    """(line number, cells) of each line that holds something; a comment starts with # or, as some venues do, a URL."""
    first = next((line for line in text.splitlines() if line.strip() and not is_remark(line)), "")
    delimiter = ";" if first.count(";") > first.count(",") else "," if "," in first else "\t" if "\t" in first else ","
    reader = csv.reader(io.StringIO(text), delimiter=delimiter)
    try:
        for line in reader:
            if line and any(cell.strip() for cell in line) and not is_remark(line[0]):
                yield reader.line_num, line
    except csv.Error as error:
        raise DataFault(f"{path}: line {reader.line_num} is no CSV ({error})") from None


def is_remark(line: str) -> bool:
    return line.lstrip().startswith(("#", "http://", "https://"))
