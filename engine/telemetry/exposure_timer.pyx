"""Times the verdict on one order after the other, as the risk stage asks for it, without Python in between.

The measuring rules are those of step_timer.pyx: time-stamp counter, serialised readings, their median cost subtracted,
nothing filtered.
"""

from libc.stdint cimport int64_t, uint64_t
from posix.time cimport CLOCK_MONOTONIC, clock_gettime, timespec
from ipc.allocations cimport allocations_so_far, minor_faults_so_far
from kernels.exposure.book cimport judge_adding, place
from kernels.exposure.cpu cimport ExposureBook

import numpy as np

from engine.telemetry.evaluator_timer import ticks_of_nothing
from engine.telemetry.step_timer import StepTimes

cdef extern from *:
    """
    #include <x86intrin.h>
    static inline uint64_t bot4_order_ticks(void) {
        unsigned int core;
        uint64_t ticks = __rdtscp(&core);
        _mm_lfence();
        return ticks;
    }
    """
    uint64_t ticks_now "bot4_order_ticks"() noexcept nogil

cdef enum:
    VERDICTS = 7
    CALIBRATION_NS = 2_000_000   # the counter is compared with the clock over at least so long


cdef inline int64_t monotonic_ns() noexcept nogil:
    cdef timespec now
    clock_gettime(CLOCK_MONOTONIC, &now)
    return now.tv_sec * 1_000_000_000 + now.tv_nsec


cdef void run(ExposureBook book, const double[:, ::1] orders, double limit, bint exactly, int64_t start, int64_t end,
              int64_t group, int64_t moves, int64_t *elapsed, int64_t *verdicts) noexcept nogil:
    """Orders [start, end) over the instruments in turn; after each group so many boxes change, untimed."""
    cdef int64_t i = start, j, last, row, count = book.book.instruments, number = 0
    cdef uint64_t before
    cdef double value = 0.0
    while i < end:
        last = min(i + group, end)
        before = ticks_now()
        while i < last:
            verdicts[<int64_t> judge_adding(&book.book, i % count, orders[i, 0], limit, exactly, &value)] += 1
            i += 1
        elapsed[number] = <int64_t> (ticks_now() - before)
        number += 1
        for j in range(moves):
            row = (i * moves + j) % orders.shape[0]
            place(&book.book, row % count, orders[row, 1], orders[row, 2])


def time_orders(ExposureBook book, orders, double limit, bint exactly, int64_t warmup=0, int64_t group=1,
                int64_t moves=1):
    """(StepTimes, verdicts) of judging orders, float64 (n, 3): value added, and the box after it. Shape (7,) counts.

    The first `warmup` are not timed; a time is the mean of `group`, after which `moves` boxes change.
    Raises ValueError when nothing is left to time.
    """
    orders = np.ascontiguousarray(orders, dtype=np.float64)
    cdef int64_t count = len(orders)
    if group < 1 or warmup < 0 or count - warmup < group:
        raise ValueError(f"nothing to time: {count} orders, warmup {warmup}, group {group}")
    count -= (count - warmup) % group
    cdef int64_t groups = (count - warmup) // group, allocations, faults, started_ns, elapsed_ns, i
    cdef const double[:, ::1] view = orders
    cdef int64_t[::1] ignored = np.ones(warmup // group + 1, dtype=np.int64)  # touched before the clock runs
    cdef int64_t[::1] elapsed = np.ones(groups, dtype=np.int64)
    cdef int64_t[::1] verdicts = np.zeros(VERDICTS, dtype=np.int64)
    cdef uint64_t started
    overhead = np.median(ticks_of_nothing())
    with nogil:
        run(book, view, limit, exactly, 0, warmup, group, moves, &ignored[0], &verdicts[0])
        for i in range(VERDICTS):
            verdicts[i] = 0
        allocations, faults = allocations_so_far(), minor_faults_so_far()
        started_ns, started = monotonic_ns(), ticks_now()
        run(book, view, limit, exactly, warmup, count, group, moves, &elapsed[0], &verdicts[0])
        elapsed_ns = monotonic_ns() - started_ns
        allocations = allocations_so_far() - allocations if allocations >= 0 else -1
        faults = minor_faults_so_far() - faults
        while elapsed_ns < CALIBRATION_NS:
            elapsed_ns = monotonic_ns() - started_ns
        started = ticks_now() - started
    overhead = min(overhead, np.median(ticks_of_nothing()))
    cdef double ns_per_tick = <double> elapsed_ns / <double> started
    ns = np.maximum(np.asarray(elapsed, dtype=np.float64) - overhead, 0.0) * ns_per_tick / group
    counted = None if allocations < 0 else allocations
    times = StepTimes(ns, overhead * ns_per_tick, ns_per_tick, groups * group, counted, faults)
    return times, np.asarray(verdicts).copy()
