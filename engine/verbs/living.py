"""The living run of an instance, found from outside: its files, its processes, and one look at everything it shows."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from engine import clock
from engine.config import Config, convert
from engine.errors import Exit, UserError
from engine.gateway.halt import HaltWord
from engine.journal.manifest import Manifest, read_manifest
from engine.journal.status import JournalStatus
from engine.orphans import started_ticks
from engine.risk.limits import LIMITS, Limit
from engine.run_files import RunFiles, run_files
from engine.telemetry.money import account_money
from engine.telemetry.refusal_counts import refusals, without_refusals
from engine.telemetry.sizes import sizes
from engine.telemetry.views import ViewsReader
from ipc.counters import Counters
from ipc.instruments import ATOMS_PER_UNIT, from_units
from ipc.messages import BookReason, BookState, Refusal, RiskMethod
from ipc.segment import SegmentError

COUNTED = ("core", "gateway", "feed", "risk")  # processes with counters
OLD_VIEWS_S = 3.0  # the core shows itself ten times a second


@dataclass(frozen=True)
class LivingRun:
    """`note` is the supervisor's word on its processes."""

    files: RunFiles
    manifest: Manifest
    note: dict[str, Any]


def find_living(config: Config) -> LivingRun:
    """The run that holds the instance of the configuration. Raises UserError (exit code 1) when none does."""
    run = config.run
    root = run_files("x", run.directory, run.shared_memory_directory).shared.parent
    killed = []
    for path in sorted(root.glob("*/run.json"), reverse=True):
        try:
            mark = json.loads(path.read_text())
            note = json.loads((path.parent / "processes.json").read_text())
        except (OSError, ValueError):
            continue  # it has just begun, or is just ending
        directory = Path(mark["directory"])
        if mark["instance"] != run.instance or directory.parent != Path(run.directory).resolve():
            continue
        if note["started_ticks"] == started_ticks(int(note["pid"])):
            clock.go_on_by(int(mark.get("clock_base_ns", clock.base_ns())))
            return LivingRun(RunFiles(path.parent.name, directory, path.parent), read_manifest(directory), note)
        killed.append(RunFiles(path.parent.name, directory, path.parent))
    if killed:
        raise UserError(f"no living run of instance {run.instance}: {way_on(killed[0])}", Exit.FAILED)
    raise UserError(f"no living run of instance {run.instance} in {run.directory}: `bot4 run` starts one", Exit.FAILED)


def way_on(killed: RunFiles) -> str:
    """What is left of a run that was killed whole, and what to do."""
    was, name = f"{killed.run_id} was killed", killed.run_id
    if convert(dict(read_manifest(killed.directory).config), "the run's manifest").run.own_exchange:
        return f"{was}, and its built-in exchange with it: `bot4 replay {name}` shows it, the next `bot4 run` buries it"
    return f"{was}; `bot4 run --resume {name}` goes on with it, and the next `bot4 run` buries it"


def views(living: LivingRun) -> np.void:
    """The newest copy of the core's views. Raises UserError when the core has not shown itself yet."""
    try:
        row = ViewsReader(living.files.views).read()
    except SegmentError:
        row = None
    if row is None:
        raise UserError(f"run {living.files.run_id}: the core has not shown itself yet; ask again", Exit.FAILED)
    return row


def status(living: LivingRun) -> dict[str, Any]:
    """The keys of `bot4 status --json`."""
    row = views(living)
    instruments = np.load(living.files.instruments)
    money = account_money(instruments, row["instruments"], row["book"])
    age_s = (clock.utc_ns() - int(row["head"]["time_ns"])) / 1e9
    risk = row["risk"]
    counters, latencies = counted(living.files)
    return {
        "run": living.files.run_id,
        "mode": living.manifest.mode,
        "instance": json.loads((living.files.shared / "run.json").read_text())["instance"],
        "seconds": (clock.utc_ns() - living.manifest.created_time_ns) / 1e9,
        "views_age_s": age_s,
        "core_hangs": age_s > OLD_VIEWS_S,
        "halted": halted(living, risk),
        "messages": int(row["head"]["inputs"]),
        "orders": int(row["head"]["orders"]),
        "fills": money.fills,
        "pnl": money.net,
        "realised": money.realised,
        "unrealised": money.unrealised,
        "fees": money.fees,
        "instruments": [
            instrument_status(*rows) for rows in zip(instruments, row["book"], row["instruments"], strict=True)
        ],
        "processes": [shown(process) for process in living.note["processes"]],
        "refusals": refusals(counters.get("core", {})),
        "limits": limits(risk),
        "risk_results": risk_results(risk),
        "sizing": sizes(row["sizing"], instruments, strategy_names(living)),
        "latencies": latencies,
        "counters": {process: without_refusals(values) for process, values in counters.items()},
        "journal": journal_status(living.files),
        "events": living.note["events"],
    }


def halted(living: LivingRun, risk: np.void) -> dict[str, Any] | None:
    """Why no new order goes out: by risk, by the halt word, by the supervisor. None while they do."""
    try:
        word = HaltWord(living.files.halt).halted
    except OSError:
        word = False
    if not (risk["halted"] or word):
        return None
    reason = Refusal(int(risk["halt_reason"])).name if risk["halted"] else Refusal.GATEWAY_HALTED.name
    return {"reason": reason, "risk": bool(risk["halted"]), "halt_word": word, "supervisor": living.note["halted"]}


def instrument_status(instrument: np.void, book: np.void, account: np.void) -> dict[str, Any]:
    """Book and account of one instrument, prices and quantities as exact decimal text."""

    def price(field: str) -> str:
        return from_units(int(book[field][0]), instrument["tick_mantissa"], instrument["tick_exponent"])

    return {
        "name": instrument["name"].decode(),
        "book_state": BookState(int(book["state"])).name,
        "book_reason": BookReason(int(book["reason"])).name,
        "bid": price("bid_price_ticks") if book["bid_count"] else None,
        "ask": price("ask_price_ticks") if book["ask_count"] else None,
        "gaps": int(book["gaps"]),
        "position": from_units(account["position_lots"], instrument["lot_mantissa"], instrument["lot_exponent"]),
        "open_orders": int(account["open_orders"]),
        "sent": int(account["sent"]),
        "fills": int(account["fills"]),
    }


def risk_results(risk: np.void) -> dict[str, Any] | None:
    """What the core knows of the risk process: version, age, what it says. None where nothing came and none is due."""
    version = int(risk["results_version"])
    if version == 0 and not risk["results_stale"]:
        return None
    return {
        "version": version,
        "age_ms": int(risk["results_age_ns"]) / 1e6,
        "stale": bool(risk["results_stale"]),
        "refused": int(risk["results_refused"]),
        "method": RiskMethod(int(risk["results_method"])).name if version else None,
        "regime": int(risk["regime"]),
        "var": int(risk["var_atoms"]) / ATOMS_PER_UNIT,
        "cvar": int(risk["cvar_atoms"]) / ATOMS_PER_UNIT,
        "worst_cvar": int(risk["worst_cvar_atoms"]) / ATOMS_PER_UNIT if risk["worst_cvar_atoms"] >= 0 else None,
        "correlation_mean": int(risk["correlation_mean_e6"]) / 1e6,
        "correlation_largest": int(risk["correlation_largest_e6"]) / 1e6,
        "volatility_ratio": int(risk["volatility_ratio_e6"]) / 1e6,
        "quality": int(risk["quality_e6"]) / 1e6,
        "limits_scale": int(risk["scale_e6"]) / 1e6,
        "equity": int(risk["equity_atoms"]) / ATOMS_PER_UNIT,
        "peak_equity": int(risk["peak_equity_atoms"]) / ATOMS_PER_UNIT,
    }


def strategy_names(living: LivingRun) -> list[str]:
    """By index, the copies of one choice counted from 0."""
    chosen = convert(dict(living.manifest.config), "the run's manifest").strategies
    return [
        choice.name if choice.copies == 1 else f"{choice.name} {copy}"
        for choice in chosen
        for copy in range(choice.copies)
    ]


def limits(risk: np.void) -> list[dict[str, Any]]:
    """Each limit with what is left of it, in the unit that its name says: quote for atoms, ms for ns."""
    units = {"atoms": ("quote", ATOMS_PER_UNIT), "ns": ("ms", 1_000_000)}
    found = []
    for number in Limit:
        name = LIMITS[number]
        stem, _, unit = name.rpartition("_")
        shown, size = units.get(unit, (unit, 1))
        limit, headroom = int(risk["limit"][number]), int(risk["headroom"][number])
        found.append(
            {
                "name": f"{stem}_{shown}",
                "limit": limit / size,
                "headroom": headroom / size,
                "share_left": min(1.0, max(0.0, headroom / limit)) if limit > 0 else 0.0,
                "judged": is_judged(risk, number),
            }
        )
    return found


def is_judged(risk: np.void, number: Limit) -> bool:
    """Whether the limit is on, and there are the results of the risk process that it needs."""
    stale, none_expected = bool(risk["results_stale"]), risk["results_version"] == 0 and not risk["results_stale"]
    zero_is_off = number == Limit.ORDER_VALUE_MINIMUM_ATOMS or number >= Limit.CVAR_ATOMS
    if zero_is_off and risk["limit"][number] == 0:
        return False
    if number == Limit.CVAR_ATOMS:
        return not (stale or none_expected)  # the conservative rule stands in for it, or nothing
    return not (none_expected and number in (Limit.CORRELATION_BP, Limit.RESULTS_AGE_NS))


def counted(files: RunFiles) -> tuple[dict[str, dict[str, int]], dict[str, dict[str, int]]]:
    """(counters by process, latencies by name) of the processes that have any."""
    counters: dict[str, dict[str, int]] = {}
    latencies: dict[str, dict[str, int]] = {}
    for process in COUNTED:
        try:
            segment = Counters.attach(files.counters(process))
        except SegmentError:
            continue
        counters[process] = segment.values()
        for name in segment.histograms:
            histogram = segment.read(name)
            if histogram.count:
                latencies[f"{process} {name.removeprefix('slot.')}"] = {
                    "count": histogram.count,
                    "p50_ns": histogram.percentile(50),
                    "p99_ns": histogram.percentile(99),
                    "max_ns": histogram.maximum,
                }
    return counters, latencies


def journal_status(files: RunFiles) -> dict[str, Any] | None:
    try:
        journal = JournalStatus(files.journal_status)
    except SegmentError:
        return None
    commits = journal.commits()
    return {
        "state": journal.state.name,
        "records": journal.position,
        "durable_records": journal.durable_position,
        "commit_p50_ns": commits.percentile(50),
        "commit_p99_ns": commits.percentile(99),
        "commit_max_ns": commits.maximum,
    }


def shown(process: dict[str, Any]) -> dict[str, Any]:
    """A process as it was noted, and whether it still lives."""
    return {
        "name": process["name"],
        "pid": process["pid"],
        "alive": started_ticks(process["pid"]) == process["started_ticks"] is not None,
        "restarts": process["restarts"],
    }
