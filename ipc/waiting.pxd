# What a consumer does when a poll brought nothing.
from libc.stdint cimport int64_t, uint32_t

cdef enum:
    WAIT_SPIN = 0            # pause: only for a process that owns a core
    WAIT_YIELD = 1           # sched_yield, and naps of microseconds while others want the core: cores are shared
    WAIT_BLOCK = 2           # bounded futex wait: cold consumers only
    WAIT_BRIEF = 3           # sched_yield without naps: for a wait of microseconds that the caller ends by the clock

cdef enum:
    WATCHES = 8              # words that wait_any watches at most

cdef struct Watch:
    const int64_t *word
    int64_t seen
    uint32_t *sleeping

# Call after an empty poll: returns soon (spin, yield) or when *watched is no longer `seen`, after a wake-up or when
# timeout_ns is over (block). `sleeping` is the futex word of the segment; NULL makes block a plain bounded sleep.
cdef void wait(
    int strategy, const int64_t *watched, int64_t seen, uint32_t *sleeping, int64_t timeout_ns
) noexcept nogil

# Sleeps until one of the words is no longer what was seen, a wake-up, or timeout_ns is over; it may return early. Where
# the kernel cannot wait for several words it is a nap. For a hot consumer on shared cores: who owns a core spins.
cdef void wait_any(const Watch *watches, int count, int64_t timeout_ns) noexcept nogil

# Wakes the blocked consumers of a segment if there are any. Never called by the core: it is a system call.
cdef void wake(uint32_t *sleeping) noexcept nogil
