"""The measuring loop: what it times, and what it refuses. No timing is asserted but the sign of it."""

import pytest

from engine.book.stage import BookStage
from engine.stage import BOOK_VIEW
from engine.telemetry.step_timer import time_steps
from ipc.messages import Side
from tests.engine.book.records import FeedScript, instruments


def script() -> FeedScript:
    feed = FeedScript().snapshot({100: 1}, {101: 1})
    for i in range(100):
        feed.batch({90: i + 1}, {}).quote((100, 1), (101, 1), 1_000 + i)
    return feed


def test_every_message_the_step_takes_is_timed_once_and_one_of_two_records_once() -> None:
    stage = BookStage(instruments())
    times = time_steps(stage.step(), script().records())
    assert len(times.ns) == times.messages == 4 + 100 + 100
    assert (times.ns >= 0).all()
    assert times.overhead_ns > 0
    assert stage.quantity(0, Side.BID, 90) == 100


def test_warm_up_runs_but_is_not_timed() -> None:
    stage = BookStage(instruments())
    times = time_steps(stage.step(), script().records(), warmup=4)
    assert times.messages == 200
    assert stage.rows(BOOK_VIEW)[0]["batches"] == 101


def test_groups_give_the_mean_of_their_messages() -> None:
    stage = BookStage(instruments())
    times = time_steps(stage.step(), script().records(), group=20)
    assert (len(times.ns), times.messages) == (10, 200)
    row = times.row("book_update")
    assert row["count"] == 200
    assert row["p50_ns"] <= row["p99_ns"] <= row["p999_ns"] <= row["max_ns"]
    assert row["per_s"] > 0


@pytest.mark.parametrize("warmup", [-1, 2])
def test_nothing_to_time_is_an_error(warmup: int) -> None:
    stage = BookStage(instruments())
    with pytest.raises(ValueError, match="nothing to time"):
        time_steps(stage.step(), FeedScript().batch({1: 1, 2: 1}, {}).records(), warmup=warmup)


def test_a_fault_is_an_error() -> None:
    stage = BookStage(instruments())
    records = FeedScript(row=9).batch({1: 1, 2: 1}, {}).records()
    with pytest.raises(RuntimeError, match="fault 1"):
        time_steps(stage.step(), records)


def test_steps_before_run_on_every_message_and_are_not_timed() -> None:
    first, timed = BookStage(instruments()), BookStage(instruments())
    times = time_steps(timed.step(), script().records(), warmup=4, before=[first.step()])
    assert times.messages == 200
    assert first.rows(BOOK_VIEW).tobytes() == timed.rows(BOOK_VIEW).tobytes()
    with pytest.raises(ValueError, match="steps before"):
        time_steps(timed.step(), script().records(), group=2, before=[first.step()])
