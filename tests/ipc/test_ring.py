"""The ring, one scenario at a time, in one process."""

from pathlib import Path

import numpy as np
import pytest

from ipc.messages import Flag, Kind, messages
from ipc.ring import MAXIMUM_CONSUMERS, Consumer, Producer, Ring, RingFull
from ipc.segment import SegmentError
from tests.ipc.records import message

CAPACITY = 16


def make(memory: Path, *, lossy: bool, base: int = 0, consumers: tuple[str, ...] = ()) -> Ring:
    return Ring.create(memory / "a.ring", CAPACITY, lossy=lossy, epoch=11, base=base, consumers=consumers)


def test_message_arrives_whole_with_its_position_as_sequence(memory: Path) -> None:
    ring = make(memory, lossy=True, base=1000)
    consumer, producer = ring.consumer("core"), ring.producer()
    sent = message(3, value=7)
    assert producer.send(sent) == 1000
    assert list(sent["sequence"]) == [1000, 1001, 1002]
    out = messages(8)
    assert consumer.pending == 3
    assert consumer.receive(out) == 3
    assert np.array_equal(out[:3], sent)
    assert (consumer.position, consumer.lost, ring.head, ring.base, ring.epoch) == (1003, 0, 1003, 1000, 11)
    assert consumer.receive(out) == 0


def test_every_consumer_reads_everything(memory: Path) -> None:
    ring = make(memory, lossy=False)
    consumers = [ring.consumer(f"reader {i}") for i in range(MAXIMUM_CONSUMERS)]
    ring.producer().send(message(2))
    assert [consumer.receive(messages(4)) for consumer in consumers] == [2] * MAXIMUM_CONSUMERS
    with pytest.raises(SegmentError, match="16 consumers already"):
        ring.consumer("one too many")


def test_receive_never_splits_a_message(memory: Path) -> None:
    ring = make(memory, lossy=True)
    consumer, producer = ring.consumer("core"), ring.producer()
    for length in (1, 3, 2):
        producer.send(message(length))
    assert [consumer.receive(messages(4)), consumer.receive(messages(4))] == [4, 2]


def test_receive_says_when_the_message_is_longer_than_the_room(memory: Path) -> None:
    ring = make(memory, lossy=True)
    consumer, producer = ring.consumer("core"), ring.producer()
    producer.send(message(3))
    with pytest.raises(ValueError, match="room for 2 records"):
        consumer.receive(messages(2))
    with pytest.raises(ValueError, match="no room"):
        consumer.receive(messages(0))
    with pytest.raises(ValueError, match="array of MESSAGE"):
        consumer.receive(np.zeros(64, dtype=np.int8))
    assert consumer.receive(messages(3)) == 3


@pytest.mark.parametrize("quote", [False, True])
def test_lapped_reader_knows_by_how_much_and_goes_on_at_the_oldest_whole_message(memory: Path, quote: bool) -> None:
    ring = make(memory, lossy=True)
    consumer, producer = ring.consumer("core"), ring.producer()
    producer.send(message(1))
    for value in range(10):
        producer.send(message(2, value, quote=quote))
    producer.send(message(1))
    # 22 records; 6 to 21 are left, and 6 is the second record of a message that began at 5
    assert ring.oldest == 6
    assert consumer.receive(messages(CAPACITY)) == -1
    assert (consumer.lost, consumer.position) == (7, 7)
    out = messages(CAPACITY)
    assert consumer.receive(out) == 15
    assert consumer.lost == 0
    assert list(out["sequence"][:15]) == list(range(7, 22))


def test_lossy_ring_never_refuses(memory: Path) -> None:
    ring = make(memory, lossy=True)
    ring.consumer("slow")
    producer = ring.producer()
    assert [producer.send(message(CAPACITY)) for _ in range(5)] == [0, 16, 32, 48, 64]


def test_gated_ring_refuses_until_its_slowest_consumer_has_read(memory: Path) -> None:
    ring = make(memory, lossy=False)
    fast, slow, producer = ring.consumer("fast"), ring.consumer("slow"), ring.producer()
    producer.send(message(14))
    fast.receive(messages(CAPACITY))
    assert producer.room(2)
    assert not producer.room(3)
    with pytest.raises(RingFull, match="no room for 3 records at position 14"):
        producer.send(message(3))
    assert ring.head == 14
    slow.receive(messages(CAPACITY))
    assert producer.send(message(3)) == 14


def test_gated_ring_waits_for_the_dead_until_they_are_evicted(memory: Path) -> None:
    ring = make(memory, lossy=False)
    consumer, producer = ring.consumer("journal"), ring.producer()
    producer.send(message(CAPACITY))
    with pytest.raises(SegmentError, match="'journal' lives, stop it before it is evicted"):
        ring.evict("journal")
    del consumer  # dies without a word: its lock goes, its registration stays
    assert ring.cursors() == {"journal": (0, False)}
    assert not producer.room(1)
    ring.evict("journal")
    assert producer.room(1)
    assert ring.cursors() == {}
    with pytest.raises(SegmentError, match="no consumer 'journal'"):
        ring.evict("journal")


def test_consumer_that_leaves_is_waited_for_no_more(memory: Path) -> None:
    ring = make(memory, lossy=False)
    consumer, producer = ring.consumer("journal"), ring.producer()
    producer.send(message(CAPACITY))
    assert not producer.room(1)
    consumer.close()
    assert producer.room(1)


def test_restarted_consumer_takes_its_slot_over_and_reads_again_from_where_it_says(memory: Path) -> None:
    ring = make(memory, lossy=False)
    consumer, producer = ring.consumer("journal"), ring.producer()
    producer.send(message(4))
    consumer.receive(messages(4))
    with pytest.raises(SegmentError, match="already has a live consumer 'journal'"):
        ring.consumer("journal")
    del consumer
    again = Ring.attach(ring.path).consumer("journal", start=0)
    assert again.receive(messages(8)) == 4
    assert ring.cursors() == {"journal": (4, True)}


def test_start_that_was_overwritten_is_reported_as_a_lap(memory: Path) -> None:
    ring = make(memory, lossy=True, base=100)
    producer = ring.producer()
    for _ in range(20):
        producer.send(message(1))
    late = ring.consumer("late", start=90)
    assert late.receive(messages(4)) == -1
    assert (late.lost, late.position) == (14, 104)
    with pytest.raises(SegmentError, match="cannot start at 121, the head is 120"):
        ring.consumer("early", start=121)


def test_expected_consumer_gates_before_it_attaches(memory: Path) -> None:
    ring = make(memory, lossy=False, base=50, consumers=("journal",))
    producer = ring.producer()
    producer.send(message(CAPACITY))
    assert not producer.room(1)
    journal = ring.consumer("journal", start=ring.base)
    assert journal.receive(messages(CAPACITY)) == CAPACITY
    assert producer.room(CAPACITY)


def test_holding_consumer_frees_slots_only_when_it_is_done(memory: Path) -> None:
    ring = make(memory, lossy=False)
    journal, producer = ring.consumer("journal", hold=True), ring.producer()
    producer.send(message(CAPACITY))
    journal.receive(messages(CAPACITY))
    assert not producer.room(1)
    journal.done(10)
    assert producer.room(10)
    assert not producer.room(11)
    journal.done(5)  # never back
    journal.done(1000)  # nor beyond what was read
    assert ring.cursors()["journal"][0] == CAPACITY


def test_producer_is_one_and_a_restarted_one_goes_on_at_the_head(memory: Path) -> None:
    ring = make(memory, lossy=True)
    producer = ring.producer()
    producer.send(message(3))
    with pytest.raises(SegmentError, match="already has a live producer"):
        Ring.attach(ring.path).producer()
    assert ring.has_producer()
    producer.close()
    assert not ring.has_producer()
    assert Ring.attach(ring.path).producer().send(message(1)) == 3


def test_read_for_recovery_gives_what_is_left_and_refuses_the_rest(memory: Path) -> None:
    ring = make(memory, lossy=True)
    producer = ring.producer()
    for value in range(20):
        producer.send(message(1, value))
    assert list(ring.read(4, 16)["price_ticks"]) == list(range(4, 20))
    assert len(ring.read(20, 0)) == 0
    for position, count in ((3, 1), (19, 2), (-1, 1), (5, -1)):
        with pytest.raises(SegmentError):
            ring.read(position, count)


def test_ring_of_a_dead_run_is_drained_and_removed_and_a_living_one_is_not(memory: Path) -> None:
    ring = make(memory, lossy=False, consumers=("journal",))
    producer = ring.producer()
    producer.send(message(2, value=5))
    with pytest.raises(SegmentError, match="in use by its producer"):
        ring.remove()
    producer.close()
    left = Ring.attach(ring.path)
    position, alive = left.cursors()["journal"]
    assert not alive
    assert list(left.read(position, left.head - position)["price_ticks"]) == [5, 6]
    journal = left.consumer("journal", start=position)
    with pytest.raises(SegmentError, match=r"in use by \['journal'\]"):
        ring.remove()
    journal.close()
    ring.remove()
    again = make(memory, lossy=False, base=left.head)
    assert again.producer().send(message(1)) == left.head


def test_message_without_its_marks_is_refused(memory: Path) -> None:
    producer = make(memory, lossy=True).producer()
    unmarked = message(2)
    unmarked["kind"] = Kind.LEVEL
    open_ended = message(1)
    open_ended["flags"] = Flag.MORE
    orphan = message(2)[1:].copy()
    for records, words in ((unmarked, "record 1 should carry"), (open_ended, "says that more"), (orphan, "continues")):
        with pytest.raises(ValueError, match=words):
            producer.send(records)
    with pytest.raises(ValueError, match="17 records do not fit a ring of 16"):
        producer.send(message(CAPACITY + 1))
    assert producer.send(messages(0)) == 0
    assert producer.position == 0


def test_impossible_rings_are_refused(memory: Path) -> None:
    for capacity in (0, 8, 24):
        with pytest.raises(ValueError, match="power of two"):
            Ring.create(memory / "b", capacity, lossy=True, epoch=1)
    with pytest.raises(ValueError, match="base is -1"):
        Ring.create(memory / "b", 16, lossy=True, epoch=1, base=-1)
    with pytest.raises(ValueError, match="1 to 47 bytes"):
        Ring.create(memory / "b", 16, lossy=True, epoch=1, consumers=("x" * 48,))
    ring = make(memory, lossy=True)
    with pytest.raises(SegmentError, match="of epoch 11, 12 was expected"):
        Ring.attach(ring.path, epoch=12)
    for end in (Producer, Consumer):
        with pytest.raises(TypeError, match="is made by Ring"):
            end()


def test_consumer_sleeps_no_longer_than_it_is_told(memory: Path) -> None:
    ring = make(memory, lossy=True)
    consumer, producer = ring.consumer("cold"), ring.producer()
    assert not consumer.sleep(0.01)
    producer.send(message(1))
    assert consumer.sleep(60)
