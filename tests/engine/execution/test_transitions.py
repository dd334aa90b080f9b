"""The rules of the order state machine, held over the whole table."""

import pytest

from engine.execution.transitions import TRANSITIONS, OrderEvent, resolve
from ipc.messages import OPEN_STATES, OrderState, Refusal

OURS = (OrderEvent.SENT, OrderEvent.CANCEL_SENT, OrderEvent.REPLACE_SENT)
REPORTS = [event for event in OrderEvent if event not in OURS]
CLOSED = [state for state in OrderState if state not in OPEN_STATES and state is not OrderState.NONE]


@pytest.mark.parametrize("state", CLOSED)
def test_closed_order_stays_closed_unless_a_rejected_one_shows_life(state: OrderState) -> None:
    for event in REPORTS:
        after = OrderState(TRANSITIONS[state, event])
        if state is OrderState.REJECTED and event in (OrderEvent.ACCEPTED, OrderEvent.PARTLY_FILLED):
            assert after is OrderState.UNKNOWN
        elif event is OrderEvent.FILLED:
            assert after is OrderState.FILLED
        else:
            assert after is state


@pytest.mark.parametrize("state", CLOSED)
def test_closed_order_can_be_neither_cancelled_nor_replaced(state: OrderState) -> None:
    for event in OURS:
        assert TRANSITIONS[state, event] == -Refusal.ORDER_NOT_CANCELLABLE


@pytest.mark.parametrize("state", sorted(OPEN_STATES))
def test_no_report_leaves_an_open_order_in_no_state(state: OrderState) -> None:
    for event in REPORTS:
        assert OrderState(TRANSITIONS[state, event]) is not OrderState.NONE


@pytest.mark.parametrize("state", sorted(OPEN_STATES))
def test_open_order_ends_by_what_ends_an_order_and_doubt_makes_it_unknown(state: OrderState) -> None:
    assert TRANSITIONS[state, OrderEvent.FILLED] == OrderState.FILLED
    assert TRANSITIONS[state, OrderEvent.CANCELLED] == OrderState.CANCELLED
    assert TRANSITIONS[state, OrderEvent.EXPIRED] == OrderState.EXPIRED
    for event in (OrderEvent.IN_DOUBT, OrderEvent.TIMED_OUT, OrderEvent.LAPPED):
        assert TRANSITIONS[state, event] == OrderState.UNKNOWN


def test_unknown_order_is_resolved_by_every_answer_to_a_query() -> None:
    answers = (OrderEvent.ACCEPTED, OrderEvent.FILLED, OrderEvent.CANCELLED, OrderEvent.REPLACED, OrderEvent.REJECTED)
    for event in (*answers, OrderEvent.EXPIRED, OrderEvent.NOT_FOUND):
        assert TRANSITIONS[OrderState.UNKNOWN, event] not in (OrderState.UNKNOWN, -Refusal.ORDER_UNKNOWN)


def test_no_order_is_changed_while_another_change_is_pending() -> None:
    for state in (OrderState.CANCEL_PENDING, OrderState.REPLACE_PENDING):
        for event in OURS:
            assert TRANSITIONS[state, event] == -Refusal.ORDER_NOT_CANCELLABLE


def test_order_that_never_was_knows_no_event_but_being_sent() -> None:
    assert TRANSITIONS[OrderState.NONE, OrderEvent.SENT] == OrderState.PENDING
    for event in OrderEvent:
        if event is not OrderEvent.SENT:
            assert TRANSITIONS[OrderState.NONE, event] == -Refusal.ORDER_UNKNOWN


@pytest.mark.parametrize(
    ("acknowledged", "filled_lots", "state"),
    [
        (False, 0, OrderState.PENDING),
        (True, 0, OrderState.ACCEPTED),
        (True, 3, OrderState.PARTLY_FILLED),
        (False, 3, OrderState.PARTLY_FILLED),
    ],
)
def test_order_that_lives_is_what_the_venue_has_said_of_it(acknowledged: bool, filled_lots: int, state: int) -> None:
    assert resolve(OrderState.ACCEPTED, acknowledged, filled_lots) == state
    assert resolve(OrderState.CANCELLED, acknowledged, filled_lots) == OrderState.CANCELLED
