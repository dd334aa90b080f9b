"""The charts of the page of `bot4 risk fit`."""

from typing import TYPE_CHECKING, Any

import numpy as np

from engine.replay.report_charts import (
    BUY,
    GRID,
    INK,
    INSTRUMENT_COLOURS,
    LOSS,
    MUTED,
    POINTS,
    Chart,
    axis,
    figure,
    line,
    rounded,
    thin,
)
from engine.verbs.risk.var_charts import heat, on_dates, times

if TYPE_CHECKING:
    from models.dependence import DependenceFit
    from models.panel import Panel
    from models.regimes import HmmFit
    from models.volatility import VolatilityFit

BAND = 2.0  # standard deviations
PATHS = 8  # pairs drawn
NEWS = 4.0  # standard deviations on either side


def band_chart(panel: "Panel", series: str, fitted: "VolatilityFit") -> Chart:
    """Returns, and what the model expected of them the bar before."""
    dates = panel.dates[-fitted.n :]
    values = panel.values[-fitted.n :, panel.names.index(series)]
    places = thin(fitted.n, POINTS)
    where = times(dates[places], panel.dated)
    centre = values - fitted.residuals
    width = BAND * np.sqrt(fitted.variances)
    traces: list[dict[str, Any]] = [
        {
            "type": "bar", "x": where, "y": rounded(values[places]), "name": "return", "marker": {"color": MUTED},
            "opacity": 0.6,
        },
        line(where, rounded((centre + width)[places]), f"mean + {BAND:g} sigma", BUY, width=1.1),
        line(where, rounded((centre - width)[places]), f"mean - {BAND:g} sigma", LOSS, width=1.1),
    ]  # fmt: skip
    drawn = on_dates(figure(traces, "return"), panel.dated)
    drawn["layout"]["bargap"] = 0
    outside = float(np.mean(np.abs(fitted.residuals) > width))
    return Chart("Returns and conditional volatility", drawn, f"{outside:.1%} of the returns lie outside.", 380)


def quantile_chart(fitted: "VolatilityFit") -> Chart:
    """Standardised residuals against the density that was fitted."""
    from models.volatility.diagnostics import quantiles

    z = np.sort(fitted.standardised)
    shares = (np.arange(len(z)) + 0.5) / len(z)
    expected = quantiles(shares, fitted.parameters.get("nu"), fitted.parameters.get("lambda", 0.0))
    places = thin(len(z), POINTS)
    ends = [float(expected[0]), float(expected[-1])]
    dots = {
        "type": "scatter", "mode": "markers", "x": rounded(expected[places]), "y": rounded(z[places]),
        "name": "standardised residuals", "marker": {"color": BUY, "size": 4},
    }  # fmt: skip
    drawn = figure([dots, line(ends, list(ends), "as fitted", MUTED, width=1)], "observed quantile")
    drawn["layout"]["xaxis"] = axis("quantile of the fitted density") | {"gridcolor": GRID}
    return Chart("Quantiles", drawn, "Off the line at the ends: tails heavier or lighter than the density has.", 320)


def news_chart(fitted: "VolatilityFit") -> Chart:
    """Next volatility after a shock, from the mean variance (Engle and Ng 1993)."""
    from models.volatility import step

    level = float(np.mean(fitted.variances))
    shocks = np.linspace(-NEWS, NEWS, 161) * level**0.5
    following = np.array([step(level, fitted.spec, fitted.parameters, float(shock)) ** 0.5 for shock in shocks])
    drawn = figure([line(shocks.tolist(), rounded(following), "next volatility", INK)], "next volatility")
    drawn["layout"]["xaxis"] = axis("residual, in the unit of the returns") | {"gridcolor": GRID}
    return Chart("News impact", drawn, f"Of residuals up to {NEWS:g} standard deviations.", 280)


def memory_chart(fitted: "VolatilityFit", lags: int) -> Chart:
    """Autocorrelation of squares, before and after."""
    from models.volatility.diagnostics import autocorrelation

    where = list(range(1, lags + 1))
    traces: list[dict[str, Any]] = [
        {
            "type": "bar", "x": where, "y": rounded(autocorrelation(values**2, lags)), "name": name,
            "marker": {"color": colour},
        }
        for name, values, colour in (
            ("squared residuals", fitted.residuals, MUTED),
            ("squared standardised residuals", fitted.standardised, BUY),
        )
    ]  # fmt: skip
    bound = 1.96 / fitted.n**0.5
    traces += [line([0.5, lags + 0.5], [y, y], "95 % under independence", LOSS, width=1) for y in (bound, -bound)]
    traces[-1]["showlegend"] = False
    drawn = figure(traces, "autocorrelation")
    drawn["layout"]["xaxis"] = axis("lag") | {"gridcolor": GRID}
    drawn["layout"]["barmode"] = "group"
    return Chart("Memory of volatility, before and after", drawn, "What the model explains should be gone.", 280)


def correlation_chart(fitted: "DependenceFit") -> Chart:
    drawn = heat(fitted.names, fitted.names, fitted.correlation, fitted.correlation, ".2f", (-1.0, 1.0))
    return Chart("Correlation, one step ahead", drawn, height_px=160 + 24 * len(fitted.names))


def paths_chart(panel: "Panel", fitted: "DependenceFit") -> Chart:
    """Correlation over time of the pairs that moved most."""
    path = fitted.correlations
    rows, columns = np.tril_indices(len(fitted.names), -1)
    order = np.argsort(-path[:, rows, columns].std(axis=0))[:PATHS]
    places = thin(fitted.n, POINTS)
    where = times(panel.dates[-fitted.n :][places], panel.dated)
    traces = [
        line(where, rounded(path[places, i, j]), f"{fitted.names[j]}, {fitted.names[i]}", colour, width=1.2)
        for colour, i, j in zip(INSTRUMENT_COLOURS, rows[order], columns[order], strict=False)
    ]
    note = f"The {len(order)} pairs that moved most of {len(rows):,}." if len(rows) > len(order) else ""
    return Chart("Conditional correlation", on_dates(figure(traces, "correlation"), panel.dated), note, 320)


def volatilities_chart(panel: "Panel", fitted: "DependenceFit") -> Chart:
    places = thin(fitted.n, POINTS)
    where = times(panel.dates[-fitted.n :][places], panel.dated)
    traces = [
        line(where, rounded(np.sqrt(fitted.variances[places, i])), name, colour, width=1.2)
        for i, (colour, name) in enumerate(zip(INSTRUMENT_COLOURS, fitted.names, strict=False))
    ]
    note = f"The first {len(traces)} of {len(fitted.names)}." if len(fitted.names) > len(traces) else ""
    drawn = on_dates(figure(traces, "per observation"), panel.dated)
    return Chart("Conditional volatility", drawn, note, 280)


def states_chart(panel: "Panel", fitted: "HmmFit") -> Chart:
    """The density of each state, weighted by its long-run share, over the returns."""
    values = panel.values[:, 0]
    values = values[np.isfinite(values)]
    heights, edges = np.histogram(values, bins=120, density=True)
    middles = 0.5 * (edges[1:] + edges[:-1])
    traces: list[dict[str, Any]] = [
        {"type": "bar", "x": rounded(middles), "y": rounded(heights), "name": "returns", "marker": {"color": GRID}}
    ]
    for i, colour in zip(range(fitted.states), INSTRUMENT_COLOURS, strict=False):
        deviation = float(fitted.volatilities[i])
        density = np.exp(-0.5 * ((middles - fitted.means[i]) / deviation) ** 2) / (deviation * (2 * np.pi) ** 0.5)
        share = float(fitted.stationary[i])
        traces.append(line(middles.tolist(), rounded(share * density), f"state {i}, {share:.0%} of time", colour))
    drawn = figure(traces, "density")
    drawn["layout"]["xaxis"] = axis("return") | {"gridcolor": GRID}
    drawn["layout"]["bargap"] = 0
    return Chart("Returns and states", drawn, "bot4 risk regime shows what could be known at each date.", 320)
