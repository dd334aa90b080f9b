"""The cold half of a ring: its file, the table of its consumers, reading for recovery. The picture is in ring.pyx."""

from libc.stdint cimport int64_t
from libc.string cimport memcpy, memset, strlen
from ipc.atomics cimport fence_acquire, load_acquire, store_release
from ipc.message cimport Message

import numpy as np

from ipc.messages import MESSAGE
from ipc.segment import CONSUMER_BYTE, HEADER_BYTES, REGISTRY_BYTE, WRITER_BYTE, Header, Segment, SegmentError

KIND = "ring"
LOSSY = 1  # bit of Header.flags
MAXIMUM_CONSUMERS = CONSUMERS
MINIMUM_CAPACITY = 16
assert HEADER_BYTES == HEAD_BYTE
assert REGISTRY + CONSUMERS * ENTRY_BYTES == CURSORS
assert CURSORS + CONSUMERS * CURSOR_BYTES == SLOTS
assert sizeof(Entry) == ENTRY_BYTES


cdef char *memory_of(object segment) except NULL:
    """Address of a writable segment's first byte."""
    cdef char[::1] raw = segment.memory
    return &raw[0]


cdef Message *records_of(object array) except NULL:
    """Address of a non-empty contiguous MESSAGE array."""
    cdef char[::1] raw
    if array.dtype != MESSAGE or array.ndim != 1:
        raise ValueError(f"records must be a 1-d array of MESSAGE, not {array.ndim}-d of {array.dtype}")
    raw = array.view(np.int8)
    return <Message *> &raw[0]


cdef class RingFile:
    """A ring's segment without its two ends (`ipc.ring.Ring` adds them)."""

    def __init__(self, segment):
        self.segment = segment
        self.memory = memory_of(segment)

    @classmethod
    def create(cls, path, int64_t capacity, *, bint lossy, int64_t epoch, int64_t base=0, consumers=()):
        """Makes a ring of `capacity` records (a power of two, at least 16) whose first record has position `base`.

        `consumers` are registered at `base` before they attach: a gated ring waits for them from its first record on.
        Raises SegmentError (path exists, memory short) or ValueError.
        """
        if capacity < MINIMUM_CAPACITY or capacity & (capacity - 1):
            raise ValueError(f"capacity is {capacity}: a power of two of at least {MINIMUM_CAPACITY} is needed")
        if not 0 <= base < 1 << 62:
            raise ValueError(f"base is {base}: must be within 0 and 2^62 - 1")
        if len(consumers) > CONSUMERS:
            raise ValueError(f"{len(consumers)} consumers: at most {CONSUMERS}")
        names = [encode_name(name) for name in consumers]
        size = SLOTS + capacity * sizeof(Message)
        header = Header(KIND, epoch, size, sizeof(Message), capacity, base, LOSSY if lossy else 0)
        control = np.zeros(SLOTS, dtype=np.int8)  # as the file will begin; the header page is Segment's
        cdef char[::1] raw = control
        cdef char *memory = &raw[0]
        head_of(memory)[0] = base
        intent_of(memory)[0] = base
        for slot, name in enumerate(names):
            write_entry(memory, slot, name, base)
        return cls(Segment.create(path, header, control[HEADER_BYTES:].tobytes()))

    @classmethod
    def attach(cls, path, epoch=None):
        """Opens an existing ring. Raises SegmentError: absent, unknown, cut, or not of the `epoch` asked for."""
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
        return load_acquire(head_of(self.memory))

    @property
    def oldest(self):
        """Position of the oldest record that is still whole."""
        return max(self.base, load_acquire(intent_of(self.memory)) - self.capacity)

    def cursors(self):
        """Where each registered consumer stands: {name: (position, alive)}."""
        cdef int slot
        found = {}
        for slot in range(CONSUMERS):
            if load_acquire(&entry_of(self.memory, slot).state) == REGISTERED:
                found[name_at(self.memory, slot)] = (
                    load_acquire(cursor_of(self.memory, slot)), self.segment.is_locked(CONSUMER_BYTE + slot)
                )
        return found

    def has_producer(self):
        """Whether a live process holds the writer lock."""
        return self.segment.is_locked(WRITER_BYTE)

    def read(self, int64_t position, int64_t count):
        """A copy of records position .. position + count. Raises SegmentError when any is gone or still to come."""
        cdef int64_t capacity = self.capacity, i
        cdef const Message *slots = slots_of(self.memory)
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
            raise SegmentError(f"{self.path} has overwritten position {position}: the oldest left is {self.oldest}")
        return out

    # -- COMMANDS --

    def evict(self, name):
        """Frees the slot of a dead consumer, so that a gated ring waits for it no more. For the supervisor only.

        Raises SegmentError when there is none of that name or it lives: stop it first.
        """
        cdef int slot
        registry = self.segment.lock(REGISTRY_BYTE, "registration", wait=True)
        try:
            slot = self.find(name)
            if slot < 0:
                raise SegmentError(f"{self.path} has no consumer {name!r}")
            if self.segment.is_locked(CONSUMER_BYTE + slot):
                raise SegmentError(f"{self.path}: consumer {name!r} lives, stop it before it is evicted")
            store_release(&entry_of(self.memory, slot).state, FREE)
        finally:
            registry.release()

    def remove(self):
        """Removes the file of a dead run once it is drained. Raises SegmentError while a producer or consumer lives."""
        living = [name for name, (_, alive) in self.cursors().items() if alive]
        if self.has_producer() or living:
            raise SegmentError(f"{self.path} is in use by {living or 'its producer'}: stop it before it is removed")
        self.path.unlink()

    def find(self, name):
        """Slot of the consumer of that name, or -1."""
        cdef int slot
        for slot in range(CONSUMERS):
            if load_acquire(&entry_of(self.memory, slot).state) == REGISTERED and name_at(self.memory, slot) == name:
                return slot
        return -1

    def claim(self, name):
        """Slot and liveness lock for a name: its own when it died, else a free one. The registry must be locked."""
        cdef int slot = self.find(name)
        if slot >= 0:
            return slot, self.segment.lock(CONSUMER_BYTE + slot, f"consumer {name!r}")
        for slot in range(CONSUMERS):
            if load_acquire(&entry_of(self.memory, slot).state) == FREE:
                return slot, self.segment.lock(CONSUMER_BYTE + slot, f"holder of slot {slot}")
        raise SegmentError(f"{self.path} has {CONSUMERS} consumers already: evict a dead one")


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
    store_release(registrations_of(memory), load_acquire(registrations_of(memory)) + 1)  # the producer looks again
    return 0
