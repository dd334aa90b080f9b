"""The charts of a report as plotly figures, plain dictionaries: nothing here needs plotly itself.

Times are milliseconds since 1970 UTC, as plotly's date axes take them. No trace has more than POINTS points.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from engine.replay.backtest import equity
from ipc.messages import Liquidity, Side

POINTS = 5_000
MANY_FILLS = 300  # of one sort: beyond, the markers are smaller
CHARTS = 8  # instruments drawn, those with most fills
BUY, SELL, INK, MUTED, LOSS, GRID = "#1f6feb", "#d1571b", "#1b2733", "#8a97a5", "#c0392b", "#e6eaee"
INSTRUMENT_COLOURS = ("#1b2733", "#1f6feb", "#d1571b", "#2e8b57", "#8957b0", "#b8860b", "#008b8b", "#a0306c")

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Chart:
    """One figure with its heading, and a sentence under it."""

    title: str
    figure: dict[str, Any]
    note: str = ""
    height_px: int = field(default=300)


def charts(instruments: Array, samples: Array, fills: Array) -> list[Chart]:
    """Price with fills for each instrument, then position and profit where there was a fill. Empty without samples."""
    if not len(samples):
        return []
    span = milliseconds(samples["time_ns"][[0, -1]])
    order = sorted(range(len(instruments)), key=lambda i: -int(np.count_nonzero(fills["instrument"] == i)))[:CHARTS]
    drawn = [
        price_chart(instruments[i], samples[samples["instrument"] == i], fills[fills["instrument"] == i])
        for i in sorted(order)
    ]
    if len(fills):
        drawn += [position_chart(instruments, samples, sorted(order)), profit_chart(instruments, samples)]
    for chart in drawn:  # one time axis for all: what happened at the same time stands above each other
        chart.figure["layout"]["xaxis"]["range"] = span
    return drawn


def price_chart(instrument: np.void, samples: Array, fills: Array) -> Chart:
    """Best bid and ask over time; buys point up, sells down; made fills are solid, taken ones hollow."""
    tick = int(instrument["tick_mantissa"]) / 10 ** int(instrument["tick_exponent"])
    places = thin(len(samples), POINTS)
    times = milliseconds(samples["time_ns"][places])
    traces = [
        line(times, known(samples[name][places] * tick, samples[name][places] > 0), label, MUTED, width=1)
        for name, label in (("bid_ticks", "best bid"), ("ask_ticks", "best ask"))
    ]
    traces[1] |= {"fill": "tonexty", "fillcolor": "rgba(138,151,165,0.25)"}  # the spread
    for side, liquidity, label, colour, symbol in (
        (Side.BID, Liquidity.MAKER, "bought as maker", BUY, "triangle-up"),
        (Side.BID, Liquidity.TAKER, "bought as taker", BUY, "triangle-up-open"),
        (Side.ASK, Liquidity.MAKER, "sold as maker", SELL, "triangle-down"),
        (Side.ASK, Liquidity.TAKER, "sold as taker", SELL, "triangle-down-open"),
    ):
        mine = fills[(fills["side"] == side) & (fills["liquidity"] == liquidity)]
        if len(mine):
            chosen = mine[thin(len(mine), POINTS)]
            traces.append(markers(milliseconds(chosen["time_ns"]), chosen["price_ticks"] * tick, label, colour, symbol))
    note = f"{len(fills):,} fills" if len(fills) else "no fills"
    if len(fills) > POINTS:
        note += f", of which at most {POINTS:,} of each sort are drawn"
    return Chart(
        f"Price and fills, {instrument['name'].decode()}",
        figure(traces, "price", f",.{int(instrument['tick_exponent'])}f"),
        note,
        380,
    )


def position_chart(instruments: Array, samples: Array, chosen: list[int]) -> Chart:
    """Position over time, in base units, a step line an instrument."""
    traces = []
    for colour, i in zip(INSTRUMENT_COLOURS, chosen, strict=False):
        row, mine = instruments[i], samples[samples["instrument"] == i]
        mine = mine[thin(len(mine), POINTS)]
        lot = int(row["lot_mantissa"]) / 10 ** int(row["lot_exponent"])
        trace = line(milliseconds(mine["time_ns"]), rounded(mine["position_lots"] * lot), row["name"].decode(), colour)
        traces.append(trace | {"line": trace["line"] | {"shape": "hv"}, "showlegend": len(chosen) > 1})
    return Chart("Position", figure(traces, "base units"), height_px=220)


def profit_chart(instruments: Array, samples: Array) -> Chart:
    """Profit after fees, open positions at mid, and below it the fall from the highest point so far."""
    times_ns, values = equity(instruments, samples)
    drawdown = values - np.maximum.accumulate(np.maximum(values, 0.0))
    places = thin(len(values), POINTS)
    times = milliseconds(times_ns[places])
    profit = line(times, rounded(values[places]), "profit after fees", INK, width=1.8)
    fall = line(times, rounded(drawdown[places]), "drawdown", LOSS, width=1)
    fall |= {"fill": "tozeroy", "fillcolor": "rgba(192,57,43,0.14)", "yaxis": "y2"}
    largest = float(np.max(np.abs(values), initial=0.0))
    tick_format = ",.0f" if largest > 1_000 else ",.1f" if largest > 10 else ",.3~f"
    drawn = figure([profit, fall], "quote units", tick_format)
    drawn["layout"]["yaxis"] |= {"domain": [0.36, 1]}
    drawn["layout"]["yaxis2"] = axis("drawdown", tick_format) | {"domain": [0, 0.26], "rangemode": "tozero"}
    drawn["layout"]["xaxis"] |= {"anchor": "y2"}
    return Chart("Profit and drawdown", drawn, height_px=360)


# -- parts -----------------------------------------------------------------------------------------------------------


def line(times: list[float], values: list[float | None], name: str, colour: str, **style: Any) -> dict[str, Any]:
    shape = {"color": colour, "width": 1.5} | style
    return {"type": "scatter", "mode": "lines", "x": times, "y": values, "name": name, "line": shape}


def markers(times: list[float], values: Array, name: str, colour: str, symbol: str) -> dict[str, Any]:
    size = 9 if len(times) < MANY_FILLS else 6
    marker = {"color": colour, "symbol": symbol, "size": size, "opacity": 0.85, "line": {"width": 1, "color": colour}}
    return {
        "type": "scatter", "mode": "markers", "x": times, "y": rounded(values), "name": name, "marker": marker,
    }  # fmt: skip


def figure(traces: list[dict[str, Any]], unit: str, tick_format: str = ",~r") -> dict[str, Any]:
    layout = {
        "margin": {"l": 78, "r": 12, "t": 30, "b": 34},
        "paper_bgcolor": "white",
        "plot_bgcolor": "white",
        "font": {"family": "inherit", "size": 12, "color": INK},
        "legend": {"orientation": "h", "x": 0, "y": 1.0, "yanchor": "bottom", "font": {"size": 12}},
        "hovermode": "closest",
        "xaxis": {
            "type": "date",
            "gridcolor": GRID,
            "linecolor": MUTED,
            "zeroline": False,
            "hoverformat": "%H:%M:%S.%L",
        },
        "yaxis": axis(unit, tick_format),
    }
    return {"data": traces, "layout": layout}


def axis(unit: str, tick_format: str = ",~r") -> dict[str, Any]:
    title = {"text": unit, "font": {"size": 11, "color": MUTED}, "standoff": 8}
    return {"title": title, "gridcolor": GRID, "zerolinecolor": MUTED, "tickformat": tick_format}


def thin(count: int, most: int) -> Array:
    """Places of at most `most` of `count` rows, evenly spread, the first and the last among them."""
    if count <= most:
        return np.arange(count)
    return np.unique(np.linspace(0, count - 1, most).round().astype(np.int64))


def milliseconds(times_ns: Array) -> list[float]:
    found: list[float] = np.round(times_ns / 1e6, 3).tolist()
    return found


def rounded(values: Array) -> list[float | None]:
    found: list[float | None] = np.round(np.asarray(values, dtype=np.float64), 10).tolist()
    return found


def known(values: Array, present: Array) -> list[float | None]:
    """Values, None where there is none: the line is interrupted there."""
    return [value if there else None for value, there in zip(rounded(values), present.tolist(), strict=True)]
