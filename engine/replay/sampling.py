"""What a finished run looked like over time: its journal run once more through the pipeline, the views sampled.

Gives the same arrays as a backtest, so that one report is drawn from both.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from engine import assembly
from engine.core import SAID_RECORDS
from engine.journal.block import is_said
from engine.journal.manifest import Manifest
from engine.journal.reader import Journal
from engine.pipeline import Pipeline
from engine.replay.backtest_loop import FILL, SAMPLE
from engine.replay.replay import start_of
from engine.run_files import RunFiles
from ipc.messages import MESSAGE, REPORT_DETAIL, Flag, Kind, ReportKind

SAMPLES = 4_000  # sample times, at most

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class SampledRun:
    """A run as arrays: SAMPLE and FILL as in a backtest, coverage per instrument, gaps the book counted."""

    manifest: Manifest
    instruments: Array  # INSTRUMENT
    samples: Array  # SAMPLE
    fills: Array  # FILL
    coverage: list[dict[str, Any]]
    gaps: dict[str, int]


def sample_run(folder: Path) -> SampledRun:
    """Reads the run's journal once. Raises UserError or IntegrityError as a replay does."""
    journal = Journal.open(folder, verify=False)
    pipeline = assembly.pipeline_of_run(RunFiles(journal.manifest.run_id, folder, folder), hashing=False)
    position = start_of(journal, pipeline)
    sampler = _Sampler(pipeline, _step_ns(journal, position))
    for block in journal.blocks(position):
        sampler.take(block.records[~is_said(block.records)])
    return SampledRun(
        journal.manifest,
        pipeline.instruments,
        np.concatenate([*sampler.samples, np.zeros(0, SAMPLE)]),
        without_duplicates(np.concatenate([*sampler.fills, np.zeros(0, _FILL_AND_TRADE)])),
        sampler.coverage(),
        {row["name"].decode(): int(pipeline.rows()["book"][i]["gaps"]) for i, row in enumerate(pipeline.instruments)},
    )


def _step_ns(journal: Journal, position: int) -> int:
    """Time between two samples, so that there are at most SAMPLES."""
    first, last = next(iter(journal.records(position)), None), journal.last_block()
    if first is None or last is None or not len(first):
        return 1
    span_ns = int(last.records["receive_time_ns"].max()) - int(first["receive_time_ns"][0])
    return max(1_000_000, span_ns // SAMPLES + 1)


class _Sampler:
    """Feeds inputs to the core and looks at its views at the first batch end after each step of time."""

    def __init__(self, pipeline: Pipeline, step_ns: int) -> None:
        self._core = pipeline.core
        self._rows = pipeline.rows()
        self._names = [row["name"].decode() for row in pipeline.instruments]
        self._step_ns = step_ns
        self._said = np.zeros(SAID_RECORDS, dtype=MESSAGE)
        self._kinds: list[Counter[int]] = [Counter() for _ in self._names]
        self._spans: list[list[int]] = [[] for _ in self._names]
        self._now_ns = 0
        self.samples: list[Array] = []
        self.fills: list[Array] = []

    def take(self, inputs: Array) -> None:
        """Inputs of one block, whole messages."""
        inputs = np.ascontiguousarray(inputs)
        if not len(inputs):
            return
        start = 0
        for end in self._cuts(inputs):
            self._feed(inputs[start:end])
            start = end
        self.fills.append(fills_of(inputs))
        self._cover(inputs)

    def _cuts(self, inputs: Array) -> Iterator[int]:
        """Where to stop and look: after the last batch of each step of time, and at the end."""
        flags, kinds = inputs["flags"], inputs["kind"]
        ends = np.flatnonzero((flags & Flag.MORE == 0) & ((flags & Flag.LAST != 0) | (kinds > Kind.FUNDING)))
        steps = inputs["receive_time_ns"][ends] // self._step_ns
        cuts = (ends[np.flatnonzero(np.diff(steps) > 0)] + 1).tolist() if len(ends) else []
        yield from cuts
        if not cuts or cuts[-1] < len(inputs):
            yield len(inputs)

    def _feed(self, records: Array) -> None:
        at = 0
        while at < len(records):
            taken, _ = self._core.feed(records[at:], self._said)
            at += taken
        self._now_ns = max(self._now_ns, int(records["receive_time_ns"].max()))
        books, accounts = self._rows["book"], self._rows["instruments"]
        row = np.zeros(len(books), SAMPLE)
        row["time_ns"], row["instrument"] = self._now_ns, np.arange(len(books))
        row["bid_ticks"] = np.where(books["bid_count"] > 0, books["bid_price_ticks"][:, 0], 0)
        row["ask_ticks"] = np.where(books["ask_count"] > 0, books["ask_price_ticks"][:, 0], 0)
        for name in ("position_lots", "cost_tick_lots", "realised_tick_lots", "fees_atoms"):
            row[name] = accounts[name]
        self.samples.append(row)

    def _cover(self, inputs: Array) -> None:
        market = inputs[(inputs["kind"] <= Kind.FUNDING) & (inputs["kind"] != Kind.NONE)]
        for number in np.unique(market["instrument"]):
            mine = market[market["instrument"] == number]
            self._kinds[number].update(mine["kind"].tolist())
            self._spans[number] += [int(mine["receive_time_ns"][0]), int(mine["receive_time_ns"][-1])]

    def coverage(self) -> list[dict[str, Any]]:
        """As engine.replay.backtest.coverage: counts by kind, first and last receive time, per instrument."""
        return [
            {
                "name": name,
                "kinds": {Kind(kind).name: count for kind, count in sorted(kinds.items())},
                "first_ns": span[0] if span else 0,
                "last_ns": span[-1] if span else 0,
            }
            for name, kinds, span in zip(self._names, self._kinds, self._spans, strict=True)
        ]


# -- fills -----------------------------------------------------------------------------------------------------------

_FILL_AND_TRADE = np.dtype([("fill", FILL), ("trade_id", "<i8")])


def fills_of(inputs: Array) -> Array:
    """The FILL reports among inputs with their trade ids; price and quantity of each fill, ticks and lots."""
    places = np.flatnonzero((inputs["kind"] == Kind.REPORT) & (inputs["extra"] & 0xFF == ReportKind.FILL))
    reports, details = inputs[places], inputs[places + 1].view(REPORT_DETAIL)
    found = np.zeros(len(places), _FILL_AND_TRADE)
    fills = found["fill"]
    fills["time_ns"] = reports["receive_time_ns"]
    for name in ("instrument", "side", "price_ticks", "quantity_lots", "order_id"):
        fills[name] = reports[name]
    fills["liquidity"], fills["fee_atoms"] = details["liquidity"], details["fee_atoms"]
    found["trade_id"] = details["trade_id"]
    return found


def without_duplicates(found: Array) -> Array:
    """FILL rows, each trade of an order once: a venue tells a fill again after a reconnect."""
    seen: set[tuple[int, int, int]] = set()
    keep = np.zeros(len(found), dtype=bool)
    for i, (fill, trade_id) in enumerate(zip(found["fill"], found["trade_id"], strict=True)):
        identity = (int(fill["instrument"]), int(fill["order_id"]), int(trade_id))
        keep[i] = identity not in seen
        seen.add(identity)
    fills: Array = found["fill"][keep].copy()
    return fills
