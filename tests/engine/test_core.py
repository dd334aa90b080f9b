"""The core as a function of its inputs: same inputs, same words, whatever the cut; a difference is named."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine import assembly
from engine.config import Config, RunSettings, StrategyChoice
from engine.core import SAID_RECORDS
from engine.journal.block import Block
from engine.pipeline import Pipeline
from engine.replay.data import imported
from engine.replay.rerun import Rerun
from engine.replay.tape import Tape
from ipc.messages import MESSAGE, SOURCE_SHIFT, Flag, Kind, Side, Source

RECORDS = 120_000
EAGER: dict[str, int | float] = {"half_spread_ticks": 1, "requote_ticks": 1}


@pytest.fixture(scope="module")
def tape(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Tape:
    return imported([data / "binance_ws" / "usdm_btcusdt_20240808.gz"], tmp_path_factory.mktemp("tapes"))


def records_of(tape: Tape) -> np.ndarray[Any, Any]:
    records = np.array(tape.records[:RECORDS])
    records["flags"] |= int(Source.MARKET) << SOURCE_SHIFT
    while records[-1]["flags"] & 4:
        records = records[:-1]
    return records


def pipeline_on(tape: Tape, *, compiled: bool = True) -> Pipeline:
    name = tape.names[0]
    config = Config(
        run=RunSettings(compiled=compiled),
        instruments=(name,),
        strategies=(StrategyChoice(name="market_maker", instrument=name, params=EAGER),),
    )
    return assembly.pipeline_of(config, np.array(tape.instruments), compiled=compiled)


def words(pipeline: Pipeline, records: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    said, parts, at = np.zeros(SAID_RECORDS, dtype=MESSAGE), [], 0
    while at < len(records):
        taken, count = pipeline.core.feed(records[at:], said)
        parts.append(said[:count].copy())
        at += taken
        assert pipeline.core.fault_text() is None
    return np.concatenate(parts)


def test_same_inputs_give_the_same_words_in_two_pipelines(tape: Tape) -> None:
    records = records_of(tape)
    one, other = words(pipeline_on(tape), records), words(pipeline_on(tape), records)
    assert np.count_nonzero(one["kind"] == Kind.ORDER) >= 2  # no venue answers, so the quotes stay as they are
    assert np.count_nonzero(one["kind"] == Kind.CHECK) > 10_000
    assert one.tobytes() == other.tobytes()


def test_a_snapshot_in_the_middle_changes_nothing(tape: Tape) -> None:
    records = records_of(tape)
    ends = np.flatnonzero(records["flags"] & 1)
    cut = int(ends[len(ends) // 2]) + 1
    whole = words(pipeline_on(tape), records)
    first = pipeline_on(tape)
    before = words(first, records[:cut])
    second = pipeline_on(tape)
    second.restore(first.snapshot())
    after = words(second, records[cut:])
    assert np.concatenate([before, after]).tobytes() == whole.tobytes()


def test_uncompiled_strategies_say_the_same(tape: Tape) -> None:
    records = records_of(tape)[:40_000]
    assert words(pipeline_on(tape), records).tobytes() == words(pipeline_on(tape, compiled=False), records).tobytes()


def test_orders_are_numbered_without_a_hole_and_know_their_place(tape: Tape) -> None:
    said = words(pipeline_on(tape), records_of(tape))
    orders = said[said["kind"] == Kind.ORDER]
    assert orders["order_id"].tolist() == list(range(1, len(orders) + 1))
    assert orders["sequence"].tolist() == [2 * (number - 1) for number in range(1, len(orders) + 1)]


@pytest.mark.parametrize(("stage", "kind"), [("book", Kind.LEVEL), ("features", Kind.TRADE)])
def test_a_planted_difference_is_named_by_block_record_and_stage(tape: Tape, stage: str, kind: Kind) -> None:
    records = records_of(tape)[:50_000]
    journal = with_words(pipeline_on(tape), records)
    blocks = [block_of(journal[at : at + 4096], number, at) for number, at in enumerate(range(0, len(journal), 4096))]
    pipeline = pipeline_on(tape)
    rerun = Rerun(pipeline.core)
    assert all(rerun.take(block) for block in blocks[:6])
    # one record reaches one stage behind the core's back: from here on that stage alone computes something else
    planted = records[records["kind"] == kind][-1:].copy()
    planted["quantity_lots"] += 1
    planted["receive_time_ns"] = blocks[5].records["receive_time_ns"][-1]
    if stage == "book":
        planted["price_ticks"] = pipeline.rows()["book"]["bid_price_ticks"][0][7]  # the best changes too often
        planted["side"], planted["flags"] = Side.BID, Flag.LAST
    pipeline.stages[stage].drive(planted)
    found = [rerun.take(block) for block in blocks[6:]]
    assert False in found
    assert rerun.divergence is not None
    assert rerun.divergence.stage == stage
    assert rerun.divergence.block == 6 + found.index(False)
    place = journal[rerun.divergence.position]
    assert place["kind"] == Kind.CHECK
    assert rerun.divergence.record == rerun.divergence.position - blocks[rerun.divergence.block].first_position


def test_a_changed_order_in_the_journal_is_named(tape: Tape) -> None:
    records = records_of(tape)[:50_000]
    journal = with_words(pipeline_on(tape), records)
    place = int(np.flatnonzero(journal["kind"] == Kind.ORDER)[1])
    journal["price_ticks"][place] += 1
    rerun = Rerun(pipeline_on(tape).core)
    assert not rerun.take(block_of(journal, 7, 1000))
    assert rerun.divergence is not None
    assert (rerun.divergence.block, rerun.divergence.record) == (7, place)
    assert rerun.divergence.position == 1000 + place
    assert rerun.divergence.kind == "ORDER"


def test_what_the_journal_lacks_at_its_end_is_computed(tape: Tape) -> None:
    journal = with_words(pipeline_on(tape), records_of(tape)[:50_000])
    place = int(np.flatnonzero(journal["kind"] == Kind.ORDER)[-1])
    input_end = place - 1
    while journal["flags"][input_end] >> SOURCE_SHIFT == Source.CORE:
        input_end -= 1
    rerun = Rerun(pipeline_on(tape).core)
    assert rerun.take(block_of(journal[: input_end + 1], 0, 0))
    missing = rerun.missing()
    assert missing.tobytes() == journal[input_end + 1 : input_end + 1 + len(missing)].tobytes()
    assert np.count_nonzero(missing["kind"] == Kind.ORDER) >= 1


def with_words(pipeline: Pipeline, records: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """What the loop would have journaled: each input, then what it made the core say."""
    said, parts, at = np.zeros(SAID_RECORDS, dtype=MESSAGE), [], 0
    while at < len(records):
        size = 1
        while records["flags"][at + size - 1] & Flag.MORE:
            size += 1
        _, count = pipeline.core.feed(records[at : at + size], said)
        parts += [records[at : at + size], said[:count].copy()]
        at += size
    return np.concatenate(parts)


def block_of(records: np.ndarray[Any, Any], number: int, position: int) -> Block:
    """A block as the journal would give it; only what a rerun reads is filled in."""
    return Block(0, number, position, 0, 0, 0, 0, (), b"", b"", records)
