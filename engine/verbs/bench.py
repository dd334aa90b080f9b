"""`bot4 bench`: every row with its percentiles, allocations, and the machine's own hiccups beside it."""

import os
import platform
import sys
import tomllib
from pathlib import Path
from typing import Any

import click

from engine.verbs.output import emit, json_option, progress, table

AIMS = Path(__file__).resolve().parents[2] / "benchmarks" / "budgets.toml"


@click.command()
@click.argument("rows", nargs=-1)
@click.option("--no-allocations", is_flag=True, help="Leave the counting pass out: allocations are null then.")
@json_option
def bench(rows: tuple[str, ...], no_allocations: bool, as_json: bool) -> int:
    """Measure latencies and throughput: all rows when none is named."""
    from benchmarks.allocations import count
    from benchmarks.rows import ROWS
    from engine.telemetry.hiccup import Hiccup

    unknown = [name for name in rows if name not in ROWS]
    if unknown:
        raise click.UsageError(f"{unknown[0]!r} is no row; rows are {', '.join(ROWS)}")
    chosen = list(rows) or list(ROWS)
    hiccup = Hiccup()
    hiccup.start()
    measured, absent = [], {}
    aims = tomllib.loads(AIMS.read_text())["aims"]
    for name in chosen:
        progress(f"{name} ...", as_json)
        try:
            row = ROWS[name].measure()
        except Exception as error:  # recorded data absent, an extra not installed: said, not hidden
            absent[name] = f"{type(error).__name__}: {error}"
            progress(f"{name}: not measured: {absent[name]}", as_json)
            continue
        measured.append({"name": name} | row | {"allocations": None, "aims": held_to(row, aims.get(name, {}))})
    hiccup.stop()
    if not no_allocations:
        progress("counting allocations in a pass of its own", as_json)
        counted = count([row["name"] for row in measured if ROWS[row["name"]].hot])
        for row in measured:
            row["allocations"] = counted.get(row["name"], {}).get("allocations")
    result = {"rows": measured, "hiccup": hiccup.summary(), "machine": machine(), "not_measured": absent}
    emit(result, as_json, lambda: text(result))
    over = [row["name"] for row in measured if row["allocations"]]
    if over:
        print(f"bot4: {', '.join(over)} allocated after warm-up, which a hot row must not", file=sys.stderr)
    return 1 if over or (rows and absent) else 0


def held_to(row: dict[str, Any], aims: dict[str, float]) -> dict[str, dict[str, Any]]:
    """Each aim of the row, and whether it was met (durations: at most so long); null where it was not measured."""
    found: dict[str, dict[str, Any]] = {}
    for key, aim in aims.items():
        value = row.get(key)
        met = None if not isinstance(value, int | float) else value <= aim if key.endswith("_ns") else value >= aim
        found[key] = {"aim": aim, "met": met}
    return found


def machine() -> dict[str, Any]:
    """What the figures were taken on."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.partition(":")[2].strip() for line in lines if "model name" in line), platform.machine())
    return {
        "cpu": model,
        "cores": len(os.sched_getaffinity(0)),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load_average": os.getloadavg()[0],
    }


def text(result: dict[str, Any]) -> str:
    """The table, the peers, and what the machine itself did meanwhile."""
    rows = [
        [
            row["name"],
            f"{row['count']:,}",
            *(nanoseconds(row.get(key)) for key in ("p50_ns", "p99_ns", "p999_ns", "max_ns")),
            f"{row['per_s']:,.0f}" if row.get("per_s") else "-",
            "-" if row["allocations"] is None else f"{row['allocations']}",
            aims_text(row["aims"]),
        ]
        for row in result["rows"]
    ]
    lines = [table(["row", "count", "p50", "p99", "p99.9", "max", "per s", "allocations", "aim"], rows)]
    lines += [
        f"{row['name']}: in the same run {peers_text(row)} as long"
        for row in result["rows"]
        if row.get("ratio_to_peer")
    ]
    hiccup, where = result["hiccup"], result["machine"]
    lines.append(
        f"machine: {where['cpu']}, {where['cores']} cores, load {where['load_average']:.1f}; "
        f"hiccups (lateness of a 1 ms sleep) p50 {nanoseconds(hiccup['p50_ns'])}, "
        f"p99 {nanoseconds(hiccup['p99_ns'])}, max {nanoseconds(hiccup['max_ns'])}"
    )
    lines += [f"{name}: not measured: {why}" for name, why in result["not_measured"].items()]
    return "\n".join(lines)


def aims_text(aims: dict[str, dict[str, Any]]) -> str:
    """The aims, each marked where it was missed."""
    found = []
    for key, entry in aims.items():
        aim, stem = entry["aim"], key.removesuffix("p50_ns").rstrip("_").replace("_", " ")
        if key.endswith("_ns"):
            shown = nanoseconds(aim)
        else:
            stem, shown = ("peer", f"{aim:g} times") if key == "ratio_to_peer" else ("", f"{aim:,.0f} per s")
        mark = {True: "", False: " MISSED", None: " not measured"}[entry["met"]]
        found.append(f"{stem} {shown}{mark}".strip())
    return "; ".join(found) or "-"


def peers_text(row: dict[str, Any]) -> str:
    """Who was timed beside it, and how many times as long each took."""
    ratios = row["ratio_to_peer"]
    if not isinstance(ratios, dict):
        ratios = {row.get("peer") or next(iter(row.get("peers") or {}), "the peer"): ratios}
    return ", ".join(f"{peer} took {ratio:,.1f} times" for peer, ratio in ratios.items() if ratio)


def nanoseconds(value: float | None) -> str:
    """A duration in the unit that reads best."""
    if value is None:
        return "-"
    for limit, divisor, unit in ((10_000, 1, "ns"), (10_000_000, 1e3, "us"), (10_000_000_000, 1e6, "ms")):
        if value < limit:
            return f"{value / divisor:,.1f} {unit}" if value / divisor < 100 else f"{value / divisor:,.0f} {unit}"
    return f"{value / 1e9:,.1f} s"
