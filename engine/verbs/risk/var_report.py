"""The page of `bot4 risk var`: how much, how sure, whose, and whether the method kept its promise so far."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.replay.report_page import Figure, Page, Table, write_page
from engine.verbs.risk.var_charts import contribution_chart, correlation_chart, exceptions_chart, position_chart
from engine.verbs.risk.var_inputs import money

if TYPE_CHECKING:
    from engine.replay.report_charts import Chart
    from engine.verbs.risk.var_inputs import Holding
    from models.market_risk import Measure
    from models.panel import Panel

WINDOW = 500  # of the rolling forecasts drawn
REFIT = 20
ROLLING = {"cornish-fisher": "parametric-t"}  # drawn by its nearest kin


def write_report(
    path: Path, held: "Holding", used: "Panel", measure: "Measure", method: str, result: dict[str, Any]
) -> None:
    """Writes the page. Raises UserError when that cannot be done."""
    page = Page(
        title="Value at risk",
        subtitle=f"{len(held.names)} positions, returns {result['from']} to {result['to']}",
        badge=measure.method,
        facts=[
            ("level", f"{measure.level:.4g}"),
            ("horizon", f"{measure.horizon} step(s) of the data"),
            ("observations", f"{measure.observations:,} scenarios from {len(used.dates):,} returns"),
            ("gross exposure", money(float(np.abs(held.exposures).sum()), held.unit)),
            ("net exposure", money(float(held.exposures.sum()), held.unit)),
        ],
        cautions=[*result["excluded"], *result["repairs"], *result["notes"]],
        figures=figures(measure, held.unit, result),
        charts=charts(held, used, measure, method),
        tables=tables(held, measure, result),
        footer="VaR at rank (n + 1) p; CVaR the mean of the worst n (1 - p). Losses are positive.",
    )
    write_page(page, path)


def figures(measure: "Measure", unit: str, result: dict[str, Any]) -> list[Figure]:
    error, tail_error = measure.standard_error, measure.standard_error_cvar
    found = [
        Figure(f"VaR {measure.level:.4g}", money(measure.var, unit), f"± {money(error, unit)} standard error"),
        Figure(f"CVaR {measure.level:.4g}", money(measure.cvar, unit), f"± {money(tail_error, unit)} standard error"),
    ]
    largest = int(np.argmax(measure.var_contributions.component))
    name, component = list(result["component"].items())[largest]
    found.append(Figure("largest contributor", name, f"{component / measure.var:.0%} of VaR" if measure.var else ""))
    if "liquidity" in result:
        cost = result["liquidity"]["spread_cost"] + result["liquidity"]["depth_cost"]
        found.append(Figure("with leaving", money(result["liquidity"]["total"], unit), f"{money(cost, unit)} to leave"))
    return found


def charts(held: "Holding", used: "Panel", measure: "Measure", method: str) -> "list[Chart]":
    parts = {"VaR": measure.var_contributions.component, "CVaR": measure.cvar_contributions.component}
    found = [contribution_chart("Contributions", held.names, parts, held.unit)]
    found += past(held, measure.level, ROLLING.get(method, method))
    if len(held.names) > 1:
        gross = float(np.abs(held.exposures).sum())
        columns = {
            "exposure": held.exposures / gross,
            "of VaR": measure.var_contributions.component / (measure.var or 1.0),
            "of CVaR": measure.cvar_contributions.component / (measure.cvar or 1.0),
            "incremental": measure.var_contributions.incremental / (measure.var or 1.0),
        }
        found += [position_chart(held.names, columns), correlation_chart(held.names, used.values, parts["VaR"])]
    return found


def past(held: "Holding", level: float, method: str) -> "list[Chart]":
    """What the method would have said of these positions, one step ahead; nothing when the data cannot give it."""
    from models.faults import DataFault
    from models.market_risk import forecasts
    from models.market_risk.portfolio import history_of

    dates, gains, _ = history_of(held.returns, held.exposures)
    if len(gains) < WINDOW + REFIT or WINDOW * (1.0 - level) < 1.0 - 1e-9:
        return []
    try:
        found = forecasts(gains, [method], level=level, window=WINDOW, refit=REFIT)[0]
    except DataFault:  # positions that cancelled over a whole window have a VaR today and no volatility then
        return []
    return [
        exceptions_chart(
            f"Profit and loss against VaR, {method}, one step",
            dates[WINDOW:],
            held.returns.dated,
            gains[WINDOW:],
            {method: found.var},
        )
    ]


def tables(held: "Holding", measure: "Measure", result: dict[str, Any]) -> list[Table]:
    var, cvar, unit = measure.var_contributions, measure.cvar_contributions, held.unit
    order = np.argsort(-var.component)
    largest = float(np.abs(held.exposures).max())

    def amount(value: float) -> str:
        return money(value, unit, largest)

    rows = [
        [
            held.names[i], amount(held.exposures[i]), f"{var.marginal[i]:.4f}", amount(var.component[i]),
            f"{var.component[i] / var.total:.1%}" if var.total else "", amount(var.incremental[i]),
            amount(cvar.component[i]), amount(cvar.incremental[i]),
        ]
        for i in order
    ]  # fmt: skip
    rows.append(
        [
            "sum",
            amount(float(held.exposures.sum())),
            "",
            amount(var.total),
            "100.0%",
            "",
            amount(cvar.total),
            "",
        ]
    )
    found = [
        Table(
            "Positions",
            ["instrument", "exposure", "marginal", "component", "share", "incremental", "of CVaR", "incremental CVaR"],
            rows,
            frozenset(["instrument"]),
            "marginal: change of VaR per unit of exposure; components sum to VaR; incremental: less VaR without it.",
            total=True,
        )
    ]
    if "books" in result.get("liquidity", {}):
        found.append(books_table(result["liquidity"], unit))
    if "liquidity" in result:
        seconds = result["liquidity"]["seconds_to_liquidate"]
        pace = f"At {result['liquidity']['participation']:.0%} of the depth each time it comes back."
        rows = [[name, "never" if value == np.inf else f"{value:,.0f}"] for name, value in seconds.items()]
        found.append(Table("Time to leave", ["instrument", "seconds"], rows, frozenset(["instrument"]), pace))
    return found


def books_table(liquidity: dict[str, Any], unit: str) -> Table:
    """What the books say of each position: spread, depth, how soon it is back, what leaving at once would cost."""
    rows = [
        [
            name, f"{book['spread'] * 1e4:.3f} bp", money(book["depth"], unit), f"{book['refill_s']:,.1f} s",
            f"{book['impact'] * 1e4:.2f} bp", money(book["at_once"]["cost"], unit),
            money(book["at_once"]["unfilled"], unit), f"{book['samples']:,}", book["source"],
        ]
        for name, book in liquidity["books"].items()
    ]  # fmt: skip
    headings = [
        "instrument", "spread", "depth", "back in", "impact of all of it", "at once costs", "beyond the book",
        "samples", "source",
    ]  # fmt: skip
    note = f"Depth: what rests within {liquidity['depth_bps']:g} bp of the mid on the side that is hit, median."
    return Table("Books", headings, rows, frozenset(["instrument", "source"]), note)
