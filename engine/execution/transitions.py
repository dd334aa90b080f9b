"""The order state machine, as a table: state and event give the next state, or the code of a refusal.

The one source: the stage copies this table into its memory, the reference reads it, the tests hold its rules:

* what may still fill is open, and counts with all that remains (PENDING, CANCEL_PENDING, UNKNOWN too);
* a report that contradicts the state makes an open order UNKNOWN: it is asked for, never guessed;
* a closed order stays closed, whatever comes late, with two exceptions: a late fill that completes it makes it FILLED,
  and a REJECTED order that shows a sign of life (accepted, filled) is UNKNOWN.
"""

from enum import IntEnum

import numpy as np

from ipc.messages import OPEN_STATES, OrderState, Refusal


class OrderEvent(IntEnum):
    """What happens to an order: our own steps, reports, and silence."""

    SENT = 0
    CANCEL_SENT = 1
    REPLACE_SENT = 2
    ACCEPTED = 3
    PARTLY_FILLED = 4  # something remains
    FILLED = 5  # nothing remains
    CANCELLED = 6
    REPLACED = 7
    REJECTED = 8
    CANCEL_REJECTED = 9  # and the order lives
    EXPIRED = 10
    IN_DOUBT = 11  # the venue or the gateway does not know: REPORT UNKNOWN, or a cancel rejected as unknown
    NOT_FOUND = 12  # the venue never had it and can no longer receive it
    REPLACE_REFUSED = 13  # its replacement was rejected: it lives on
    TIMED_OUT = 14  # no word for ack_timeout_ms
    LAPPED = 15  # reports were lost


# ACCEPTED in this table means "lives": PARTLY_FILLED where something has filled, PENDING where the venue never said so.
_LIVES = OrderState.ACCEPTED
_REFUSED = -int(Refusal.ORDER_NOT_CANCELLABLE)
_MISSING = -int(Refusal.ORDER_UNKNOWN)

_OPEN_BY_DEFAULT = {
    OrderEvent.CANCEL_SENT: _REFUSED,
    OrderEvent.REPLACE_SENT: _REFUSED,
    OrderEvent.FILLED: OrderState.FILLED,
    OrderEvent.CANCELLED: OrderState.CANCELLED,
    OrderEvent.REPLACED: OrderState.UNKNOWN,
    OrderEvent.REJECTED: OrderState.UNKNOWN,
    OrderEvent.EXPIRED: OrderState.EXPIRED,
    OrderEvent.IN_DOUBT: OrderState.UNKNOWN,
    OrderEvent.NOT_FOUND: OrderState.UNKNOWN,
    OrderEvent.TIMED_OUT: OrderState.UNKNOWN,
    OrderEvent.LAPPED: OrderState.UNKNOWN,
}
_LIVING = {
    OrderEvent.CANCEL_SENT: OrderState.CANCEL_PENDING,
    OrderEvent.REPLACE_SENT: OrderState.REPLACE_PENDING,
    OrderEvent.ACCEPTED: _LIVES,
    OrderEvent.PARTLY_FILLED: OrderState.PARTLY_FILLED,
}
_OPEN = {
    OrderState.PENDING: {
        OrderEvent.CANCEL_SENT: OrderState.CANCEL_PENDING,
        OrderEvent.ACCEPTED: _LIVES,
        OrderEvent.PARTLY_FILLED: OrderState.PARTLY_FILLED,
        OrderEvent.REJECTED: OrderState.REJECTED,
        OrderEvent.NOT_FOUND: OrderState.REJECTED,
    },
    OrderState.ACCEPTED: _LIVING,
    OrderState.PARTLY_FILLED: _LIVING,
    OrderState.CANCEL_PENDING: {
        OrderEvent.REJECTED: OrderState.REJECTED,  # the order itself, its cancel crossing on the way
        OrderEvent.CANCEL_REJECTED: _LIVES,
        OrderEvent.NOT_FOUND: OrderState.REJECTED,
    },
    OrderState.REPLACE_PENDING: {
        OrderEvent.REPLACED: OrderState.REPLACED,
        OrderEvent.CANCEL_REJECTED: _LIVES,
        OrderEvent.REPLACE_REFUSED: _LIVES,
    },
    OrderState.UNKNOWN: {
        OrderEvent.CANCEL_SENT: OrderState.UNKNOWN,  # still asked for while the cancel travels
        OrderEvent.ACCEPTED: _LIVES,
        OrderEvent.PARTLY_FILLED: OrderState.PARTLY_FILLED,
        OrderEvent.REPLACED: OrderState.REPLACED,
        OrderEvent.REJECTED: OrderState.REJECTED,
        OrderEvent.NOT_FOUND: OrderState.REJECTED,
        OrderEvent.REPLACE_REFUSED: _LIVES,
    },
}
_CLOSED = {
    OrderState.FILLED: {},
    OrderState.CANCELLED: {OrderEvent.FILLED: OrderState.FILLED},
    OrderState.EXPIRED: {OrderEvent.FILLED: OrderState.FILLED},
    OrderState.REPLACED: {OrderEvent.FILLED: OrderState.FILLED},
    OrderState.REJECTED: {
        OrderEvent.FILLED: OrderState.FILLED,
        OrderEvent.ACCEPTED: OrderState.UNKNOWN,
        OrderEvent.PARTLY_FILLED: OrderState.UNKNOWN,
    },
}
_OURS = (OrderEvent.SENT, OrderEvent.CANCEL_SENT, OrderEvent.REPLACE_SENT)


def _next(state: OrderState, event: OrderEvent) -> int:
    if state is OrderState.NONE:
        return OrderState.PENDING if event is OrderEvent.SENT else _MISSING
    if state in OPEN_STATES:
        return int(_OPEN[state].get(event, _OPEN_BY_DEFAULT.get(event, _REFUSED if event in _OURS else state)))
    return int(_CLOSED[state].get(event, _REFUSED if event in _OURS else state))


# (state, event) -> OrderState, or minus a Refusal
TRANSITIONS = np.array([[_next(state, event) for event in OrderEvent] for state in OrderState], dtype="<i8")


def resolve(next_state: int, acknowledged: bool, filled_lots: int) -> int:
    """The state that "lives" stands for (see _LIVES); any other state as it is."""
    if next_state != _LIVES:
        return next_state
    if filled_lots > 0:
        return OrderState.PARTLY_FILLED
    return OrderState.ACCEPTED if acknowledged else OrderState.PENDING
