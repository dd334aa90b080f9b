"""The core as a function of its inputs: one message in, the stages in their order, what they say out.

No clock, no I/O, no allocation: `engine/loop.pyx` brings messages from rings, `engine/replay` from tapes and journals,
and all come through `Core.take`. A message is offered to every slot of the table that takes its kind; what a slot emits
goes to the later slots only, depth first, so that a batch's second order is judged with the first on the books.
"""

cimport cython
from libc.stdint cimport int64_t, uint32_t, uint64_t, uintptr_t
from libc.string cimport memcpy, memset
from engine.stage cimport STAGES, View, ends_batch, records_of, step_of, view_of, wants
from ipc.message cimport (
    KIND_CHECK, KIND_ORDER, KIND_REFUSAL, Message, REFUSAL_OUTBOX_FULL, SOURCE_CORE, SOURCE_SHIFT, FLAG_LAST,
)

import numpy as np

from ipc.messages import MESSAGE, Kind, Source

cdef enum:
    OUTBOX_RECORDS = 65536

SAID_RECORDS = 4 * OUTBOX_RECORDS  # a comfortable size for `said` of Core.feed

cdef extern from *:
    """
    static inline unsigned long long bot4_fold(unsigned long long a, unsigned long long b) {
        unsigned __int128 product = (unsigned __int128)a * b;
        return (unsigned long long)product ^ (unsigned long long)(product >> 64);
    }
    """
    uint64_t fold "bot4_fold"(uint64_t a, uint64_t b) noexcept nogil

    int lowest_bit "__builtin_ctz"(unsigned int) noexcept nogil

cdef extern from "<x86intrin.h>":
    uint64_t __rdtsc() noexcept nogil

cdef uint64_t ODD_A = 0x9E3779B97F4A7C15
cdef uint64_t ODD_B = 0xC2B2AE3D27D4EB4F


cdef uint64_t hash_words(const uint64_t *words, int64_t count, uint64_t seed) noexcept nogil:
    """Folded-multiply hash of whole words, two lanes; a difference in any bit changes it, and order matters."""
    cdef uint64_t left = seed ^ ODD_A, right = seed + ODD_B
    cdef int64_t i = 0
    while i + 4 <= count:
        left = fold(left ^ words[i], words[i + 1] ^ ODD_B)
        right = fold(right ^ words[i + 2], words[i + 3] ^ ODD_A)
        # a zero factor must not erase what came before
        left += words[i + 1] ^ seed
        right += words[i + 3] ^ seed
        i += 4
    while i < count:
        left = fold(left ^ words[i], ODD_B) + right
        i += 1
    return fold(left ^ ODD_B, right ^ ODD_A) + left


@cython.final
cdef class Core:
    """The table of slots. `slots` is a list of (name, step capsule, view capsule or None), at most eight."""

    def __cinit__(self, list slots, bint hashing=True):
        if not 0 < len(slots) <= STAGES:
            raise ValueError(f"{len(slots)} slots: the table holds 1 to {STAGES}")
        self.names = [name for name, _, _ in slots]
        self._owners = slots
        self._count = len(slots)
        cdef int i, kind
        cdef bint ends
        for i, (_, step, view) in enumerate(slots):
            self._steps[i] = step_of(step)[0]
            self._views[i] = NULL if view is None else view_of(view)
            for ends in range(2):
                for kind in range(KINDS):
                    self._takers[ends][kind] |= wants(&self._steps[i], kind, ends) << i
        self._memory = np.zeros(2 * OUTBOX_RECORDS, dtype=MESSAGE)
        self._memory.view(np.int8)[:] = 0  # touched now, so that no page fault comes later
        cdef uintptr_t address = self._memory.ctypes.data
        self._outbox.messages = <Message *> address
        self._outbox.capacity = OUTBOX_RECORDS
        self.said = self._outbox.messages + OUTBOX_RECORDS
        self.hashing = hashing
        self.fault.slot = -1
        memset(self._rolling, 0, sizeof(self._rolling))

    # -- QUERIES --

    def fault_text(self):
        """What stopped the core, as one line, or None."""
        if self.fault.slot < 0:
            return None
        source, kind = Source(self.fault.source).name, Kind(self.fault.kind).name
        why = "its outbox is full" if self.fault.code == REFUSAL_OUTBOX_FULL else f"fault {self.fault.code}"
        return f"stage {self.names[self.fault.slot]}: {why} on {kind} {self.fault.sequence} of {source}"

    def counters(self):
        """What a snapshot needs besides the stages' blocks; whole after `feed`, not while a loop runs."""
        return {"inputs": self.inputs, "orders": self.orders, "rolling": [int(self._rolling[i]) for i in range(STAGES)]}

    # -- COMMANDS --

    def restore(self, dict counters):
        """Takes up where `counters()` was read."""
        self._unhashed = 0
        self.inputs = counters["inputs"]
        self.orders = counters["orders"]
        cdef int i
        for i in range(STAGES):
            self._rolling[i] = counters["rolling"][i]

    def feed(self, records, said):
        """Takes whole messages (MESSAGE, shape (n,)) and writes what is said into `said`, in the order of a journal.

        Returns (taken, count): records taken, records written. Stops before n when `said` may not hold the next input's
        words (an outbox and a CHECK), or on a fault (see fault_text).
        """
        if any(array.dtype != MESSAGE or not array.flags.c_contiguous for array in (records, said)):
            raise ValueError("records and said must be contiguous arrays of MESSAGE")
        if len(said) <= OUTBOX_RECORDS:
            raise ValueError(f"said must hold more than {OUTBOX_RECORDS} records")
        cdef uintptr_t source = records.ctypes.data, target = said.ctypes.data
        cdef int64_t taken = 0, count = 0, n = len(records), room = len(said)
        with nogil:
            self._feed(<const Message *> source, n, <Message *> target, room, &taken, &count)
        return taken, count

    cdef void _feed(self, const Message *records, int64_t n, Message *said, int64_t room, int64_t *taken,
                    int64_t *count) noexcept nogil:
        while taken[0] < n and count[0] + OUTBOX_RECORDS < room:
            if self.take(records + taken[0]) < 0:
                return
            memcpy(said + count[0], self.said, self.said_count * sizeof(Message))
            count[0] += self.said_count
            if self.hashing and ends_batch(records + taken[0]):
                self.seal(records + taken[0])
                said[count[0]] = self.check
                count[0] += 1
            self._hash_words()
            taken[0] += records_of(records + taken[0])

    cdef int take(self, const Message *message) noexcept nogil:
        if self._unhashed:
            self._hash_words()
        self._outbox.count = 0
        self._outbox.refused = 0
        self._touched = 0
        self.first_order = 0
        self.said_count = 0
        self.said_orders = 0
        self.inputs += 1
        if self._dispatch(message, 0) < 0:
            self.fault.sequence = message.sequence
            self.fault.source = message.flags >> SOURCE_SHIFT
            self.fault.kind = message.kind
            return -1
        return self._collect() if self._outbox.count else 0

    cdef int _dispatch(self, const Message *message, int first) noexcept nogil:
        """Offers a message to the slots from `first` on that take its kind, in their order."""
        cdef unsigned int takers = self._takers[ends_batch(message)][message.kind] >> first << first
        cdef int slot
        cdef int64_t begin
        while takers:
            slot = lowest_bit(takers)
            takers &= takers - 1
            begin = self._outbox.count
            if self._step(slot, message) < 0:
                return -1
            if self._outbox.count > begin and self._pass_on(slot, begin) < 0:
                return -1
        return 0

    cdef inline int _step(self, int slot, const Message *message) noexcept nogil:
        cdef uint64_t started = 0
        cdef int failed
        self._touched |= (<uint64_t> 1) << slot
        if self.timing:  # telemetry only: nothing the stages see depends on it
            started = __rdtsc()
        failed = self._steps[slot].step(self._steps[slot].stage, message, &self._outbox)
        if self.timing:
            self.elapsed[slot] += __rdtsc() - started
        if failed == 0 and self._outbox.refused == 0:
            return 0
        self.fault.slot = slot
        self.fault.code = failed if failed != 0 else REFUSAL_OUTBOX_FULL
        return -1

    cdef int _pass_on(self, int slot, int64_t begin) noexcept nogil:
        """What a slot has just said, from record `begin` of the outbox on: one message after the other, depth first."""
        cdef int64_t end = self._outbox.count
        if self.first_order == 0 and self._outbox.messages[begin].kind == KIND_ORDER:
            self.first_order = __rdtsc()
        if self.hashing:
            if self._unhashed == SPEECHES:
                self._hash_words()
            self._speeches[self._unhashed] = Speech(slot, begin, end)
            self._unhashed += 1
        while begin < end:
            if self._dispatch(self._outbox.messages + begin, slot + 1) < 0:
                return -1
            begin += records_of(self._outbox.messages + begin)
        return 0

    cdef void _hash_words(self) noexcept nogil:
        """What each slot said goes into its rolling hash: not on the way of an order, but before the next input."""
        cdef int i
        cdef Speech *speech
        for i in range(self._unhashed):
            speech = self._speeches + i
            self._rolling[speech.slot] = hash_words(
                <const uint64_t *> (self._outbox.messages + speech.begin), (speech.end - speech.begin) * 8,
                self._rolling[speech.slot])
        self._unhashed = 0

    cdef int _collect(self) noexcept nogil:
        """Gathers what leaves the core, ORDERs numbered from 1 without a hole, in the order in which it was said."""
        cdef Message *out
        cdef Message *said
        cdef int64_t i = 0, size, j
        while i < self._outbox.count:
            out = self._outbox.messages + i
            size = records_of(out)
            if out.kind == KIND_ORDER or out.kind == KIND_REFUSAL:
                for j in range(size):
                    said = self.said + self.said_count + j
                    said[0] = out[j]
                    said.flags |= SOURCE_CORE << SOURCE_SHIFT
                    # the n-th order lies at place n of the order ring; a refusal names the input it answers
                    said.sequence = 2 * self.orders + j if out.kind == KIND_ORDER else self.inputs
                self.said_count += size
                if out.kind == KIND_ORDER:
                    self.said_orders += 1
                    self.orders += 1
            i += size
        return 0

    cdef void _hash_slot(self, int slot, const Message *message) noexcept nogil:
        cdef View *view = self._views[slot]
        cdef int64_t row = 0
        if view == NULL:
            return
        if view.count > 1:
            row = message.instrument
            if row >= view.count:
                return
        self._rolling[slot] = hash_words(
            <const uint64_t *> (<char *> view.rows + row * view.stride), view.stride >> 3, self._rolling[slot]
        )

    cdef void seal(self, const Message *message) noexcept nogil:
        cdef int slot
        cdef uint32_t *hashes = <uint32_t *> &self.check.price_ticks
        self._hash_words()
        memset(&self.check, 0, sizeof(Message))
        for slot in range(self._count):
            if (self._touched >> slot) & 1:
                self._hash_slot(slot, message)
            hashes[slot] = <uint32_t> (self._rolling[slot] ^ (self._rolling[slot] >> 32))
        self.check.sequence = self.inputs
        self.check.event_time_ns = message.event_time_ns
        self.check.receive_time_ns = message.receive_time_ns
        self.check.instrument = message.instrument
        self.check.kind = KIND_CHECK
        self.check.flags = FLAG_LAST | (SOURCE_CORE << SOURCE_SHIFT)
