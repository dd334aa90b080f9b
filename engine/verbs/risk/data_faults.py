"""What a model says of data it cannot use, with the series and the dates that it was given."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from models.panel import Panel

SHOWN = 6  # names in one line


@contextmanager
def on(panel: "Panel", names: tuple[str, ...] = ()) -> Iterator[None]:
    """A DataFault raised inside gets the series and the first and last date appended: models know neither.

    `names`: the series behind the panel, where its own is made of them.
    """
    from models.faults import DataFault

    try:
        yield
    except DataFault as fault:
        raise DataFault(f"{fault} ({described(panel, names)})") from None


def described(panel: "Panel", names: tuple[str, ...] = ()) -> str:
    """The series and the span of a panel, in brackets behind a message."""
    series = names or panel.names
    listed = ", ".join(series[:SHOWN]) + (f" and {len(series) - SHOWN} more" if series[SHOWN:] else "")
    if len(panel.dates) == 0:
        return f"{listed}: no rows"
    return f"{listed}: {len(panel.dates):,} rows, {panel.place(0)} to {panel.place(len(panel.dates) - 1)}"


def require(panel: "Panel", least: int, purpose: str, names: tuple[str, ...] = ()) -> None:
    """Raises DataFault when there are fewer than `least` rows for that purpose: too few is the data's fault, always."""
    from models.faults import DataFault

    if len(panel.dates) < least:
        raise DataFault(f"too few returns to {purpose}: {least:,} are needed ({described(panel, names)})")
