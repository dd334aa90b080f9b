"""Times a stage's step message by message, without Python in between: the one measuring loop of all benchmarks.

The clock is the time-stamp counter, calibrated against CLOCK_MONOTONIC over the run itself. Each message is timed on
its own, or each `group` of messages together; the cost of reading the counter (a median, measured before and after) is
subtracted. A serialised reading hides what the processor overlaps and has a resolution of a few ns: for steps below
about 50 ns the mean over groups is the honest figure. Nothing is filtered: the machine's pauses are in the maximum.
"""

from libc.stdint cimport int64_t, uint64_t
from posix.time cimport CLOCK_MONOTONIC, clock_gettime, timespec
from engine.stage cimport Outbox, Step, step_of, takes
from ipc.allocations cimport allocations_so_far, minor_faults_so_far
from ipc.message cimport FLAG_MORE, Message

import numpy as np

from ipc.messages import MESSAGE

cdef extern from *:
    """
    #include <x86intrin.h>
    /* rdtscp waits for what came before it; the fence keeps what comes after from starting early */
    static inline uint64_t bot4_ticks(void) {
        unsigned int core;
        uint64_t ticks = __rdtscp(&core);
        _mm_lfence();
        return ticks;
    }
    """
    uint64_t ticks_now "bot4_ticks"() noexcept nogil

cdef enum:
    OUTBOX_RECORDS = 4096
    OVERHEAD_SAMPLES = 2048
    STEPS_BEFORE = 8
    CALIBRATION_NS = 2_000_000   # the counter is compared with the clock over at least so long


cdef inline int64_t _monotonic_ns() noexcept nogil:
    cdef timespec now
    clock_gettime(CLOCK_MONOTONIC, &now)
    return now.tv_sec * 1_000_000_000 + now.tv_nsec


cdef int64_t _overhead_ticks() except -1:
    """Median of two readings with nothing between."""
    cdef int64_t[::1] samples = np.empty(OVERHEAD_SAMPLES, dtype=np.int64)
    cdef uint64_t before
    cdef int64_t i
    for i in range(OVERHEAD_SAMPLES):
        before = ticks_now()
        samples[i] = <int64_t> (ticks_now() - before)
    return int(np.median(samples))


cdef uint64_t gcd(uint64_t a, uint64_t b) noexcept nogil:
    while b != 0:
        a, b = b, a % b
    return a


cdef int64_t _resolution_ticks() except -1:
    """Smallest step between different readings: some hosts advance the counter by 10 ns at a time."""
    cdef int64_t _sample
    cdef uint64_t first = ticks_now(), second, steps = 0
    for _sample in range(OVERHEAD_SAMPLES):
        second = ticks_now()
        steps = gcd(steps, second - first)
        first = second
    return <int64_t> steps


cdef struct Steps:               # the timed one, and those that run before it on every message, untimed
    Step *timed
    Step *before[STEPS_BEFORE]
    int64_t before_count


cdef int64_t _run(
    const Steps *steps, const Message *records, int64_t begin, int64_t end, int64_t group, Outbox *outbox,
    int64_t *elapsed_ticks, int64_t *fault
) noexcept nogil:
    """Drives records [begin, end); writes ticks for each group of messages that the step takes. Returns groups."""
    cdef int64_t i = begin, groups = 0, taken = 0, k
    cdef uint64_t before = 0
    cdef const Step *entry = steps.timed
    while i < end:
        for k in range(steps.before_count):
            if takes(steps.before[k], records + i) and fault[0] == 0:
                fault[0] = steps.before[k].step(steps.before[k].stage, records + i, outbox)
        if fault[0] != 0:
            break
        if takes(entry, records + i):
            if taken == 0:
                before = ticks_now()
            fault[0] = entry.step(entry.stage, records + i, outbox)
            taken += 1
            if taken == group:
                if elapsed_ticks != NULL:
                    elapsed_ticks[groups] = <int64_t> (ticks_now() - before)
                groups += 1
                taken = 0
            outbox.count = 0
            if fault[0] != 0:
                break
        while records[i].flags & FLAG_MORE and i + 1 < end:
            i += 1
        i += 1
    return groups


class StepTimes:
    """What time_steps measured.

    `ns`: float64, shape (groups,), nanoseconds a message (mean over its group), the clock's cost subtracted.
    `overhead_ns`: the clock's cost that was subtracted from each group. `resolution_ns`: the counter's smallest step.
    `messages`: how many were timed. `allocations`, `minor_faults`: of this thread while it measured; allocations is
    None where they were not counted (allocation_shim.c was not preloaded), never 0.
    """

    def __init__(self, ns, overhead_ns, resolution_ns, messages, allocations=None, minor_faults=0):
        self.allocations = allocations
        self.minor_faults = minor_faults
        self.ns = ns
        self.resolution_ns = resolution_ns
        self.overhead_ns = overhead_ns
        self.messages = messages

    def row(self, name):
        """The row of a latency table: name, count, p50_ns, p99_ns, p999_ns, max_ns, per_s."""
        p50, p99, p999 = np.quantile(self.ns, [0.5, 0.99, 0.999])
        return {
            "name": name,
            "count": int(self.messages),
            "p50_ns": float(p50),
            "p99_ns": float(p99),
            "p999_ns": float(p999),
            "max_ns": float(self.ns.max()),
            "per_s": float(1e9 / self.ns.mean()) if self.ns.mean() > 0 else 0.0,
            "allocations": self.allocations,
        }


cdef int _wire(Steps *steps, object step, object before, int64_t group) except -1:
    """Looks the capsules up. Raises ValueError."""
    steps.timed = step_of(step)
    if len(before) > STEPS_BEFORE or (before and group != 1):
        raise ValueError(f"{len(before)} steps before (at most {STEPS_BEFORE}), group {group} (1 with steps before)")
    steps.before_count = 0
    for capsule in before:
        steps.before[steps.before_count] = step_of(capsule)
        steps.before_count += 1
    return 0


cdef int _judge(int64_t fault, int64_t groups, int64_t records) except -1:
    if fault != 0:
        raise RuntimeError(f"step answered fault {fault}")
    if groups == 0:
        raise ValueError(f"the step took no message of {records} records after the warm-up")
    return 0


def time_steps(step, records, int64_t warmup=0, int64_t group=1, before=()):
    """Times a Step capsule over records (MESSAGE, shape (n,)), the first `warmup` untimed. Returns StepTimes.

    The caller keeps the stages alive. Only messages that the step takes are timed, in groups of `group`; what it emits
    is thrown away. `before`: Step capsules, at most 8, that run on each message first, untimed (the book, for a stage
    that reads its view); groups are of one message then. Raises ValueError when nothing is left to time and
    RuntimeError on a fault code.
    """
    cdef Steps steps
    _wire(&steps, step, before, group)
    records = np.ascontiguousarray(records, dtype=MESSAGE)
    if not 0 <= warmup < len(records) or group < 1:
        raise ValueError(f"nothing to time: {len(records)} records, warmup {warmup}, group {group}")
    cdef const char[::1] raw = records.view(np.int8)
    cdef const Message *first = <const Message *> &raw[0]
    cdef int64_t begin = warmup, end = len(records), groups, fault = 0, started_ns, elapsed_ns
    cdef int64_t overhead = _overhead_ticks(), allocations = -1, faults = 0
    cdef uint64_t started
    while begin < end and begin > 0 and first[begin - 1].flags & FLAG_MORE:
        begin += 1
    cdef int64_t[::1] elapsed = np.zeros(max(1, end - begin), dtype=np.int64)  # touched before the clock runs
    elapsed[:] = 1
    cdef char[::1] out = np.zeros(OUTBOX_RECORDS * MESSAGE.itemsize, dtype=np.int8)
    cdef Outbox outbox
    outbox.messages = <Message *> &out[0]
    outbox.capacity = OUTBOX_RECORDS
    outbox.count = 0
    outbox.refused = 0
    with nogil:
        _run(&steps, first, 0, begin, 1, &outbox, NULL, &fault)
        allocations, faults = allocations_so_far(), minor_faults_so_far()
        started_ns = _monotonic_ns()
        started = ticks_now()
        groups = _run(&steps, first, begin, end, group, &outbox, &elapsed[0], &fault) if fault == 0 else 0
        elapsed_ns = _monotonic_ns() - started_ns
        allocations = allocations_so_far() - allocations if allocations >= 0 else -1
        faults = minor_faults_so_far() - faults
        while elapsed_ns < CALIBRATION_NS:
            elapsed_ns = _monotonic_ns() - started_ns
        started = ticks_now() - started
    _judge(fault, groups, end - begin)
    cdef double ns_per_tick = <double> elapsed_ns / <double> started
    overhead = min(overhead, _overhead_ticks())
    ns = np.maximum(np.asarray(elapsed[:groups], dtype=np.float64) - overhead, 0.0) * ns_per_tick / group
    counted = None if allocations < 0 else allocations
    overhead_ns, resolution_ns = overhead * ns_per_tick, _resolution_ticks() * ns_per_tick
    return StepTimes(ns, overhead_ns, resolution_ns, groups * group, counted, faults)
