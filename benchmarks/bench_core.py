"""The whole core: tick to order with open-loop load, and the backtest's throughput, on recorded data.

tick_to_order: recorded USD-M BTCUSDT through book, features, forecast, strategy (market maker), sizing, risk and
execution; one input every `INTERVAL_NS`, each counted from its intended start until its first ORDER stands complete.
The row is of the batches that made an order. Beside it:

    published        the same batches until all their orders lie in the order ring; `by_orders`: p50 by their number
    all_batches      every batch, most of which make no order
    back_to_back     nothing waits: each input from its own start, caches and branch predictors warm
    with_gbdt        the same with the GBDT that ships

backtest: the same data and rule, decisions at most every 10 ms, records of the tape per second.

    python -m benchmarks.bench_core
"""

import json
import os
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from engine import assembly
from engine.config import Config, StrategyChoice
from engine.gateway.fill_models import FillModels
from engine.gateway.simulated import SimulatedVenue
from engine.replay.backtest import backtest as run_backtest
from engine.replay.core_timer import CoreTimer
from engine.replay.data import imported
from engine.replay.tape import Tape

DATA = Path(os.environ.get("BOT4_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
RECORDING = Path("binance_ws") / "usdm_btcusdt_20240808.gz"
INTERVAL_NS = 5_000
WARMUP_RECORDS = 100_000
EAGER: dict[str, int | float] = {"half_spread_ticks": 1, "requote_ticks": 1, "requote_interval_ms": 10}
GENEROUS = {"order_rate_per_s": 10_000, "order_burst": 1_000, "cancel_rate_per_s": 10_000, "cancel_burst": 1_000,
            "repeated_orders": 4_096, "repeat_memory": 4_096, "repeat_window_ms": 100}  # fmt: skip
FAST = FillModels(order_latency_us=100, report_latency_us=100)
ROUNDS = 5


class DataAbsent(Exception):
    """The recorded data is not there; the row cannot be measured."""


def recording() -> Path:
    """The recording that the rows are measured on. Raises DataAbsent."""
    path = DATA / RECORDING
    if not path.is_file():
        raise DataAbsent(f"recorded market data absent: {path} (set BOT4_DATA)")
    return path


def cache() -> Path:
    return assembly.PROJECT / "build" / "tapes"


def config_for(name: str, models: tuple[str, ...]) -> Config:
    base = Config()
    return msgspec.structs.replace(
        base,
        instruments=(name,),
        strategies=(StrategyChoice(name="market_maker", instrument=name, params=EAGER),),
        models=models,
        risk=msgspec.structs.replace(base.risk, **GENEROUS),
        paper=FAST,
    )


def tick_to_order() -> dict[str, Any]:
    """The row tick_to_order."""
    tape = imported([recording()], cache())
    row = percentiles("tick_to_order", time_core(tape, ()))
    row["back_to_back"] = percentiles("tick_to_order_back_to_back", time_core(tape, (), interval_ns=0))
    if (assembly.SHIPPED_MODELS / "gbdt").is_dir():
        row["with_gbdt"] = percentiles("tick_to_order_gbdt", time_core(tape, ("gbdt",)))
    row["load"] = f"open loop, one input every {INTERVAL_NS} ns, first {WARMUP_RECORDS:,} records untimed"
    return row


def time_core(tape: Tape, models: tuple[str, ...], interval_ns: int = INTERVAL_NS) -> CoreTimer:
    """One pass over the tape, with the hashes that a live core makes."""
    instruments = np.array(tape.instruments)
    config = config_for(tape.names[0], models)
    pipeline = assembly.pipeline_of(config, instruments)
    venue = SimulatedVenue(instruments, pipeline.book, config.paper)
    records = np.array(tape.records)
    timer = CoreTimer(pipeline.core, venue, len(records))
    timer.run(records, WARMUP_RECORDS, interval_ns)
    return timer


def percentiles(name: str, timer: CoreTimer) -> dict[str, Any]:
    """A row from a finished timer."""
    made = timer.orders_made
    row = {"name": name, **spread(timer.first_ns), "allocations": None if timer.allocations < 0 else timer.allocations}
    row["minor_faults"] = timer.minor_faults
    row["published"] = spread(timer.order_ns)
    row["published"]["by_orders"] = {
        int(orders): {"count": int((made == orders).sum()), "p50_ns": float(np.median(timer.order_ns[made == orders]))}
        for orders in np.unique(made)
    }
    row["all_batches"] = spread(timer.input_ns)
    return row


def spread(ns: np.ndarray[Any, Any]) -> dict[str, Any]:
    """count, p50_ns, p99_ns, p999_ns, max_ns, per_s of latencies."""
    p50, p99, p999 = np.percentile(ns, (50, 99, 99.9))
    return {
        "count": len(ns),
        "p50_ns": float(p50),
        "p99_ns": float(p99),
        "p999_ns": float(p999),
        "max_ns": float(ns.max()),
        "per_s": 1e9 / float(ns.mean()),
    }


def backtest() -> dict[str, Any]:
    """The row backtest: market making, a decision at most every 10 ms; best and median of ROUNDS passes."""
    path = recording()
    config = config_for("BTCUSDT-PERP.BINANCE", ())
    rates, result = [], {}
    for _ in range(ROUNDS):
        result = run_backtest([path], "market_maker", config, cache=cache(), time_step_ms=10).result
        rates.append(result["messages_per_s"])
    per_record = [1e9 / rate for rate in sorted(rates, reverse=True)]
    return {
        "name": "backtest",
        "count": result["messages"],
        "p50_ns": float(np.median(per_record)),
        "p99_ns": None,
        "p999_ns": None,
        "max_ns": per_record[-1],
        "per_s": float(np.median(rates)),
        "best_per_s": max(rates),
        "allocations": result.get("allocations"),
        "orders": result["orders"],
        "fills": result["fills"],
    }


def main() -> None:
    print(json.dumps([tick_to_order(), backtest()], indent=1))


if __name__ == "__main__":
    main()
