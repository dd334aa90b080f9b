"""Returns of a panel, after the checks that a price series must pass before a number is taken from it."""

from dataclasses import replace
from typing import Any, Literal

import numpy as np

from models.faults import DataFault
from models.panel.panel import Panel

Array = np.ndarray[Any, Any]

SHOWN = 3  # places named in one line
SPLIT_PERCENTILES = 6.0  # a split is this many times the 95th percentile of the absolute moves
SPLIT_TOLERANCE = 0.03  # a 7-for-1 split with a day's move: 6.89; a fall of 52 % (AAPL, 2000-09-29, earnings): 2.08
LOG_LEAST_SPLIT = 0.64  # of 1.9
LEAST_PRICES = 20
HOLE_STEPS = 5  # a weekend and a holiday are 4


def returns_of(
    panel: Panel, *, are_returns: bool, kind: Literal["log", "simple"] = "log", complete: bool = True
) -> Panel:
    """Returns of the panel's series, as fractions of the price before.

    `complete`: rows that lack one of the series are left out first, and noted; a return then reaches from one whole row
    to the next. Else a return stands where both rows hold a price, NaN elsewhere. Holes in the dates are noted.
    Raises DataFault on a price of zero or below, on what looks like an unadjusted split, on an infinite value, on
    returns that cannot be any, and on a series that never moves.
    """
    infinite = np.argwhere(np.isinf(panel.values))
    if len(infinite):
        row, column = infinite[0]
        raise DataFault(f"{panel.names[column]} is infinite on {panel.place(row)}; leave the cell empty or mend it")
    found = complete_rows(panel) if complete else panel
    if not are_returns:
        check_prices(found)
        ratios = found.values[1:] / found.values[:-1]
        found = replace(found, dates=found.dates[1:], values=np.log(ratios) if kind == "log" else ratios - 1.0)
    else:
        check_returns(found, kind)
    check_moving(found)
    return replace(found, notes=(*found.notes, *holes(found)))


def holes(panel: Panel) -> tuple[str, ...]:
    """A note when dates are absent: steps of more than `HOLE_STEPS` times the usual one."""
    if not panel.dated or len(panel.dates) < LEAST_PRICES:
        return ()
    steps = np.diff(panel.dates).astype(np.int64)
    rows = np.flatnonzero(steps > HOLE_STEPS * np.median(steps))
    if len(rows) == 0:
        return ()
    longest = int(rows[np.argmax(steps[rows])])
    days = steps[longest] / 86_400e9
    where = f"{panel.place(longest)} to {panel.place(longest + 1)}"
    return (f"HOLES: {len(rows):,} in the dates, the longest of {days:,.3g} days from {where}",)


def complete_rows(panel: Panel) -> Panel:
    """Only rows where every series has a value; how many were left out, and for which series, is noted."""
    absent = np.isnan(panel.values)
    whole: Array = np.logical_not(absent.any(axis=1))
    left_out = len(whole) - int(whole.sum())
    if left_out == 0:
        return panel
    worst = int(np.argmax(absent.sum(axis=0)))
    if not whole.any():
        raise DataFault(
            f"no row holds all {len(panel.names)} series ({panel.names[worst]} is absent in "
            f"{int(absent[:, worst].sum()):,} of {len(panel.dates):,}); choose series with --column"
        )
    note = (
        f"ROWS_INCOMPLETE: {left_out:,} of {len(whole):,} rows left out, most for want of {panel.names[worst]} "
        f"({int(absent[:, worst].sum()):,}, first on {panel.place(int(np.argmax(absent[:, worst])))})"
    )
    return replace(panel, dates=panel.dates[whole], values=panel.values[whole], notes=(*panel.notes, note))


def check_prices(panel: Panel) -> None:
    """Raises DataFault on a price that is not positive and on an unadjusted split."""
    wrong = np.argwhere(panel.values <= 0.0)
    if len(wrong):
        row, column = wrong[0]
        price = panel.values[row, column]
        raise DataFault(
            f"{panel.names[column]} is {price:g} on {panel.place(row)}: a price must be above 0; "
            f"give --returns if these are returns"
        )
    for column, name in enumerate(panel.names):
        rows = suspected_splits(panel.values[:, column])
        if rows:
            places = ", ".join(
                f"{panel.place(row)} ({panel.values[row, column] / panel.values[row - 1, column] - 1:+.0%})"
                for row in rows[:SHOWN]
            )
            raise DataFault(f"{name}: unadjusted split on {places}; adjust the prices before it, or give --returns")


def check_returns(panel: Panel, kind: str) -> None:
    """Raises DataFault on what was called returns and is none: prices, or a simple return of less than -100 %."""
    for column, name in enumerate(panel.names):
        known = panel.values[np.isfinite(panel.values[:, column]), column]
        if len(known) >= LEAST_PRICES and known.min() > 0.0 and np.median(known) > 1.0:
            raise DataFault(
                f"{name}: all {len(known):,} returns are above 0 and half above 100 %: these look like prices; "
                f"leave out --returns"
            )
    below = np.argwhere(panel.values < -1.0)
    if kind == "simple" and len(below):
        row, column = below[0]
        raise DataFault(
            f"{panel.names[column]} is {panel.values[row, column]:g} on {panel.place(row)}: a simple return is a "
            f"fraction, not below -1; divide by 100 if these are per cent"
        )


def suspected_splits(prices: Array) -> list[int]:
    """Rows whose price is a near-whole multiple or fraction of the one before, far beyond all that the series moves.

    A split is one move of 1/2, 1/3, ... or 2, 3, ... (to 3 %) that is more than `SPLIT_PERCENTILES` times the 95th
    percentile of the series' absolute log returns: a fall by half in a series whose 95th percentile is 12 % or more
    passes, for that may be a crash.
    """
    known = np.flatnonzero(np.isfinite(prices))
    if len(known) < LEAST_PRICES:
        return []
    moves = np.diff(np.log(prices[known]))
    bound = max(LOG_LEAST_SPLIT, SPLIT_PERCENTILES * float(np.quantile(np.abs(moves), 0.95)))
    large = np.flatnonzero(np.abs(moves) >= bound)
    multiples = np.exp(np.abs(moves[large]))
    whole = np.abs(multiples / np.round(multiples) - 1.0) < SPLIT_TOLERANCE
    return [int(known[i + 1]) for i in large[whole]]


def check_moving(panel: Panel) -> None:
    """Raises DataFault when a series has fewer than two values, or only one value."""
    for column, name in enumerate(panel.names):
        series = panel.values[:, column]
        known = series[np.isfinite(series)]
        if len(known) < 2:
            raise DataFault(f"{name} has {len(known)} returns{span(panel)}; at least two are needed")
        if np.all(known == known[0]):
            raise DataFault(
                f"{name} is constant ({known[0]:g}) over all {len(known):,} rows{span(panel)}: it carries no risk "
                f"that could be estimated; leave it out"
            )


def span(panel: Panel) -> str:
    """The first and last date of a panel that has rows, for the middle of a sentence."""
    if len(panel.dates) == 0:
        return ""
    return f", {panel.place(0)} to {panel.place(len(panel.dates) - 1)}"
