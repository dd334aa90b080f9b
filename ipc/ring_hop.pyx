"""The two ends of the ring-hop measurement, free of the GIL; `benchmarks/bench_ipc.py` runs them in two processes.

Open loop: message i is due at start + i * interval whatever happened before, and its latency is counted from then, so a
stall of the sender is in the figures. The sender, whatever the strategy, sleeps until shortly before a message is due
and spins for the rest: it is the instrument, the waiting of the receiver is what is measured. Both ends read
CLOCK_MONOTONIC, which all processes of a host share.
"""

from libc.stdint cimport int64_t
from libc.string cimport memset
from ipc.allocations cimport allocations_so_far
from ipc.counters cimport Counters, Histogram, record
from ipc.message cimport KIND_TIME, Message
from ipc.ring cimport Consumer, Producer
from ipc cimport waiting
from posix.time cimport CLOCK_MONOTONIC, clock_gettime, timespec

cdef enum:
    BATCH = 64
    WAKE_UP_NS = 20_000      # a sleep ends within this of its time, unless the core is taken


# Of this thread in the last `send` and `receive`; -1 where they were not counted (the shim was not preloaded).
allocations = -1


cdef inline int64_t monotonic_ns() noexcept nogil:
    cdef timespec now
    clock_gettime(CLOCK_MONOTONIC, &now)
    return <int64_t> now.tv_sec * 1_000_000_000 + now.tv_nsec


cdef void warm_up() noexcept nogil:
    """A thread's first wait makes its thread-local memory."""
    waiting.wait(waiting.WAIT_YIELD, NULL, 0, NULL, 0)
    waiting.wait(waiting.WAIT_BLOCK, NULL, 0, NULL, 1)


cdef void wait_until(int64_t due) noexcept nogil:
    cdef int64_t early = due - monotonic_ns() - WAKE_UP_NS
    if early > 0:
        waiting.wait(waiting.WAIT_BLOCK, NULL, 0, NULL, early)
    while monotonic_ns() < due:
        waiting.wait(waiting.WAIT_SPIN, NULL, 0, NULL, 0)


def send(Producer producer, int64_t count, int64_t interval_ns, int strategy):
    """Publishes `count` single records, each when due; interval_ns 0 is as fast as there is room. Returns seconds.

    Record i carries i in price_ticks, quantity_lots, order_id and extra, so a reader can prove that it is whole.
    """
    global allocations
    cdef int64_t start, due, i, before, after
    cdef Message message
    memset(&message, 0, sizeof(Message))
    message.kind = KIND_TIME
    with nogil:
        warm_up()
        before = allocations_so_far()
        start = monotonic_ns()
        for i in range(count):
            due = start + i * interval_ns
            if interval_ns > 0:
                wait_until(due)
            message.event_time_ns = due
            message.price_ticks = message.quantity_lots = message.order_id = message.extra = i
            while producer.publish(&message, 1) < 0:
                waiting.wait(strategy, NULL, 0, NULL, 0)
        due = monotonic_ns()
        after = allocations_so_far()
    allocations = after - before if before >= 0 else -1
    return (due - start) / 1e9


def receive(Consumer consumer, int64_t count, int strategy, Counters counters=None, str histogram="", int64_t skip=0):
    """Takes `count` records and returns the seconds from the first to the last.

    The latencies of all but the first `skip` go into the histogram, if one is named. Raises RuntimeError after a lap.
    """
    cdef Message messages[BATCH]
    cdef Histogram *latencies = NULL if counters is None else counters.histogram(histogram)
    cdef int64_t taken = 0, found = 0, now, i, first = 0, before, after
    global allocations
    with nogil:
        warm_up()
        before = allocations_so_far()
        while taken < count:
            found = consumer.poll(messages, BATCH)
            if found == 0:
                consumer.wait(strategy, 1_000_000)
                continue
            if found < 0:
                break
            now = monotonic_ns()
            if taken == 0:
                first = now
            if latencies != NULL:
                for i in range(found):
                    if taken + i >= skip:
                        record(latencies, now - messages[i].event_time_ns)
            taken += found
        now = monotonic_ns()
        after = allocations_so_far()
    allocations = after - before if before >= 0 else -1
    if found < 0:
        raise RuntimeError(f"lapped by {consumer.lost} records after {taken}")
    return (now - first) / 1e9
