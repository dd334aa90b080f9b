"""hftbacktest 2.4.4 beside `bot4 backtest`: the same recorded events, the same rule, the same assumptions, in turns.

    benchmarks/peers/run [--json] [--rounds N]          (make bench-peers)

The tape is the recorded USD-M BTCUSDT without its QUOTE records, which the peer's book has no use for; a record is a
price level or a trade, counted alike on both sides. Both decide at the same instants (multiples of 10 ms, of 100 ms),
both venues see the market at its receive time, orders take 500 us there and reports 500 us back, a place in the queue
moves up by trades alone, and the fees are the instrument's. Runs alternate; the
ratio is the median of those of neighbours.
"""

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from benchmarks.bench_core import GENEROUS, DataAbsent, recording
from benchmarks.peers.differences import differences
from engine.config import Config
from engine.gateway.fill_models import FillModels
from engine.replay.backtest import Backtest, backtest
from engine.replay.data import imported
from engine.replay.tape import write_tape
from ipc.messages import MESSAGE, Flag, Kind, Side

HERE = Path(__file__).resolve().parent
BUILD = HERE.parent.parent / "build"
RULE = HERE / "market_making.py"
PEER = "hftbacktest 2.4.4"
INTERVALS_MS = (10, 100)
LATENCY_US = 500
RULE_TERMS = {"half_spread_ticks": 2.0, "skew_ticks": 5.0, "quote_lots": 1, "maximum_position_lots": 10,
              "requote_ticks": 2}  # fmt: skip
ALIGNMENT_NS = 100_000_000
EVENT = np.dtype([(name, "<u8" if name in ("ev", "order_id") else "<f8" if name in ("px", "qty", "fval") else "<i8")
                  for name in ("ev", "exch_ts", "local_ts", "px", "qty", "order_id", "ival", "fval")])  # fmt: skip
DEPTH_EVENT, TRADE_EVENT = 1, 2
BOTH_SIDES, BUY_EVENT, SELL_EVENT = 1 << 31 | 1 << 30, 1 << 29, 1 << 28

Array = np.ndarray[Any, Any]


def prepare(folder: Path) -> tuple[Path, Path, Path, int]:
    """(tape, events of the peer, terms, records): made from the recording once a call. Raises DataAbsent."""
    tape = imported([recording()], BUILD / "tapes")
    records = np.array(tape.records)
    records = records[np.isin(records["kind"], (Kind.LEVEL, Kind.TRADE, Kind.BOOK_STATE))]
    first = np.zeros(1, MESSAGE)  # sets both clocks going at the same instant
    first["receive_time_ns"] = first["event_time_ns"] = records[0]["receive_time_ns"] // ALIGNMENT_NS * ALIGNMENT_NS
    first["kind"], first["extra"], first["flags"] = Kind.TRADING_STATUS, 1, Flag.LAST
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "usdm_btcusdt.tape"
    write_tape(path, np.array(tape.instruments), [np.concatenate([first, records])])
    row = tape.instruments[0]
    tick = int(row["tick_mantissa"]) / 10 ** int(row["tick_exponent"])
    lot = int(row["lot_mantissa"]) / 10 ** int(row["lot_exponent"])
    events = events_of(first, records, tick, lot)
    np.savez(folder / "usdm_btcusdt.npz", data=events)
    prices = events["px"][1:]
    terms = RULE_TERMS | {
        "tick_size": tick,
        "lot_size": lot,
        "order_latency_ns": LATENCY_US * 1_000,
        "report_latency_ns": LATENCY_US * 1_000,
        "maker_fee": int(row["maker_fee_e7"]) / 1e7,
        "taker_fee": int(row["taker_fee_e7"]) / 1e7,
        "lowest_price": float(prices.min()) - tick,
        "highest_price": float(prices.max()) + tick,
    }
    (folder / "terms.json").write_text(json.dumps(terms))
    return path, folder / "usdm_btcusdt.npz", folder / "terms.json", len(events) - 1


def events_of(first: Array, records: Array, tick: float, lot: float) -> Array:
    """The peer's events, one a level or trade, after one that changes nothing at the instant of `first`.

    Exchange and local time are both our receive time: our simulated venue sees the market when we do.
    """
    market = records[records["kind"] != Kind.BOOK_STATE]
    events = np.zeros(len(market) + 1, EVENT)
    rest = events[1:]
    side = np.where(market["side"] == Side.BID, BUY_EVENT, SELL_EVENT)
    rest["ev"] = side | BOTH_SIDES | np.where(market["kind"] == Kind.TRADE, TRADE_EVENT, DEPTH_EVENT)
    rest["exch_ts"] = rest["local_ts"] = market["receive_time_ns"]
    rest["px"] = market["price_ticks"] * tick
    rest["qty"] = market["quantity_lots"] * lot
    events[0] = rest[0]
    events[0]["ev"] = DEPTH_EVENT | BOTH_SIDES | BUY_EVENT
    events[0]["qty"] = 0.0
    events[0]["exch_ts"] = events[0]["local_ts"] = first[0]["receive_time_ns"]
    return events


class Peer:
    """The process in the peers' virtual environment: a line in, a run, a line out."""

    def __init__(self, events: Path, terms: Path) -> None:
        """Raises RuntimeError when it cannot start."""
        self._process = subprocess.Popen(
            [str(BUILD / "peers-venv" / "bin" / "python"), str(HERE / "hftbacktest_run.py"), str(events), str(terms)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._answer()

    def run(self, interval_ms: int) -> dict[str, Any]:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{interval_ms}\n")
        self._process.stdin.flush()
        return self._answer()

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{PEER} ended without a word (exit code {self._process.wait()})")
        answer: dict[str, Any] = json.loads(line)
        return answer


def ours(tape: Path, interval_ms: int) -> Backtest:
    """One run of our backtest."""
    base = Config()
    config = msgspec.structs.replace(
        base,
        models=(),
        risk=msgspec.structs.replace(base.risk, **GENEROUS),
        paper=FillModels(order_latency_us=LATENCY_US, report_latency_us=LATENCY_US),
    )
    params: dict[str, int | float] = {**RULE_TERMS, "timer_interval_ms": interval_ms}
    return backtest([tape], str(RULE), config, params=params, cache=BUILD / "tapes", time_step_ms=interval_ms)


def compare(tape: Path, peer: Peer, records: int, interval_ms: int, rounds: int) -> dict[str, Any]:
    """Both, in turns; the rates, the ratio, and the fills of both with every difference."""
    rates: dict[str, list[float]] = {"bot4": [], "peer": []}
    for _ in range(rounds):
        mine = ours(tape, interval_ms)
        rates["bot4"].append(records / mine.result["seconds"])
        theirs = peer.run(interval_ms)
        rates["peer"].append(records / theirs["seconds"])
    ratios = [bot4 / other for bot4, other in zip(rates["bot4"], rates["peer"], strict=True)]
    return {
        "decision_every_ms": interval_ms,
        "records": records,
        "bot4": side(rates["bot4"], len(mine.fills)),
        "peer": side(rates["peer"], len(theirs["fills"])),
        "ratio": statistics.median(ratios),
        "least_ratio": min(ratios),
        "most_ratio": max(ratios),
        "refusals": mine.result["refusals"],
        "fills": differences(mine, theirs, interval_ms * 1_000_000, LATENCY_US * 1_000),
    }


def side(rates: list[float], fills: int) -> dict[str, Any]:
    return {
        "records_per_s": statistics.median(rates),
        "least_per_s": min(rates),
        "most_per_s": max(rates),
        "fills": fills,
    }


def text(found: dict[str, Any]) -> str:
    """What a person reads of one interval."""
    bot4, peer, fills = found["bot4"], found["peer"], found["fills"]
    lines = [
        f"decision every {found['decision_every_ms']} ms, {found['records']:,} records (levels and trades)",
        f"  bot4 backtest      {bot4['records_per_s'] / 1e6:6.2f} M records/s  ({bot4['fills']} fills)",
        f"  {PEER}  {peer['records_per_s'] / 1e6:6.2f} M records/s  ({peer['fills']} fills)",
        f"  ratio              {found['ratio']:6.2f}  ({found['least_ratio']:.2f} to {found['most_ratio']:.2f})",
        f"  fills alike {fills['alike']}, only bot4 {fills['only_bot4']}, only the peer {fills['only_peer']}",
    ]
    return "\n".join([*lines, *(f"    {line}" for line in fills["explanation"])])


def main() -> int:
    parser = argparse.ArgumentParser(prog="benchmarks/peers/run", description=f"{PEER} beside our backtest.")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rounds", type=int, default=5)
    chosen = parser.parse_args()
    try:
        tape, events, terms, records = prepare(BUILD / "peers")
    except DataAbsent as error:
        print(f"bench-peers: {error}; nothing was compared", file=sys.stderr)
        return 0
    peer = Peer(events, terms)
    try:
        found = [compare(tape, peer, records, interval_ms, chosen.rounds) for interval_ms in INTERVALS_MS]
    finally:
        peer.close()
    print(json.dumps({"peer": PEER, "runs": found}) if chosen.json else "\n\n".join(text(each) for each in found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
