"""Leveraged positions as a file names them, and what each loses when its exchange liquidates it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models.faults import DataFault, Fault
from models.market_risk.margin import Liquidation, Position, Tiers, liquidation, liquidation_probability, tiers_of
from models.market_risk.portfolio import amount_of, last_prices
from models.market_risk.stress import Stress
from models.panel import Panel, read_records

COLUMNS = ("instrument", "contract", "quantity", "entry_price", "margin", "tiers")
OPTIONAL = ("face", "fee_rate")
HORIZON_STEPS = 10


@dataclass(frozen=True)
class MarginPosition:
    """A position and the maintenance tiers of its instrument."""

    instrument: str
    position: Position
    tiers: Tiers


def read_margin(path: Path | str) -> list[MarginPosition]:
    """Reads instrument,contract,quantity,entry_price,margin,tiers[,face][,fee_rate].

    tiers: floor:rate pairs, as `0:0.004 50000:0.005`, notional in settlement currency. Raises Fault, DataFault and
    OSError.
    """
    header, rows = read_records(path)
    if not set(COLUMNS) <= set(header) or set(header) - {*COLUMNS, *OPTIONAL}:
        raise Fault(
            f"{path}: columns are {', '.join(COLUMNS)} and perhaps {', '.join(OPTIONAL)}; got {', '.join(header)}"
        )
    found = []
    for number, row in rows:
        where = f"{path}: line {number}, {row['instrument']}"
        given = {name: amount_of(row[name], where) for name in ("quantity", "entry_price", "margin")}
        given |= {name: amount_of(row[name], where) for name in OPTIONAL if row.get(name)}
        if row["contract"] not in ("linear", "inverse"):
            raise DataFault(f"{where}: contract {row['contract']!r} must be linear or inverse")
        contract = "linear" if row["contract"] == "linear" else "inverse"
        position = Position(contract=contract, **given)  # type: ignore[arg-type]
        found.append(MarginPosition(row["instrument"], position, tiers_from(row["tiers"], where)))
    return found


def tiers_from(text: str, where: str) -> Tiers:
    """`0:0.004 50000:0.005` as tiers."""
    pairs = [part.partition(":") for part in text.split()]
    return tiers_of([(amount_of(floor, where), amount_of(rate, where)) for floor, _, rate in pairs])


def margin_calls(positions: Sequence[MarginPosition], prices: Panel, returns: Panel) -> list[Stress]:
    """One scenario a position: the move that liquidates it, its margin lost, in the quote currency.

    The mark price is the last price; the chance is that of a touch within `HORIZON_STEPS` steps at the volatility of
    all its returns. A position that nothing liquidates is listed with a loss of 0.
    """
    marks = last_prices(prices)
    found = []
    for each in positions:
        if each.instrument not in prices.names:
            raise Fault(
                f"{each.instrument!r} of the margin file is not in the portfolio; there are {', '.join(prices.names)}"
            )
        i = prices.names.index(each.instrument)
        state = liquidation(each.position, float(marks[i]), each.tiers)
        contributions = np.zeros(len(prices.names))
        if state.price is not None:
            unit = 1.0 if each.position.contract == "linear" else state.price
            contributions[i] = state.equity * unit
        own = returns.values[:, i]
        volatility = float(np.std(np.log1p(own[np.isfinite(own)])))
        text, notes = described(each, state, float(marks[i]), volatility)
        found.append(Stress(text, "liquidation", None, None, float(contributions.sum()), contributions, notes))
    return found


def described(each: MarginPosition, state: Liquidation, mark: float, volatility: float) -> tuple[str, tuple[str, ...]]:
    """The scenario's name and notes."""
    if state.price is None or state.distance is None:
        return f"{each.instrument}: no price liquidates it", ()
    up = state.price > mark
    chance = liquidation_probability(state.distance, volatility, HORIZON_STEPS, up=up)
    text = f"{each.instrument} liquidated at {state.price:,.6g} ({'+' if up else '-'}{state.distance:.1%})"
    note = (
        f"LIQUIDATION_DISTANCE: {each.instrument}: margin ratio {state.margin_ratio:.1%}, chance of a touch within "
        f"{HORIZON_STEPS} steps {chance:.2%}"
    )
    return text, (note,)
