"""Kelly in the whole core, on recorded data beside a risk process: a snapshot in the middle changes nothing."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine import assembly
from engine.config import Config, StrategyChoice
from engine.core import SAID_RECORDS
from engine.pipeline import Pipeline
from engine.replay.data import imported
from engine.replay.tape import Tape
from engine.risk.config import RiskSettings
from engine.risk_models.batch import Estimate, Holdings, batch
from engine.sizing.config import SizingSettings
from engine.stage import SIZING_VIEW
from ipc.messages import MESSAGE, SOURCE_SHIFT, Flag, Kind, RiskMethod, Source

RECORDS = 120_000
SCENARIOS = 64
EAGER: dict[str, int | float] = {"half_spread_ticks": 1, "requote_ticks": 1}
RISK = RiskSettings(scenarios=SCENARIOS, cvar_level_bp=9_000, results_age_ms=3_600_000)


@pytest.fixture(scope="module")
def tape(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Tape:
    return imported([data / "binance_ws" / "usdm_btcusdt_20240808.gz"], tmp_path_factory.mktemp("tapes"))


def kelly_on(tape: Tape) -> Pipeline:
    sizing = SizingSettings(method="kelly", kelly_cost_bp=0.01, kelly_funding_interval_s=1.0)
    choice = StrategyChoice(name="market_maker", instrument=tape.names[0], params=EAGER, copies=2, sizing=sizing)
    config = Config(instruments=(tape.names[0],), strategies=(choice,), models=("linear",), risk=RISK)
    return assembly.pipeline_of(config, np.array(tape.instruments), results=True)


def records_of(tape: Tape) -> np.ndarray[Any, Any]:
    """Of the market, with one batch of results and a rate of funding after a fifth of them."""
    records = np.array(tape.records[:RECORDS])
    records["flags"] |= int(Source.MARKET) << SOURCE_SHIFT
    ends = np.flatnonzero(records["flags"] & Flag.LAST)
    records = records[: ends[-1] + 1]
    at = ends[len(ends) // 5] + 1
    now_ns = int(records["receive_time_ns"][at])
    losses = 0.01 * np.random.default_rng(1).standard_normal((1, SCENARIOS))
    estimate = Estimate(RiskMethod.EWMA, now_ns, losses, np.array([1e-5]), np.eye(1))
    holdings = Holdings(np.zeros(1, np.int64), np.array([12_000_000]))
    results = batch(1, estimate, holdings, np.array(tape.instruments), 0.9, now_ns)
    results["flags"] |= int(Source.RESULTS) << SOURCE_SHIFT
    funding = records[ends[len(ends) // 5]][None].copy()
    funding["kind"], funding["extra"], funding["quantity_lots"] = Kind.FUNDING, 100, now_ns
    return np.concatenate([records[:at], results, funding, records[at:]])


def words(pipeline: Pipeline, records: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    said, parts, at = np.zeros(SAID_RECORDS, dtype=MESSAGE), [np.zeros(0, MESSAGE)], 0
    while at < len(records):
        taken, count = pipeline.core.feed(records[at:], said)
        parts.append(said[:count].copy())
        at += taken
        assert pipeline.core.fault_text() is None
    return np.concatenate(parts)


def test_a_snapshot_in_the_middle_changes_no_word_and_no_term(tape: Tape) -> None:
    records = records_of(tape)
    whole, first, second = (kelly_on(tape) for _ in range(3))
    said = words(whole, records)
    cut = int(np.flatnonzero(records["flags"] & Flag.LAST)[-2_000]) + 1
    before = words(first, records[:cut])
    second.restore(first.snapshot())
    after = words(second, records[cut:])
    assert np.concatenate([before, after]).tobytes() == said.tobytes()
    assert second.sizing.rows(SIZING_VIEW).tobytes() == whole.sizing.rows(SIZING_VIEW).tobytes()
    shown = whole.sizing.rows(SIZING_VIEW)
    assert np.count_nonzero(said["kind"] == Kind.ORDER) > 0
    assert (shown["sized"] > 0).all()
    assert (shown["refused"] > 0).all()
    for row in shown:
        running = float(row["raw"])
        for factor in row["term"]:
            running *= float(factor)
        assert running == row["target_lots"]
