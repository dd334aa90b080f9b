"""A portfolio as a file names it, and its exposures and history on a panel of prices."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from models.faults import DataFault, Fault
from models.market_risk.order_statistics import Floats
from models.panel import Panel, read_table

AMOUNTS = ("quantity", "weight")


@dataclass(frozen=True)
class Portfolio:
    """names and amounts (assets,); kind: `quantity` (units of the instrument, negative for short) or `weight`."""

    names: tuple[str, ...]
    amounts: Floats
    kind: str

    def exposures(self, prices: Floats, value: float = 1.0) -> Floats:
        """Money in each position (assets,): quantity times last price, or weight times the portfolio's value."""
        return self.amounts * (prices if self.kind == "quantity" else value)


def read_portfolio(path: Path | str) -> Portfolio:
    """Reads lines under a header `instrument,quantity` or `instrument,weight`. Raises Fault, DataFault, OSError."""
    first, lines = read_table(path)
    header = [cell.strip().lower() for cell in first]
    if len(header) != 2 or header[0] != "instrument" or header[1] not in AMOUNTS:
        raise Fault(f"{path}: the first line must be instrument,quantity or instrument,weight, not {','.join(first)!r}")
    names, amounts = [], []
    for number, cells in lines:
        row = [cell.strip() for cell in cells]
        if not row[0]:
            raise DataFault(f"{path}: line {number} is not instrument,{header[1]}: {','.join(row)!r}")
        names.append(row[0])
        amounts.append(amount_of(row[1], f"{path}: line {number}, {row[0]}"))
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise DataFault(f"{path}: {repeated[0]} stands in two lines; add them up into one")
    if not names or not any(amounts):
        raise DataFault(f"{path}: no position that is not zero")
    return Portfolio(tuple(names), np.array(amounts), header[1])


def amount_of(text: str, where: str) -> float:
    try:
        found = float(text)
    except ValueError:
        raise DataFault(f"{where}: {text!r} is no number") from None
    if not np.isfinite(found):
        raise DataFault(f"{where}: {text!r} must be finite")
    return found


def equal_weights(names: tuple[str, ...]) -> Portfolio:
    """The same weight in each."""
    return Portfolio(names, np.full(len(names), 1.0 / len(names)), "weight")


def last_prices(panel: Panel) -> Floats:
    """The last value of each series (assets,). Raises DataFault for one that has none."""
    found = np.empty(len(panel.names))
    for i, name in enumerate(panel.names):
        rows = np.flatnonzero(np.isfinite(panel.values[:, i]))
        if len(rows) == 0:
            raise DataFault(f"{name} has no price at all")
        found[i] = panel.values[rows[-1], i]
    return found


def history_of(returns: Panel, exposures: Floats) -> tuple[Any, Floats, tuple[str, ...]]:
    """Dates (n,), the return of the portfolio on its gross exposure (n,), and notes.

    The same exposures on every day. Where a series has no return, the others take its share: the sum over those present
    is divided by their gross exposure, and a note counts such days. Days without any are left out, and noted.
    """
    present = np.isfinite(returns.values) & (exposures != 0.0)
    gross = np.where(present, np.abs(exposures), 0.0).sum(axis=1)
    gains = np.where(present, returns.values * exposures, 0.0).sum(axis=1)
    used = gross > 0.0
    if not used.any():
        raise DataFault("no day has a return of any position")
    whole = float(np.abs(exposures).sum())
    short = int(np.sum(used & (gross < whole * (1.0 - 1e-12))))
    notes = []
    if short:
        notes.append(
            f"SHARED_OUT: on {short:,} of {len(used):,} days some positions have no return; the others took their share"
        )
    if not used.all():
        notes.append(f"DAYS_EMPTY: {int((~used).sum()):,} days without any return left out")
    return returns.dates[used], gains[used] / gross[used], tuple(notes)
