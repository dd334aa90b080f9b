"""The charts of the market risk pages: VaR against profit and loss, contributions, heat maps."""

from typing import TYPE_CHECKING, Any

import numpy as np

from engine.replay.report_charts import (
    BUY,
    GRID,
    INSTRUMENT_COLOURS,
    LOSS,
    MUTED,
    POINTS,
    Chart,
    axis,
    figure,
    line,
    milliseconds,
    rounded,
    thin,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from models.panel import Panel

DIVERGING = [[0.0, "#2166ac"], [0.5, "#f7f7f7"], [1.0, "#b2182b"]]
LABELLED = 25  # instruments up to which cells carry their value
SHOWN = 60  # instruments in one chart: a page of thousands would be hundreds of megabytes, and nobody would read it
PER_CENT = ".1%"


def foremost(sizes: "NDArray[np.float64]") -> "NDArray[np.intp]":
    """The places of the `SHOWN` largest of sizes (n,), in their own order."""
    return np.sort(np.argsort(-np.abs(sizes), kind="stable")[:SHOWN])


def of_all(count: int) -> str:
    """Says so when not all of `count` instruments are shown; ends a note."""
    return f" The {SHOWN} foremost of {count:,}." if count > SHOWN else ""


def times(dates: Any, dated: bool) -> list[float]:
    """Where points stand on the axis: dates, or row numbers."""
    numbers = dates.astype("datetime64[ns]").astype(np.int64)
    return milliseconds(numbers) if dated else [float(number) for number in numbers]


def on_dates(drawn: dict[str, Any], dated: bool) -> dict[str, Any]:
    """The axis of dates shows days; without dates it counts rows."""
    if dated:
        drawn["layout"]["xaxis"]["hoverformat"] = "%Y-%m-%d"
    else:
        drawn["layout"]["xaxis"] = axis("row") | {"gridcolor": GRID}
    return drawn


def exceptions_chart(
    title: str, dates: Any, dated: bool, gains: "NDArray[np.float64]", forecasts: "dict[str, NDArray[np.float64]]"
) -> Chart:
    """Gains as bars, minus VaR of each method as a line, each method's exceptions marked on the gain."""
    places = thin(len(gains), POINTS)
    places = np.union1d(places, np.flatnonzero(np.any([gains < -var for var in forecasts.values()], axis=0)))
    where = times(dates[places], dated)
    bars: dict[str, Any] = {
        "type": "bar", "x": where, "y": rounded(gains[places]), "name": "profit and loss", "marker": {"color": MUTED},
        "opacity": 0.55,
    }  # fmt: skip
    traces = [bars]
    counts = []
    for colour, (method, var) in zip((BUY, LOSS, *INSTRUMENT_COLOURS[2:]), forecasts.items(), strict=False):
        traces.append(line(where, rounded(-var[places]), f"VaR {method}", colour, width=1.4))
        hit = np.flatnonzero(gains < -var)
        cross = {"color": LOSS if len(forecasts) == 1 else colour, "symbol": "x", "size": 7}
        counts.append(f"{method}: {len(hit)} of {len(gains):,}")
        traces.append(
            {
                "type": "scatter", "mode": "markers", "x": times(dates[hit], dated), "y": rounded(gains[hit]),
                "name": f"exceptions {method}", "marker": cross,
            }
        )  # fmt: skip
    drawn = on_dates(figure(traces, "of exposure, one step", PER_CENT), dated)
    drawn["layout"]["bargap"] = 0
    return Chart(title, drawn, "Crosses: losses beyond VaR. " + "; ".join(counts) + ".", 420)


def contribution_chart(title: str, names: tuple[str, ...], parts: "dict[str, NDArray[np.float64]]", unit: str) -> Chart:
    """Horizontal bars, one colour a figure, the largest contributor on top."""
    order = np.argsort(np.abs(next(iter(parts.values()))))[-SHOWN:]
    labels = [names[i] for i in order]
    traces = [
        {
            "type": "bar", "orientation": "h", "x": rounded(values[order]), "y": labels, "name": name,
            "marker": {"color": colour},
        }
        for colour, (name, values) in zip((BUY, LOSS, MUTED), parts.items(), strict=False)
    ]  # fmt: skip
    drawn = figure(traces, "")
    drawn["layout"]["xaxis"] = axis(
        "of value" if unit == "fraction" else "money", PER_CENT if unit == "fraction" else ",~r"
    )
    drawn["layout"]["yaxis"] = {"type": "category", "automargin": True, "dtick": 1}
    drawn["layout"]["barmode"] = "group"
    note = f"Negative: the position takes risk away.{of_all(len(names))}"
    return Chart(title, drawn, note, 140 + 26 * len(order))


def correlation_chart(names: tuple[str, ...], values: "NDArray[np.float64]", sizes: "NDArray[np.float64]") -> Chart:
    """Correlation of the returns (n, assets), of the instruments with the largest sizes (assets,)."""
    kept = foremost(sizes)
    shown = tuple(names[i] for i in kept)
    correlation = np.atleast_2d(np.corrcoef(values[:, kept].T))
    drawn = heat(shown, shown, correlation, correlation, ".2f", (-1.0, 1.0))
    note = f"{len(values):,} returns.{of_all(len(names))}"
    return Chart("Correlation of the returns", drawn, note, 160 + 24 * len(kept))


def position_chart(names: tuple[str, ...], columns: "dict[str, NDArray[np.float64]]") -> Chart:
    """A row a position, a column a figure; the colour is the value over the column's largest, the text the share."""
    table = np.column_stack(list(columns.values()))
    largest = np.abs(table).max(axis=0)
    shown = table / np.where(largest > 0.0, largest, 1.0)
    kept = foremost(np.abs(shown).max(axis=1))
    drawn = heat(tuple(columns), tuple(names[i] for i in kept), shown[kept], table[kept], PER_CENT, (-1.0, 1.0))
    drawn["layout"]["xaxis"]["side"] = "top"
    note = f"Each figure as a share of its total; exposure of gross exposure.{of_all(len(names))}"
    return Chart("Positions", drawn, note, 160 + 24 * len(kept))


def heat(
    columns: tuple[str, ...],
    rows: tuple[str, ...],
    colours: "NDArray[np.float64]",
    values: "NDArray[np.float64]",
    text: str,
    ends: tuple[float, float],
) -> dict[str, Any]:
    """A heat map with the first row on top, values written into the cells when they fit."""
    trace: dict[str, Any] = {
        "type": "heatmap", "x": list(columns), "y": list(rows), "z": np.round(colours, 6).tolist(),
        "zmin": ends[0], "zmax": ends[1], "colorscale": DIVERGING, "xgap": 1, "ygap": 1,
        "showscale": len(rows) > LABELLED,
        "customdata": np.round(values, 6).tolist(), "hovertemplate": "%{y}, %{x}: %{customdata}<extra></extra>",
    }  # fmt: skip
    if len(rows) <= LABELLED:
        trace["text"] = [[format(float(value), text) for value in row] for row in values]
        trace["texttemplate"] = "%{text}"
        trace["textfont"] = {"size": 10}
    drawn = figure([trace], "")
    drawn["layout"]["xaxis"] = {"type": "category", "automargin": True, "dtick": 1}
    drawn["layout"]["yaxis"] = {"type": "category", "automargin": True, "autorange": "reversed", "dtick": 1}
    return drawn


def drawdown_chart(
    title: str, returns: "Panel", gains: "NDArray[np.float64]", spans: list[tuple[int, int, str]]
) -> Chart:
    """Cumulated return of constant exposures, with the episodes shaded."""
    index = np.cumsum(gains)
    places = thin(len(index), POINTS)
    where = times(returns.dates, returns.dated)
    drawn = on_dates(
        figure([line([where[i] for i in places], rounded(index[places]), "return, summed", BUY)], "sum", PER_CENT),
        returns.dated,
    )
    drawn["layout"]["shapes"] = [
        {
            "type": "rect", "xref": "x", "yref": "paper", "x0": where[first], "x1": where[last], "y0": 0, "y1": 1,
            "fillcolor": "rgba(192,57,43,0.16)", "line": {"width": 0}, "layer": "below", "name": name,
        }
        for first, last, name in spans
    ]  # fmt: skip
    return Chart(title, drawn, "Shaded: the episodes below.", 320)
