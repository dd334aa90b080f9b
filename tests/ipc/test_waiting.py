"""Waiting: chosen by the cores there are, and a blocked reader is woken by a producer that may make system calls."""

import os
import threading
from pathlib import Path

import pytest

from ipc import waiting
from ipc.messages import messages
from ipc.ring import Ring


@pytest.mark.parametrize(
    ("cores", "spinners", "expected"),
    [(1, 1, waiting.YIELD), (2, 1, waiting.YIELD), (3, 1, waiting.SPIN), (4, 3, waiting.YIELD), (64, 8, waiting.SPIN)],
)
def test_spins_only_with_two_cores_more_than_spinners(
    monkeypatch: pytest.MonkeyPatch, cores: int, spinners: int, expected: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(cores)))
    assert waiting.choose(spinners) == expected


def test_no_spinners_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="spinners is 0"):
        waiting.choose(0)


def test_sleeping_reader_is_woken_long_before_its_time_out(memory: Path) -> None:
    ring = Ring.create(memory / "a", 16, lossy=True, epoch=1)
    consumer, producer = ring.consumer("cold"), ring.producer()
    answers: list[bool] = []
    sleepers = [threading.Thread(target=lambda: answers.append(consumer.sleep(3600)), daemon=True) for _ in range(3)]
    for sleeper in sleepers:
        sleeper.start()
    for sleeper in sleepers:
        sleeper.join(0.02)  # asleep by now, most likely; right either way
    producer.send(messages(1))
    for sleeper in sleepers:
        sleeper.join(20)
    assert answers == [True, True, True]


@pytest.mark.parametrize("strategy", [waiting.SPIN, waiting.YIELD])
def test_watching_reader_sees_a_record_that_nobody_wakes_it_for(memory: Path, strategy: int) -> None:
    ring = Ring.create(memory / "a", 16, lossy=True, epoch=1)
    consumer, producer = ring.consumer("polls"), ring.producer()
    assert not consumer.watch(strategy, 0.001)
    sender = threading.Timer(0.01, producer.send, [messages(1)])
    sender.start()
    assert consumer.watch(strategy, 60.0)
    sender.join()
    assert consumer.watch(strategy, 0.0)  # what lies there already is found at once
