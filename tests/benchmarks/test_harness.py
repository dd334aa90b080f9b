"""The harness itself: what goes wrong in a measured loop is in the figures, and what was not counted is null."""

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.allocations import shim
from benchmarks.bench_loopback import causing_updates, percentiles, since
from engine.telemetry.hiccup import Hiccup
from ipc.counters import RELATIVE_ERROR, Counters
from ipc.messages import MESSAGE, ORDER_DETAIL, SOURCE_SHIFT, Flag, Kind, Source
from tests.benchmarks import planted

PROJECT = Path(__file__).resolve().parents[2]
ROW_KEYS = {"name", "count", "p50_ns", "p99_ns", "p999_ns", "max_ns", "per_s", "allocations"}
STALL_NS = 20_000_000
STALL_AT = 1_000

needs_shim = pytest.mark.skipif(shim() is None, reason="no C compiler: allocations cannot be counted")


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "engine", "bench", *arguments],
        cwd=PROJECT,
        env=os.environ | {"BOT4_BENCH_ROWS": "tests.benchmarks.planted"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


# -- open loop --


def test_a_stall_is_in_the_maximum_and_in_every_input_that_waited_behind_it() -> None:
    late_ns = planted.timed(trades=False, stall_at=STALL_AT, stall_ns=STALL_NS).input_ns
    assert len(late_ns) == planted.RECORDS - planted.WARMUP
    assert late_ns[STALL_AT] >= STALL_NS
    assert late_ns.max() >= STALL_NS
    # input k behind the stall was due k intervals after it, so it waits for what is left of the stall
    behind = STALL_NS // 2 // planted.INTERVAL_NS
    left_ns = STALL_NS - np.arange(behind) * planted.INTERVAL_NS
    assert np.all(late_ns[STALL_AT : STALL_AT + behind] >= left_ns)
    assert np.percentile(late_ns, 100 * (1 - behind / len(late_ns))) >= STALL_NS // 2  # 5 % of all inputs


def test_a_stall_before_the_warm_up_ends_is_no_part_of_the_figures() -> None:
    timer = planted.timed(trades=False)
    assert timer.input_count == planted.RECORDS - planted.WARMUP
    assert timer.order_count == 0


# -- allocations --


@needs_shim
def test_a_planted_allocation_turns_the_bench_red_and_names_the_row() -> None:
    finished = bench("allocating", "quiet", "--json")
    rows = {row["name"]: row for row in json.loads(finished.stdout)["rows"]}
    assert finished.returncode == 1
    assert rows["allocating"]["allocations"] > 0
    assert rows["quiet"]["allocations"] == 0
    assert "allocating allocated after warm-up" in finished.stderr
    assert "Traceback" not in finished.stderr


@needs_shim
def test_a_row_that_allocates_nothing_is_green_with_the_keys_that_others_read() -> None:
    finished = bench("quiet", "--json")
    result = json.loads(finished.stdout)
    (row,) = result["rows"]
    assert finished.returncode == 0
    assert {"rows", "hiccup", "machine"} <= result.keys()
    assert row.keys() >= ROW_KEYS
    assert row["allocations"] == 0
    assert row["p50_ns"] <= row["p99_ns"] <= row["p999_ns"] <= row["max_ns"]


@pytest.mark.parametrize("arguments", [("quiet", "--no-allocations"), ("cold",)])
def test_allocations_are_null_where_nobody_counted_them(arguments: tuple[str, ...]) -> None:
    finished = bench(*arguments, "--json")
    assert finished.returncode == 0
    assert json.loads(finished.stdout)["rows"][0]["allocations"] is None


# -- the verb --


def test_an_unknown_row_is_a_wrong_usage_said_in_one_line() -> None:
    finished = bench("tick_to_odor", "--json")
    assert finished.returncode == 2
    assert finished.stdout == ""
    assert len(finished.stderr.strip().splitlines()) == 1
    assert "tick_to_odor" in finished.stderr


def test_a_named_row_that_cannot_be_measured_fails_and_says_why() -> None:
    finished = bench("failing", "--json")
    result = json.loads(finished.stdout)
    assert finished.returncode == 1
    assert result["rows"] == []
    assert "nothing to measure with" in result["not_measured"]["failing"]


# -- histograms --


def test_percentiles_between_two_looks_leave_out_what_was_before(tmp_path: Path) -> None:
    counters = Counters.create(tmp_path / "x.counters", epoch=1, histograms=["latency"])
    for _ in range(1_000):
        counters.observe("latency", 50_000_000)  # the warm-up
    before = counters.read("latency")
    values = np.random.default_rng(3).lognormal(10, 1, 5_000).astype(np.int64)
    for value in values.tolist():
        counters.observe("latency", value)
    found = percentiles(since(counters.read("latency"), before))
    assert found["count"] == len(values)
    for key, percent in (("p50_ns", 50), ("p99_ns", 99), ("p999_ns", 99.9)):
        exact = int(np.sort(values)[math.ceil(percent * len(values) / 100 - 1e-9) - 1])
        assert exact <= found[key] <= exact * (1 + RELATIVE_ERROR) + 1
    assert values.max() <= found["max_ns"] <= values.max() * (1 + RELATIVE_ERROR) + 1


def test_nothing_observed_has_null_percentiles(tmp_path: Path) -> None:
    counters = Counters.create(tmp_path / "x.counters", epoch=1, histograms=["latency"])
    view = counters.read("latency")
    assert percentiles(since(view, view)) == {"count": 0} | dict.fromkeys(("p50_ns", "p99_ns", "p999_ns", "max_ns"))


def test_hiccups_that_were_never_measured_are_null() -> None:
    assert Hiccup().summary()["p99_ns"] is None


# -- wire to wire --


def test_an_order_is_joined_with_the_update_that_caused_it_and_with_no_other() -> None:
    records = np.zeros(7, dtype=MESSAGE)
    market = Source.MARKET << SOURCE_SHIFT
    records["kind"] = (Kind.LEVEL, Kind.LEVEL, Kind.ORDER, Kind.DETAIL, Kind.LEVEL, Kind.ORDER, Kind.DETAIL)
    records["flags"][[0, 1, 4]] = market | Flag.LAST
    records["sequence"][[0, 1, 4]] = 10, 11, 12
    records["order_id"][[0, 1, 4]] = 501, 502, 503  # update ids
    records["order_id"][[2, 5]] = 1, 2  # order numbers
    details = records.view(ORDER_DETAIL)
    details["cause_sequence"][[3, 6]] = 11, 12
    details["cause_source"][[3, 6]] = Source.MARKET, Source.REPORTS
    assert causing_updates(records) == {1: 502}
