"""The ring: one producer, up to 16 consumers, 64-byte records, shared memory, no lock.

    byte     0      4096   4224     4352       5120                6144                       8192
             +------+------+--------+----------+-------------------+--------------------------+-------------------+
             |header| head | intent | sleeping | registry 16 x 64 B| cursors 16 x 128 B       | slots, capacity   |
             | page | i64  | i64    | u32      | state, name       | i64 each                 | records of 64 B   |
             +------+------+--------+----------+-------------------+--------------------------+-------------------+

Words that different processes write lie 128 bytes apart: the prefetcher fetches cache lines in pairs. A record at
position p lies in slot p modulo capacity, a power of two; positions never start again, not even in a new incarnation
(`base`).

The producer stores `intent`, the position it is about to write up to, before it touches a slot, and `head` after the
slots are whole. A consumer copies, then looks at `intent`: had it passed the copied positions by more than the capacity, the copy may
be torn and is thrown away, and the reader knows how much it lost. `intent` never goes back: after a death in the middle
of a publish it goes on covering the slots that were touched. Copies are plain loads and stores between fences; x86
keeps both in order (Lamport 1977; Boehm, "Can seqlocks get along with programming language memory models?", 2012).

A lossy ring never waits for anybody. A gated ring refuses to overrun the cursor of a registered consumer, alive or
dead, until the supervisor evicts it. A cursor is a hint for flow control, never a recovery position.
"""

from libc.stdint cimport int64_t, uint32_t
from libc.string cimport memcpy, memset, strlen
from ipc.atomics cimport (
    fence_acquire, fence_full, fence_release, load_acquire, load_relaxed, store_relaxed, store_release,
)
from ipc.message cimport FLAG_MORE, FLAG_QUOTE_SIDE, KIND_DETAIL, Message
from ipc cimport waiting

import numpy as np

import ipc.layout  # refuses to import when ipc/message.pxd and ipc/messages.py differ
from ipc.messages import MESSAGE
from ipc.segment import CONSUMER_BYTE, HEADER_BYTES, REGISTRY_BYTE, WRITER_BYTE, Header, Segment, SegmentError

cdef enum:
    HEAD_BYTE = 4096
    INTENT_BYTE = 4224
    SLEEPING_BYTE = 4352
    REGISTRY = 5120
    ENTRY_BYTES = 64
    CURSORS = 6144
    CURSOR_BYTES = 128
    SLOTS = 8192
    CONSUMERS = 16
    NAME_BYTES = 48
    FREE = 0
    REGISTERED = 1
    MINIMUM_CAPACITY = 16
    RETRIES = 64

KIND = "ring"
LOSSY = 1  # bit of Header.flags
MAXIMUM_CONSUMERS = CONSUMERS
assert HEADER_BYTES == HEAD_BYTE
assert REGISTRY + CONSUMERS * ENTRY_BYTES == CURSORS
assert CURSORS + CONSUMERS * CURSOR_BYTES == SLOTS


class RingFull(Exception):
    """A gated ring has no room: its slowest consumer has not read far enough. Nothing was written."""


cdef struct Entry:
    int64_t state
    int64_t reserved
    char name[NAME_BYTES]

assert sizeof(Entry) == ENTRY_BYTES


cdef inline Entry *entry_of(char *memory, int slot) noexcept nogil:
    return <Entry *> (memory + REGISTRY + slot * ENTRY_BYTES)


cdef inline int64_t *cursor_of(char *memory, int slot) noexcept nogil:
    return <int64_t *> (memory + CURSORS + slot * CURSOR_BYTES)


cdef inline bint continues(const Message *record) noexcept nogil:
    """Whether a record is a continuation by its own marks; the writer's contract is that every continuation has one."""
    return record.kind == KIND_DETAIL or (record.flags & FLAG_QUOTE_SIDE) != 0


cdef char *memory_of(object segment) except NULL:
    cdef char[::1] raw = segment.memory
    return &raw[0]


cdef Message *records_of(object array) except NULL:
    """Address of a non-empty contiguous MESSAGE array."""
    cdef char[::1] raw
    if array.dtype != MESSAGE or array.ndim != 1:
        raise ValueError(f"records must be a 1-d array of MESSAGE, not {array.ndim}-d of {array.dtype}")
    raw = array.view(np.int8)
    return <Message *> &raw[0]


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
        if self._lossy or self._position + records <= self._limit:
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
        cdef int64_t first = self._position, i
        cdef int64_t end = first + count
        if count <= 0 or not self.has_room(count):
            return -1
        if end > self._intent:  # else an incarnation that died in a longer publish has stored more already
            self._intent = end
            store_relaxed(self._intent_word, end)
        fence_release()
        for i in range(count):
            records[i].sequence = first + i
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
        for slot in range(CONSUMERS):
            if load_acquire(&entry_of(self._memory, slot).state) == REGISTERED:
                cursor = load_acquire(cursor_of(self._memory, slot))
                if cursor < slowest:
                    slowest = cursor
        self._limit = slowest + self._capacity

    def send(self, records):
        """Publishes whole messages (MESSAGE, shape (n,)), writes their sequences into `records`, wakes blocked consumers.

        Returns the position of the first. Raises RingFull, or ValueError when the messages are not whole, a
        continuation does not carry its mark (Kind.DETAIL or Flag.QUOTE_SIDE), or they can never fit.
        """
        cdef int64_t count = len(records), position
        cdef Message *first
        if count == 0:
            return self._position
        if count > self._capacity:
            raise ValueError(f"{count} records do not fit a ring of {self._capacity}")
        first = records_of(records)
        check_whole(first, count)
        position = self.publish(first, count)
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
            raise ValueError(f"record {i} " + ("continues nothing" if not inside else "should carry a continuation's mark"))
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
        self.position += count
        if not self._holds:
            store_release(self._cursor_word, self.position)
        return count

    cdef int64_t _lapped(self) noexcept nogil:
        """Moves to the oldest whole message, or to the head (always a whole one's start) when the writer is too fast."""
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
        """For a consumer that holds: records before `position` are needed no more. Never goes back or beyond `position` read."""
        self.release(position)

    def sleep(self, double timeout_seconds):
        """Blocks, without the GIL, until there is a record, a wake-up or the time-out. True when there is a record."""
        cdef int64_t timeout_ns = <int64_t> (timeout_seconds * 1e9)
        if self.backlog() <= 0:
            with nogil:
                self.wait(waiting.WAIT_BLOCK, timeout_ns)
        return self.backlog() > 0

    def close(self):
        """Leaves the registry: the ring waits for this consumer no more. It must not be used afterwards."""
        registry = self._segment.lock(REGISTRY_BYTE, "registration", wait=True)
        store_release(&entry_of(self._memory, self._slot).state, FREE)
        registry.release()
        self._lock.release()


cdef class Ring:
    """A ring's segment: what both ends are made from. Creating or attaching takes no lock."""

    cdef readonly object segment
    cdef char *_memory

    def __init__(self, segment):
        self.segment = segment
        self._memory = memory_of(segment)

    @classmethod
    def create(cls, path, int64_t capacity, *, bint lossy, int64_t epoch, int64_t base=0, consumers=()):
        """Makes a ring of `capacity` records (a power of two, at least 16) whose first record has position `base`.

        `consumers` are registered at once, at `base`: a gated ring waits for them from its first record, before they attach.
        Raises SegmentError (path exists, memory short) or ValueError.
        """
        if capacity < MINIMUM_CAPACITY or capacity & (capacity - 1):
            raise ValueError(f"capacity is {capacity}: a power of two of at least {MINIMUM_CAPACITY} is needed")
        if not 0 <= base < 1 << 62:
            raise ValueError(f"base is {base}: must be within 0 and 2^62 - 1")
        if len(consumers) > CONSUMERS:
            raise ValueError(f"{len(consumers)} consumers: at most {CONSUMERS}")
        names = [encode_name(name) for name in consumers]
        header = Header(KIND, epoch, SLOTS + capacity * sizeof(Message), sizeof(Message), capacity, base, LOSSY if lossy else 0)
        control = np.zeros(SLOTS, dtype=np.int8)  # as the file will begin; the header page is Segment's
        cdef char[::1] raw = control
        cdef char *memory = &raw[0]
        (<int64_t *> (memory + HEAD_BYTE))[0] = base
        (<int64_t *> (memory + INTENT_BYTE))[0] = base
        for slot, name in enumerate(names):
            write_entry(memory, slot, name, base)
        return cls(Segment.create(path, header, control[HEADER_BYTES:].tobytes()))

    @classmethod
    def attach(cls, path, epoch=None):
        """Opens an existing ring. Raises SegmentError when it is absent, unknown, cut, or of another `epoch` than asked."""
        segment = Segment.attach(path, KIND)
        header = segment.header
        if header.record_bytes != sizeof(Message) or header.total_bytes != SLOTS + header.capacity * sizeof(Message):
            raise SegmentError(f"{path} has records of {header.record_bytes} bytes, this build reads {sizeof(Message)}")
        if epoch is not None and epoch != header.epoch:
            raise SegmentError(f"{path} is of epoch {header.epoch}, {epoch} was expected: another run made it")
        return cls(segment)

    # -- QUERIES --

    @property
    def path(self):
        return self.segment.path

    @property
    def capacity(self):
        return self.segment.header.capacity

    @property
    def epoch(self):
        return self.segment.header.epoch

    @property
    def base(self):
        """Position of the first record ever in this segment."""
        return self.segment.header.base

    @property
    def lossy(self):
        return bool(self.segment.header.flags & LOSSY)

    @property
    def head(self):
        """Position after the last published record."""
        return load_acquire(<int64_t *> (self._memory + HEAD_BYTE))

    @property
    def oldest(self):
        """Position of the oldest record that is still whole."""
        return max(self.base, load_acquire(<int64_t *> (self._memory + INTENT_BYTE)) - self.capacity)

    def cursors(self):
        """Where each registered consumer stands: {name: (position, alive)}."""
        cdef int slot
        found = {}
        for slot in range(CONSUMERS):
            if load_acquire(&entry_of(self._memory, slot).state) == REGISTERED:
                found[name_at(self._memory, slot)] = (
                    load_acquire(cursor_of(self._memory, slot)), self.segment.is_locked(CONSUMER_BYTE + slot)
                )
        return found

    def has_producer(self):
        """Whether a live process holds the writer lock."""
        return self.segment.is_locked(WRITER_BYTE)

    def read(self, int64_t position, int64_t count):
        """A copy of records position .. position + count, for recovery; raises SegmentError when any is gone or not yet there."""
        cdef int64_t capacity = self.capacity, i
        cdef const Message *slots = <const Message *> (self._memory + SLOTS)
        cdef Message *target
        if count < 0 or position < self.base or position + count > self.head:
            raise SegmentError(f"{self.path} holds positions {self.oldest} to {self.head}, not {position} + {count}")
        out = np.zeros(count, dtype=MESSAGE)
        if count == 0:
            return out
        target = records_of(out)
        for i in range(count):
            target[i] = slots[(position + i) & (capacity - 1)]
        fence_acquire()
        if self.oldest > position:
            raise SegmentError(f"{self.path} has overwritten position {position}: the oldest whole record is {self.oldest}")
        return out

    # -- COMMANDS --

    def producer(self):
        """Takes the writer lock and continues at the head. Raises SegmentError when another live process has it."""
        cdef Producer producer = Producer.__new__(Producer)
        producer._lock = self.segment.lock(WRITER_BYTE, "producer")
        producer._segment = self.segment
        producer._memory = self._memory
        producer._head_word = <int64_t *> (self._memory + HEAD_BYTE)
        producer._intent_word = <int64_t *> (self._memory + INTENT_BYTE)
        producer._slots = <Message *> (self._memory + SLOTS)
        producer._capacity = self.capacity
        producer._mask = self.capacity - 1
        producer._lossy = self.lossy
        producer._position = load_acquire(producer._head_word)
        producer._intent = load_acquire(producer._intent_word)
        producer._limit = producer._position  # the first publish asks the consumers
        return producer

    def consumer(self, name, start=None, *, bint hold=False):
        """Registers a reader, or takes over the slot of a dead one of the same name.

        It begins at `start` (default: the head); what was overwritten before it is reported as a lap by the first poll.
        With `hold`, polling does not free slots: `done` (in Cython `release`) does (say, when the records are on disk). A gated ring waits
        for a reader as soon as it is registered; a `start` further back than the slot's last cursor may already be overwritten.
        Raises SegmentError (name in use, no free slot, start beyond the head) or ValueError.
        """
        encoded = encode_name(name)
        registry = self.segment.lock(REGISTRY_BYTE, "registration", wait=True)
        try:
            slot, lock = self._claim(name)
            try:
                return self._register(slot, lock, encoded, start, hold)
            except BaseException:
                lock.release()
                raise
        finally:
            registry.release()

    def evict(self, name):
        """Frees the slot of a dead consumer, so that a gated ring waits for it no more. For the supervisor only.

        Raises SegmentError when there is none of that name or it lives: stop it first.
        """
        cdef int slot
        registry = self.segment.lock(REGISTRY_BYTE, "registration", wait=True)
        try:
            slot = self._find(name)
            if slot < 0:
                raise SegmentError(f"{self.path} has no consumer {name!r}")
            if self.segment.is_locked(CONSUMER_BYTE + slot):
                raise SegmentError(f"{self.path}: consumer {name!r} lives, stop it before it is evicted")
            store_release(&entry_of(self._memory, slot).state, FREE)
        finally:
            registry.release()

    def _find(self, name):
        cdef int slot
        for slot in range(CONSUMERS):
            if load_acquire(&entry_of(self._memory, slot).state) == REGISTERED and name_at(self._memory, slot) == name:
                return slot
        return -1

    def _claim(self, name):
        """Slot and liveness lock for a name: its own when it died, else a free one."""
        cdef int slot = self._find(name)
        if slot >= 0:
            return slot, self.segment.lock(CONSUMER_BYTE + slot, f"consumer {name!r}")
        for slot in range(CONSUMERS):
            if load_acquire(&entry_of(self._memory, slot).state) == FREE:
                return slot, self.segment.lock(CONSUMER_BYTE + slot, f"holder of slot {slot}")
        raise SegmentError(f"{self.path} has {CONSUMERS} consumers already: evict a dead one")

    def _register(self, int slot, lock, bytes name, start, bint hold):
        cdef Consumer consumer = Consumer.__new__(Consumer)
        cdef int64_t head = self.head
        if start is not None and not 0 <= start <= head:
            raise SegmentError(f"{self.path}: consumer {name.decode()!r} cannot start at {start}, the head is {head}")
        consumer._segment = self.segment
        consumer._lock = lock
        consumer._memory = self._memory
        consumer._head_word = <const int64_t *> (self._memory + HEAD_BYTE)
        consumer._intent_word = <const int64_t *> (self._memory + INTENT_BYTE)
        consumer._cursor_word = cursor_of(self._memory, slot)
        consumer._sleeping = <uint32_t *> (self._memory + SLEEPING_BYTE)
        consumer._slots = <const Message *> (self._memory + SLOTS)
        consumer._capacity = self.capacity
        consumer._mask = self.capacity - 1
        consumer._base = self.base
        consumer._holds = hold
        consumer._slot = slot
        consumer.position = head if start is None else start
        write_entry(self._memory, slot, name, consumer.position)
        if start is None:
            # Between our look at the head and our registration a gated producer may have gone on without us.
            fence_full()
            consumer.position = self.head
            store_release(consumer._cursor_word, consumer.position)
        return consumer


cdef bytes encode_name(object name):
    cdef bytes encoded = name.encode()
    if not 0 < len(encoded) < NAME_BYTES:
        raise ValueError(f"consumer name {name!r} must have 1 to {NAME_BYTES - 1} bytes")
    return encoded


cdef str name_at(char *memory, int slot):
    cdef char *name = entry_of(memory, slot).name
    return name[:strlen(name)].decode()


cdef int write_entry(char *memory, int slot, bytes name, int64_t position) except -1:
    cdef Entry *entry = entry_of(memory, slot)
    store_release(cursor_of(memory, slot), position)
    memset(entry.name, 0, NAME_BYTES)
    memcpy(entry.name, <const char *> name, len(name))
    store_release(&entry.state, REGISTERED)
    return 0
