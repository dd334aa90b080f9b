"""What execution does by itself: asking for orders without a word, cancelling and closing on command."""

import pytest

from ipc.messages import Action, Command, Kind, OrderState, OrderType, ReportKind, Side, Source, TimeInForce
from tests.engine.execution import desk as make
from tests.engine.execution.driving import asked, counts, fill, report, send, state

TIMEOUT_NS = 50 * make.MILLISECOND


def test_order_without_a_word_is_asked_for_once_each_interval() -> None:
    stage = make.desk(ack_timeout_ms=50)
    send(stage)
    assert stage.drive(make.time(TIMEOUT_NS - 1), "reports").size == 0
    assert asked(stage.drive(make.time(TIMEOUT_NS), "reports")) == [(Action.QUERY, 1)]
    assert (state(stage, 1), make.account(stage)["open_buy_lots"]) == (OrderState.UNKNOWN, 10)
    assert stage.drive(make.time(2 * TIMEOUT_NS - 1), "reports").size == 0
    assert asked(stage.drive(make.time(2 * TIMEOUT_NS), "reports")) == [(Action.QUERY, 1)]
    report(stage, 1, ReportKind.NOT_FOUND, time_ns=2 * TIMEOUT_NS)
    assert (state(stage, 1), make.account(stage)["open_buy_lots"]) == (OrderState.REJECTED, 0)
    assert stage.drive(make.time(9 * TIMEOUT_NS), "reports").size == 0


def test_lost_reports_make_every_open_order_unknown_and_ask_for_all_in_bursts() -> None:
    stage = make.desk(ack_timeout_ms=50, burst_messages=2)
    for number in range(1, 6):
        send(stage)
        report(stage, number, ReportKind.ACCEPTED)
    assert asked(stage.drive(make.lapped(), "reports")) == [(Action.QUERY, 1), (Action.QUERY, 2)]
    assert {state(stage, number) for number in range(1, 6)} == {OrderState.UNKNOWN}
    assert asked(stage.drive(make.time(1), "reports")) == [(Action.QUERY, 3), (Action.QUERY, 4)]
    assert asked(stage.drive(make.time(2), "reports")) == [(Action.QUERY, 5)]
    assert stage.drive(make.time(3), "reports").size == 0


def test_lap_of_another_ring_is_no_matter_of_execution() -> None:
    stage = make.desk()
    send(stage)
    assert stage.drive(make.single(Kind.LAPPED, extra=Source.MARKET), "reports").size == 0
    assert state(stage, 1) is OrderState.PENDING


@pytest.mark.parametrize("command", [Command.CANCEL_ALL, Command.STOP, Command.FLATTEN])
def test_command_cancels_every_open_order_and_asks_again_for_a_cancel_that_got_lost(command: Command) -> None:
    stage = make.desk(2, ack_timeout_ms=50)
    for number in (1, 2):
        send(stage, strategy=number - 1)
        report(stage, number, ReportKind.ACCEPTED)
    both = [(Action.CANCEL, 1), (Action.CANCEL, 2)]
    assert asked(stage.drive(make.command(command), "reports")) == both
    send(stage, action=Action.CANCEL, target=1)
    assert asked(stage.drive(make.time(TIMEOUT_NS), "reports"))[-1] == (Action.CANCEL, 2)


def test_order_sent_after_cancel_all_is_left_alone() -> None:
    stage = make.desk(ack_timeout_ms=50)
    send(stage)
    stage.drive(make.command(Command.CANCEL_ALL), "reports")
    send(stage)
    report(stage, 2, ReportKind.ACCEPTED)
    report(stage, 1, ReportKind.CANCELLED)
    assert stage.drive(make.time(9 * TIMEOUT_NS), "reports").size == 0
    assert counts(stage)["cancel_before"] == 0


def test_flatten_closes_each_account_once_nothing_of_it_is_open_until_it_is_flat() -> None:
    stage = make.desk(2, ack_timeout_ms=50)
    send(stage)
    fill(stage, 1, 100, 6, trade_id=1, cumulative_lots=6)
    assert asked(stage.drive(make.command(Command.FLATTEN), "reports")) == [(Action.CANCEL, 1)]
    said = report(stage, 1, ReportKind.CANCELLED)
    assert asked(said) == [(Action.NEW, 0)]
    detail = make.details(said)[0]
    assert (said["side"][0], said["quantity_lots"][0]) == (Side.ASK, 6)
    assert (detail["order_type"], detail["time_in_force"], detail["reduce_only"]) == (
        OrderType.MARKET,
        TimeInForce.IOC,
        1,
    )
    send(stage, side=Side.ASK, quantity_lots=6, reduce_only=1)
    fill(stage, 2, 99, 2, trade_id=2, cumulative_lots=2)
    report(stage, 2, ReportKind.EXPIRED)
    said = stage.drive(make.time(TIMEOUT_NS), "reports")
    assert (asked(said), said["quantity_lots"][0]) == ([(Action.NEW, 0)], 4)
    send(stage, side=Side.ASK, quantity_lots=4, reduce_only=1)
    fill(stage, 3, 99, 4, trade_id=3, cumulative_lots=4)
    assert stage.drive(make.time(9 * TIMEOUT_NS), "reports").size == 0


def test_flatten_closes_no_more_at_once_than_the_venue_takes() -> None:
    instruments = make.table()
    instruments["maximum_quantity_lots"] = 5
    stage = make.desk(instruments=instruments)
    send(stage, side=Side.ASK, quantity_lots=12)
    fill(stage, 1, 100, 12, trade_id=1)
    said = stage.drive(make.command(Command.FLATTEN), "reports")
    assert (said["side"][0], said["quantity_lots"][0]) == (Side.BID, 5)


@pytest.mark.parametrize("command", [Command.HALT, Command.RESUME])
def test_halt_and_resume_end_what_flatten_began(command: Command) -> None:
    stage = make.desk()
    send(stage)
    fill(stage, 1, 100, 10, trade_id=1)
    assert stage.drive(make.command(Command.FLATTEN), "reports").size == 2
    stage.drive(make.command(command), "reports")
    assert stage.drive(make.time(100 * make.SECOND), "reports").size == 0
