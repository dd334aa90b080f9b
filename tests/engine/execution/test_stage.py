"""Execution by scenario: numbers, fills, reports, and what does not fit."""

import numpy as np
import pytest

from engine.execution.stage import ORDER_VIEW
from engine.stage import ACCOUNT_VIEW, OWNER_VIEW, REPORT_VIEW
from ipc.messages import Action, Kind, OrderState, Refusal, ReportKind, Side
from tests.engine.execution import desk as make
from tests.engine.execution.driving import asked, counts, fill, report, send, state

TIMEOUT_NS = 50 * make.MILLISECOND


def test_numbers_count_new_cancel_and_replace_alike() -> None:
    stage = make.desk()
    assert [send(stage), send(stage)] == [1, 2]
    report(stage, 1, ReportKind.ACCEPTED)
    report(stage, 2, ReportKind.ACCEPTED)
    assert send(stage, action=Action.CANCEL, target=1) == 3
    assert send(stage, action=Action.REPLACE, target=2) == 4
    assert send(stage, action=Action.QUERY, target=2) == 5
    assert stage.rows(OWNER_VIEW, "owners")["order_id"][:6].tolist() == [0, 1, 2, 0, 4, 0]


def test_order_message_is_the_approved_one_with_its_number() -> None:
    records = make.order(price_ticks=321, quantity_lots=7, tag=9, side=Side.ASK)
    said = make.desk().drive(records, "orders")
    assert (said["kind"].tolist(), said["order_id"][0]) == ([Kind.ORDER, Kind.DETAIL], 1)
    assert (said["price_ticks"][0], said["quantity_lots"][0], said["side"][0]) == (321, 7, Side.ASK)
    assert said[1].tobytes() == records[1].tobytes()


def test_profit_of_a_round_trip_by_average_cost_in_exact_integers() -> None:
    stage = make.desk()
    for number, (side, price, lots) in enumerate([(Side.BID, 100, 3), (Side.BID, 101, 4), (Side.ASK, 105, 5)], 1):
        send(stage, side=side, price_ticks=price, quantity_lots=lots)
        fill(stage, number, price, lots, trade_id=number, fee_atoms=number)
    account = make.account(stage)
    share = 704 * 5 // 7  # of the open cost, toward zero; the remainder stays open
    assert (account["position_lots"], account["cost_tick_lots"]) == (2, 704 - share)
    assert (account["realised_tick_lots"], account["fees_atoms"]) == (5 * 105 - share, 6)
    assert (account["bought_lots"], account["sold_lots"], account["fills"]) == (7, 5, 3)
    assert (account["last_fill_price_ticks"], account["sent"]) == (105, 3)


def test_fill_beyond_the_position_turns_it_and_opens_at_its_own_price() -> None:
    stage = make.desk()
    send(stage, quantity_lots=4)
    fill(stage, 1, 100, 4, trade_id=1)
    send(stage, side=Side.ASK, quantity_lots=10)
    fill(stage, 2, 110, 10, trade_id=2)
    account = make.account(stage)
    assert (account["position_lots"], account["cost_tick_lots"], account["realised_tick_lots"]) == (-6, -660, 40)


def test_fill_delivered_twice_is_booked_once() -> None:
    stage = make.desk()
    send(stage)
    for _ in range(3):
        fill(stage, 1, 100, 4, trade_id=77, cumulative_lots=4)
    assert make.account(stage)["position_lots"] == 4
    assert counts(stage)["duplicates"] == 2
    assert stage.rows(REPORT_VIEW, "report")[0]["applied"] == 0


def test_fill_whose_id_was_forgotten_is_still_booked_once_by_its_cumulative_quantity() -> None:
    stage = make.desk(trade_memory=16)
    send(stage, quantity_lots=1_000)
    for number in range(1, 41):
        fill(stage, 1, 100, 1, trade_id=number, cumulative_lots=number)
    fill(stage, 1, 100, 1, trade_id=1, cumulative_lots=1)
    assert make.account(stage)["position_lots"] == 40


def test_trade_ids_are_remembered_up_to_the_capacity_and_the_oldest_forgotten_first() -> None:
    stage = make.desk(trade_memory=16)
    send(stage, quantity_lots=100_000)
    generator, last = np.random.default_rng(3), []
    for _ in range(2_000):
        trade_id = int(generator.integers(1, 60))
        before = int(make.account(stage)["position_lots"])
        fill(stage, 1, 100, 1, trade_id=trade_id)
        news = trade_id not in last
        assert make.account(stage)["position_lots"] == before + news
        last = [*last, trade_id][-16:] if news else last


def test_trade_with_ourselves_is_booked_on_both_sides() -> None:
    stage = make.desk()
    send(stage, side=Side.BID)
    send(stage, side=Side.ASK)
    fill(stage, 1, 100, 10, trade_id=5)
    fill(stage, 2, 100, 10, trade_id=5)
    account = make.account(stage)
    assert (account["position_lots"], account["fills"]) == (0, 2)


def test_late_fill_of_a_cancelled_order_is_booked() -> None:
    stage = make.desk()
    send(stage)
    report(stage, 1, ReportKind.CANCELLED)
    fill(stage, 1, 100, 4, trade_id=1, cumulative_lots=4)
    assert (state(stage, 1), make.account(stage)["position_lots"]) == (OrderState.CANCELLED, 4)
    assert make.account(stage)["open_buy_lots"] == 0


def test_missing_fill_keeps_the_rest_at_its_worst_and_is_asked_for() -> None:
    stage = make.desk(ack_timeout_ms=50)
    send(stage)
    fill(stage, 1, 100, 2, trade_id=2, cumulative_lots=10)
    assert make.account(stage)["open_buy_lots"] == 8
    assert asked(stage.drive(make.time(TIMEOUT_NS), "reports")) == [(Action.QUERY, 1)]
    fill(stage, 1, 100, 8, trade_id=1, cumulative_lots=8)
    assert (state(stage, 1), make.account(stage)["position_lots"]) == (OrderState.FILLED, 10)


@pytest.mark.parametrize(
    ("price", "lots", "more", "code"),
    [
        (100, 0, {}, Refusal.QUANTITY_ZERO),
        (100, -3, {}, Refusal.QUANTITY_ZERO),
        (0, 3, {}, Refusal.PRICE_NOT_TICK),
        (100, 1 << 62, {}, Refusal.ARITHMETIC_OVERFLOW),
        (1 << 60, 1 << 10, {}, Refusal.ARITHMETIC_OVERFLOW),
        (100, 1, {"fee_atoms": 1 << 62}, Refusal.ARITHMETIC_OVERFLOW),
        (100, 1, {"cumulative_lots": 1 << 62}, Refusal.ARITHMETIC_OVERFLOW),
    ],
)
def test_impossible_fill_is_refused_and_changes_nothing(price: int, lots: int, more: dict, code: Refusal) -> None:
    stage = make.desk()
    send(stage)
    before = [stage.rows(ACCOUNT_VIEW, view).tobytes() for view in ("strategies", "instruments")]
    said = fill(stage, 1, price, lots, trade_id=1, **more)
    assert (said["kind"].tolist(), said["extra"].tolist()) == ([Kind.REFUSAL], [code])
    assert [stage.rows(ACCOUNT_VIEW, view).tobytes() for view in ("strategies", "instruments")] == before


@pytest.mark.parametrize("kind", list(ReportKind))
def test_report_of_an_order_that_never_was_is_counted_and_refused(kind: ReportKind) -> None:
    stage = make.desk()
    for order_id in (1, 0, -5, 1 << 61):
        said = report(stage, order_id, kind, price_ticks=5, quantity_lots=5)
        assert said["extra"].tolist() == [Refusal.ORDER_UNKNOWN]
    assert counts(stage)["unknown"] == 4
    view = stage.rows(REPORT_VIEW, "report")[0]
    assert (view["strategy"], view["applied"]) == (-1, 0)


def test_report_of_no_known_kind_is_no_news() -> None:
    stage = make.desk()
    send(stage)
    report(stage, 1, 200)
    assert (state(stage, 1), counts(stage)["duplicates"]) == (OrderState.PENDING, 1)


def test_strategy_is_told_what_execution_made_of_the_report() -> None:
    stage = make.desk(2)
    send(stage, strategy=1, tag=42, side=Side.ASK)
    fill(stage, 1, 101, 4, trade_id=1, fee_atoms=9)
    view = stage.rows(REPORT_VIEW, "report")[0]
    named = {"strategy": 1, "applied": 1, "event": ReportKind.FILL, "state": OrderState.PARTLY_FILLED, "tag": 42}
    named |= {"price_ticks": 101, "quantity_lots": 4, "remaining_lots": 6, "fee_atoms": 9, "side": Side.ASK}
    assert {name: view[name] for name in named} == named


def test_rejected_replacement_leaves_the_old_order_alive() -> None:
    stage = make.desk()
    send(stage)
    report(stage, 1, ReportKind.ACCEPTED)
    send(stage, action=Action.REPLACE, target=1)
    assert state(stage, 1) is OrderState.REPLACE_PENDING
    report(stage, 2, ReportKind.REJECTED, code=Refusal.VENUE_WOULD_TAKE)
    assert (state(stage, 1), state(stage, 2)) == (OrderState.ACCEPTED, OrderState.REJECTED)
    account = make.account(stage)
    assert (account["open_buy_lots"], account["refusals"], account["last_refusal"]) == (10, 1, Refusal.VENUE_WOULD_TAKE)
    assert send(stage, action=Action.CANCEL, target=1) == 3


@pytest.mark.parametrize("first", [1, 2])
def test_replace_ends_the_same_whichever_of_its_two_reports_comes_first(first: int) -> None:
    stage = make.desk()
    send(stage)
    report(stage, 1, ReportKind.ACCEPTED)
    send(stage, action=Action.REPLACE, target=1, quantity_lots=25)
    reports = {1: ReportKind.REPLACED, 2: ReportKind.ACCEPTED}
    for order_id in (first, 3 - first):
        report(stage, order_id, reports[order_id])
    assert (state(stage, 1), state(stage, 2)) == (OrderState.REPLACED, OrderState.ACCEPTED)
    assert (make.account(stage)["open_buy_lots"], make.account(stage)["open_orders"]) == (25, 1)


def test_cancel_of_what_cannot_be_cancelled_is_refused_with_its_code() -> None:
    stage = make.desk(2)
    send(stage)
    cancel = {"action": Action.CANCEL, "target": 1}
    send(stage, refused=Refusal.ORDER_UNKNOWN, action=Action.CANCEL, target=9)
    send(stage, refused=Refusal.ORDER_UNKNOWN, strategy=1, **cancel)
    send(stage, refused=Refusal.ORDER_NOT_CANCELLABLE, action=Action.REPLACE, target=1)
    assert send(stage, **cancel) == 2
    send(stage, refused=Refusal.ORDER_NOT_CANCELLABLE, **cancel)
    report(stage, 1, ReportKind.CANCELLED)
    send(stage, refused=Refusal.ORDER_NOT_CANCELLABLE, **cancel)
    assert make.account(stage)["refusals"] == 4
    assert make.account(stage, 1)["refusals"] == 1
    assert make.account(stage, 0, "instruments")["refusals"] == 5


def test_cancel_rejected_as_unknown_leaves_the_order_in_doubt_and_asks() -> None:
    stage = make.desk(ack_timeout_ms=50)
    send(stage)
    report(stage, 1, ReportKind.ACCEPTED)
    send(stage, action=Action.CANCEL, target=1)
    report(stage, 1, ReportKind.CANCEL_REJECTED, code=Refusal.VENUE_UNKNOWN_ORDER)
    assert state(stage, 1) is OrderState.UNKNOWN
    assert asked(stage.drive(make.time(TIMEOUT_NS), "reports")) == [(Action.QUERY, 1)]


def test_full_table_refuses_and_takes_orders_again_when_one_closes() -> None:
    stage = make.desk(order_capacity=16)
    for _ in range(8):
        send(stage)
    send(stage, refused=Refusal.ORDER_TABLE_FULL)
    report(stage, 3, ReportKind.CANCELLED)
    assert send(stage) == 9


def test_orders_that_rest_for_long_keep_their_rows_while_numbers_pass_round_the_table() -> None:
    stage = make.desk(order_capacity=16)
    for _ in range(5):
        send(stage)
    for number in range(6, 200):
        assert send(stage) == number
        fill(stage, number, 100, 10, trade_id=number)
    assert [state(stage, number) for number in range(1, 6)] == [OrderState.PENDING] * 5
    report(stage, 4, ReportKind.CANCELLED)
    assert state(stage, 4) is OrderState.CANCELLED
    assert make.account(stage)["open_orders"] == 4
    owners, rows = stage.rows(OWNER_VIEW, "owners"), stage.rows(ORDER_VIEW, "orders")
    assert (owners["order_id"] == rows["order_id"]).all()


def test_strategy_sees_its_oldest_orders_and_the_next_when_one_closes() -> None:
    stage = make.desk(2)
    for _ in range(10):
        send(stage, strategy=0)
    send(stage, strategy=1)
    shown = make.account(stage)["working"]["order_id"]
    assert sorted(shown) == list(range(1, 9))
    report(stage, 5, ReportKind.CANCELLED)
    assert sorted(shown) == [1, 2, 3, 4, 6, 7, 8, 9]
    assert make.account(stage, 1)["working"]["order_id"].tolist() == [11] + [0] * 7


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"strategy": 5}, Refusal.INSTRUMENT_UNKNOWN),
        ({"instrument": 3}, Refusal.INSTRUMENT_UNKNOWN),
        ({"quantity_lots": 0}, Refusal.QUANTITY_ZERO),
        ({"side": Side.NONE}, Refusal.PRICE_NOT_TICK),
        ({"quantity_lots": 1 << 61}, Refusal.ARITHMETIC_OVERFLOW),
        ({"action": 9, "target": 1}, Refusal.ORDER_UNKNOWN),
    ],
)
def test_order_that_cannot_be_kept_is_refused_and_takes_no_number(fields: dict[str, int], code: Refusal) -> None:
    stage = make.desk()
    send(stage)
    send(stage, refused=code, **fields)
    assert send(stage) == 2


def test_open_lots_that_would_not_fit_are_refused() -> None:
    stage = make.desk()
    for _ in range(4):
        last = make.order(quantity_lots=(1 << 61) - 1)
        said = stage.drive(last, "orders")
    assert said["kind"][0] == Kind.ORDER
    said = stage.drive(make.order(quantity_lots=1 << 10), "orders")
    assert said["extra"][0] == Refusal.ARITHMETIC_OVERFLOW


def test_refusals_of_others_are_counted_for_the_strategy_they_name() -> None:
    stage = make.desk(2)
    refusal = make.order(Kind.REFUSAL, strategy=1)
    refusal["extra"][0] = Refusal.PRICE_COLLAR
    assert stage.drive(refusal, "orders").size == 0
    assert (make.account(stage, 1)["refusals"], make.account(stage, 1)["last_refusal"]) == (1, Refusal.PRICE_COLLAR)
    stage.drive(make.single(Kind.REFUSAL, extra=Refusal.DAILY_LOSS, instrument=99), "orders")
    assert make.account(stage, 0, "instruments")["refusals"] == 1


def test_strategies_must_name_instruments_of_the_table() -> None:
    with pytest.raises(ValueError, match="strategy 1 trades instrument 7"):
        make.desk(of=[0, 7])


def test_account_of_a_strategy_and_of_its_instrument_add_up() -> None:
    stage = make.desk(of=[0, 0])
    send(stage, strategy=0)
    send(stage, strategy=1, side=Side.ASK)
    fill(stage, 1, 100, 10, trade_id=1)
    fill(stage, 2, 103, 4, trade_id=2)
    assert [int(make.account(stage, i)["position_lots"]) for i in (0, 1)] == [10, -4]
    total = make.account(stage, 0, "instruments")
    assert (total["position_lots"], total["realised_tick_lots"], total["open_sell_lots"]) == (6, 12, 6)
