"""Rows that the tests plant beside the real ones: one whose core allocates, one whose core does not, one that fails."""

from typing import Any

import msgspec
import numpy as np

from benchmarks.bench_book import random_records
from benchmarks.bench_core import spread
from benchmarks.rows import Row
from engine import assembly
from engine.config import Config
from engine.gateway.simulated import SimulatedVenue
from engine.replay.core_timer import CoreTimer
from ipc.instruments import instrument
from ipc.messages import Flag, Kind

NAME = "BTCUSDT.BINANCE"
INTERVAL_NS = 50_000
WARMUP = 500
RECORDS = 4_500


def one_by_one() -> np.ndarray[Any, Any]:
    """A seeded market in which every record is an input of its own."""
    records = random_records(updates=RECORDS)
    records = records[records["kind"] != Kind.TRADE][:RECORDS]
    records["flags"] |= np.uint16(Flag.LAST)
    return np.array(records)


def timed(*, trades: bool, stall_at: int = -1, stall_ns: int = 0) -> CoreTimer:
    """A core timed on it. `trades`: with the market maker in plain Python, so that the core's thread allocates."""
    table = instrument(NAME, "BTCUSDT", "0.01", "0.00001")
    config = msgspec.structs.replace(Config(), models=())
    if not trades:
        config = msgspec.structs.replace(config, strategies=())
    pipeline = assembly.pipeline_of(config, table, compiled=False, hashing=False)
    records = one_by_one()
    timer = CoreTimer(pipeline.core, SimulatedVenue(table, pipeline.book, config.paper), len(records))
    timer.run(records, WARMUP, INTERVAL_NS, stall_at, stall_ns)
    return timer


def row(timer: CoreTimer) -> dict[str, Any]:
    return spread(timer.input_ns) | {
        "allocations": None if timer.allocations < 0 else timer.allocations,
        "minor_faults": timer.minor_faults,
    }


def allocating() -> dict[str, Any]:
    return row(timed(trades=True))


def quiet() -> dict[str, Any]:
    return row(timed(trades=False))


def failing() -> dict[str, Any]:
    raise OSError("nothing to measure with")


ROWS = {name: Row(__name__, name) for name in ("allocating", "quiet", "failing")} | {
    "cold": Row(__name__, "quiet", hot=False)
}
