"""The ring: one producer, up to 16 consumers, 64-byte records, shared memory, no lock.

    byte  0      4096   4224     4352       4480            5120                6144                 8192
         +------+------+--------+----------+---------------+-------------------+--------------------+-----------------+
         |header| head | intent | sleeping | registrations | registry 16 x 64 B| cursors 16 x 128 B | slots, capacity |
         | page | i64  | i64    | u32      | i64           | state, name       | i64 each           | records of 64 B |
         +------+------+--------+----------+---------------+-------------------+--------------------+-----------------+

Words that different processes write lie 128 bytes apart: the prefetcher fetches cache lines in pairs. A record at
position p lies in slot p modulo capacity, a power of two; positions never start again, not even in a new incarnation
(`base`).

The producer stores `intent`, the position it is about to write up to, before it touches a slot, and `head` after the
slots are whole. A consumer copies, then looks at `intent`: had it passed the copied positions by more than the
capacity, the copy may be torn and is thrown away, and the reader knows how much it lost. `intent` never goes back:
after a death in the middle of a publish it goes on covering the slots that were touched. Copies are plain loads and
stores between fences; x86 keeps both in order (Lamport 1977; Boehm, "Can seqlocks get along with programming language
memory models?", 2012).

A lossy ring never waits for anybody. A gated ring refuses to overrun the cursor of a registered consumer, alive or
dead, until the supervisor evicts it. A cursor is a hint for flow control, never a recovery position.
"""

from libc.stdint cimport int64_t, uint32_t
from posix.time cimport CLOCK_MONOTONIC, clock_gettime, timespec
from ipc.atomics cimport (
    fence_acquire, fence_full, fence_release, load_acquire, load_relaxed, store_relaxed, store_release,
)
from ipc.message cimport FLAG_MORE, FLAG_QUOTE_SIDE, KIND_DETAIL, Message
from ipc.ring_file cimport (
    CONSUMERS, REGISTERED, SLEEPING_BYTE, RingFile, cursor_of, encode_name, entry_of, head_of, intent_of, records_of,
    registrations_of, slots_of, write_entry,
)
from ipc cimport ring_file, waiting

from ipc import layout
from ipc.ring_file import MAXIMUM_CONSUMERS
from ipc.segment import REGISTRY_BYTE, WRITER_BYTE, SegmentError

__all__ = ["MAXIMUM_CONSUMERS", "Consumer", "Producer", "Ring", "RingFull"]

layout.verify()  # no ring moves a record while ipc/message.pxd and ipc/messages.py differ

cdef enum:
    RETRIES = 64


cdef inline int64_t monotonic_ns() noexcept nogil:
    cdef timespec moment
    clock_gettime(CLOCK_MONOTONIC, &moment)
    return moment.tv_sec * 1_000_000_000 + moment.tv_nsec


class RingFull(Exception):
    """A gated ring has no room: its slowest consumer has not read far enough. Nothing was written."""


cdef inline bint continues(const Message *record) noexcept nogil:
    """Whether a record is a continuation by its own marks; the writer's contract is that every continuation has one."""
    return record.kind == KIND_DETAIL or (record.flags & FLAG_QUOTE_SIDE) != 0


cdef class Producer:
    """The one writer of a ring; made by `Ring.producer`."""

    def __init__(self):
        raise TypeError("a producer is made by Ring.producer()")

    # -- QUERIES --

    cdef int64_t head(self) noexcept nogil:
        return self._position

    cdef bint has_room(self, int64_t records) noexcept nogil:
        if records > self._capacity:
            return False
        if self._lossy:
            return True
        if self._position + records <= self._limit and load_acquire(self._registrations_word) == self._registrations:
            return True
        self._ask_consumers()
        return self._position + records <= self._limit

    @property
    def position(self):
        """Position after the last published record."""
        return self._position

    def room(self, int64_t records):
        """Whether a message of so many records would be accepted now."""
        return self.has_room(records)

    # -- COMMANDS --

    cdef int64_t publish(self, Message *records, int64_t count) noexcept nogil:
        cdef int64_t i
        for i in range(count):
            records[i].sequence = self._position + i
        return self.publish_kept(records, count)

    cdef int64_t publish_kept(self, const Message *records, int64_t count) noexcept nogil:
        cdef int64_t first = self._position, i
        cdef int64_t end = first + count
        if count <= 0 or not self.has_room(count):
            return -1
        if end > self._intent:  # else an incarnation that died in a longer publish has stored more already
            self._intent = end
            store_relaxed(self._intent_word, end)
        fence_release()
        for i in range(count):
            self._slots[(first + i) & self._mask] = records[i]
        store_release(self._head_word, end)
        self._position = end
        return first

    cdef void wake(self) noexcept nogil:
        waiting.wake(<uint32_t *> (self._memory + SLEEPING_BYTE))

    cdef void _ask_consumers(self) noexcept nogil:
        cdef int64_t slowest = self._position, cursor
        cdef int slot
        # Our last head is visible before we look, so a consumer that we do not see yet starts at or after it.
        fence_full()
        self._registrations = load_acquire(self._registrations_word)
        for slot in range(CONSUMERS):
            if load_acquire(&entry_of(self._memory, slot).state) == REGISTERED:
                cursor = load_acquire(cursor_of(self._memory, slot))
                if cursor < slowest:
                    slowest = cursor
        self._limit = slowest + self._capacity

    def send(self, records):
        """Publishes whole messages (MESSAGE, shape (n,)), writes sequences into `records`, wakes blocked consumers.

        Returns the position of the first. Raises RingFull, or ValueError when the messages are not whole, a
        continuation does not carry its mark (Kind.DETAIL or Flag.QUOTE_SIDE), or they can never fit.
        """
        return self._send(records, False)

    def send_kept(self, records):
        """As `send`, but every record keeps its `sequence` (see publish_kept)."""
        return self._send(records, True)

    cdef int64_t _send(self, object records, bint keep) except -1:
        cdef int64_t count = len(records), position
        cdef Message *first
        if count == 0:
            return self._position
        if count > self._capacity:
            raise ValueError(f"{count} records do not fit a ring of {self._capacity}")
        first = records_of(records)
        check_whole(first, count)
        position = self.publish_kept(first, count) if keep else self.publish(first, count)
        if position < 0:
            raise RingFull(f"{self._segment.path}: no room for {count} records at position {self._position}")
        self.wake()
        return position

    def close(self):
        """Gives the writer lock back. The producer must not be used afterwards."""
        self._lock.release()


cdef int check_whole(const Message *records, int64_t count) except -1:
    cdef int64_t i
    cdef bint inside = False
    for i in range(count):
        if continues(&records[i]) != inside:
            fault = "should carry a continuation's mark" if inside else "continues nothing"
            raise ValueError(f"record {i} {fault}")
        inside = (records[i].flags & FLAG_MORE) != 0
    if inside:
        raise ValueError(f"record {count - 1} is the last and says that more follow")
    return 0


cdef class Consumer:
    """One reader of a ring with a cursor of its own; made by `Ring.consumer`."""

    def __init__(self):
        raise TypeError("a consumer is made by Ring.consumer()")

    # -- QUERIES --

    cdef int64_t backlog(self) noexcept nogil:
        return load_acquire(self._head_word) - self.position

    @property
    def pending(self):
        """Records published and not yet read."""
        return self.backlog()

    cdef int64_t _oldest(self) noexcept nogil:
        """Position of the oldest record that no publish has touched since; needs an acquire fence before it."""
        cdef int64_t oldest = load_relaxed(self._intent_word) - self._capacity
        return oldest if oldest > self._base else self._base

    # -- COMMANDS --

    cdef int64_t poll(self, Message *out, int64_t capacity) noexcept nogil:
        cdef int64_t available = load_acquire(self._head_word) - self.position
        cdef int64_t count, i
        self.lost = 0
        if available <= 0:
            return 0
        count = available if available < capacity else capacity
        for i in range(count):
            out[i] = self._slots[(self.position + i) & self._mask]
        fence_acquire()
        if self._oldest() > self.position:
            return self._lapped()
        while count > 0 and out[count - 1].flags & FLAG_MORE:
            count -= 1
        if count == 0:
            return POLL_TOO_SMALL
        self.position = self.position + count  # not +=: that does not build with nonecheck and without the GIL
        if not self._holds:
            store_release(self._cursor_word, self.position)
        return count

    cdef int64_t _lapped(self) noexcept nogil:
        """Moves to the oldest whole message, or to the head (always a start) when the writer is too fast."""
        cdef int64_t head = load_acquire(self._head_word)
        cdef int64_t oldest = self._oldest(), candidate = oldest, tries = 0
        cdef Message record
        cdef bint inside = False
        while candidate < head and tries < RETRIES:
            record = self._slots[candidate & self._mask]
            fence_acquire()
            oldest = self._oldest()
            if oldest > candidate:  # overtaken while looking: again from the new oldest
                candidate = oldest
                head = load_acquire(self._head_word)
                inside = False
                tries += 1
            elif not inside and not continues(&record):
                break
            else:
                inside = (record.flags & FLAG_MORE) != 0
                candidate += 1
        if candidate >= head or tries == RETRIES:
            candidate = load_acquire(self._head_word)
        self.lost = candidate - self.position
        self.position = candidate
        store_release(self._cursor_word, candidate)
        return POLL_LAPPED

    cdef void release(self, int64_t position) noexcept nogil:
        if position > self.position:
            position = self.position
        if position > load_relaxed(self._cursor_word):
            store_release(self._cursor_word, position)

    cdef void wait(self, int strategy, int64_t timeout_ns) noexcept nogil:
        waiting.wait(strategy, self._head_word, self.position, self._sleeping, timeout_ns)

    def receive(self, out):
        """Copies whole messages into `out` (MESSAGE, shape (n,)) and returns how many records; 0 when there are none.

        -1 after a lap: `lost` says how many records, and the next call goes on at the oldest whole message.
        Raises ValueError when `out` is shorter than the next message.
        """
        cdef int64_t count
        if len(out) == 0:
            raise ValueError("out has no room for a record")
        count = self.poll(records_of(out), len(out))
        if count == POLL_TOO_SMALL:
            raise ValueError(f"out has room for {len(out)} records, the next message is longer")
        return count

    def done(self, int64_t position):
        """Lets go of records before `position`, if this consumer holds. Goes neither back nor beyond what was read."""
        self.release(position)

    def sleep(self, double timeout_seconds):
        """Blocks, without the GIL, until there is a record, a wake-up or the time-out. True when there is a record."""
        cdef int64_t timeout_ns = <int64_t> (timeout_seconds * 1e9)
        if self.backlog() <= 0:
            with nogil:
                self.wait(waiting.WAIT_BLOCK, timeout_ns)
        return self.backlog() > 0

    def watch(self, int strategy, double timeout_seconds):
        """Polls by `strategy` (ipc.waiting), without the GIL, for a record until the time-out. True when there is one.

        For a consumer whose producer makes no wake-up calls: the core.
        """
        cdef int64_t end_ns
        cdef bint found
        with nogil:
            end_ns = monotonic_ns() + <int64_t> (timeout_seconds * 1e9)
            found = self.backlog() > 0
            while not found and monotonic_ns() < end_ns:
                waiting.wait(strategy, NULL, 0, NULL, 0)
                found = self.backlog() > 0
        return found

    def close(self):
        """Leaves the registry: the ring waits for this consumer no more. It must not be used afterwards."""
        registry = self._segment.lock(REGISTRY_BYTE, "registration", wait=True)
        store_release(&entry_of(self._memory, self._slot).state, ring_file.FREE)
        registry.release()
        self._lock.release()


class Ring(RingFile):
    """A ring's segment and the way to both of its ends. Creating or attaching takes no lock."""

    def producer(self):
        """Takes the writer lock and continues at the head. Raises SegmentError when another live process has it."""
        return new_producer(self, self.segment.lock(WRITER_BYTE, "producer"))

    def consumer(self, name, start=None, *, hold=False):
        """Registers a reader, or takes over the slot of a dead one of the same name.

        It begins at `start` (default: the head); what was overwritten before it is reported as a lap by the first poll.
        With `hold`, polling frees no slots: `done` (in Cython `release`) does, say when the records are on disk.
        A gated ring waits for a reader as soon as it is registered; a `start` further back than the slot's last
        cursor may already be overwritten. Raises SegmentError (name in use, no free slot, start beyond the head) or
        ValueError.
        """
        encoded = encode_name(name)
        registry = self.segment.lock(REGISTRY_BYTE, "registration", wait=True)
        try:
            head = self.head
            if start is not None and not 0 <= start <= head:
                raise SegmentError(f"{self.path}: consumer {name!r} cannot start at {start}, the head is {head}")
            slot, lock = self.claim(name)
            return new_consumer(self, slot, lock, encoded, start, hold)
        finally:
            registry.release()


cdef Producer new_producer(RingFile ring, object lock):
    cdef Producer producer = Producer.__new__(Producer)
    producer._segment = ring.segment
    producer._lock = lock
    producer._memory = ring.memory
    producer._head_word = head_of(ring.memory)
    producer._intent_word = intent_of(ring.memory)
    producer._registrations_word = registrations_of(ring.memory)
    producer._slots = slots_of(ring.memory)
    producer._capacity = ring.capacity
    producer._mask = producer._capacity - 1
    producer._lossy = ring.lossy
    producer._position = load_acquire(producer._head_word)
    producer._intent = load_acquire(producer._intent_word)
    producer._limit = producer._position  # the first publish asks the consumers
    return producer


cdef Consumer new_consumer(RingFile ring, int slot, object lock, bytes name, object start, bint hold):
    cdef Consumer consumer = Consumer.__new__(Consumer)
    consumer._segment = ring.segment
    consumer._lock = lock
    consumer._memory = ring.memory
    consumer._head_word = head_of(ring.memory)
    consumer._intent_word = intent_of(ring.memory)
    consumer._cursor_word = cursor_of(ring.memory, slot)
    consumer._sleeping = <uint32_t *> (ring.memory + SLEEPING_BYTE)
    consumer._slots = slots_of(ring.memory)
    consumer._capacity = ring.capacity
    consumer._mask = consumer._capacity - 1
    consumer._base = ring.base
    consumer._holds = hold
    consumer._slot = slot
    consumer.position = load_acquire(consumer._head_word) if start is None else start
    write_entry(ring.memory, slot, name, consumer.position)
    if start is None:
        # Between our look at the head and our registration a gated producer may have gone on without us.
        fence_full()
        consumer.position = load_acquire(consumer._head_word)
        store_release(consumer._cursor_word, consumer.position)
    return consumer
