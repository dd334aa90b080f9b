"""Random histories of a ring against the list in ipc/reference.py: laps, refusals, deaths, torn writes."""

import tempfile
from pathlib import Path

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from ipc.messages import messages
from ipc.reference import ReferenceRing
from ipc.ring import Consumer, Ring, RingFull
from tests.ipc.conftest import TMPFS
from tests.ipc.records import message

CAPACITY = 16
SLOTS_BYTE, INTENT_BYTE = 8192, 4224
NAMES = ("core", "journal", "status")


class RingHistory(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory(dir=TMPFS if TMPFS.is_dir() else None)
        self.living: dict[str, Consumer] = {}
        self.value = 0

    @initialize(lossy=st.booleans(), base=st.integers(0, 1000))
    def create(self, lossy: bool, base: int) -> None:
        self.ring = Ring.create(Path(self.folder.name) / "a", CAPACITY, lossy=lossy, epoch=1, base=base)
        self.producer = self.ring.producer()
        self.model = ReferenceRing(CAPACITY, lossy, base)

    # -- the producer

    @rule(length=st.integers(1, CAPACITY), quote=st.booleans())
    def publish(self, length: int, quote: bool) -> None:
        sent = message(length, self.value, quote=quote)
        expected = self.model.publish([int(value) for value in sent["price_ticks"]])
        try:
            assert self.producer.send(sent) == expected
            self.value += length
        except RingFull:
            assert expected is None

    @rule()
    def producer_restarts(self) -> None:
        del self.producer
        self.producer = self.ring.producer()

    @rule(count=st.integers(1, CAPACITY))
    def producer_dies_while_publishing(self, count: int) -> None:
        head = self.ring.head
        if not self.producer.room(count):
            return
        del self.producer
        view = np.frombuffer(self.ring.segment.memory, dtype=np.int64)
        view[INTENT_BYTE // 8] = max(view[INTENT_BYTE // 8], head + count)
        slots = np.frombuffer(self.ring.segment.memory, dtype=np.uint8, offset=SLOTS_BYTE).reshape(CAPACITY, 64)
        for position in range(head, head + count):
            slots[position % CAPACITY, :40] = 0xAA  # cut within a record
        self.model.die_while_publishing(count)
        self.producer = self.ring.producer()

    # -- consumers

    @rule(name=st.sampled_from(NAMES), start=st.none() | st.integers(0, 40))
    def consumer_starts(self, name: str, start: int | None) -> None:
        if name in self.living:
            return
        position = self.ring.head if start is None else max(0, self.ring.head - start)
        if not self.model.lossy:
            position = max(position, self.model.oldest)
        self.living[name] = self.ring.consumer(name, None if start is None else position)
        self.model.cursors[name] = position

    @rule(name=st.sampled_from(NAMES))
    def consumer_dies(self, name: str) -> None:
        self.living.pop(name, None)

    @rule(name=st.sampled_from(NAMES))
    def consumer_leaves(self, name: str) -> None:
        if name in self.living:
            self.living.pop(name).close()
            del self.model.cursors[name]

    @rule(name=st.sampled_from(NAMES))
    def supervisor_evicts(self, name: str) -> None:
        if name in self.model.cursors and name not in self.living:
            self.ring.evict(name)
            del self.model.cursors[name]

    @precondition(lambda self: self.living)
    @rule(data=st.data(), room=st.integers(CAPACITY, 24))
    def consumer_polls(self, data: st.DataObject, room: int) -> None:
        name = data.draw(st.sampled_from(sorted(self.living)))
        consumer, out = self.living[name], messages(room)
        values, position, lost = self.model.poll(consumer.position, room)
        first = consumer.position
        count = consumer.receive(out)
        assert count == (-1 if lost else len(values))
        assert (consumer.position, consumer.lost) == (position, lost)
        assert list(out["price_ticks"][: max(count, 0)]) == values
        assert list(out["sequence"][: max(count, 0)]) == list(range(first, first + len(values)))
        self.model.cursors[name] = position

    # -- what always holds

    @invariant()
    def positions_agree(self) -> None:
        if not hasattr(self, "model"):
            return
        assert (self.ring.head, self.ring.base, self.ring.oldest) == (
            self.model.head,
            self.model.base,
            self.model.oldest,
        )
        assert {name: cursor for name, (cursor, _) in self.ring.cursors().items()} == self.model.cursors
        assert {name for name, (_, alive) in self.ring.cursors().items() if alive} == set(self.living)
        count = max(0, self.model.head - self.model.oldest)
        if count:
            held = self.ring.read(self.model.oldest, count)
            assert list(held["price_ticks"]) == self.model.records[-count:]

    def teardown(self) -> None:
        self.folder.cleanup()


RingHistory.TestCase.settings = settings(max_examples=250, stateful_step_count=40, deadline=None)
TestRingAgainstReference = RingHistory.TestCase
