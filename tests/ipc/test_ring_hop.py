"""The measuring ends of the ring hop: open loop, so whatever holds a message up is in its latency."""

import time
from pathlib import Path

import numpy as np
import pytest

from ipc.counters import Counters
from ipc.messages import messages
from ipc.ring import Ring
from ipc.ring_hop import receive, send
from ipc.waiting import YIELD

STALL_SECONDS = 0.05


def test_stall_of_the_receiver_is_in_every_latency(memory: Path) -> None:
    ring = Ring.create(memory / "a", 64, lossy=True, epoch=1)
    counters = Counters.create(memory / "c", epoch=1, histograms=["hop"])
    consumer = ring.consumer("receiver")
    send(ring.producer(), 50, 1_000, YIELD)
    time.sleep(STALL_SECONDS)
    receive(consumer, 50, YIELD, counters, "hop", skip=10)
    hop = counters.read("hop")
    assert hop.count == 40
    assert hop.minimum >= STALL_SECONDS * 1e9


def test_messages_are_due_at_equal_intervals_whatever_happens(memory: Path) -> None:
    ring = Ring.create(memory / "a", 64, lossy=True, epoch=1)
    out = messages(64)
    consumer = ring.consumer("receiver")
    seconds = send(ring.producer(), 20, 100_000, YIELD)
    assert seconds >= 19 * 100e-6
    assert consumer.receive(out) == 20
    assert np.all(np.diff(out["event_time_ns"][:20]) == 100_000)
    assert list(out["extra"][:20]) == list(range(20))


def test_lap_is_an_error_and_no_figure(memory: Path) -> None:
    ring = Ring.create(memory / "a", 16, lossy=True, epoch=1)
    consumer = ring.consumer("receiver")
    send(ring.producer(), 20, 0, YIELD)
    with pytest.raises(RuntimeError, match="lapped by 4 records after 0"):
        receive(consumer, 20, YIELD)
