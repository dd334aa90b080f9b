"""Two processes on one ring: torn records never come out, and a kill -9 while publishing harms nobody."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from ipc.messages import Flag, messages
from ipc.ring import Consumer, Ring

PAYLOAD = ("price_ticks", "quantity_lots", "order_id", "extra")
FAST_WRITER = """
import sys
from ipc.ring import Ring
from ipc.ring_hop import send
producer = Ring.attach(sys.argv[1]).producer()
print("ready", flush=True)
send(producer, 1 << 50, 0, 1)
"""
MESSAGE_WRITER = """
import sys
import numpy as np
from ipc.ring import Ring
from tests.ipc.records import message
producer = Ring.attach(sys.argv[1]).producer()
print("ready", flush=True)
lengths = np.random.default_rng(5).integers(1, 9, 1 << 12)
while True:
    for length in lengths:
        sent = message(int(length), producer.position)
        sent["order_id"], sent["extra"] = producer.position, length
        producer.send(sent)
"""


@contextmanager
def writing(program: str, ring: Ring) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", program, str(ring.path)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        try:
            yield process
        finally:
            process.kill()


def take(consumer: Consumer, out: npt.NDArray[np.void], seconds: float) -> Iterator[npt.NDArray[np.void] | int]:
    """What a consumer gets for so long: arrays of records, or the number lost by a lap."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        count = consumer.receive(out)
        if count:
            yield consumer.lost if count < 0 else out[:count]


def assert_whole_fast_records(records: npt.NDArray[np.void], start: int) -> None:
    """Every field that the fast writer fills says the same position, and positions follow one another."""
    assert np.array_equal(np.diff(records["sequence"]), np.ones(len(records) - 1))
    for name in PAYLOAD:
        assert np.array_equal(records[name] + start, records["sequence"]), name


def test_no_torn_record_is_ever_returned_while_a_fast_writer_laps_the_reader(memory: Path) -> None:
    ring = Ring.create(memory / "a", 64, lossy=True, epoch=1)
    consumer, out = ring.consumer("reader", start=0), messages(64)
    laps = received = 0
    with writing(FAST_WRITER, ring):
        for got in take(consumer, out, 1.0):
            if isinstance(got, int):
                assert got > 0
                laps += 1
            else:
                assert_whole_fast_records(got, 0)
                received += len(got)
    assert laps > 0, "the writer was too slow for this test to mean anything"
    assert received > 0


def test_no_message_is_ever_split_while_a_writer_laps_the_reader(memory: Path) -> None:
    ring = Ring.create(memory / "a", 16, lossy=True, epoch=1)
    consumer, out = ring.consumer("reader", start=0), messages(16)
    laps = received = 0
    with writing(MESSAGE_WRITER, ring):
        for got in take(consumer, out, 1.0):
            if isinstance(got, int):
                laps += 1
                continue
            received += len(got)
            assert np.array_equal(got["price_ticks"], got["sequence"])
            assert got["order_id"][0] == got["sequence"][0]  # a message's first record
            assert got["sequence"][-1] == got["order_id"][-1] + got["extra"][-1] - 1  # a message's last
            assert not got["flags"][-1] & np.uint16(Flag.MORE)
    assert laps > 0
    assert received > 0


@pytest.mark.recovery
def test_ring_goes_on_after_its_producer_was_killed_while_publishing(memory: Path) -> None:
    ring = Ring.create(memory / "a", 256, lossy=True, epoch=1)
    consumer, out = ring.consumer("reader", start=0), messages(256)
    start = 0  # position of the first record of this writer
    for kill in range(4):
        with writing(FAST_WRITER, ring) as process:
            time.sleep(0.01 + 0.013 * kill)
            process.kill()
            process.wait()
        head, oldest = ring.head, ring.oldest
        assert not ring.has_producer()
        assert head > start
        assert_whole_fast_records(ring.read(max(oldest, start), head - max(oldest, start)), start)
        while consumer.position < head:
            count = consumer.receive(out)
            if count > 0 and out["sequence"][0] >= start:
                assert_whole_fast_records(out[:count], start)
        producer = ring.producer()
        last = messages(1)
        assert producer.send(last) == head
        assert consumer.receive(out) == 1
        assert out[0] == last[0]
        producer.close()
        start = head + 1


@pytest.mark.recovery
def test_gated_writer_stops_for_a_killed_reader_until_it_is_evicted(memory: Path) -> None:
    ring = Ring.create(memory / "a", 16, lossy=False, epoch=1)
    reader = """
import sys, time
from ipc.messages import messages
from ipc.ring import Ring
consumer = Ring.attach(sys.argv[1]).consumer("journal")
print("ready", flush=True)
while True:
    consumer.receive(messages(16))
"""
    producer, one = ring.producer(), messages(1)
    with writing(reader, ring) as process:
        for _ in range(200):
            while not producer.room(1):
                time.sleep(0)
            producer.send(one)
        process.kill()
        process.wait()
    position, alive = ring.cursors()["journal"]
    assert not alive
    while producer.room(1):
        producer.send(one)
    assert producer.position == position + 16
    ring.evict("journal")
    assert producer.send(one) == position + 16
