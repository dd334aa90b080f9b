"""The report of `bot4 risk kelly`: how a bet became lots, one factor after the other."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.replay.report_charts import BUY, GRID, INK, LOSS, MUTED, SELL, Chart, figure
from engine.replay.report_page import Figure, Page, Table, write_page

if TYPE_CHECKING:
    from models.sizing import Account, Edges

SHOWN = 40  # instruments in the charts, the largest first
TERMS = {
    "estimation": "Kan and Zhou: how much of an estimated optimum to believe",
    "fraction": "share of Kelly",
    "correlation": "joint over stand-alone, with the programme's constraints",
    "costs": "share of the edge left after costs and funding",
    "volatility_target": "down to the account's volatility target",
    "drawdown": "smaller between soft and hard drawdown, 0 beyond",
    "data_quality": "trust in the data",
    "venue_cap": "gross exposure at a venue",
    "gross_cap": "gross exposure in all",
    "capital_cap": "money that positions bind",
    "rounding": "toward zero, to whole lots",
}


def write_report(path: Path, result: dict[str, Any], edges: "Edges", account: "Account") -> None:
    """One page: waterfall of the gross exposure, positions, the terms of every instrument, what bound."""
    write_page(page_of(result, edges, account), path)


def page_of(result: dict[str, Any], edges: "Edges", account: "Account") -> Page:
    names = list(result["final"])
    running = np.array([result["running"][name] for name in names])  # (instrument, stage) lots
    exposure = np.abs(running) * (account.prices * account.lot_sizes)[:, None] / account.capital
    weights = np.array([result["weights"][name] for name in names])
    deviation = float(np.sqrt(weights @ edges.covariance @ weights * result["policy"]["periods_per_year"]))
    return Page(
        title="Position sizing",
        subtitle=f"{len(names)} instruments, {result['policy']['kelly_fraction']:g} of Kelly",
        badge="kelly",
        facts=[
            ("Capital", f"{account.capital:,.2f}"),
            ("Returns behind the edges", "unknown" if edges.observations is None else f"{edges.observations:,}"),
            ("Drawdown now", f"{account.drawdown:.1%}"),
            ("Limits hit", ", ".join(result["caps_hit"]) or "none"),
        ],
        cautions=list(result["notes"]),
        figures=[
            Figure("Gross exposure", f"{np.abs(weights).sum():.1%}", "of capital"),
            Figure("Net exposure", f"{weights.sum():+.1%}", "of capital"),
            Figure("Volatility a year", f"{deviation:.1%}", "expected, of capital"),
            Figure("Kept of raw Kelly", share(exposure[:, -1].sum(), exposure[:, 0].sum()), "of gross exposure"),
        ],
        charts=[waterfall(exposure.sum(axis=0)), positions(names, weights)],
        tables=[terms_table(result, names), edges_table(result, edges, account)],
        footer="Raw times every factor, left to right, is the lots exactly; the JSON has the digits that are cut here.",
    )


def share(part: float, whole: float) -> str:
    return f"{part / whole:.1%}" if whole > 0 else "nothing"


def waterfall(exposure: Any) -> Chart:
    """Gross exposure after each term, on a logarithmic scale: a halving has the same height everywhere."""
    labels = ["raw", *(name.replace("_", " ") for name in TERMS)]
    fell = np.concatenate([[False], np.diff(exposure) < -1e-12 * exposure[:-1]])
    trace = {
        "type": "bar", "x": labels, "y": [float(value) if value > 0 else None for value in exposure],
        "text": [f"{value:.3g}x" if value >= 10 else f"{value:.1%}" for value in exposure], "textposition": "outside",
        "marker": {"color": [LOSS if down else MUTED for down in fell[:-1]] + [INK]}, "cliponaxis": False,
    }  # fmt: skip
    drawn = figure([trace], "gross exposure / capital, log scale", ".0%")
    drawn["layout"]["yaxis"] |= {
        "type": "log",
        "tickvals": [part * 10.0**power for power in range(-3, 4) for part in (1, 3)],
    }
    drawn["layout"]["xaxis"] = {"type": "category", "gridcolor": GRID, "tickangle": -35}
    drawn["layout"]["margin"]["b"] = 100
    note = "gross exposure of all instruments after each term; red where a term made it smaller, dark what is left"
    return Chart("From raw Kelly to lots", drawn, note, 400)


def positions(names: list[str], weights: Any) -> Chart:
    order = np.argsort(-np.abs(weights))[:SHOWN]
    trace = {
        "type": "bar", "x": [names[i] for i in order], "y": [float(weights[i]) for i in order],
        "marker": {"color": [BUY if weights[i] >= 0 else SELL for i in order]},
    }  # fmt: skip
    drawn = figure([trace], "position / capital", ".1%")
    drawn["layout"]["xaxis"] = {"type": "category", "gridcolor": GRID}
    note = f"the {SHOWN} largest of {len(names)}" if len(names) > SHOWN else ""
    return Chart("Positions", drawn, note)


def terms_table(result: dict[str, Any], names: list[str]) -> Table:
    rows = []
    for name in names:
        terms = result["terms"][name]
        rows.append([
            name, f"{result['raw'][name]:,.5g}", *(f"{terms[term]:.3g}" for term in TERMS),
            f"{result['final'][name]:,}",
        ])  # fmt: skip
    headings = ["Instrument", "Raw, lots", *(term.replace("_", " ") for term in TERMS), "Lots"]
    note = "; ".join(f"{term.replace('_', ' ')}: {text}" for term, text in TERMS.items())
    return Table("Terms", headings, rows, frozenset({"Instrument"}), note)


def edges_table(result: dict[str, Any], edges: "Edges", account: "Account") -> Table:
    """What was believed, per period, and what became of it."""
    rows = [
        [
            name, account.venues[i], f"{edges.means[i]:+.4%}", f"{np.sqrt(edges.covariance[i, i]):.3%}",
            f"{edges.costs[i] * 1e4:.3f}", f"{edges.funding[i] * 1e4:+.3f}", f"{account.prices[i]:,.6g}",
            f"{account.lot_sizes[i]:g}", f"{account.quality[i]:.2f}",
            f"{result['weights'][name]:+.2%}",
        ]
        for i, name in enumerate(edges.names)
    ]  # fmt: skip
    headings = [
        "Instrument", "Venue", "Mean", "Deviation", "Cost, bp", "Funding, bp", "Price", "Lot", "Quality", "Of capital",
    ]  # fmt: skip
    return Table("Edges, per period", headings, rows, frozenset({"Instrument", "Venue"}))
