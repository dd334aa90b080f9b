"""Options that hold for all instruments or for one: `--cost-bps 5 --cost-bps AAPL=3`."""

import difflib
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from models.faults import Fault

if TYPE_CHECKING:
    from models.panel import Panel

Array = np.ndarray[Any, np.dtype[np.float64]]


def number(text: str, option: str) -> float:
    """A finite number. Raises Fault naming the option."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise Fault(f"{option}: {text!r} is not a number; write {option} 5 or {option} NAME=5")
    return value


def member(name: str, names: Sequence[str], option: str) -> int:
    """The place of a name, in whatever case. Raises Fault with the nearest one."""
    folded = [each.lower() for each in names]
    if name.lower() in folded:
        return folded.index(name.lower())
    near = difflib.get_close_matches(name.lower(), folded, n=1)
    hint = names[folded.index(near[0])] if near else ", ".join(names[:8])
    raise Fault(f"{option}: there is no {name!r}; {'did you mean ' + hint + '?' if near else 'there are ' + hint}")


def per_name(given: Sequence[str], names: Sequence[str], option: str, default: float) -> Array:
    """(n,) values: the last bare number for all, NAME=number for one. Raises Fault on anything else."""
    values = np.full(len(names), default)
    for text in [text for text in given if "=" not in text]:
        values[:] = number(text, option)
    for name, value in pairs(given, option):
        values[member(name, names, option)] = number(value, option)
    return values


def pairs(given: Sequence[str], option: str) -> list[tuple[str, str]]:
    """(name, value) of each NAME=VALUE. Raises Fault when a side is empty."""
    found = []
    for text in given:
        name, sign, value = text.partition("=")
        if sign:
            if not name.strip() or not value.strip():
                raise Fault(f"{option}: {text!r} is not NAME=VALUE")
            found.append((name.strip(), value.strip()))
    return found


def simple_returns(data: Sequence[str], columns: Sequence[str], are_returns: bool) -> "tuple[Panel, Panel]":
    """(the panel as read, its simple returns on the rows that hold every series)."""
    from models.panel import read_panel, returns_of

    panel = read_panel(list(data), columns=columns)
    return panel, returns_of(panel, are_returns=are_returns, kind="simple")
