"""Instructions per operation, counted by callgrind: a figure that a busy machine cannot change.

    python -m benchmarks.instructions [ROW ...]        prints {row: instructions per operation}

A row prepares its records first, uncounted, and then runs them through the compiled steps; counted is what happens in
the row's own function (COUNTED_IN), not what drives it. `book_update` and
`pretrade_risk` run on made-up records of a fixed seed, `core_take` the whole core without a strategy on the first
records of the recorded market. What is counted depends on compiler and flags, so the budgets have a tolerance.
"""

import ctypes
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np

PROJECT = Path(__file__).resolve().parent.parent
SOURCE = PROJECT / "benchmarks" / "callgrind.c"
HEADER = Path("/usr/include/valgrind/callgrind.h")
TIMEOUT_S = 300
UPDATES = 20_000
ORDERS = 4_000
TAPE_RECORDS = 20_000

Prepared = tuple[Callable[[], object], int]  # what is counted, and how many operations it is


def absent() -> str | None:
    """Why nothing can be counted here, or None."""
    if shutil.which("valgrind") is None:
        return "valgrind is not installed"
    if shutil.which(os.environ.get("CC", "cc")) is None:
        return "there is no C compiler"
    return None if HEADER.exists() else f"valgrind's headers are not installed: {HEADER}"


# -- the rows --


def book_update() -> Prepared:
    """A LEVEL record through the book stage, a batch of 50 ending in the view."""
    from benchmarks.bench_book import random_records
    from engine.book.stage import BookStage
    from ipc.instruments import instrument
    from ipc.messages import Kind

    records = random_records(updates=UPDATES)
    records = records[records["kind"] != Kind.TRADE]
    stage = BookStage(instrument("BTCUSDT.BINANCE", "BTCUSDT", "0.01", "0.00001"))
    stage.drive(records[:2], capacity=1)
    updates = records[2 : 2 + UPDATES]
    return lambda: stage.drive(updates, capacity=1), len(updates)


def pretrade_risk() -> Prepared:
    """An order through all checks, every one on but CVaR, and approved."""
    return approved_orders(cvar=False)


def pretrade_risk_cvar() -> Prepared:
    """The same beside a risk process: its CVaR is judged, and the upper bound accepts."""
    return approved_orders(cvar=True)


def approved_orders(*, cvar: bool) -> Prepared:
    from benchmarks.bench_risk import (
        GENEROUS,
        INSTRUMENTS,
        INTERVAL_NS,
        MID_TICKS,
        START_NS,
        held_accounts,
        order_records,
        quote_records,
        results,
        table,
        terms,
    )
    from engine.book.stage import BookStage
    from engine.risk.stage import RiskStage
    from engine.stage import RISK_VIEW
    from ipc.messages import MESSAGE, BookState, Kind

    instruments = table()
    book, execution = BookStage(instruments), held_accounts(instruments)
    opening = np.zeros(2 * INSTRUMENTS, dtype=MESSAGE)
    opening["kind"], opening["receive_time_ns"] = Kind.BOOK_STATE, START_NS
    opening["instrument"] = np.repeat(np.arange(INSTRUMENTS), 2)
    opening["extra"] = np.tile([BookState.SYNCING, BookState.VALID], INSTRUMENTS)
    quotes = [quote_records(i, MID_TICKS, MID_TICKS + 1, START_NS) for i in range(INSTRUMENTS)]
    risk = RiskStage(instruments, book.view(), execution.view("instruments"), execution.view("strategies"), GENEROUS)
    market = np.concatenate([opening, *quotes])
    book.drive(market, capacity=1)
    risk.drive(market)
    if cvar:
        risk.drive(results(instruments, execution))
    random = np.random.default_rng(1)

    def order(i: int) -> np.ndarray:
        made = terms("passing", i, MID_TICKS, random)
        at_ns = START_NS + i * INTERVAL_NS // INSTRUMENTS
        return order_records(Kind.SIZED, i % INSTRUMENTS, **made, time_ns=at_ns)

    records = np.concatenate([order(i) for i in range(ORDERS)])

    def run() -> None:
        risk.drive(records, capacity=2 * ORDERS)
        if int(risk.rows(RISK_VIEW)[0]["orders_passed"]) < ORDERS * 0.99:
            raise RuntimeError("orders were refused: what was counted is not what is meant")

    return run, ORDERS


def core_take() -> Prepared:
    """A record of the recorded market through every stage of the core, without a strategy. Raises DataAbsent."""
    from benchmarks.bench_core import cache, recording
    from engine.config import Config
    from engine.gateway.simulated import SimulatedVenue
    from engine.pipeline import Pipeline
    from engine.replay.backtest_loop import BacktestLoop
    from engine.replay.data import imported

    tape = imported([recording()], cache())
    instruments, records = np.array(tape.instruments), np.array(tape.records[:TAPE_RECORDS])
    config = msgspec.structs.replace(Config(), instruments=tuple(tape.names), strategies=(), models=())
    pipeline = Pipeline(instruments, config.core(), [], [], hashing=False)
    venue = SimulatedVenue(instruments, pipeline.book, config.paper)
    second = 1_000_000_000
    loop = BacktestLoop(
        pipeline.core,
        venue,
        pipeline.book,
        pipeline.execution,
        instruments,
        time_step_ns=second // 1_000,
        sample_step_ns=3_600 * second,
    )
    return lambda: loop.run(records, 0), len(records)


ROWS: dict[str, Callable[[], Prepared]] = {
    "book_update": book_update,
    "pretrade_risk": pretrade_risk,
    "pretrade_risk_cvar": pretrade_risk_cvar,
    "core_take": core_take,
}
COUNTED_IN = {
    "book_update": "*stage_book_step",
    "pretrade_risk": "*stage_step_risk",
    "pretrade_risk_cvar": "*stage_step_risk",
    "core_take": "*core_4Core_take",
}


# -- counting --


def count(row: str) -> float:
    """Instructions per operation of one row, in a process of its own under callgrind. Raises RuntimeError."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        library, output = folder / "callgrind.so", folder / "out"
        compiler = os.environ.get("CC", "cc")
        subprocess.run([compiler, "-O2", "-shared", "-fPIC", "-o", str(library), str(SOURCE)], check=True)
        tool = ["valgrind", "-q", "--tool=callgrind", "--instr-atstart=no", f"--callgrind-out-file={output}"]
        tool.append(f"--toggle-collect={COUNTED_IN[row]}")
        finished = subprocess.run(
            [*tool, sys.executable, "-m", "benchmarks.instructions", "--inside", str(library), row],
            cwd=PROJECT,
            env=os.environ | {"OPENBLAS_NUM_THREADS": "1", "PYTHONHASHSEED": "0"},
            capture_output=True,
            text=True,
            check=False,
            timeout=TIMEOUT_S,
        )
        if finished.returncode != 0:
            raise RuntimeError(f"{row}: {(finished.stderr.strip() or 'no word').splitlines()[-1]}")
        operations = int(finished.stdout.splitlines()[-1])
        dump = folder / "out.1"  # what counting_stop wrote; `out` itself is the rest of the process
        found = re.search(r"^(?:summary|totals): (\d+)", dump.read_text(), re.MULTILINE)
        if found is None:
            raise RuntimeError(f"{row}: callgrind wrote no total")
        return int(found.group(1)) / operations


def inside(library: str, row: str) -> None:
    """Under callgrind: prepares, counts, says how many operations it was."""
    counting = ctypes.CDLL(library)
    run, operations = ROWS[row]()
    counting.counting_start()
    run()
    counting.counting_stop()
    print(operations)


def main(arguments: list[str]) -> int:
    if arguments[:1] == ["--inside"]:
        inside(arguments[1], arguments[2])
        return 0
    why = absent()
    if why is not None:
        print(f"instructions: not counted: {why}", file=sys.stderr)
        return 1
    print(json.dumps({row: round(count(row), 1) for row in arguments or list(ROWS)}))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
