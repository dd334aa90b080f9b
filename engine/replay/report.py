"""The HTML report of a backtest or a run: first what was assumed, then why it did not trade, then the money.

A figure that was not measured is not there; nothing is smoothed, and what is thinned for drawing says so.
"""

import time
from pathlib import Path
from typing import Any

import numpy as np

from engine.replay.backtest import Backtest, equity, max_drawdown
from engine.replay.report_charts import charts
from engine.replay.report_page import Figure, Page, Table, write_page
from engine.replay.sampling import SampledRun, sample_run
from engine.telemetry.refusal_meanings import meaning
from ipc.instruments import ATOMS_PER_UNIT, from_units
from ipc.messages import BookState, Liquidity, Side

FEW_FILLS = 100
SHORT_SPAN_S = 86_400
MINUTE_S = 60
HOUR_S = 3_600

Array = np.ndarray[Any, Any]


def write_backtest_report(outcome: Backtest, path: Path) -> None:
    """One HTML file. Raises UserError when it cannot be written."""
    result = outcome.result
    names = ", ".join(row["name"].decode() for row in outcome.instruments)
    span_s = span_of(outcome.coverage)
    gaps = {name: values["gaps"] for name, values in result["instruments"].items()}
    page = Page(
        title=f"Backtest: {result['strategy']}",
        subtitle=f"{names} · {period(outcome.coverage)}",
        badge="BACKTEST",
        facts=[
            ("Assumed", sentence_of(outcome.assumptions)),
            ("Risk", sentence_of(result["risk_results"]["sentence"])),
            ("Data", f"{result['messages']:,} market data records over {duration(span_s)}"),
            ("Outputs", f"SHA-256 {result['outputs_sha256']}"),
        ],
        alarm=why_no_trade(result["fills"], result["refusals"]),
        cautions=cautions(outcome.instruments, outcome.samples, outcome.fills, span_s, gaps)
        + [f"{name} failed and was switched off: {why}" for name, why in dict(result["strategies_failed"]).items()],
        figures=key_figures(outcome.instruments, outcome.samples, outcome.fills, result),
        charts=charts(outcome.instruments, outcome.samples, outcome.fills),
        tables=[
            *instrument_table(outcome.instruments, outcome.fills, result["instruments"]),
            *refusal_table(result["refusals"]),
            coverage_table(outcome.coverage, gaps),
        ],
        footer=f"Bot4 backtest · {result['messages_per_s']:,.0f} records a second · written {now()}",
    )
    write_page(page, path)


def sentence_of(text: str) -> str:
    return text[:1].upper() + text[1:]


def write_run_report(folder: Path, result: dict[str, Any], path: Path) -> None:
    """One HTML file from the run's journal and what `bot4 run` says of it. Raises UserError, IntegrityError."""
    run = sample_run(folder)
    settings: Any = run.manifest.config.get("run", {})
    span_s = span_of(run.coverage)
    live = run.manifest.mode == "live"
    page = Page(
        title=f"Run {run.manifest.run_id}",
        subtitle=f"{strategies(run)} on {', '.join(row['name'].decode() for row in run.instruments)} · "
        f"{period(run.coverage)}",
        badge="LIVE" if live else "PAPER",
        facts=[
            ("Money", "real money, orders went to the venue" if live else "no real money"),
            ("Market", where(settings)),
            ("Duration", duration(span_s)),
            ("Replay", replay_sentence(result.get("replay"))),
            ("Build", f"{run.manifest.build_id}, configuration {run.manifest.config_sha256[:16]}"),
        ],
        alarm=trouble(result) or why_no_trade(int(result.get("fills", 0)), result.get("refusals", {})),
        cautions=cautions(run.instruments, run.samples, run.fills, span_s, run.gaps),
        figures=key_figures(run.instruments, run.samples, run.fills, result),
        charts=charts(run.instruments, run.samples, run.fills),
        tables=[
            *latency_table(result.get("latencies", {}), result.get("hiccup", {})),
            *refusal_table(result.get("refusals", {})),
            *event_table(result.get("events", [])),
            coverage_table(run.coverage, run.gaps),
        ],
        footer=f"Bot4 · journal in {folder.name}/journal, `bot4 replay {run.manifest.run_id}` runs it again · "
        f"written {now()}",
    )
    write_page(page, path)


# -- the opening -----------------------------------------------------------------------------------------------------


def why_no_trade(fills: int, refusals: dict[str, int]) -> tuple[str, list[str]] | None:
    """A strategy that never traded: what refused it most, with what each means."""
    if fills:
        return None
    top = sorted(refusals.items(), key=lambda pair: -pair[1])[:5]
    if not top:
        return "It never traded", ["Nothing was refused: the strategy sent no order that met the market."]
    return "It never traded", [f"{count:,} refusals {code}: {meaning(code)}" for code, count in top]


def trouble(result: dict[str, Any]) -> tuple[str, list[str]] | None:
    """What went wrong in a run, the worst first."""
    replay = result.get("replay")
    if replay and not replay["identical"]:
        place = replay["first_divergence"]
        return "The replay DIVERGED", [
            f"block {place['block']}, record {place['record']}, stage {place['stage']}",
            f"the journal has {place['journaled']}",
            f"the replay computed {place['computed']}",
        ]
    restarts = result.get("restarts", {})
    if restarts:
        return "Processes died and were started again", [f"{name}: {count} times" for name, count in restarts.items()]
    return None


def cautions(instruments: Array, samples: Array, fills: Array, span_s: float, gaps: dict[str, int]) -> list[str]:
    """What a reader should know before he believes the profit."""
    found = []
    if 0 < span_s < SHORT_SPAN_S:
        found.append(f"It covers {duration(span_s)}: too short to tell skill from luck.")
    if 0 < len(fills) < FEW_FILLS:
        found.append(f"Only {len(fills)} fills: every figure below rests on a handful of trades.")
    if len(fills) and np.all(fills["liquidity"] == Liquidity.MAKER):
        found.append("Every fill rested at the venue: the profit depends on the queue position that was assumed.")
    found += [
        f"{name}: {count:,} gaps in the book, nothing was traded in them." for name, count in gaps.items() if count
    ]
    open_now = [row for row in last_rows(samples, len(instruments)) if row["position_lots"]]
    for row in open_now:
        instrument = instruments[int(row["instrument"])]
        found.append(
            f"It ends with an open position of {quantity(instrument, int(row['position_lots']))} "
            f"{instrument['name'].decode()}, counted at mid: closing it costs more."
        )
    return found


def last_rows(samples: Array, instruments: int) -> list[Any]:
    """The newest sample of each instrument that has one."""
    mine = (samples[samples["instrument"] == i] for i in range(instruments))
    return [rows[-1] for rows in mine if len(rows)]


def replay_sentence(replay: dict[str, Any] | None) -> str:
    if not replay:
        return "not replayed"
    if replay["identical"]:
        return f"identical: {replay['messages']:,} messages gave the same {replay['outputs']:,} outputs, bit for bit"
    return "DIVERGED, see below"


def where(settings: dict[str, Any]) -> str:
    if settings.get("market") == "exchange":
        return f"the built-in exchange on this machine, seed {settings.get('seed')}"
    return f"Binance market data, orders to {settings.get('orders')}"


def strategies(run: SampledRun) -> str:
    chosen: Any = run.manifest.config.get("strategies", ())
    return ", ".join(dict.fromkeys(str(choice["name"]) for choice in chosen))


# -- figures and tables ----------------------------------------------------------------------------------------------


def key_figures(instruments: Array, samples: Array, fills: Array, result: dict[str, Any]) -> list[Figure]:
    """Eight figures; value traded and the maker's share are summed exactly from the fills."""
    profit, fees, traded = float(result["pnl"]), float(result["fees"]), value_traded(instruments, fills)
    per_value = f"{profit / traded * 1e4:,.2f} bp of the value traded" if traded else ""
    made = int(np.count_nonzero(fills["liquidity"] == Liquidity.MAKER))
    bought = int(np.count_nonzero(fills["side"] == Side.BID))
    return [
        Figure("Profit after fees", f"{profit:,.2f}", per_value, (profit > 0) - (profit < 0)),
        Figure("Before fees", f"{profit + fees:,.2f}", "open positions at mid"),
        Figure("Fees", f"{fees:,.2f}", f"{fees / traded * 1e4:,.2f} bp of the value traded" if traded else ""),
        Figure(
            "Largest drawdown", f"{drawdown_of(instruments, samples, result):,.2f}", "from the highest point so far"
        ),
        Figure("Value traded", f"{traded:,.0f}", "quote units, both sides"),
        Figure("Fills", f"{len(fills):,}", f"{bought:,} bought, {len(fills) - bought:,} sold"),
        Figure("As maker", f"{made / len(fills):.0%}" if len(fills) else "-", f"{made:,} of {len(fills):,} fills"),
        Figure("Orders", f"{result['orders']:,}", f"{sum(result['refusals'].values()):,} refused"),
    ]


def drawdown_of(instruments: Array, samples: Array, result: dict[str, Any]) -> float:
    given = result.get("max_drawdown")
    return float(given) if given is not None else max_drawdown(equity(instruments, samples)[1])


def value_traded(instruments: Array, fills: Array) -> float:
    """Sum of price times quantity over all fills, in quote units."""
    total = 0.0
    for number, row in enumerate(instruments):
        mine = fills[fills["instrument"] == number]
        tick_lots = int(np.dot(mine["price_ticks"].astype(object), mine["quantity_lots"].astype(object)) or 0)
        total += tick_lots * int(row["atoms_numerator"]) / int(row["atoms_denominator"]) / ATOMS_PER_UNIT
    return total


def instrument_table(instruments: Array, fills: Array, results: dict[str, Any]) -> list[Table]:
    """One row an instrument; nothing when there is only one."""
    if len(instruments) < 2:
        return []
    rows = []
    for number, row in enumerate(instruments):
        name = row["name"].decode()
        values = results[name]
        traded = value_traded(instruments[number : number + 1], fills_at_zero(fills, number))
        rows.append(
            [
                name,
                f"{values['pnl']:,.2f}",
                f"{values['fills']:,}",
                f"{traded:,.0f}",
                quantity(row, values["position_lots"]),
                BookState(values["book_state"]).name,
            ]
        )
    headings = ["instrument", "profit after fees", "fills", "value traded", "position at the end", "book at the end"]
    return [Table("Instruments", headings, rows)]


def fills_at_zero(fills: Array, number: int) -> Array:
    """The fills of one instrument, renumbered for a table of one row."""
    mine: Array = fills[fills["instrument"] == number].copy()
    mine["instrument"] = 0
    return mine


def latency_table(latencies: dict[str, dict[str, Any]], hiccup: dict[str, Any]) -> list[Table]:
    """Percentiles, and in the last row how late this machine itself is."""
    rows = [
        [
            name.removeprefix("slot."),
            f"{values['count']:,}",
            nanoseconds(values["p50_ns"]),
            nanoseconds(values["p99_ns"]),
            nanoseconds(values["max_ns"]),
        ]
        for name, values in latencies.items()
        if values["count"]
    ]
    if not rows:
        return []
    measured = bool(hiccup.get("count"))
    if measured:
        numbers = [nanoseconds(hiccup[key]) for key in ("p50_ns", "p99_ns", "max_ns")]
        rows.append(["the machine's own hiccups (lateness of a 1 ms sleep)", f"{hiccup['count']:,}", *numbers])
    note = "Taken in the loop, per message. What is no larger than the last row may belong to the machine, not to Bot4."
    return [Table("Latencies", ["stage", "count", "p50", "p99", "max"], rows, note=note, total=measured)]


def refusal_table(refusals: dict[str, int]) -> list[Table]:
    if not refusals:
        return []
    rows = [[code, f"{count:,}", meaning(code)] for code, count in sorted(refusals.items(), key=lambda pair: -pair[1])]
    return [Table("Refusals", ["code", "count", "meaning"], rows, frozenset({"meaning"}))]


def event_table(events: list[str]) -> list[Table]:
    return (
        [Table("Events", ["what happened"], [[str(event)] for event in events], frozenset({"what happened"}))]
        if events
        else []
    )


def coverage_table(coverage: list[dict[str, Any]], gaps: dict[str, int]) -> Table:
    """What the data holds, per instrument."""
    kinds = sorted({kind for row in coverage for kind in row["kinds"]})
    rows = [
        [
            row["name"],
            *(f"{row['kinds'].get(kind, 0):,}" for kind in kinds),
            f"{gaps.get(row['name'], 0):,}",
            clock_text(row["first_ns"]),
            clock_text(row["last_ns"]),
        ]
        for row in coverage
    ]
    headings = ["instrument", *(kind.lower().replace("_", " ") for kind in kinds), "gaps", "first (UTC)", "last (UTC)"]
    return Table("Data coverage", headings, rows, note="Records by kind, by receive time.")


# -- numbers as people read them ---------------------------------------------------------------------------------------


def quantity(instrument: np.void, lots: int) -> str:
    return from_units(lots, instrument["lot_mantissa"], instrument["lot_exponent"])


def nanoseconds(value: int | None) -> str:
    """1,234 ns, 12.3 µs, 4.5 ms, 1.2 s: three digits say enough."""
    if value is None:
        return "-"
    for unit, size in (("s", 1e9), ("ms", 1e6), ("µs", 1e3)):
        if value >= size * 10 or (value >= size and unit != "µs"):
            return f"{value / size:,.1f} {unit}"
    return f"{value:,} ns"


def duration(seconds: float) -> str:
    if seconds >= 2 * HOUR_S:
        return f"{seconds / HOUR_S:,.1f} hours"
    return f"{seconds / MINUTE_S:,.1f} minutes" if seconds >= 2 * MINUTE_S else f"{seconds:,.1f} seconds"


def span_of(coverage: list[dict[str, Any]]) -> float:
    """Seconds between the first and the last record of all instruments."""
    first = [row["first_ns"] for row in coverage if row["last_ns"]]
    return (max(row["last_ns"] for row in coverage) - min(first)) / 1e9 if first else 0.0


def period(coverage: list[dict[str, Any]]) -> str:
    first = [row["first_ns"] for row in coverage if row["last_ns"]]
    if not first:
        return "no market data"
    return f"{clock_text(min(first), '%Y-%m-%d %H:%M:%S')} to {clock_text(max(r['last_ns'] for r in coverage))} UTC"


def clock_text(time_ns: int, pattern: str = "%Y-%m-%d %H:%M:%S") -> str:
    return time.strftime(pattern, time.gmtime(time_ns // 1_000_000_000)) if time_ns else "-"


def now() -> str:
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())
