"""The record of attempts: what it holds survives, and no number is marked twice."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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


def test_order_that_outlives_the_rows_moves_aside_and_keeps_none_waiting(tmp_path: Path) -> None:
    record = AttemptRecord(tmp_path / "attempts", 32)  # with two spare rows
    record.mark(message(1), NOW)
    for number in range(2, 100):
        assert record.make_room(number)
        record.mark(message(number), NOW)
        record.mark_finished(number)
    record.note_filled(1, 30)
    again = AttemptRecord(tmp_path / "attempts", 32)
    assert [(attempt.number, attempt.cumulative_lots) for attempt in again.unfinished()] == [(1, 30)]
    assert (again.quantity_lots(1), again.state(1), again.last_number()) == (77, State.ATTEMPTED, 99)
    with pytest.raises(ValueError, match="order number 1 was attempted before"):
        again.mark(message(1), NOW)
    again.mark_finished(1)
    assert again.unfinished() == []
    assert again.quantity_lots(1) is None


def test_with_every_spare_row_taken_by_an_open_order_there_is_no_room(tmp_path: Path) -> None:
    record = AttemptRecord(tmp_path / "attempts", 32)
    for number in range(1, 35):
        assert record.make_room(number)
        record.mark(message(number), NOW)
    assert not record.make_room(35)
    record.mark_finished(2)  # one that had moved
    assert record.make_room(35)


def test_move_to_a_spare_row_that_a_kill_cut_short_is_undone(tmp_path: Path) -> None:
    record = AttemptRecord(tmp_path / "attempts", 32)
    record.mark(message(1), NOW)
    home = record.words[8 + 1]
    assert record.make_room(33)
    record.words[8 + 1] = home  # the last store of the move was not made
    again = AttemptRecord(tmp_path / "attempts", 32)
    assert [attempt.number for attempt in again.unfinished()] == [1]
    again.mark_finished(1)
    assert AttemptRecord(tmp_path / "attempts", 32).unfinished() == []


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["mark", "refuse", "finish", "reopen"]), st.integers(0, 9)), max_size=120))
def test_record_holds_what_a_plain_table_holds_whatever_is_done_to_it(steps: list[tuple[str, int]]) -> None:
    """Beside a dict of everything unfinished; the file is opened anew on the way."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "attempts"
        record, table, last = AttemptRecord(path, 8), dict[int, State](), 0
        for what, which in steps:
            if what == "reopen":
                record = AttemptRecord(path, 8)
            elif what == "finish" and table:
                number = sorted(table)[which % len(table)]
                record.mark_finished(number)
                del table[number]
            elif what in ("mark", "refuse") and record.make_room(last + 1):
                last += 1
                if what == "mark":
                    record.mark(message(last), NOW)
                else:
                    record.mark_refused(message(last), NOW, Refusal.GATEWAY_HALTED)
                table[last] = State.ATTEMPTED if what == "mark" else State.REFUSED
            assert {attempt.number: attempt.state for attempt in record.unfinished()} == table
            assert record.last_number() == last
