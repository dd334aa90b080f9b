"""Holds a finished run against the exchange's own record: no order lost or doubled, every fill, the position."""

import json
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from engine import assembly
from engine.config import RunSettings
from engine.execution.stage import ORDER_VIEW
from engine.gateway.attempts import AttemptRecord, State
from engine.journal.reader import Journal
from engine.pipeline import Pipeline
from engine.replay.replay import replay
from engine.replay.rerun import Rerun
from engine.run_files import RunFiles
from ipc.messages import OPEN_STATES, ORDER_DETAIL, REPORT_DETAIL, Action, Kind, OrderState, ReportKind
from tests.recovery.living_run import ATTEMPTS, PUBLISHED

ORDER_RING_RECORDS = RunSettings().order_ring_records
PLACES = (Action.NEW, Action.REPLACE)
CLOSED = {
    "filled": {OrderState.FILLED},
    "cancelled": {OrderState.CANCELLED, OrderState.REPLACED},
    "expired": {OrderState.EXPIRED},
    "rejected": {OrderState.REJECTED},
}


@dataclass
class VenueOrder:
    """One client order by the exchange's ledger."""

    received: int = 0
    duplicates: int = 0
    state: str = "received"
    fills: dict[int, int] = field(default_factory=dict)  # trade id -> lots


@dataclass
class Audit:
    """What was compared, for the reader of a test's output."""

    orders: int  # ORDER messages
    placed: int  # of them taken in by the exchange
    never_sent: int  # placements that the exchange never saw: refused by the gateway, or not found there
    fills: int
    position_lots: int


def audit(folder: Path, ledger: Path | None = None) -> Audit:
    """Fails with the first difference named. `ledger` is that of an exchange which the run did not start itself."""
    venue, positions = read_ledger(ledger or folder / "ledger.jsonl")
    run_id = Journal.open(folder).manifest.run_id  # verifies every hash
    records = Journal.open(folder, verify=False).read()
    numbers = order_numbers(records)
    sent = {int(name.removeprefix(f"{run_id}-")): order for name, order in venue.items()}
    assert_all_published(folder, records, numbers)
    assert_none_doubled(sent, numbers)
    pipeline = replayed(folder)
    core = core_orders(pipeline)
    reports = fills_of(records)
    never_sent = 0
    for number in numbers["placed"]:
        if number in sent:
            assert_same(number, sent[number], core.get(number), reports.get(number, {}))
        else:
            never_sent += 1
            assert_told(number, core.get(number), records)
    position = int(pipeline.rows()["instruments"]["position_lots"][0])
    assert position == sum(positions.values()), f"position {position}, the exchange has {positions}"
    result = replay(folder)
    assert result["identical"], result["first_divergence"]
    assert result["outputs"] > 0
    fills = sum(len(order.fills) for order in sent.values())
    return Audit(len(numbers["all"]), len(sent), never_sent, fills, position)


# -- the exchange's side ----------------------------------------------------------------------------------------------


def read_ledger(path: Path) -> tuple[dict[str, VenueOrder], dict[str, int]]:
    """Orders by client id, and positions in lots by symbol."""
    orders: dict[str, VenueOrder] = defaultdict(VenueOrder)
    positions: Counter[str] = Counter()
    for line in path.read_text().splitlines():
        entry = json.loads(line)
        order = orders[entry["client_id"]]
        match entry["event"]:
            case "received":
                order.received += 1
            case "duplicate":
                order.duplicates += 1
            case "fill":
                assert entry["trade_id"] not in order.fills
                order.fills[entry["trade_id"]] = entry["lots"]
                order.state = "filled" if entry["remaining_lots"] == 0 else order.state
                positions[entry["symbol"]] += entry["lots"] if entry["side"] == "BUY" else -entry["lots"]
            case state:
                order.state = state
    return dict(orders), dict(positions)


# -- the core's side --------------------------------------------------------------------------------------------------


def order_numbers(records: np.ndarray) -> dict[str, list[int]]:
    """Numbers in the journal: `all` ORDER messages, without a hole or a repetition, and those `placed`."""
    at = np.flatnonzero(records["kind"] == Kind.ORDER)
    numbers = records["order_id"][at].tolist()
    assert numbers == list(range(1, len(numbers) + 1)), "order numbers in the journal have a hole or are doubled"
    actions = records[at + 1].view(ORDER_DETAIL)["action"]
    return {
        "all": numbers,
        "placed": [number for number, action in zip(numbers, actions, strict=True) if action in PLACES],
    }


def fills_of(records: np.ndarray) -> dict[int, dict[int, int]]:
    """{order: {trade id: lots}} of the reports in the journal, each trade once."""
    at = np.flatnonzero((records["kind"] == Kind.REPORT) & (records["extra"] & 0xFF == ReportKind.FILL))
    trades = records[at + 1].view(REPORT_DETAIL)["trade_id"]
    fills: dict[int, dict[int, int]] = defaultdict(dict)
    for number, trade, lots in zip(records["order_id"][at], trades, records["quantity_lots"][at], strict=True):
        known = fills[int(number)].setdefault(int(trade), int(lots))
        assert known == int(lots), f"order {number}: trade {trade} was told with {known} and {lots} lots"
    return dict(fills)


def replayed(folder: Path) -> Pipeline:
    """The core as it was at the journal's end."""
    files = RunFiles(folder.name, folder, folder)
    pipeline = assembly.pipeline_of_run(files)
    rerun = Rerun(pipeline.core)
    for block in Journal.open(folder, verify=False).blocks():
        assert rerun.take(block), rerun.divergence
    return pipeline


def core_orders(pipeline: Pipeline) -> dict[int, Any]:
    """{number: row of the order table}; closed orders far back may have left it."""
    rows = pipeline.execution.rows(ORDER_VIEW, "orders")
    return {int(row["order_id"]): row for row in rows if row["order_id"] > 0}


# -- the comparison ---------------------------------------------------------------------------------------------------


def assert_all_published(folder: Path, records: np.ndarray, numbers: dict[str, list[int]]) -> None:
    """Order n lies at place n of the order ring as it does in the journal, and the gateway has dealt with each."""
    published = np.load(folder / PUBLISHED)
    at = np.flatnonzero(records["kind"] == Kind.ORDER)
    journaled = records[np.stack([at, at + 1], axis=1).ravel()]
    assert len(published) == min(len(journaled), ORDER_RING_RECORDS), (
        f"{len(published)} records in the order ring, {len(journaled)} in the journal"
    )
    tail = journaled[len(journaled) - len(published) :]
    assert tail.tobytes() == published.tobytes(), "the order ring and the journal differ"
    attempts = AttemptRecord(folder / ATTEMPTS)
    forgotten = [number for number in numbers["placed"] if attempts.state(number) == State.FREE]
    unfinished = [attempt.number for attempt in attempts.unfinished()]
    attempts.close()
    assert not forgotten, f"the gateway never saw {forgotten[:5]}"
    assert not unfinished, f"nobody heard the end of {unfinished[:5]}"


def assert_none_doubled(sent: dict[int, VenueOrder], numbers: dict[str, list[int]]) -> None:
    for number, order in sent.items():
        assert order.received == 1, f"order {number} reached the exchange {order.received} times"
        assert order.duplicates == 0, f"order {number} was sent again"
    unknown = sent.keys() - set(numbers["placed"])
    assert not unknown, f"the exchange has orders that no core said: {sorted(unknown)[:5]}"


def assert_same(number: int, venue: VenueOrder, row: Any, reported: dict[int, int]) -> None:
    assert reported == venue.fills, f"order {number}: fills {reported}, the exchange has {venue.fills}"
    if row is None:
        return
    state, filled = OrderState(int(row["state"])), int(row["filled_lots"])
    assert filled == sum(venue.fills.values()), f"order {number}: {filled} lots filled, the exchange has {venue.fills}"
    if venue.state in CLOSED:
        assert state in CLOSED[venue.state], f"order {number} is {state.name}, at the exchange {venue.state}"
    else:
        assert state in OPEN_STATES, f"order {number} is {state.name}, at the exchange {venue.state}"


def assert_told(number: int, row: Any, records: np.ndarray) -> None:
    """An order that never came to the exchange has ended in the core, by a report."""
    if row is not None:
        state = OrderState(int(row["state"]))
        assert state == OrderState.REJECTED, f"order {number} never reached the exchange and is {state.name}"
    kinds = records["extra"][(records["kind"] == Kind.REPORT) & (records["order_id"] == number)] & 0xFF
    assert {ReportKind.REJECTED, ReportKind.NOT_FOUND} & {ReportKind(int(kind)) for kind in kinds}, (
        f"order {number} never reached the exchange, and nobody told the core"
    )
