"""Loopback: three processes and a socket, from the receipt of a market-data frame to the send of the order it caused.

A whole run on this machine (built-in exchange, feed, core, gateway, journal, follower) with a lively flow, a diff per
command and an eager market maker, for `seconds`; the row is read from the histograms that the processes keep in shared
memory. Nothing is simulated: sockets, JSON, journal and risk are those of every run.

    tick_to_send   feed's callback with the frame (recv returned) -> the gateway calls send: the row itself
    accept         of it in the feed: decoded, synchronised, in the market ring
    market_age     feed's callback -> the core takes the record
    tick_to_order  the core took the record -> its order lies in the order ring
    order_age      feed's callback -> the gateway saw the order in the ring
    handle         the gateway saw the order in the ring -> it calls send

Wire to wire beside it is seen from the exchange's side: its send of the frame called -> the order decoded there. The
exchange notes both (`record_sends`), and the journal joins them: an order names the record that caused it, the record
its update id. The first `warmup_s` are left out of every figure.

`cores_used` says how much of a core each process took, and so how far the load is from filling the machine.

    python -m benchmarks.bench_loopback [SECONDS] [EVENTS_PER_S]
"""

import json
import os
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from engine.config import Config, StrategyChoice
from engine.journal.reader import Journal
from engine.run import Run
from engine.run_files import RunFiles
from ipc.counters import Counters, HistogramView
from ipc.messages import ORDER_DETAIL, Kind, Source

SECONDS = 12.0
WARMUP_S = 3.0
EVENTS_PER_S = 1_000.0
VOLATILITY_PER_SQRT_S = 3e-4  # the fair price moves by a tick or more 200 times a second
STREAMS = ("depth@0ms", "trade")  # a diff per command of the exchange: every change of the book is a tick
MANY = 1_000_000
EAGER: dict[str, int | float] = {"half_spread_ticks": 1, "requote_ticks": 1, "requote_interval_ms": 2}
GENEROUS = {"order_rate_per_s": 10_000, "order_burst": 1_000, "cancel_rate_per_s": 10_000, "cancel_burst": 1_000,
            "repeated_orders": 4_096, "repeat_memory": 4_096, "repeat_window_ms": 100}  # fmt: skip
PARTS = (
    ("feed", "accept"),
    ("core", "market_age"),
    ("core", "tick_to_order"),
    ("gateway", "order_age"),
    ("gateway", "handle"),
    ("gateway", "tick_to_send"),
)
SHARED_MEMORY = Path("/dev/shm")

Ids = np.ndarray[Any, Any]


def loopback(
    seconds: float = SECONDS, warmup_s: float = WARMUP_S, events_per_s: float = EVENTS_PER_S
) -> dict[str, Any]:
    """The row `loopback`, `parts` and `wire_to_wire` beside it. Raises UserError when the run cannot start."""
    with tempfile.TemporaryDirectory(prefix="bot4-loopback-") as name:
        folder = Path(name)
        shared = SHARED_MEMORY if SHARED_MEMORY.is_dir() else folder
        run = Run(settings(folder, shared, events_per_s))
        begun: dict[str, HistogramView] = {}
        used: dict[str, float] = {}

        def look(_: Run) -> None:
            if not begun and time.monotonic() - run.started_s >= warmup_s:
                begun.update(histograms(run.files))
                used.update(cpu_seconds(run))

        try:
            run.start()
            run.watch(seconds + warmup_s, look)
            cores = {name: round((now - used[name]) / seconds, 3) for name, now in cpu_seconds(run).items()}
            measured = {part: since(view, begun[part]) for part, view in histograms(run.files).items()}
            sends = fetch_sends(run)
            started_ns = time.time_ns() - int(seconds * 1e9)
        finally:
            run.finish()
        wire = wire_to_wire(run.files.directory, sends, started_ns, run.files.run_id)
    load = f"{events_per_s:,.0f} exchange events/s, {warmup_s:g} s of warm-up, {seconds:g} s measured"
    return {**row(measured, wire, seconds), "cores_used": cores, "load": load}


def settings(folder: Path, shared: Path, events_per_s: float) -> Config:
    """A run of its own instance in temporary folders, with limits that never bind."""
    replace = msgspec.structs.replace
    base = Config()
    return replace(
        base,
        run=replace(base.run, instance="loopback", directory=str(folder / "runs"), shared_memory_directory=str(shared)),
        exchange=replace(
            base.exchange,
            orders_per_10_s=MANY,
            request_weight_per_minute=MANY,
            record_sends=True,
            flow=replace(base.exchange.flow, events_per_s=events_per_s, volatility_per_sqrt_s=VOLATILITY_PER_SQRT_S),
        ),
        gateway=replace(base.gateway, orders_per_10_s=MANY, request_weight_per_minute=MANY, orders_per_day=MANY),
        feed=replace(base.feed, streams=STREAMS),
        risk=replace(base.risk, **GENEROUS),
        models=(),
        strategies=(StrategyChoice(name="market_maker", params=EAGER),),
    )


def cpu_seconds(run: Run) -> dict[str, float]:
    """User and system time of each process of the run so far."""
    ticks = os.sysconf("SC_CLK_TCK")
    found = {}
    for child in run.supervisor.children:
        if child.process is not None:
            fields = Path(f"/proc/{child.process.pid}/stat").read_text().rpartition(")")[2].split()
            found[child.name] = (int(fields[11]) + int(fields[12])) / ticks
    return found


# -- what shared memory says --


def histograms(files: RunFiles) -> dict[str, HistogramView]:
    """A copy of every part's histogram as it stands now."""
    return {name: Counters.attach(files.counters(process)).read(name) for process, name in PARTS}


def since(now: HistogramView, before: HistogramView) -> HistogramView:
    """What was observed between two copies; the maximum is the ceiling of the highest bucket that grew."""
    from ipc.counters import bucket_ceilings

    buckets = now.buckets - before.buckets
    used = np.flatnonzero(buckets)
    words = np.zeros(8 + len(buckets), dtype=np.int64)
    words[8:] = buckets
    words[0] = now.total - before.total
    if len(used):
        words[1] = bucket_ceilings()[used[0]]
        words[2] = min(int(bucket_ceilings()[used[-1]]), now.maximum)
    return HistogramView(words)


def percentiles(view: HistogramView) -> dict[str, Any]:
    """count, p50_ns, p99_ns, p999_ns, max_ns; null where nothing was observed."""
    if view.count == 0:
        return {"count": 0, "p50_ns": None, "p99_ns": None, "p999_ns": None, "max_ns": None}
    return {
        "count": view.count,
        "p50_ns": view.percentile(50),
        "p99_ns": view.percentile(99),
        "p999_ns": view.percentile(99.9),
        "max_ns": view.maximum,
    }


def row(measured: dict[str, HistogramView], wire: dict[str, Any] | None, seconds: float) -> dict[str, Any]:
    sent = measured["tick_to_send"]
    return {
        "name": "loopback",
        **percentiles(sent),
        "per_s": sent.count / seconds,
        "parts": {name: percentiles(view) for name, view in measured.items() if name != "tick_to_send"},
        "wire_to_wire": wire,
    }


# -- what the exchange says --


def fetch_sends(run: Run) -> dict[str, Any]:
    """{"frames": [[update id, ns], ...], "orders": [[client id, ns], ...]} from the exchange."""
    settings: Any = run.supervisor.child("exchange").settings()
    with urllib.request.urlopen(f"http://{settings.host}:{settings.port}/bot4/sends", timeout=10) as response:
        answer: dict[str, Any] = msgspec.json.decode(response.read())
    return answer


def wire_to_wire(directory: Path, sends: dict[str, Any], started_ns: int, run_id: str) -> dict[str, Any] | None:
    """Frame sent by the exchange to the order it caused received there; None when nothing could be joined."""
    causes = causing_updates(Journal.open(directory, verify=False).read())
    frames: dict[int, int] = dict(sends["frames"])
    found = []
    for client_id, arrived_ns in sends["orders"]:
        prefix, _, number = client_id.rpartition("-")
        sent_ns = frames.get(causes.get(int(number), -1)) if prefix == run_id else None
        if sent_ns is not None and arrived_ns >= started_ns:
            found.append(arrived_ns - sent_ns)
    if not found:
        return None
    p50, p99, p999 = np.percentile(found, (50, 99, 99.9))
    return {
        "count": len(found),
        "p50_ns": float(p50),
        "p99_ns": float(p99),
        "p999_ns": float(p999),
        "max_ns": float(max(found)),
    }


def causing_updates(records: Ids) -> dict[int, int]:
    """{order number: venue update id of the book level that caused it} from a journal's records."""
    levels = records[(records["kind"] == Kind.LEVEL) & (records["flags"] >> 12 == Source.MARKET)]
    update_of = dict(zip(levels["sequence"].tolist(), levels["order_id"].tolist(), strict=True))
    at = np.flatnonzero(records["kind"][:-1] == Kind.ORDER)
    details = records[at + 1].view(ORDER_DETAIL)
    return {
        number: update_of[sequence]
        for number, sequence, source in zip(
            records["order_id"][at].tolist(),
            details["cause_sequence"].tolist(),
            details["cause_source"].tolist(),
            strict=True,
        )
        if source == Source.MARKET and sequence in update_of
    }


if __name__ == "__main__":
    asked = [float(argument) for argument in sys.argv[1:3]]
    seconds_asked, rate_asked = [*asked, *(SECONDS, EVENTS_PER_S)[len(asked) :]]
    print(json.dumps(loopback(seconds_asked, WARMUP_S, rate_asked), indent=1))
