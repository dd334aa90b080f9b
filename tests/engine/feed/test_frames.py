"""The feed's lane beside its reference: the same frames, the same records in the ring."""

from pathlib import Path

import numpy as np
import pytest

from engine.feed.config import FeedConfig
from engine.feed.frames import FeedLane
from engine.feed.process import COUNTERS, HISTOGRAMS
from engine.feed.sync import FeedHandler
from ipc.counters import Counters
from ipc.doorbell import BellRope, Doorbell
from ipc.instruments import Contract
from ipc.messages import MESSAGE, Kind
from ipc.ring import Ring
from tests.engine.feed.frames import RECEIVED_NS, SPOT_ROW, instruments, snapshot, spot_diff

FRAMES = [
    spot_diff(11, 12),
    spot_diff(13, 14, [("100.00", "1"), ("99.50", "2")], [("101.00", "3")]),
    spot_diff(13, 14),  # doubled: refused
    b"{",  # rubbish: refused
    b"",
    spot_diff(15, 20),
    spot_diff(25, 26),  # a gap
    spot_diff(27, 28),
]


class Way:
    """A handler and a market ring."""

    def __init__(self, folder: Path, ring_records: int = 1 << 14) -> None:
        folder.mkdir()
        self.handler = FeedHandler(instruments(), Contract.SPOT, FeedConfig())
        self.ring = Ring.create(folder / "market.ring", ring_records, lossy=True, epoch=1)
        self.producer = self.ring.producer()
        self.consumer = self.ring.consumer("core")

    def snapshot(self) -> int:
        """As the session fetches it; returns how many records."""
        records = self.handler.accept(snapshot(12), RECEIVED_NS, SPOT_ROW)
        self.producer.send(records)
        return len(records)

    def read(self) -> np.ndarray:
        out = np.zeros(1 << 12, dtype=MESSAGE)
        return out[: self.consumer.receive(out)]


@pytest.mark.parametrize("snapshot_after", [0, 1, 2])
def test_lane_and_python_put_the_same_records_into_the_ring(tmp_path: Path, snapshot_after: int) -> None:
    slow, fast = Way(tmp_path / "slow"), Way(tmp_path / "fast")
    counters = Counters.create(tmp_path / "counters", epoch=1, counters=COUNTERS, histograms=HISTOGRAMS)
    lane = FeedLane(fast.handler, fast.producer, counters)
    for at, frame in enumerate(FRAMES):
        if at == snapshot_after:
            by_hand = slow.snapshot()
            assert fast.snapshot() == by_hand
        records = slow.handler.accept(frame, RECEIVED_NS + at)
        if len(records):
            slow.producer.send(records)
        lane.accept(frame, RECEIVED_NS + at)
    expected, found = slow.read(), fast.read()
    assert {Kind.LEVEL, Kind.REFUSAL, Kind.BOOK_STATE} <= set(expected["kind"].tolist())
    assert found.tobytes() == expected.tobytes()
    assert lane.frames == len(FRAMES)
    assert counters.value("records") == len(found) - by_hand
    assert 0 < counters.read("accept").count <= len(FRAMES)


def test_ring_that_the_largest_frame_does_not_fit_is_refused(tmp_path: Path) -> None:
    way = Way(tmp_path / "way", 1 << 13)
    counters = Counters.create(tmp_path / "counters", epoch=1, counters=COUNTERS, histograms=HISTOGRAMS)
    with pytest.raises(ValueError, match="frames of 10240 records"):
        FeedLane(way.handler, way.producer, counters)


def test_every_frame_that_says_something_rings_for_a_gateway_that_sleeps(tmp_path: Path) -> None:
    way = Way(tmp_path / "way")
    counters = Counters.create(tmp_path / "counters", epoch=1, counters=COUNTERS, histograms=HISTOGRAMS)
    lane = FeedLane(way.handler, way.producer, counters)
    bell = Doorbell(tmp_path / "bell")
    lane.accept(b"{", RECEIVED_NS)  # no rope yet: nobody to ring for
    lane.rope = BellRope(tmp_path / "bell")
    lane.accept(b"{", RECEIVED_NS)
    assert not bell.wait(0.0)  # rung while nobody slept
    assert len(way.read()) == 2
