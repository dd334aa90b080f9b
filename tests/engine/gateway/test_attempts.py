"""The record of attempts: what it holds survives, and no number is marked twice."""

from pathlib import Path

import pytest

from engine.errors import IntegrityError, UserError
from engine.gateway.attempts import HEADER_BYTES, AttemptRecord, State
from engine.gateway.order_message import OrderMessage, read_order
from ipc.messages import Action, OrderType, Refusal, Side, TimeInForce
from tests.engine.gateway.trader import order_message

NOW = 1_790_000_000_123_456_789


def message(number: int, **fields: object) -> OrderMessage:
    return read_order(order_message(number, side=Side.ASK, price_ticks=6_000_001, quantity_lots=77, **fields))  # type: ignore[arg-type]


def test_attempt_is_read_back_by_the_next_process_as_it_was_written(tmp_path: Path) -> None:
    record = AttemptRecord(tmp_path / "attempts", 16)
    order = message(
        3,
        action=Action.REPLACE,
        order_type=OrderType.LIMIT_MAKER,
        time_in_force=TimeInForce.FOK,
        target=2,
    )
    order = order._replace(instrument=4_000_000_000)
    record.mark(order, NOW)
    record.mark_refused(message(4), NOW, Refusal.GATEWAY_HALTED)
    again = AttemptRecord(tmp_path / "attempts", 16)
    first, second = again.unfinished()
    assert (first.number, first.state, first.action, first.target_order_id) == (3, State.ATTEMPTED, Action.REPLACE, 2)
    assert (first.side, first.price_ticks, first.quantity_lots) == (Side.ASK, 6_000_001, 77)
    assert (first.order_type, first.time_in_force) == (OrderType.LIMIT_MAKER, TimeInForce.FOK)
    assert first.instrument == 4_000_000_000
    again.note_filled(3, 50)
    assert [attempt.cumulative_lots for attempt in again.unfinished()] == [50, 0]
    assert 0 <= NOW - first.time_ns < 4
    assert (second.number, second.state, second.refusal) == (4, State.REFUSED, Refusal.GATEWAY_HALTED)
    assert again.last_number() == 4


def test_number_is_never_marked_twice_not_even_after_it_is_finished(tmp_path: Path) -> None:
    record = AttemptRecord(tmp_path / "attempts", 16)
    record.mark(message(1), NOW)
    with pytest.raises(ValueError, match="order number 1 was attempted before"):
        record.mark(message(1), NOW)
    record.mark_finished(1)
    assert record.state(1) == State.FINISHED
    with pytest.raises(ValueError, match="was attempted before"):
        record.mark_refused(message(1), NOW, Refusal.GATEWAY_HALTED)
    assert record.unfinished() == []


def test_row_of_an_open_order_is_not_given_to_a_later_number(tmp_path: Path) -> None:
    record = AttemptRecord(tmp_path / "attempts", 4)
    for number in range(1, 5):
        record.mark(message(number), NOW)
    for number in (2, 3, 4):
        record.mark_finished(number)
    assert not record.has_room(5)
    with pytest.raises(ValueError, match="the row of 1 is not finished"):
        record.mark(message(5), NOW)
    record.mark_finished(1)
    record.mark(message(5), NOW)
    assert record.last_number() == 5
    assert record.state(1) == State.FREE  # its row is another's now
    record.mark_finished(1)
    assert record.state(5) == State.ATTEMPTED


def test_row_cut_off_in_the_middle_of_its_writing_counts_as_never_attempted(tmp_path: Path) -> None:
    record = AttemptRecord(tmp_path / "attempts", 8)
    record.mark(message(1), NOW)
    record.mark(message(2), NOW)
    raw = bytearray((tmp_path / "attempts").read_bytes())
    state_time = HEADER_BYTES + 2 * 64 + 8
    raw[state_time : state_time + 8] = bytes(8)  # all but the last store of the row was made
    (tmp_path / "attempts").write_bytes(raw)
    again = AttemptRecord(tmp_path / "attempts", 8)
    assert again.last_number() == 1
    again.mark(message(2), NOW)
    assert again.last_number() == 2


def test_file_of_another_size_or_kind_is_refused(tmp_path: Path) -> None:
    AttemptRecord(tmp_path / "attempts", 8)
    with pytest.raises(IntegrityError, match="another attempts_capacity"):
        AttemptRecord(tmp_path / "attempts", 16)
    raw = bytearray((tmp_path / "attempts").read_bytes())
    raw[0] ^= 1
    (tmp_path / "attempts").write_bytes(raw)
    with pytest.raises(IntegrityError, match="not a record of attempted orders"):
        AttemptRecord(tmp_path / "attempts", 8)
    with pytest.raises(UserError, match="cannot be opened"):
        AttemptRecord(tmp_path / "nowhere" / "attempts", 8)
