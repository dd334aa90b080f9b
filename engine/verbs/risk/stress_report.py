"""The page of `bot4 risk stress`: the scenarios by size, where they lie in the past, which positions they hit."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.replay.report_charts import LOSS, Chart, axis, figure, rounded
from engine.replay.report_page import Figure, Page, Table, write_page
from engine.verbs.risk.var_charts import PER_CENT, correlation_chart, drawdown_chart, foremost, heat, of_all
from engine.verbs.risk.var_inputs import money

if TYPE_CHECKING:
    from engine.verbs.risk.var_inputs import Holding
    from models.market_risk.stress import Stress


def write_report(path: Path, held: "Holding", found: "list[Stress]", rows: list[dict[str, Any]]) -> None:
    """Writes the page. Raises UserError when that cannot be done."""
    worst = max(found, key=lambda each: each.loss)
    past = [each for each in found if each.kind in ("episode", "drawdown")]
    notes = dict.fromkeys(note for row in rows for note in row["notes"])
    page = Page(
        title="Stress tests",
        subtitle=f"{len(held.names)} positions, {len(found)} scenarios",
        badge="stress",
        facts=[
            ("data", f"{held.returns.place(0)} to {held.returns.place(len(held.returns.dates) - 1)}"),
            ("gross exposure", money(float(np.abs(held.exposures).sum()), held.unit)),
            ("net exposure", money(float(held.exposures.sum()), held.unit)),
        ],
        cautions=[*held.notes, *notes],
        figures=[
            Figure("worst scenario", money(worst.loss, held.unit), worst.name),
            *(
                Figure(f"worst {kind}", money(most.loss, held.unit), most.name)
                for kind in ("episode", "drawdown", "shock", "correlation")
                if (most := largest(found, kind)) is not None
            ),
        ],
        charts=charts(held, found, past),
        tables=[scenario_table(held, rows), contribution_table(held, found)],
        footer="Episodes compound today's positions over the days found; losses are positive.",
    )
    write_page(page, path)


def largest(found: "list[Stress]", kind: str) -> "Stress | None":
    return max((each for each in found if each.kind == kind), key=lambda each: each.loss, default=None)


def charts(held: "Holding", found: "list[Stress]", past: "list[Stress]") -> list[Chart]:
    from models.market_risk.portfolio import history_of
    from models.market_risk.stress import with_proxies

    filled, _ = with_proxies(held.returns)
    _, gains, _ = history_of(filled, held.exposures)
    place = {held.returns.place(i): i for i in range(len(held.returns.dates))}
    spans = [(place[each.first], place[each.last], each.name) for each in past if each.first and each.last]
    drawn = [loss_chart(held, found), drawdown_chart("Where the episodes lie", filled, gains, spans)]
    if len(held.names) > 1:
        table = np.array([each.contributions for each in found])
        scale = np.abs(table).max(axis=1, keepdims=True)
        shown = table / np.where(scale > 0.0, scale, 1.0)
        shares = table / np.where(scale > 0.0, np.abs(table).sum(axis=1, keepdims=True), 1.0)
        kept = foremost(np.abs(shares).max(axis=0))
        names, scenarios = tuple(held.names[i] for i in kept), tuple(each.name for each in found)
        cells = heat(names, scenarios, shown[:, kept], shares[:, kept], ".0%", (-1.0, 1.0))
        note = "Red: the position loses; the number is its share of the scenario's gross gains and losses."
        note += of_all(len(held.names))
        drawn.append(Chart("Which positions each scenario hits", cells, note, 180 + 24 * len(found)))
        drawn.append(correlation_chart(held.names, held.complete().values, held.exposures))
    return drawn


def loss_chart(held: "Holding", found: "list[Stress]") -> Chart:
    """Bars by size."""
    order = sorted(found, key=lambda each: each.loss)
    losses = np.array([each.loss for each in order])
    trace = {
        "type": "bar", "orientation": "h", "x": rounded(losses), "y": [each.name for each in order],
        "marker": {"color": LOSS}, "text": [money(loss, held.unit) for loss in losses], "textposition": "auto",
    }  # fmt: skip
    drawn = figure([trace], "")
    drawn["layout"]["xaxis"] = axis("loss", PER_CENT if held.unit == "fraction" else ",~r")
    drawn["layout"]["yaxis"] = {"type": "category", "automargin": True, "dtick": 1}
    return Chart("Losses", drawn, height_px=140 + 22 * len(found))


def scenario_table(held: "Holding", rows: list[dict[str, Any]]) -> Table:
    cells = [
        [row["name"], row["kind"], row["from"] or "", row["to"] or "", money(row["loss"], held.unit)] for row in rows
    ]
    return Table(
        "Scenarios", ["scenario", "kind", "from", "to", "loss"], cells, frozenset(["scenario", "kind", "from", "to"])
    )


def contribution_table(held: "Holding", found: "list[Stress]") -> Table:
    """The five worst scenarios, position by position."""
    worst = sorted(found, key=lambda each: -each.loss)[:5]
    largest = max(each.loss for each in worst)

    def amount(value: float) -> str:
        return money(value, held.unit, largest)

    rows = [[name, *(amount(each.contributions[i]) for each in worst)] for i, name in enumerate(held.names)]
    rows.append(["sum", *(amount(each.loss) for each in worst)])
    headings = ["instrument", *(each.name for each in worst)]
    return Table("The five worst, by position", headings, rows, frozenset(["instrument"]), total=True)
