"""The page of `bot4 risk backtest`: exceptions on the profit and loss, the tests, year by year."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.replay.report_charts import BUY, INSTRUMENT_COLOURS, LOSS, Chart, axis, figure, line, rounded, thin
from engine.replay.report_page import Figure, Page, Table, write_page
from engine.verbs.risk.var_charts import exceptions_chart, on_dates, times

if TYPE_CHECKING:
    from models.market_risk import Forecasts
    from models.panel import Panel

DRAWN = 2  # methods on the chart of exceptions: the first and the best
TESTS = ("kupiec", "independence", "conditional")


def write_report(path: Path, panel: "Panel", found: "list[Forecasts]", window: int, result: dict[str, Any]) -> None:
    """Writes the page. Raises UserError when that cannot be done."""
    dates, gains = panel.dates[window:], panel.values[window:, 0]
    shown = {each.method: each.var for each in ordered(found, result)[:DRAWN]}
    page = Page(
        title="VaR backtest",
        subtitle=f"{result['from']} to {result['to']}, one step ahead at {result['level']:.4g}",
        badge="backtest",
        facts=[
            ("forecasts", f"{len(gains):,}"),
            ("window", f"{result['window']:,} returns, parameters anew every {result['refit']}"),
            ("methods", ", ".join(result["methods"])),
        ],
        alarm=failures(result),
        cautions=[*result["excluded"], *result["repairs"], *result["notes"]],
        figures=[
            Figure(name, f"{row['exceptions']:,}", f"exceptions, {row['expected']:.1f} expected")
            for name, row in result["methods"].items()
        ],
        charts=[
            exceptions_chart("Profit and loss against VaR", dates, panel.dated, gains, shown),
            count_chart(panel, window, gains, found, result["level"]),
            *([year_chart(result)] if panel.dated else []),
        ],
        tables=[
            summary_table(result),
            comparison_table(result),
            *(period_table(name, row) for name, row in result["methods"].items()),
        ],
        footer="A forecast uses returns up to the day before. A test fails when its p-value is below 5 %.",
    )
    write_page(page, path)


def ordered(found: "list[Forecasts]", result: dict[str, Any]) -> "list[Forecasts]":
    """The first method, then the others: those that pass every test before those that fail one, then by tick loss."""

    def merit(each: "Forecasts") -> tuple[int, float]:
        row = result["methods"][each.method]
        return sum(not row[test]["passes"] for test in TESTS), float(row["tick_loss"])

    return [found[0], *sorted(found[1:], key=merit)]


def failures(result: dict[str, Any]) -> tuple[str, list[str]] | None:
    """Which methods fail which test over the whole span."""
    lines = []
    for name, row in result["methods"].items():
        failed = [test for test in TESTS if not row[test]["passes"]]
        if failed:
            lines.append(f"{name}: {', '.join(failed)}")
    return ("Rejected at 5 % over the whole span", lines) if lines else None


def count_chart(panel: "Panel", window: int, gains: Any, found: "list[Forecasts]", level: float) -> Chart:
    """Exceptions counted up less those expected: a right forecast wanders around 0, a crisis missed is a cliff."""
    places = thin(len(gains), 2_000)
    where = times(panel.dates[window:][places], panel.dated)
    traces = []
    for colour, each in zip((BUY, LOSS, *INSTRUMENT_COLOURS[2:]), found, strict=False):
        excess = np.cumsum((gains < -each.var) - (1.0 - level))
        traces.append(line(where, rounded(excess[places]), each.method, colour))
    drawn = on_dates(figure(traces, "exceptions less expected", ",.0f"), panel.dated)
    return Chart("Exceptions beyond what was promised, counted up", drawn, height_px=300)


def year_chart(result: dict[str, Any]) -> Chart:
    """Exceptions a year, a group of bars a year."""
    traces = []
    for colour, (name, method) in zip((BUY, LOSS, *INSTRUMENT_COLOURS[2:]), result["methods"].items(), strict=False):
        years = {period: row for period, row in method["periods"].items() if ":" not in period}
        counts = [row["exceptions"] for row in years.values()]
        traces.append({"type": "bar", "x": list(years), "y": counts, "name": name, "marker": {"color": colour}})
    drawn = figure(traces, "exceptions", ",.0f")
    drawn["layout"]["xaxis"] = axis("") | {"type": "category"}
    return Chart("Exceptions by year", drawn, height_px=280)


def summary_table(result: dict[str, Any]) -> Table:
    headings = [
        "method",
        "n",
        "expected",
        "exceptions",
        "Kupiec p",
        "independence p",
        "conditional p",
        "zone",
        "tick loss",
    ]
    rows = [[name, *cells(row)] for name, row in result["methods"].items()]
    extra = ["shortfall Z1 (p)", "Z2 (p)"]
    for row, method in zip(rows, result["methods"].values(), strict=True):
        shortfall = method["shortfall"]
        judged = shortfall["z1"] is not None
        row += [f"{shortfall[z]:.3f} ({shortfall[f'{z}_p_value']:.3f})" if judged else "-" for z in ("z1", "z2")]
    note = "Failed tests carry a !. Shortfall tests of Acerbi and Szekely: negative means worse than forecast."
    return Table("Methods over the whole span", [*headings, *extra], rows, frozenset(["method"]), note)


def comparison_table(result: dict[str, Any]) -> Table:
    rows = [
        [row["method"], row["against"], f"{row['mean']:.3e}", f"{row['statistic']:.2f}", f"{row['p_value']:.4f}"]
        for row in result["comparisons"]
    ]
    return Table(
        "Tick loss compared (Diebold and Mariano)",
        ["method", "against", "lower by", "t", "p"],
        rows,
        frozenset(["method", "against"]),
        "t above 2: the method forecasts better than the one it is compared with; below -2: worse.",
    )


def period_table(name: str, method: dict[str, Any]) -> Table:
    headings = [
        "period",
        "n",
        "expected",
        "exceptions",
        "Kupiec p",
        "independence p",
        "conditional p",
        "zone",
        "tick loss",
    ]
    rows = [[period, *cells(row)] for period, row in method["periods"].items()]
    return Table(f"{name}, by period", headings, rows, frozenset(["period"]))


def cells(row: dict[str, Any]) -> list[str]:
    tests = [f"{row[key]['p_value']:.3f}{'' if row[key]['passes'] else ' !'}" for key in TESTS]
    numbers = [f"{row['observations']:,}", f"{row['expected']:.1f}", str(row["exceptions"])]
    return [*numbers, *tests, row["traffic_light"]["zone"], f"{row['tick_loss']:.3e}"]
