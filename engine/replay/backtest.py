"""Backtest: a tape, the pipeline, a simulated venue; the same strategy code as live, and a hash over every output.

With `risk`, results of the risk process are made in the tape's time (`backtest_risk.py`), and orders are judged by the
CVaR as in a run; without it, which is faster, the limits that need these results are off, and the result says so.
"""

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from engine import assembly
from engine.config import Config, StrategyChoice
from engine.errors import Exit, UserError
from engine.gateway.simulated import SimulatedVenue
from engine.pipeline import Pipeline
from engine.replay.backtest_loop import FILL, SAMPLE, BacktestLoop
from engine.replay.backtest_risk import LOOK_NS, NOT_JUDGED, BacktestRisk
from engine.replay.data import imported
from engine.replay.tape import Tape
from ipc.instruments import ATOMS_PER_UNIT, Contract
from ipc.messages import MESSAGE, Kind, Refusal

SAMPLES = 4_000  # points of the curves, at most
TIME_STEP_MS = 1

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Backtest:
    """What a backtest gives: the result's keys, and the arrays that its report is drawn from."""

    result: dict[str, Any]
    instruments: Array  # INSTRUMENT
    samples: Array  # SAMPLE: a row per instrument and sample time
    fills: Array  # FILL
    assumptions: str
    coverage: list[dict[str, Any]]  # per instrument: name, kinds counted, first and last time


def backtest(
    paths: Sequence[Path],
    strategy: str,
    config: Config,
    *,
    compiled: bool = True,
    params: dict[str, int | float] | None = None,
    cache: Path,
    time_step_ms: int = TIME_STEP_MS,
    risk: bool = False,
    tell: Callable[[str], None] = lambda _: None,
) -> Backtest:
    """Runs `strategy`, one instance an instrument, over recordings or tapes.

    risk: whether orders are judged by the CVaR. Raises UserError (unknown strategy, nothing tradable, `risk` where the
    configuration has no risk process), IntegrityError (a recording that is not whole).
    """
    if risk and not config.risk_process.enabled:
        raise UserError("--risk: the configuration switches the risk process off; set risk_process.enabled = true")
    tell("reading market data")
    tape = imported(paths, cache)
    instruments = np.array(tape.instruments)
    refuse_inverse(instruments)
    chosen = with_strategy(config, strategy, tape.names, params or {})
    tell("compiling" if compiled else "running uncompiled: slower, the same results")
    pipeline = assembly.pipeline_of(chosen, instruments, compiled=compiled, hashing=False, results=risk)
    venue = SimulatedVenue(instruments, pipeline.book, config.paper)
    span_ns = int(tape.records["receive_time_ns"][-1] - tape.records["receive_time_ns"][0])
    step_ns = time_step_ms * 1_000_000
    loop = BacktestLoop(
        pipeline.core,
        venue,
        pipeline.book,
        pipeline.execution,
        instruments,
        time_step_ns=step_ns,
        sample_step_ns=max(step_ns, span_ns // SAMPLES),
    )
    judge = BacktestRisk(instruments, pipeline.rows(), chosen, tell) if risk else None
    return _run(loop, pipeline, tape, chosen, tell, judge)


def with_strategy(config: Config, strategy: str, names: list[str], params: dict[str, int | float]) -> Config:
    """The configuration with one instance of the strategy on every instrument of the tape; its settings are kept."""
    known = {choice.name: choice for choice in config.strategies}
    base = known.get(strategy, StrategyChoice(name=strategy))
    choices = tuple(
        msgspec.structs.replace(base, instrument=name, copies=1, params={**base.params, **params}) for name in names
    )
    return msgspec.structs.replace(config, instruments=tuple(names), strategies=choices)


def refuse_inverse(instruments: Array) -> None:
    """Their P&L is not linear in the price, and a wrong number is worse than none. Raises UserError."""
    inverse = [row["name"].decode() for row in instruments if row["contract"] == Contract.INVERSE]
    if inverse:
        raise UserError(
            f"{inverse[0]} is an inverse contract: its profit is not linear in the price and is not computed yet; "
            "leave its files out (data check reads them)"
        )


def _run(
    loop: BacktestLoop,
    pipeline: Pipeline,
    tape: Tape,
    config: Config,
    tell: Callable[[str], None],
    judge: BacktestRisk | None,
) -> Backtest:
    digest = hashlib.sha256()
    fills: list[Array] = []
    samples: list[Array] = []
    records, position, shown = tape.records, 0, time.monotonic()
    started = time.perf_counter()

    def collect() -> None:
        digest.update(loop.take_outputs().tobytes())
        fills.append(loop.take_fills())
        samples.append(loop.take_samples())

    try:
        if judge is not None:
            loop.pause_at_ns = int(records["receive_time_ns"][0]) + LOOK_NS
        while position < len(records):
            end = min(len(records), position + (1 << 18))
            position += loop.run(records[position:end], 0)
            if judge is not None and loop.paused:
                judge.look(loop, collect)
            else:
                collect()
            if time.monotonic() - shown > 1:
                shown = time.monotonic()
                tell(f"{position / len(records):4.0%}  {position:,} records, {loop.fills_seen:,} fills")
        while not loop.finish():
            collect()
        collect()
    except RuntimeError as error:
        raise UserError(f"the backtest stopped: {error}", Exit.FAILED) from None
    seconds = time.perf_counter() - started
    return _summarise(
        loop, tape, config, np.concatenate(samples), np.concatenate(fills), digest.hexdigest(), seconds, pipeline, judge
    )


def _summarise(
    loop: BacktestLoop,
    tape: Tape,
    config: Config,
    samples: Array,
    fills: Array,
    outputs_sha256: str,
    seconds: float,
    pipeline: Pipeline,
    judge: BacktestRisk | None,
) -> Backtest:
    instruments = np.array(tape.instruments)
    accounts = pipeline.rows()["instruments"]
    books = pipeline.rows()["book"]
    pnl = sum((net_atoms(instruments[i], accounts[i], books[i]) for i in range(len(instruments))), Fraction(0))
    fees = sum(int(account["fees_atoms"]) for account in accounts)
    result = {
        "messages": int(loop.market_records),
        "seconds": seconds,
        "messages_per_s": loop.market_records / seconds if seconds else 0.0,
        "orders": int(loop.orders_sent),
        "fills": int(loop.fills_seen),
        "pnl": float(pnl / ATOMS_PER_UNIT),
        "fees": fees / ATOMS_PER_UNIT,
        "max_drawdown": max_drawdown(equity(instruments, samples)[1]),
        "refusals": {Refusal(code).name: count for code, count in loop.refusals().items()},
        "outputs_sha256": outputs_sha256,
        "strategy": config.strategies[0].name,
        "strategies_failed": pipeline.strategy.failed(),
        "instruments": {
            row["name"].decode(): {
                "position_lots": int(accounts[i]["position_lots"]),
                "fills": int(accounts[i]["fills"]),
                "pnl": float(net_atoms(row, accounts[i], books[i]) / ATOMS_PER_UNIT),
                "book_state": int(books[i]["state"]),
                "gaps": int(books[i]["gaps"]),
            }
            for i, row in enumerate(instruments)
        },
        "assumptions": config.paper.sentence(),
        "risk_results": NOT_JUDGED if judge is None else judge.told(),
        "allocations": None if loop.allocations < 0 else int(loop.allocations),
    }
    return Backtest(result, instruments, samples, fills, config.paper.sentence(), coverage(tape))


def net_atoms(instrument: np.void, account: np.void, book: np.void) -> Fraction:
    """Profit after fees in atoms, the open position at mid; exact. Without a book the open position counts at cost."""
    value = Fraction(int(instrument["atoms_numerator"]), int(instrument["atoms_denominator"]))
    open_tick_lots = Fraction(0)
    if book["bid_count"] and book["ask_count"]:
        mid = Fraction(int(book["bid_price_ticks"][0]) + int(book["ask_price_ticks"][0]), 2)
        open_tick_lots = mid * int(account["position_lots"]) - int(account["cost_tick_lots"])
    return (int(account["realised_tick_lots"]) + open_tick_lots) * value - int(account["fees_atoms"])


def equity(instruments: Array, samples: Array) -> tuple[Array, Array]:
    """(times ns, net profit in quote units) at each sample time, all instruments together, for curves."""
    times = np.unique(samples["time_ns"])
    total = np.zeros(len(times))
    for number, row in enumerate(instruments):
        mine = samples[samples["instrument"] == number]
        mid = (mine["bid_ticks"] + mine["ask_ticks"]) / 2.0
        known = (mine["bid_ticks"] > 0) & (mine["ask_ticks"] > 0)
        unrealised = np.where(known, mid * mine["position_lots"] - mine["cost_tick_lots"], 0.0)
        unit = int(row["atoms_numerator"]) / int(row["atoms_denominator"]) / ATOMS_PER_UNIT
        value = (mine["realised_tick_lots"] + unrealised) * unit - mine["fees_atoms"] / ATOMS_PER_UNIT
        place = np.searchsorted(mine["time_ns"], times, side="right") - 1
        total += np.where(place >= 0, value[np.maximum(place, 0)], 0.0) if len(mine) else 0.0
    return times, total


def max_drawdown(values: Array) -> float:
    """Largest fall from an earlier height, 0 at the start included, in the values' unit; positive."""
    if len(values) == 0:
        return 0.0
    height = np.maximum.accumulate(np.maximum(values, 0.0))
    return float(np.max(height - values))


def coverage(tape: Tape) -> list[dict[str, Any]]:
    """What the data holds, per instrument: counts by kind, first and last receive time."""
    rows = []
    for number, name in enumerate(tape.names):
        mine = tape.records[tape.records["instrument"] == number]
        kinds, counts = np.unique(mine["kind"], return_counts=True)
        rows.append(
            {
                "name": name,
                "kinds": {Kind(int(kind)).name: int(count) for kind, count in zip(kinds, counts, strict=True)},
                "first_ns": int(mine["receive_time_ns"][0]) if len(mine) else 0,
                "last_ns": int(mine["receive_time_ns"][-1]) if len(mine) else 0,
            }
        )
    return rows


assert MESSAGE.itemsize == 64
assert SAMPLE.itemsize == FILL.itemsize == 64
