cimport cython
from libc.stdint cimport int64_t, uint8_t, uint64_t
from ipc.message cimport Message
from engine.stage cimport STAGES, Outbox, Step, View

cdef struct Fault:
    int64_t slot             # entry of the table that failed, -1 for none
    int64_t code
    int64_t kind             # of the message it failed on
    int64_t sequence
    int64_t source

cdef enum:
    KINDS = 256              # what a message's kind may be
    SPEECHES = 64

cdef struct Speech:          # records of the outbox that one slot said at once
    int64_t slot
    int64_t begin
    int64_t end


@cython.final
cdef class Core:
    cdef readonly list names              # of the slots, in the order of the journey
    cdef list _owners
    cdef int _count
    cdef Step _steps[STAGES]
    cdef uint8_t _takers[2][KINDS]        # slots (bits) that take a kind, of a message that ends no batch, or ends one
    cdef View *_views[STAGES]
    cdef uint64_t _rolling[STAGES]
    cdef Speech _speeches[SPEECHES]       # what was said, not yet in the rolling hashes
    cdef int _unhashed                    # how many of them
    cdef Outbox _outbox                   # everything said while one input is worked on
    cdef uint64_t _touched                # bit i: slot i ran on this input
    cdef bint hashing                     # a CHECK is wanted after each batch
    cdef bint timing                      # this input is a sample: clock ticks of each slot go to `elapsed`
    cdef uint64_t elapsed[STAGES]         # time-stamp counter ticks spent in each slot's own step; telemetry only
    cdef uint64_t first_order             # when the first ORDER of the input stood complete, 0 for none; telemetry only
    cdef readonly int64_t inputs          # messages taken so far
    cdef readonly int64_t orders          # ORDER messages made so far: the number of the newest
    cdef Fault fault
    cdef object _memory
    # The outputs of the input just taken: ORDER and REFUSAL messages, in order, contiguous.
    cdef Message *said
    cdef readonly int64_t said_count      # records
    cdef int64_t said_orders              # of them, ORDER messages
    cdef Message check                    # the CHECK record of the batch that just ended

    # Takes one whole message through the stages. Returns 0, or -1 with `fault` set.
    cdef int take(self, const Message *message) noexcept nogil
    # Fills `check`; only after a message that ends a batch.
    cdef void seal(self, const Message *message) noexcept nogil
    cdef int _dispatch(self, const Message *message, int first) noexcept nogil
    cdef int _step(self, int slot, const Message *message) noexcept nogil
    cdef int _pass_on(self, int slot, int64_t begin) noexcept nogil
    cdef void _hash_words(self) noexcept nogil
    cdef void _hash_slot(self, int slot, const Message *message) noexcept nogil
    cdef int _collect(self) noexcept nogil
    cdef void _feed(self, const Message *records, int64_t n, Message *said, int64_t room, int64_t *taken,
                    int64_t *count) noexcept nogil
