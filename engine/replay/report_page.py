"""The page of a report: one HTML file that needs nothing else, written whole or not at all. Every text is escaped."""

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

import msgspec

from engine.errors import Exit, UserError
from engine.replay.report_charts import Chart

WIDE = 10  # columns beyond which a table is set smaller
PRINTED = "{width: 690, height: 250}"  # a chart on A4, CSS pixels
STYLE = Path(__file__).with_name("report.css")


@dataclass(frozen=True)
class Figure:
    """One key figure: what it is, its value, a word beside it; `sign` colours a gain or a loss."""

    name: str
    value: str
    note: str = ""
    sign: int = 0


@dataclass(frozen=True)
class Table:
    """Rows under headings; columns named in `text` are set to the left. `total`: the last row stands apart."""

    title: str
    headings: Sequence[str]
    rows: Sequence[Sequence[str]]
    text: frozenset[str] = frozenset()
    note: str = ""
    total: bool = False


@dataclass
class Page:
    """Everything a report says, in the order in which it is read."""

    title: str
    subtitle: str
    badge: str
    facts: list[tuple[str, str]] = field(default_factory=list)
    alarm: tuple[str, list[str]] | None = None  # why it did not trade, or what went wrong
    cautions: list[str] = field(default_factory=list)
    figures: list[Figure] = field(default_factory=list)
    charts: list[Chart] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    footer: str = ""


def write_page(page: Page, path: Path) -> None:
    """Writes beside its place, then renames. Raises UserError when that cannot be written."""
    text = render(page)
    draft = path.with_name(f".{path.name}.{os.getpid()}.writing")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.write_text(text, encoding="utf-8")
        draft.replace(path)
    except OSError as error:
        raise UserError(f"{path}: the report cannot be written: {error.strerror}", Exit.FAILED) from None
    finally:
        with suppress(OSError):  # it may never have come to be, nor its folder
            draft.unlink()


def render(page: Page) -> str:
    """The HTML text. plotly is imported, and embedded once, only when there is a chart."""
    body = [
        f'<header><span class="badge {escape(page.badge)}">{escape(page.badge)}</span>'
        f'<h1>{escape(page.title)}</h1><div class="subtitle">{escape(page.subtitle)}</div></header>',
        facts(page.facts),
        callout("bad", *page.alarm) if page.alarm else "",
        callout("", "Read with care", page.cautions) if page.cautions else "",
        "".join(map(key_figure, page.figures)).join(('<div class="figures">', "</div>")) if page.figures else "",
        *(chart_section(number, chart) for number, chart in enumerate(page.charts)),
        *map(table_section, page.tables),
        f"<footer>{escape(page.footer)}</footer>",
    ]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(page.title)}</title>\n<style>\n{STYLE.read_text()}</style></head>\n<body><main>\n"
        + "\n".join(filter(None, body))
        + f"\n</main>\n{scripts(page.charts)}</body></html>\n"
    )


def facts(rows: list[tuple[str, str]]) -> str:
    pairs = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in rows)
    return f'<dl class="facts">{pairs}</dl>'


def callout(kind: str, heading: str, lines: Sequence[str]) -> str:
    if len(lines) == 1:
        content = f"<p>{escape(lines[0])}</p>"
    else:
        content = "<ul>" + "".join(f"<li>{escape(line)}</li>" for line in lines) + "</ul>"
    return f'<div class="callout {kind}"><strong>{escape(heading)}</strong>{content if lines else ""}</div>'


def key_figure(figure: Figure) -> str:
    style = {1: ' class="gain"', -1: ' class="loss"'}.get(figure.sign, "")
    return (
        f"<div><span>{escape(figure.name)}</span><b{style}>{escape(figure.value)}</b><i>{escape(figure.note)}</i></div>"
    )


def chart_section(number: int, chart: Chart) -> str:
    note = f'<p class="note">{escape(chart.note)}</p>' if chart.note else ""
    return (
        f'<section><h2>{escape(chart.title)}</h2>{note}<div class="chart" id="chart{number}" '
        f'style="height:{chart.height_px}px"></div></section>'
    )


def table_section(table: Table) -> str:
    left = [' class="text"' if heading in table.text else "" for heading in table.headings]
    head = "".join(f"<th{style}>{escape(heading)}</th>" for style, heading in zip(left, table.headings, strict=True))
    rows = []
    for number, row in enumerate(table.rows):
        cells = "".join(f"<td{style}>{escape(cell)}</td>" for style, cell in zip(left, row, strict=True))
        last = table.total and number == len(table.rows) - 1
        rows.append(f"<tr{' class=total' if last else ''}>{cells}</tr>")
    note = f'<p class="note">{escape(table.note)}</p>' if table.note else ""
    kinds = [*(["long"] if len(rows) > 25 else []), *(["wide"] if len(table.headings) > WIDE else [])]
    length = f' class="{" ".join(kinds)}"' if kinds else ""
    return (
        f"<section{length}><h2>{escape(table.title)}</h2>{note}<table><thead><tr>{head}</tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table></section>"
    )


def scripts(charts: Sequence[Chart]) -> str:
    """plotly, and one call a chart. `<` inside data is written so that nothing can end the script early."""
    if not charts:
        return ""
    from plotly.offline import get_plotlyjs

    figures = msgspec.json.encode([chart.figure for chart in charts]).decode().replace("<", "\\u003c")
    return (
        f"<script>{get_plotlyjs()}</script>\n<script>\n{figures.join(('const figures = ', ';'))}\n"
        "figures.forEach((figure, i) => Plotly.newPlot('chart' + i, figure.data, figure.layout,"
        " {responsive: true, displaylogo: false, displayModeBar: false}));\n"
        f"addEventListener('beforeprint', () => figures.forEach((_, i) => Plotly.relayout('chart' + i, {PRINTED})));\n"
        "addEventListener('afterprint', () => figures.forEach((_, i) =>"
        " Plotly.relayout('chart' + i, {width: null, height: null, autosize: true})));\n</script>\n"
    )
