"""Pre-trade risk of one order: every limit on, eight instruments held, the mid moving before every order.

The stage is timed alone by `engine/telemetry/step_timer.pyx`; the book stage runs before it on the same records,
untimed. The accounts are those of a real execution stage with a position and open orders in every instrument. `passing`
are orders that pass all checks (the row itself); `cvar` the same with results of the risk process, so that CVaR is
judged; `refused` a mix of refusals by the checks of the order's own terms; `cancel` what always passes. All
figures are of single readings, the clock's cost subtracted.

    python -m benchmarks.bench_risk
"""

import json
from typing import Any

import numpy as np

from engine.book.stage import BookStage
from engine.execution.stage import ExecutionStage
from engine.risk.config import RiskSettings
from engine.risk.stage import RiskStage
from engine.risk_models.batch import Estimate, Holdings, batch
from engine.stage import ACCOUNT_VIEW, RISK_VIEW
from engine.telemetry.step_timer import time_steps
from ipc.instruments import instrument
from ipc.messages import (
    MESSAGE,
    ORDER_DETAIL,
    REPORT_DETAIL,
    Action,
    BookState,
    Flag,
    Kind,
    OrderType,
    ReportKind,
    RiskMethod,
    Side,
    TimeInForce,
)

INSTRUMENTS = 8
ORDERS = 40_000
WARMUP = 4_000
ROUNDS = 5
MID_TICKS = 6_000_000
START_NS = 1_700_000_000_000_000_000
INTERVAL_NS = 1_000_000
GENEROUS = RiskSettings(
    gross_notional_quote=100_000_000,
    position_value_quote=10_000_000,
    order_rate_per_s=20_000,
    order_burst=1_000,
    repeat_window_ms=100,
    repeat_memory=4_096,
    open_orders=1_000,
)


def table() -> np.ndarray:
    """Eight instruments with the tick and lot of spot BTCUSDT."""
    return np.concatenate(
        [instrument(f"I{i}.BINANCE", f"I{i}", "0.01", "0.00001", minimum_notional="5") for i in range(INSTRUMENTS)]
    )


def order_records(
    kind: int, index: int, *, side: int, price_ticks: int, lots: int, action: int = Action.NEW, time_ns: int = START_NS
) -> np.ndarray:
    """An order message of two records."""
    records = np.zeros(2, dtype=MESSAGE)
    records["receive_time_ns"] = records["event_time_ns"] = time_ns
    records["instrument"] = index
    head, detail = records[0], records[1:].view(ORDER_DETAIL)[0]
    head["kind"], head["side"], head["flags"] = kind, side, Flag.MORE
    head["price_ticks"], head["quantity_lots"] = price_ticks, lots
    detail["kind"], detail["action"], detail["strategy"] = Kind.DETAIL, action, index
    detail["order_type"], detail["time_in_force"] = OrderType.LIMIT, TimeInForce.GTC
    return records


def held_accounts(instruments: np.ndarray) -> ExecutionStage:
    """Execution with a position and two open orders in every instrument."""
    stage = ExecutionStage(instruments, INSTRUMENTS, np.arange(INSTRUMENTS))
    number = 0
    for index in range(INSTRUMENTS):
        for side, lots in ((Side.BID, 1_000), (Side.BID, 500), (Side.ASK, 700)):
            number += 1
            fields = {"side": side, "price_ticks": MID_TICKS, "lots": lots}
            stage.drive(order_records(Kind.APPROVED, index, **fields), "orders")
            if lots == 1_000:
                stage.drive(fill_records(number, index, lots), "reports")
    return stage


def fill_records(number: int, index: int, lots: int) -> np.ndarray:
    records = np.zeros(2, dtype=MESSAGE)
    records["receive_time_ns"], records["instrument"] = START_NS, index
    head, detail = records[0], records[1:].view(REPORT_DETAIL)[0]
    head["kind"], head["flags"], head["order_id"], head["extra"] = Kind.REPORT, Flag.MORE, number, ReportKind.FILL
    head["price_ticks"], head["quantity_lots"] = MID_TICKS, lots
    detail["kind"], detail["trade_id"], detail["cumulative_lots"] = Kind.DETAIL, number, lots
    return records


def quote_records(index: int, before: int, after: int, time_ns: int) -> np.ndarray:
    """A book of one level a side moved from one mid to another, shape (4,)."""
    records = np.zeros(4, dtype=MESSAGE)
    records["receive_time_ns"] = records["event_time_ns"] = time_ns
    records["instrument"], records["kind"] = index, Kind.LEVEL
    records["side"] = [Side.BID, Side.ASK, Side.BID, Side.ASK]
    records["price_ticks"] = [before - 1, before + 1, after - 1, after + 1]
    records["quantity_lots"] = [0, 0, 1_000, 1_000]
    records["flags"][-1] = Flag.LAST
    return records


def traffic(mix: str, seed: int = 1) -> np.ndarray:
    """ORDERS orders over all instruments, each after a move of its book by one to three ticks."""
    random = np.random.default_rng(seed)
    mids = np.full(INSTRUMENTS, MID_TICKS)
    opening = np.zeros(2 * INSTRUMENTS, dtype=MESSAGE)
    opening["kind"], opening["flags"], opening["receive_time_ns"] = Kind.BOOK_STATE, Flag.LAST, START_NS
    opening["instrument"] = np.arange(2 * INSTRUMENTS) // 2
    opening["extra"] = np.tile([BookState.SYNCING, BookState.VALID], INSTRUMENTS)
    parts = [opening]
    for i in range(ORDERS):
        index, time_ns = i % INSTRUMENTS, START_NS + i * INTERVAL_NS // INSTRUMENTS
        after = int(mids[index] + random.choice([-3, -2, -1, 1, 2, 3]))
        parts.append(quote_records(index, int(mids[index]), after, time_ns))
        mids[index] = after
        parts.append(order_records(Kind.SIZED, index, **terms(mix, i, after, random), time_ns=time_ns))
    return np.concatenate(parts)


def terms(mix: str, i: int, mid: int, random: np.random.Generator) -> dict[str, Any]:
    """Side, price and lots of one order of a mix."""
    passing = {
        "side": Side.BID if i % 2 else Side.ASK,
        "price_ticks": mid + int(random.integers(-50, 50)),
        "lots": int(random.integers(20, 400)),
    }
    if mix == "cancel":
        return passing | {"action": Action.CANCEL}
    if mix == "passing":
        return passing
    wrong = ({"lots": 0}, {"price_ticks": 0}, {"price_ticks": 2 * mid}, {"lots": 1 << 30}, {"lots": 1}, {"side": 0})
    return passing | wrong[i % len(wrong)]


def results(instruments: np.ndarray, execution: ExecutionStage) -> np.ndarray:
    """A batch of the risk process for what is held: from here on every order's CVaR is judged, by the bounds."""
    random = np.random.default_rng(2)
    shares = 0.02 * (0.7 * random.standard_t(4, 1_000) + 0.7 * random.standard_t(4, (INSTRUMENTS, 1_000)))
    correlation, volatility = np.corrcoef(shares), np.full(INSTRUMENTS, 1e-4)
    estimate = Estimate(RiskMethod.EWMA, START_NS, shares, volatility, correlation)
    held = np.array(execution.rows(ACCOUNT_VIEW, "instruments")["position_lots"])
    half_ticks = np.full(INSTRUMENTS, 2 * MID_TICKS)
    return batch(1, estimate, Holdings(held, half_ticks), instruments, 0.99, START_NS)


def time_mix(mix: str) -> dict[str, Any]:
    """The round with the least median: the row of its single readings and how many orders passed."""
    records, best = traffic("passing" if mix == "cvar" else mix), {}
    for _ in range(ROUNDS):
        instruments = table()
        book, execution = BookStage(instruments), held_accounts(instruments)
        risk = RiskStage(
            instruments, book.view(), execution.view("instruments"), execution.view("strategies"), GENEROUS
        )
        if mix == "cvar":
            risk.drive(results(instruments, execution))
        warmup = 2 * INSTRUMENTS + WARMUP * 6
        times = time_steps(risk.step(), records, warmup=warmup, before=[book.step()])
        row = times.row("pretrade_risk")
        if not best or row["p50_ns"] < best["p50_ns"]:
            view = risk.rows(RISK_VIEW)[0]
            best = row | {"passed": int(view["orders_passed"]), "refused": int(view["orders_refused"])}
            best |= {"clock_overhead_ns": times.overhead_ns, "clock_resolution_ns": times.resolution_ns}
    return best


def pretrade_risk() -> dict[str, Any]:
    """The row `pretrade_risk`: name, count, p50_ns, p99_ns, p999_ns, max_ns, per_s; other mixes under `mixes`."""
    row = time_mix("passing")
    others = {mix: time_mix(mix) for mix in ("cvar", "refused", "cancel")}
    return row | {"instruments": INSTRUMENTS, "warmup": WARMUP, "mixes": others}


if __name__ == "__main__":
    print(json.dumps(pretrade_risk(), indent=2))
