"""The risk stage against its reference on random books, accounts and orders, message by message."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.risk.config import InstrumentLimits, RiskSettings
from engine.risk.limits import Limit
from engine.risk.reference import DAY_NS, ReferenceRisk, SizedOrder
from ipc.messages import Action, BookState, Command, Kind, OrderType, Side
from tests.engine.execution import desk as make
from tests.engine.risk import market

SETTINGS = RiskSettings(
    order_quantity_lots=400,
    position_lots=600,
    position_value_quote=50,
    order_value_quote=35,
    gross_notional_quote=49,
    open_orders=6,
    order_rate_per_s=10,
    order_burst=3,
    cancel_rate_per_s=5,
    cancel_burst=2,
    repeated_orders=2,
    daily_loss_quote=5,
    instruments={"I1.BINANCE": InstrumentLimits(position_lots=300)},
)

_instrument = st.sampled_from([0, 0, 0, 1, 1, 2])
_strategy = st.sampled_from([0, 0, 0, 1, 1, 2, 3])
_order = st.tuples(
    st.just("order"),
    st.one_of(st.none(), _instrument),  # None: the strategy's own
    _strategy,
    st.sampled_from([*[Side.BID, Side.ASK] * 6, Side.NONE]),
    st.one_of(st.integers(9_800, 10_200), st.sampled_from([0, -1, 1 << 41, 9_999, 9_999])),
    st.one_of(st.integers(0, 450), st.sampled_from([60, 60, 100])),
    st.sampled_from([*[Action.NEW] * 6, Action.REPLACE, Action.CANCEL, Action.QUERY]),
    st.sampled_from([*[OrderType.LIMIT] * 4, OrderType.MARKET]),
    st.sampled_from([False, False, False, True]),
)
_account = st.tuples(
    st.just("account"),
    st.integers(0, 1),
    st.integers(-500, 500),
    st.integers(0, 300),
    st.integers(0, 300),
    st.integers(0, 4),
    st.integers(-700_000, 700_000),
    st.integers(0, 10**7),
)
_book = st.tuples(
    st.just("book"),
    st.integers(0, 1),
    st.sampled_from([BookState.VALID] * 6 + [BookState.GAP]),
    st.integers(9_900, 10_090),
    st.integers(1, 30),
    st.booleans(),
    st.sampled_from([0, 10_000]),
)
_time = st.tuples(st.just("time"), st.sampled_from([0, 1, 30, 200, 1_000, 3_500, 100_000_000]))
_command = st.tuples(st.just("command"), st.sampled_from([Command.RESUME] * 4 + list(Command)))
_halt = st.tuples(st.just("trading"), st.integers(0, 1), st.sampled_from([True, True, False]))
HISTORIES = st.lists(st.one_of(*[_order] * 6, _account, _book, _book, _time, _command, _halt), max_size=50)


class Both:
    def __init__(self) -> None:
        self.now_ns = 3 * DAY_NS - make.SECOND
        self.instruments = make.table(("0.01", "0.001"), ("0.005", "0.00025"))
        self.books = market.books(2, time_ns=self.now_ns)
        self.accounts, self.strategies = market.accounts([0, 1]), market.accounts([0, 1, 0])
        rows = (self.books, self.accounts, self.strategies)
        self.stage = market.risk(self.instruments, *rows, SETTINGS)
        self.reference = ReferenceRisk(self.instruments, *rows, SETTINGS)
        self.time(0)

    def order(self, instrument, strategy, side, price, lots, action, order_type, reduce_only) -> None:
        if instrument is None:
            instrument = [0, 1, 0, 0][strategy]
        order = SizedOrder(instrument, strategy, side, price, lots, action, order_type, reduce_only)
        expected = self.reference.judge(order, self.now_ns)
        records = make.order(
            Kind.SIZED, instrument=instrument, strategy=strategy, side=side, price_ticks=price, quantity_lots=lots,
            action=action, order_type=order_type, reduce_only=reduce_only, time_ns=self.now_ns,
        )  # fmt: skip
        said = self.stage.drive(records)
        assert len(said) == 2
        assert said[1].tobytes() == records[1].tobytes()
        if expected is None:
            assert said["kind"][0] == Kind.APPROVED
            assert all(said[name][0] == records[name][0] for name in ("price_ticks", "quantity_lots", "side"))
        else:
            got = (said["kind"][0], said["extra"][0], said["quantity_lots"][0], said["price_ticks"][0])
            assert got == (Kind.REFUSAL, expected.code, expected.observed, expected.limit)

    def account(self, index, position, buys, sells, orders, realised, fees) -> None:
        for rows in (self.accounts, self.strategies):
            row = rows[index]
            row["position_lots"], row["open_buy_lots"], row["open_sell_lots"] = position, buys, sells
            row["cost_tick_lots"], row["open_orders"] = position * 10_000, orders
            row["realised_tick_lots"], row["fees_atoms"], row["sent"] = realised, fees, 1

    def book(self, index, state, bid, spread, two_sided, trade) -> None:
        row = self.books[index]
        row["state"], row["receive_time_ns"], row["trade_price_ticks"] = state, self.now_ns, trade
        row["bid_price_ticks"][0], row["ask_price_ticks"][0] = bid, bid + spread
        row["ask_quantity_lots"][0] = 5 if two_sided else 0

    def time(self, milliseconds) -> None:
        self.now_ns += milliseconds * make.MILLISECOND
        self.reference.time(self.now_ns)
        self.stage.drive(make.time(self.now_ns))

    def command(self, command) -> None:
        self.reference.command(command)
        self.stage.drive(make.command(command, self.now_ns))

    def trading(self, index, trading) -> None:
        (self.reference.suspended.discard if trading else self.reference.suspended.add)(index)
        self.stage.drive(make.single(Kind.TRADING_STATUS, instrument=index, extra=int(trading), time_ns=self.now_ns))

    def compare(self) -> None:
        view = market.risk_view(self.stage)
        assert (bool(view["halted"]), view["halt_reason"]) == (
            bool(self.reference.halt_reason), self.reference.halt_reason)  # fmt: skip
        self.time(0)
        assert view["gross_notional_atoms"] == self.reference.gross_atoms()
        assert view["daily_pnl_atoms"] == self.reference.daily_profit_atoms()
        for limit, headroom in self.reference.headroom().items():
            assert view["headroom"][limit] == headroom, limit.name
        left = [int(self.reference.orders.messages), int(self.reference.cancels.messages)]
        assert view["headroom"][[Limit.ORDER_BURST, Limit.CANCEL_BURST]].tolist() == left


def run(history: list[tuple], settle: bool) -> None:
    both = Both()
    for name, *arguments in history:
        getattr(both, name)(*arguments)
        if settle:
            both.compare()


@settings(max_examples=200, deadline=None)
@given(HISTORIES)
def test_stage_says_of_every_order_what_the_reference_says(history: list[tuple]) -> None:
    run(history, settle=False)


@settings(max_examples=100, deadline=None)
@given(HISTORIES)
def test_view_shows_the_limits_minus_the_worst_case_of_the_reference(history: list[tuple]) -> None:
    run(history, settle=True)


def test_random_histories_reach_every_refusal_that_they_can() -> None:
    """The two tests above would prove little if their orders were all refused for the same reason."""
    generator = np.random.default_rng(4)
    seen: set[int] = set()
    both = Both()
    for _ in range(10_000):
        pick = generator.integers
        if pick(4) == 0:
            both.account(pick(2), pick(-400, 400), pick(200), pick(200), pick(6), pick(-600_000, 600_000), 0)
            both.book(pick(2), BookState(1 if pick(9) else 4), pick(9_900, 10_090), pick(1, 30), pick(9) > 0, 10_000)
            both.command(Command.RESUME if pick(9) else Command.HALT)
            both.time(int(generator.choice([0, 1, 30, 200, 1_000, 4_000])))
            both.trading(pick(2), bool(pick(9)))
        price = int(generator.choice([0, 9_790, 9_900, *[10_000] * 8, 10_210]))
        lots = int(generator.choice([0, 1, *[60] * 8, 320, 360, 410]))
        instrument = None if pick(9) else 2
        both.order(instrument, pick(4), pick(1, 3), price, lots, Action.NEW, OrderType.LIMIT, not pick(9))
        view = market.risk_view(both.stage)
        seen = set(np.flatnonzero(view["refused"]).tolist())
    assert view["orders_passed"] > 300
    assert seen == {20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 37, 38}
