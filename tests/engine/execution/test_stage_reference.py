"""The execution stage against its reference on random histories: duplicates, reorderings, late fills, laps, silence."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.execution.config import ExecutionSettings
from engine.execution.reference import ReferenceExecution
from engine.execution.stage import DESK_VIEW, ORDER_VIEW
from engine.stage import ACCOUNT_VIEW
from ipc.messages import Action, Kind, Refusal, ReportKind, Side
from tests.engine.execution import desk as make

STRATEGIES = 2
ACK_TIMEOUT_MS = 50
KINDS = [kind for kind in ReportKind if kind is not ReportKind.FILL]
CODES = [0, Refusal.VENUE_UNKNOWN_ORDER, Refusal.VENUE_REJECTED]

_number = st.integers(0, 12)
_strategy = st.integers(0, STRATEGIES - 1)
_new = st.tuples(
    st.just("new"), _strategy, st.sampled_from([Side.BID, Side.ASK]), st.integers(1, 50), st.integers(0, 9)
)
_replace = st.tuples(st.just("replace"), _strategy, _number, st.integers(1, 50), st.integers(1, 9))
_cancel = st.tuples(st.just("cancel"), _strategy, _number)
_report = st.tuples(st.just("report"), _number, st.sampled_from(KINDS), st.sampled_from(CODES), st.integers(0, 9))
_fill = st.tuples(st.just("fill"), _number, st.integers(1, 50), st.integers(1, 5), st.integers(0, 8), st.integers(0, 9))
_time = st.tuples(st.just("time"), st.integers(0, 80))
HISTORIES = st.lists(
    st.one_of(_new, _new, _replace, _cancel, _report, _fill, _fill, _time, st.just(("lap",))), max_size=60
)


class Both:
    """Stage and reference, driven by the same events."""

    def __init__(self) -> None:
        self.stage = make.desk(STRATEGIES, ack_timeout_ms=ACK_TIMEOUT_MS, order_capacity=64, burst_messages=1024)
        self.reference = ReferenceExecution(STRATEGIES, ACK_TIMEOUT_MS * make.MILLISECOND)
        self.now_ns = make.SECOND
        self.time(0)

    def approve(self, refused: int, **fields: int) -> None:
        said = self.stage.drive(make.order(time_ns=self.now_ns, **fields), "orders")
        assert len(said) == 2
        if refused:
            assert (said["kind"][0], said["extra"][0]) == (Kind.REFUSAL, refused)
        else:
            assert (said["kind"][0], said["order_id"][0]) == (Kind.ORDER, self.reference.numbers)

    def new(self, strategy: int, side: int, price: int, lots: int) -> None:
        refused = self.reference.send_new(strategy, side, price, lots)
        self.approve(refused, strategy=strategy, side=side, price_ticks=price, quantity_lots=lots)

    def replace(self, strategy: int, target: int, price: int, lots: int) -> None:
        side = self.reference.orders[target].side if target in self.reference.orders else Side.BID
        refused = self.reference.send_new(strategy, side, price, lots, target or -1)
        fields = {"strategy": strategy, "side": side, "price_ticks": price, "quantity_lots": lots}
        self.approve(refused, action=Action.REPLACE, target=target or -1, **fields)

    def cancel(self, strategy: int, target: int) -> None:
        refused = self.reference.send_cancel(strategy, target)
        self.approve(refused, strategy=strategy, action=Action.CANCEL, target=target)

    def report(self, order_id: int, kind: int, code: int, cumulative: int) -> None:
        self.reference.report(order_id, kind, code, cumulative)
        records = make.report(order_id, kind, code=code, cumulative_lots=cumulative, time_ns=self.now_ns)
        self.stage.drive(records, "reports")

    def fill(self, order_id: int, price: int, lots: int, trade_id: int, cumulative: int) -> None:
        more = {"trade_id": trade_id, "cumulative_lots": cumulative, "fee_atoms": trade_id - 2}
        self.reference.fill(order_id, price, lots, **more)
        self.stage.drive(make.fill(order_id, price, lots, time_ns=self.now_ns, **more), "reports")

    def time(self, milliseconds: int) -> None:
        self.now_ns += milliseconds * make.MILLISECOND
        self.queried(self.reference.time(self.now_ns), self.stage.drive(make.time(self.now_ns), "reports"))

    def lap(self) -> None:
        self.queried(self.reference.lapped(), self.stage.drive(make.lapped(self.now_ns), "reports"))

    @staticmethod
    def queried(expected: list[int], said: np.ndarray) -> None:
        assert all(said["kind"][::2] == Kind.INTENT)
        details = make.details(said)
        assert all(details["action"] == Action.QUERY)
        assert sorted(details["target_order_id"]) == expected

    def compare(self) -> None:
        rows = {row["order_id"]: row for row in self.stage.rows(ORDER_VIEW, "orders") if row["order_id"]}
        assert rows.keys() == self.reference.orders.keys()
        for number, order in self.reference.orders.items():
            row = rows[number]
            assert (row["state"], row["filled_lots"], row["cumulative_lots"], row["request"], row["is_open"]) == (
                order.state, order.filled_lots, order.cumulative_lots, order.request, order.is_open)  # fmt: skip
            assert bool(row["is_awaited"]) == (order.deadline_ns is not None)
            assert row["deadline_ns"] == (order.deadline_ns or 0)
        desk = self.stage.rows(DESK_VIEW, "desk")[0]
        assert (desk["duplicates"], desk["unknown"]) == (self.reference.duplicates, self.reference.unknown)
        total = self.stage.rows(ACCOUNT_VIEW, "instruments")[0]
        self.compare_account(total, self.reference.total, None)
        for strategy, account in enumerate(self.stage.rows(ACCOUNT_VIEW, "strategies")):
            self.compare_account(account, self.reference.accounts[strategy], strategy)
            self.compare_working(account["working"], strategy)

    def compare_account(self, view: np.void, account: object, strategy: int | None) -> None:
        for name in ("position_lots", "cost_tick_lots", "realised_tick_lots", "fees_atoms", "fills"):
            assert view[name] == getattr(account, name), name
        assert view["open_buy_lots"] == self.reference.open_lots(Side.BID, strategy)
        assert view["open_sell_lots"] == self.reference.open_lots(Side.ASK, strategy)
        assert view["open_orders"] == self.reference.open_orders(strategy)

    def compare_working(self, working: np.ndarray, strategy: int) -> None:
        shown = {row["order_id"]: row for row in working if row["order_id"]}
        mine = {n for n, o in self.reference.orders.items() if o.strategy == strategy and o.is_open}
        assert shown.keys() <= mine
        assert len(shown) == min(len(mine), len(working))
        for number, row in shown.items():
            order = self.reference.orders[number]
            assert (row["state"], row["remaining_lots"], row["filled_lots"]) == (
                order.state, order.remaining_lots, order.filled_lots)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(HISTORIES)
def test_stage_keeps_the_same_orders_and_accounts_as_the_reference(history: list[tuple]) -> None:
    both = Both()
    for name, *arguments in history:
        getattr(both, name)(*arguments)
        both.compare()


@settings(max_examples=60, deadline=None)
@given(HISTORIES, st.integers(0, 60))
def test_restored_snapshot_goes_on_as_the_original(history: list[tuple], cut: int) -> None:
    both = Both()
    for name, *arguments in history[:cut]:
        getattr(both, name)(*arguments)
    copy = make.desk(STRATEGIES, ack_timeout_ms=ACK_TIMEOUT_MS, order_capacity=64, burst_messages=1024)
    copy.restore(both.stage.snapshot())
    both.stage = copy
    for name, *arguments in history[cut:]:
        getattr(both, name)(*arguments)
    both.compare()


def test_settings_are_frozen_and_impossible_ones_are_named() -> None:
    for key, value in (("order_capacity", 100), ("trade_memory", 8), ("ack_timeout_ms", 0), ("burst_messages", 0)):
        with pytest.raises(ValueError, match=key):
            ExecutionSettings(**{key: value})
