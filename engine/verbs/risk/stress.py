"""`bot4 risk stress`: what the worst episodes of the data, and shocks, would cost these positions."""

from typing import TYPE_CHECKING, Any

import click

from engine.verbs.output import json_option, progress, table
from engine.verbs.risk.var_inputs import data_options, value_option

if TYPE_CHECKING:
    from engine.verbs.risk.var_inputs import Holding
    from models.market_risk.stress import Stress


LEAST_RETURNS = 20  # for a covariance
OF_COVARIANCE = ("shock", "correlation", "volatility")  # kinds that rest on the rows that all positions have


@click.command()
@click.option(
    "--portfolio",
    "portfolio_path",
    required=True,
    type=click.Path(dir_okay=False),
    help="instrument,quantity or weight.",
)
@data_options
@value_option
@click.option("--shock", "shocks", multiple=True, help="NAME=-0.2[,NAME=0.1]: moves of one scenario; may be repeated.")
@click.option("--alone", is_flag=True, help="Series that a --shock does not name stay; else they move as expected.")
@click.option("--level", type=float, default=0.99, show_default=True, help="Of the VaR under broken correlations.")
@click.option("--margin", "margin_path", type=click.Path(dir_okay=False), help="CSV of leveraged positions and tiers.")
@json_option
def stress(
    portfolio_path: str,
    data_paths: tuple[str, ...],
    are_returns: bool,
    value: float,
    shocks: tuple[str, ...],
    alone: bool,
    level: float,
    margin_path: str | None,
    report_to: str | None,
    as_json: bool,
) -> None:
    """Compute what the worst episodes, and shocks, would cost.

    Episodes are found in the data: the worst windows of 1 to 60 rows and the deepest drawdowns of these positions. With
    --json a list of scenarios; the report's path then goes to standard error.
    """
    import sys

    from engine.verbs.risk.delivery import deliver, report_path
    from engine.verbs.risk.idle_options import Use, refuse_idle
    from engine.verbs.risk.stress_report import write_report
    from engine.verbs.risk.var_inputs import holding

    refuse_idle("no --shock", Use("alone", bool(shocks), "--shock"))
    path = report_path(report_to, "stress", as_json)
    held = holding(portfolio_path, data_paths, are_returns, value)
    refuse_idle("one position", Use("level", len(held.names) > 1, "broken correlations, between positions"))
    progress(f"{len(held.names)} positions, {len(held.returns.dates):,} returns", as_json)
    found = scenarios(held, shocks, alone, level)
    if margin_path:
        found += liquidations(margin_path, held)
    rows = [row_of(each, held) for each in found]
    missing = [note for note in held.complete().notes if note not in held.returns.notes]
    for row in rows:
        own = missing if row["kind"] in OF_COVARIANCE else []
        row["notes"] = list(dict.fromkeys([*row["notes"], *held.notes, *held.returns.notes, *own]))
    deliver(rows, as_json, lambda: human(rows, held, path), path, lambda path: write_report(path, held, found, rows))
    if as_json:
        print(f"report: {path}", file=sys.stderr)


def scenarios(held: "Holding", shocks: tuple[str, ...], alone: bool, level: float) -> "list[Stress]":
    """Episodes, shocks asked for, standard shocks, broken correlations."""
    from models.market_risk.stress import correlation_breakdown, historical_episodes, shock, standard_shocks

    covariance, note = covariance_of(held)
    found = historical_episodes(held.returns, held.exposures)
    given = None if alone else covariance
    found += [shock(held.names, held.exposures, shocks_of(text), covariance=given) for text in shocks]
    found += standard_shocks(held.names, held.exposures, covariance)
    if len(held.names) > 1:
        found += correlation_breakdown(held.exposures, covariance, level=level)
    return [with_note(each, note) for each in found]


def with_note(each: "Stress", note: str | None) -> "Stress":
    from dataclasses import replace

    return replace(each, notes=(*each.notes, note)) if note and each.kind not in ("episode", "drawdown") else each


def covariance_of(held: "Holding") -> tuple[Any, str | None]:
    """Sample covariance of the rows that all positions have, and a note if it had to be made positive definite."""
    import numpy as np

    from engine.verbs.risk.data_faults import require
    from models.dependence import positive_definite

    returns = held.complete()
    require(returns, LEAST_RETURNS, "estimate how the positions move together")
    return positive_definite(np.atleast_2d(np.cov(returns.values.T)))


def shocks_of(text: str) -> dict[str, float]:
    """NAME=-0.2,NAME=0.1 as a dictionary. Raises Fault."""
    from models.faults import Fault

    found: dict[str, float] = {}
    for part in text.split(","):
        name, equals, size = part.partition("=")
        if name.strip() in found:
            raise Fault(f"--shock {text!r}: {name.strip()} stands twice")
        try:
            found[name.strip()] = float(size)
        except ValueError:
            raise Fault(f"--shock {text!r}: written NAME=RETURN, like AAPL=-0.2, several with commas") from None
        if not equals:
            raise Fault(f"--shock {text!r}: written NAME=RETURN, like AAPL=-0.2")
    return found


def liquidations(path: str, held: "Holding") -> "list[Stress]":
    """What each leveraged position loses when it is liquidated."""
    from engine.errors import UserError
    from models.market_risk.margin_calls import margin_calls, read_margin

    try:
        positions = read_margin(path)
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    return margin_calls(positions, held.panel, held.returns)


def row_of(each: "Stress", held: "Holding") -> dict[str, Any]:
    return {
        "name": each.name,
        "kind": each.kind,
        "from": each.first,
        "to": each.last,
        "loss": each.loss,
        "contributions": dict(zip(held.names, each.contributions.tolist(), strict=True)),
        "unit": held.unit,
        "notes": list(each.notes),
    }


def human(rows: list[dict[str, Any]], held: "Holding", path: Any) -> str:
    from engine.verbs.risk.var_inputs import money

    cells = []
    for row in rows:
        worst = max(row["contributions"], key=lambda name: float(row["contributions"][name]))
        cells.append([row["name"], row["kind"], row["from"] or "", money(row["loss"], held.unit), worst])
    notes = dict.fromkeys(note for row in rows for note in row["notes"])
    lines = [table(["scenario", "kind", "from", "loss", "most of it"], cells), "", *notes]
    return "\n".join([*lines, f"report: {path}"])
