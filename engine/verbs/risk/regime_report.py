"""The page of `bot4 risk regime`: price coloured by regime, probabilities, changes, versions of the fit."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.replay.report_charts import GRID, INK, MUTED, POINTS, Chart, axis, figure, milliseconds, thin
from engine.replay.report_page import Figure, Page, Table, write_page
from engine.verbs.risk.regime import bars

if TYPE_CHECKING:
    from models.panel import Panel
    from models.regimes import FitVersion, Published, RegimeSettings

COLOURS = ("#2e8b57", "#c0392b", "#d1971b", "#1f6feb", "#8957b0", "#008b8b", "#a0306c", "#1b2733")
CHANGES_SHOWN = 60


def colours_of(states: int) -> list[str]:
    """Calm is green, wild is red, what lies between has colours of its own."""
    if states == 1:
        return [COLOURS[0]]
    return [COLOURS[0], *COLOURS[2:states], COLOURS[1]]


def write_report(
    path: Path,
    level: tuple[str, Any],
    returns: "Panel",
    settings: "RegimeSettings",
    published: "Published",
    versions: "list[FitVersion]",
    result: dict[str, Any],
) -> None:
    """Writes the page. Raises UserError when that cannot be done."""
    used = [version for version in versions if version.used]
    page = Page(
        title=f"Regimes of {result['series']}",
        subtitle=f"{result['from']} to {result['to']}: what could be known at each date",
        badge="regimes",
        facts=[
            ("model", f"{settings.kind}, {settings.states} states, ordered by volatility"),
            ("fitted", f"every {settings.refit} observations on the last {settings.window or 'all'}"),
            ("published", f"{int((published.labels >= 0).sum()):,} of {result['n']:,} returns"),
        ],
        cautions=list(result["notes"]),
        figures=figures(result, used[-1]),
        charts=[
            price_chart(level, returns, published, settings.states, result["alarms"]),
            probability_chart(returns, published, settings.states),
            volatility_chart(returns, used, settings.states),
        ],
        tables=[
            states_table(result),
            transition_table(result),
            changes_table(result),
            alarms_table(result),
            versions_table(result),
        ],
        footer="Filtered probabilities only: no value uses a later date, and no refit rewrites one.",
    )
    write_page(page, path)


def figures(result: dict[str, Any], last: "FitVersion") -> list[Figure]:
    now = max(result["states"], key=lambda state: float(state["probability"]))
    return [
        Figure("state now", str(now["state"]), f"probability {now['probability']:.1%}"),
        Figure("its volatility", f"{now['volatility']:.2%}", "per observation"),
        Figure("expected to last", bars(now["expected_duration"]), "observations in all"),
        Figure("changes of regime", f"{len(result['changes']):,}", "as published"),
        Figure("fits", f"{len(result['fit_versions']):,}", f"the last in use: version {last.version}"),
        Figure("label jumps", f"{result['label_jumps']}", "states that changed their place"),
    ]


def price_chart(
    level: tuple[str, Any], returns: "Panel", published: "Published", states: int, alarms: list[dict[str, Any]]
) -> Chart:
    """The series, each point in the colour of the state published for it; grey before the first fit."""
    name_of_level, series = level
    places = thin(len(series), POINTS)
    labels = published.labels[places]
    traces = []
    for state, colour in ((-1, MUTED), *enumerate(colours_of(states))):
        mine = labels == state
        if not mine.any():
            continue
        name = "before the first fit" if state < 0 else f"state {state}"
        values: list[float | None] = np.where(mine, series[places], np.nan).tolist()
        traces.append(
            {
                "type": "scatter", "mode": "markers", "x": times(returns, places[mine]), "name": name,
                "y": [value for value, there in zip(values, mine, strict=True) if there],
                "marker": {"color": colour, "size": 3},
            }
        )  # fmt: skip
    marks = np.array([row["index"] for row in alarms if row["kind"] == "bayesian"], dtype=np.int64)
    traces.append(
        {
            "type": "scatter", "mode": "markers", "x": times(returns, marks), "y": series[marks].tolist(),
            "name": "a new run began (Bayesian alarm)",
            "marker": {"color": INK, "symbol": "triangle-down-open", "size": 9},
        }
    )  # fmt: skip
    drawn = dated(figure(traces, name_of_level), returns)
    drawn["layout"]["legend"]["itemsizing"] = "constant"
    positive = bool(np.all(series > 0.0)) and float(series.max() / series.min()) > 5.0
    if positive:
        drawn["layout"]["yaxis"]["type"] = "log"
    return Chart("Regime timeline", drawn, "Colour: the likeliest state, as published on that date.", 380)


def probability_chart(returns: "Panel", published: "Published", states: int) -> Chart:
    """Filtered probabilities, stacked to 1, with the likeliest of each stretch kept visible."""
    places = thin(len(returns.dates), POINTS)
    places = places[published.labels[places] >= 0]
    traces = [
        {
            "type": "scatter", "mode": "lines", "x": times(returns, places), "name": f"state {state}",
            "y": np.round(published.probabilities[places, state], 4).tolist(),
            "line": {"width": 0, "color": colour}, "stackgroup": "all", "fillcolor": colour,
        }
        for state, colour in enumerate(colours_of(states))
    ]  # fmt: skip
    drawn = dated(figure(traces, "probability", ".0%"), returns)
    drawn["layout"]["yaxis"]["range"] = [0, 1]
    return Chart("Filtered probabilities", drawn, height_px=240)


def volatility_chart(returns: "Panel", used: "list[FitVersion]", states: int) -> Chart:
    """Volatility of each state, version by version: how stable the states are."""
    last = np.array([version.last for version in used])
    traces = [
        {
            "type": "scatter", "mode": "lines", "x": times(returns, last), "name": f"state {state}",
            "y": [float(version.fit.volatilities[state]) for version in used],
            "line": {"width": 1.5, "color": colour, "shape": "hv"},
        }
        for state, colour in enumerate(colours_of(states))
    ]  # fmt: skip
    return Chart("Volatility of the states by version", dated(figure(traces, "per observation", ".2%"), returns),
                 "Steps are refits.", 240)  # fmt: skip


def times(returns: "Panel", places: Any) -> list[float]:
    """Where points stand on the axis: dates, or row numbers."""
    if not returns.dated:
        return [float(place) for place in places]
    return milliseconds(returns.dates[places].astype("datetime64[ns]").astype(np.int64))


def dated(drawn: dict[str, Any], returns: "Panel") -> dict[str, Any]:
    """The axis of dates shows days; without dates it counts rows."""
    if returns.dated:
        drawn["layout"]["xaxis"]["hoverformat"] = "%Y-%m-%d %H:%M"
    else:
        drawn["layout"]["xaxis"] = axis("row") | {"gridcolor": GRID}
    drawn["layout"]["xaxis"]["range"] = times(returns, np.array([0, len(returns.dates) - 1]))
    return drawn


def states_table(result: dict[str, Any]) -> Table:
    return Table(
        "States, under the version in use at the end",
        ["state", "mean", "volatility", "persistence", "expected to last", "long-run share", "share of published"],
        [
            [
                str(state["state"]), f"{state['mean']:+.4%}", f"{state['volatility']:.3%}",
                f"{state['persistence']:.4f}", bars(state["expected_duration"]), f"{state['stationary']:.1%}",
                f"{state['published_share']:.1%}",
            ]
            for state in result["states"]
        ],
        note="Mean and volatility per observation; durations in observations.",
    )  # fmt: skip


def transition_table(result: dict[str, Any]) -> Table:
    rows = result["transition"]
    return Table(
        "Transition, from the row to the column",
        ["from", *(str(j) for j in range(len(rows)))],
        [[str(i), *(f"{value:.4f}" for value in row)] for i, row in enumerate(rows)],
    )


def changes_table(result: dict[str, Any]) -> Table:
    shifts = result["changes"]
    note = f"The last {CHANGES_SHOWN} of {len(shifts):,}." if len(shifts) > CHANGES_SHOWN else ""
    return Table(
        "Changes of regime",
        ["date", "from", "to", "probability", "version"],
        [
            [row["date"], str(row["from"]), str(row["to"]), f"{row['probability']:.1%}", str(row["fit_version"])]
            for row in reversed(shifts[-CHANGES_SHOWN:])
        ],
        frozenset(["date"]),
        note,
    )


def alarms_table(result: dict[str, Any]) -> Table:
    alarms = result["alarms"]
    note = "CUSUM: the model in use no longer fits. Bayesian: a new run has probably begun."
    if len(alarms) > CHANGES_SHOWN:
        note += f" The last {CHANGES_SHOWN} of {len(alarms):,}."
    return Table(
        "Alarms of change detection",
        ["date", "method", "what changed", "since"],
        [[row["date"], row["kind"], row["side"], row["since"]] for row in reversed(alarms[-CHANGES_SHOWN:])],
        frozenset(["date", "method", "what changed", "since"]),
        note,
    )


def versions_table(result: dict[str, Any]) -> Table:
    return Table(
        "Versions of the fit",
        ["version", "fitted on", "n", "health", "volatilities", "persistence", "label jumps", "relabelled"],
        [
            [
                str(row["version"]), f"{row['fitted_from']} to {row['fitted_to']}", f"{row['n']:,}",
                row["code"] if row["used"] else f"{row['code']}, not used",
                " / ".join(f"{value:.2%}" for value in row["volatilities"]),
                " / ".join(f"{row['transition'][i][i]:.3f}" for i in range(len(row["transition"]))),
                str(row["label_jumps"]), f"{row['relabelled']:.1%}",
            ]
            for row in reversed(result["fit_versions"])
        ],
        frozenset(["fitted on", "health"]),
        "Relabelled: share of the window's observations whose likeliest state differs from the version before.",
    )  # fmt: skip
