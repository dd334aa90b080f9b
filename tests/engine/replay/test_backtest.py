"""Backtests on recorded data: repeatable to the bit, compiled or not; no order on a book that is not VALID."""

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.config import Config
from engine.errors import UserError
from engine.gateway.simulated import SimulatedVenue
from engine.replay.backtest import Backtest, backtest, max_drawdown
from engine.replay.data import check, imported
from ipc.messages import BookState, Kind

SPOT = "spot_btcusdt_20240808.gz"
FUTURES = "usdm_btcusdt_20240808.gz"


def run(paths: list[Path], cache: Path, strategy: str = "market_maker", **more: Any) -> Backtest:
    return backtest(paths, strategy, Config(), cache=cache, **more)


def test_the_same_backtest_twice_gives_the_same_outputs(data: Path, tmp_path: Path) -> None:
    paths = [data / "binance_ws" / FUTURES]
    one, other = run(paths, tmp_path).result, run(paths, tmp_path).result
    assert one["orders"] > 1_000
    assert one["fills"] > 500
    assert one["outputs_sha256"] == other["outputs_sha256"]
    assert (one["pnl"], one["fees"]) == (other["pnl"], other["fees"])


def test_uncompiled_gives_the_same_outputs(data: Path, tmp_path: Path) -> None:
    paths = [data / "binance_ws" / SPOT]
    compiled = run(paths, tmp_path).result
    plain = run(paths, tmp_path, compiled=False).result
    assert compiled["fills"] > 100
    assert compiled["outputs_sha256"] == plain["outputs_sha256"]


def test_fills_sum_to_the_positions_and_fees_told(data: Path, tmp_path: Path) -> None:
    outcome = run([data / "binance_ws" / SPOT, data / "binance_ws" / "spot_ethusdt_20240808.gz"], tmp_path)
    signed = np.where(outcome.fills["side"] == 1, outcome.fills["quantity_lots"], -outcome.fills["quantity_lots"])
    for number, row in enumerate(outcome.instruments):
        mine = outcome.fills["instrument"] == number
        told = outcome.result["instruments"][row["name"].decode()]
        assert told["position_lots"] == signed[mine].sum()
        assert told["fills"] == np.count_nonzero(mine)
    assert outcome.result["fees"] == pytest.approx(outcome.fills["fee_atoms"].sum() / 1e8, abs=1e-9)


def test_inverse_contracts_are_refused_with_one_line(data: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^BTCUSD-PERP\.BINANCE is an inverse contract: [^\n]*$"):
        run([data / "binance_ws" / "cm_btcusd_perp_20240808.gz"], tmp_path)


def delete_diff(source: Path, number: int, target: Path) -> int:
    """Copies a recording without its n-th depth update after the snapshot; returns that update's receive time in ns."""
    deleted, seen, synchronised = 0, 0, False
    with gzip.open(source, "rt") as lines, gzip.open(target, "wt", compresslevel=1) as out:
        for line in lines:
            synchronised = synchronised or '"stream"' not in line
            if synchronised and "depthUpdate" in line:
                seen += 1
                if seen == number:
                    deleted = int(line.split(" ", 1)[0])
                    continue
            out.write(line)
    return deleted


def test_a_deleted_diff_is_one_gap_and_no_order_follows_it(data: Path, tmp_path: Path) -> None:
    target = tmp_path / FUTURES
    deleted_ns = delete_diff(data / "binance_ws" / FUTURES, 3_000, target)
    row = check([target])["instruments"][0]
    assert (row["gaps"], row["crossed"], row["snapshots"]) == (1, 0, 1)
    tape = imported([target], tmp_path)
    states = tape.records[tape.records["kind"] == Kind.BOOK_STATE]
    gap_ns = int(states["receive_time_ns"][states["extra"] == BookState.GAP][0])
    assert gap_ns >= deleted_ns
    assert not np.any(states["extra"][states["receive_time_ns"] > gap_ns] == BookState.VALID)  # no second snapshot
    outcome = run([target], tmp_path)
    whole = run([data / "binance_ws" / FUTURES], tmp_path)
    assert outcome.result["instruments"]["BTCUSDT-PERP.BINANCE"]["book_state"] == BookState.GAP
    assert outcome.result["instruments"]["BTCUSDT-PERP.BINANCE"]["gaps"] == 1
    # what was sent before the gap may still be filled a latency later; nothing was sent after it
    latency_ns = 2_000_000
    assert whole.fills["time_ns"][-1] > gap_ns + latency_ns
    assert outcome.fills["time_ns"][-1] <= gap_ns + latency_ns
    before = whole.fills[whole.fills["time_ns"] < deleted_ns]
    assert outcome.fills[: len(before)].tobytes() == before.tobytes()


def test_refusals_of_the_venue_are_counted_as_those_of_the_core(data: Path, tmp_path: Path) -> None:
    refusals = run([data / "binance_ws" / FUTURES], tmp_path).result["refusals"]
    assert refusals["VENUE_WOULD_TAKE"] > 0  # the price moved while an order was on its way


def test_drawdown_is_the_largest_fall_from_an_earlier_height() -> None:
    assert max_drawdown(np.array([0.0, 5.0, 2.0, 7.0, 1.0, 3.0])) == 6.0
    assert max_drawdown(np.array([-1.0, -3.0])) == 3.0
    assert max_drawdown(np.zeros(0)) == 0.0


def test_a_simulated_venue_has_room_and_says_when_it_had_none(data: Path, tmp_path: Path) -> None:
    tape = imported([data / "binance_ws" / SPOT], tmp_path)
    from engine.book.stage import BookStage

    instruments = np.array(tape.instruments)
    assert SimulatedVenue(instruments, BookStage(instruments)).overflow == 0
