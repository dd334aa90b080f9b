"""How a verb shows its result: one JSON object with --json, else text for people."""

import sys
from collections.abc import Callable
from typing import Any

import click
import msgspec

json_option = click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output, nothing else.")
config_option = click.option(
    "--config", "config_path", type=click.Path(dir_okay=False), help="TOML file; bot4.toml in this folder by default."
)


def emit(result: Any, as_json: bool, human: Callable[[], str]) -> None:
    """Prints a result: `human` is called only when it is wanted."""
    if as_json:
        print(msgspec.json.encode(result, enc_hook=plain).decode())
    else:
        print(human())


def plain(value: Any) -> Any:
    """numpy scalars and paths as what JSON knows."""
    if hasattr(value, "item"):
        return value.item()
    if hasattr(value, "__fspath__"):
        return str(value)
    raise TypeError(f"{type(value).__name__} cannot be shown")


def progress(text: str, as_json: bool) -> None:
    """A line about what is going on, to standard error, only for people."""
    if not as_json:
        print(text, file=sys.stderr, flush=True)


def table(headers: list[str], rows: list[list[str]]) -> str:
    """Columns, the first to the left, the others to the right."""
    widths = [max(len(str(row[i])) for row in [headers, *rows]) for i in range(len(headers))]
    lines = [
        "  ".join(
            str(cell).ljust(width) if i == 0 else str(cell).rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in [headers, *rows]
    ]
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:]])
