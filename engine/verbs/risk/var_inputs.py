"""What `bot4 risk var`, `backtest` and `stress` read: a portfolio, a panel, and the returns that belong together."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from models.market_risk.portfolio import Portfolio
    from models.panel import Panel

EXCLUDED = ("ROWS_INCOMPLETE", "COLUMN_NOT_NUMBERS", "DATES_TWICE", "DAYS_EMPTY", "POSITION_ZERO", "SERIES_NOT_HELD")
LARGEST = 1e100  # its square is still a number
REPAIRS = ("PSD_REPAIRED", "EWMA_FALLBACK", "PROXIED", "SHARED_OUT")


def data_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """--data, --returns, --report: the same for the three verbs."""
    for option in (
        click.option("--report", "report_to", type=click.Path(dir_okay=False), help="HTML; runs/risk by default."),
        click.option("--returns", "are_returns", is_flag=True, help="The values are simple returns, not prices."),
        click.option(
            "--data",
            "data_paths",
            required=True,
            multiple=True,
            type=click.Path(dir_okay=False),
            help="CSV, Parquet or Feather; may be given several times.",
        ),
    ):
        command = option(command)
    return command


value_option = click.option(
    "--value", type=float, default=1.0, help="The portfolio's value, for weights; 1 gives fractions."
)


@dataclass(frozen=True)
class Holding:
    """A portfolio on data: exposures (assets,), simple returns with NaN where a series has none, unit of the money."""

    portfolio: "Portfolio"
    exposures: "NDArray[np.float64]"
    panel: "Panel"
    returns: "Panel"
    unit: str
    notes: tuple[str, ...]
    are_returns: bool

    @property
    def names(self) -> tuple[str, ...]:
        return self.returns.names

    @property
    def step_s(self) -> float | None:
        """Seconds from row to row, the median; None without dates."""
        import numpy as np

        if not self.returns.dated or len(self.returns.dates) < 2:
            return None
        return float(np.median(np.diff(self.returns.dates).astype(np.int64))) / 1e9

    def complete(self) -> "Panel":
        """Rows where every position has a return; what was left out is noted."""
        from models.panel import returns_of

        return returns_of(self.panel, are_returns=self.are_returns, kind="simple")


def holding(
    portfolio_path: str | None,
    data_paths: tuple[str, ...],
    are_returns: bool,
    value: float,
    columns: tuple[str, ...] = (),
) -> Holding:
    """Reads both files. Without a portfolio: equal weights of every series. Raises Fault, DataFault, UserError."""
    from engine.errors import UserError
    from engine.verbs.risk.idle_options import Use, refuse_idle
    from models.faults import Fault
    from models.market_risk.portfolio import equal_weights, last_prices, read_portfolio
    from models.panel import read_panel, returns_of

    if not 0.0 < value < float("inf"):
        raise Fault(f"--value is {value:g}: the portfolio's value must be positive")
    if portfolio_path and columns:
        raise Fault("--column and --portfolio both name the series: give one of them")
    try:
        portfolio = read_portfolio(portfolio_path) if portfolio_path else None
        panel = read_panel(list(data_paths), columns=portfolio.names if portfolio else columns)
    except OSError as error:
        raise UserError(f"{error.filename}: cannot be read: {error.strerror}") from None
    notes = []
    if portfolio is None:
        portfolio = equal_weights(panel.names)
        notes.append(f"EQUAL_WEIGHTS: no portfolio was given, so 1/{len(panel.names)} in each series")
    elif not portfolio.amounts.all():
        nothing = [name for name, amount in zip(portfolio.names, portfolio.amounts, strict=True) if amount == 0.0]
        notes.append(f"POSITION_ZERO: {', '.join(nothing)} held in no quantity")
    if portfolio.kind == "quantity":
        refuse_idle("a portfolio of quantities, which are worth their last price", Use("value", False, "weights"))
    if portfolio.kind == "quantity" and are_returns:
        raise Fault("quantities need prices to be worth something: give prices, or a portfolio of weights")
    returns = returns_of(panel, are_returns=are_returns, kind="simple", complete=False)
    exposures = portfolio.exposures(last_prices(panel), value)
    gross = sum(map(abs, exposures.tolist()))
    if not gross < LARGEST:
        raise Fault(f"the positions are worth {gross:g} in all: at most {LARGEST:g} can be measured")
    unit = "fraction" if portfolio.kind == "weight" and value == 1.0 else "currency"
    return Holding(portfolio, exposures, panel, returns, unit, tuple(notes), are_returns)


def sorted_notes(notes: tuple[str, ...] | list[str]) -> dict[str, list[str]]:
    """`excluded`: what was left out; `repairs`: what was mended or stood in for; `notes`: the rest. Each once."""
    found: dict[str, list[str]] = {"excluded": [], "repairs": [], "notes": []}
    for note in dict.fromkeys(notes):
        code = note.split(":", 1)[0]
        found["excluded" if code in EXCLUDED else "repairs" if code in REPAIRS else "notes"].append(note)
    return found


def money(amount: float, unit: str, largest: float | None = None) -> str:
    """A fraction as per cent, a currency with separators; NaN in a word.

    largest: of the amounts that stand in one table, which then have the same number of decimals.
    """
    if math.isnan(amount):
        return "unknown"
    if unit == "fraction":
        return f"{amount:.3%}"
    return f"{amount:,.2f}" if abs(amount if largest is None else largest) < 1e5 else f"{amount:,.0f}"
