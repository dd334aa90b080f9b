"""Risk and execution together: whatever risk let through, and however it fills, no limit of what is held is broken."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.execution.config import ExecutionSettings
from engine.execution.stage import ORDER_VIEW, ExecutionStage
from engine.risk.config import RiskSettings
from engine.risk.limits import Limit
from engine.risk.stage import RiskStage
from engine.stage import ACCOUNT_VIEW, RISK_VIEW
from ipc.messages import Action, Kind, ReportKind, Side
from tests.engine.execution import desk as make
from tests.engine.risk import market

POSITION_LOTS = 1_000
GROSS_QUOTE = 150  # 1,500 lots at the mid
QUOTE = 100_000_000
SETTINGS = RiskSettings(
    position_lots=POSITION_LOTS,
    gross_notional_quote=GROSS_QUOTE,
    open_orders=8,
    order_burst=1_000,
    repeated_orders=100,
    repeat_memory=2_048,
    daily_loss_quote=1_000,
)

_order = st.tuples(
    st.just("order"),
    st.integers(0, 1),
    st.sampled_from([Side.BID, Side.ASK]),
    st.integers(50, 700),
    st.integers(0, 12),  # target of a replace or cancel, 0: a new order
    st.sampled_from([Action.REPLACE, Action.CANCEL]),
    st.booleans(),
)
_report = st.tuples(st.just("report"), st.integers(1, 12), st.sampled_from(ReportKind))
_fill = st.tuples(st.just("fill"), st.integers(1, 12), st.integers(1, 700))
HISTORIES = st.lists(st.one_of(_order, _order, _order, _report, _fill, _fill, st.just(("lap",))), max_size=40)


class Core:
    """Two instruments, a strategy for each; what risk approves goes to execution at once, as the loop does it."""

    def __init__(self) -> None:
        self.execution = ExecutionStage(
            make.table(("0.01", "0.001"), ("0.01", "0.001")), 2, [0, 1], ExecutionSettings(order_capacity=64)
        )
        accounts, strategies = self.execution.view("instruments"), self.execution.view("strategies")
        books = market.capsule(market.books(2))
        self.risk = RiskStage(make.table(("0.01", "0.001"), ("0.01", "0.001")), books, accounts, strategies, SETTINGS)
        self.trades = 0

    def order(self, instrument: int, side: int, lots: int, target: int, action: int, reduce_only: bool) -> None:
        fields: dict[str, Any] = {"instrument": instrument, "strategy": instrument, "side": side, "target": target}
        fields |= {"action": action if target else Action.NEW, "reduce_only": reduce_only}
        said = self.risk.drive(make.order(Kind.SIZED, price_ticks=10_000, quantity_lots=lots, **fields))
        if said["kind"][0] == Kind.APPROVED:
            self.execution.drive(said, "orders")

    def row(self, order_id: int) -> Any:
        rows = self.execution.rows(ORDER_VIEW, "orders")
        return next((row for row in rows if row["order_id"] == order_id), None)

    def report(self, order_id: int, kind: int) -> None:
        if kind != ReportKind.FILL:
            self.execution.drive(make.report(order_id, kind), "reports")

    def fill(self, order_id: int, lots: int) -> None:
        """At most what remains of an order that the venue may still fill."""
        row = self.row(order_id)
        if row is None or not row["is_open"]:
            return
        self.trades += 1
        lots = min(lots, int(row["quantity_lots"] - row["filled_lots"]))
        self.execution.drive(make.fill(order_id, 10_000, lots, trade_id=self.trades), "reports")

    def lap(self) -> None:
        self.execution.drive(make.lapped(), "reports")

    def check(self) -> None:
        held = self.execution.rows(ACCOUNT_VIEW, "instruments")["position_lots"]
        assert max(abs(held)) <= POSITION_LOTS
        assert sum(abs(held)) * 10_000 * 1_000 <= GROSS_QUOTE * QUOTE


@settings(max_examples=150, deadline=None)
@given(HISTORIES, st.randoms(use_true_random=False))
def test_no_accepted_sequence_breaks_a_limit_even_if_everything_fills_in_any_order(history: list, random: Any) -> None:
    core = Core()
    for name, *arguments in history:
        getattr(core, name)(*arguments)
        core.check()
    rows = core.execution.rows(ORDER_VIEW, "orders")
    open_now = [int(order_id) for order_id in rows["order_id"][rows["is_open"] == 1]]
    random.shuffle(open_now)
    for order_id in open_now:
        core.fill(order_id, 1 << 40)
        core.check()


def test_replaced_order_that_fills_before_and_its_replacement_both_count() -> None:
    """The old one may fill in part before the venue sees the replace, and the new one is placed for all its size."""
    core = Core()
    core.order(0, Side.BID, 600, 0, 0, False)
    core.report(1, ReportKind.ACCEPTED)
    core.order(0, Side.BID, 500, 1, Action.REPLACE, False)
    assert core.row(2) is None
    core.order(0, Side.BID, 400, 1, Action.REPLACE, False)
    assert core.row(2)["quantity_lots"] == 400
    account = core.execution.rows(ACCOUNT_VIEW, "instruments")[0]
    assert account["open_buy_lots"] == 1_000
    assert core.risk.rows(RISK_VIEW)["headroom"][0][Limit.POSITION_LOTS] == 0
    core.report(1, ReportKind.REPLACED)
    assert account["open_buy_lots"] == 400


def test_new_order_gets_no_credit_for_one_whose_fate_nobody_knows() -> None:
    """After a cut of the connection: should the venue have it after all, both fill, and no limit is passed."""
    core = Core()
    core.order(0, Side.BID, 700, 0, 0, False)
    core.report(1, ReportKind.UNKNOWN)
    core.order(0, Side.BID, 400, 0, 0, False)
    assert core.row(2) is None
    core.order(0, Side.BID, 300, 0, 0, False)
    core.fill(2, 300)
    core.fill(1, 700)
    core.check()
    assert core.execution.rows(ACCOUNT_VIEW, "instruments")["position_lots"][0] == POSITION_LOTS
