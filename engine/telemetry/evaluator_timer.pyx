"""Times a model's evaluator row by row, as the forecast stage calls it, without Python in between.

The measuring rules are those of step_timer.pyx: time-stamp counter, serialised readings, their median cost subtracted,
nothing filtered. Rows are distinct, so that no branch predictor and no cache learns the answer.
"""

from libc.stdint cimport int64_t, uint64_t
from posix.time cimport CLOCK_MONOTONIC, clock_gettime, timespec
from ipc.allocations cimport allocations_so_far, minor_faults_so_far
from kernels.linear.cpu cimport LINEAR_INPUTS, Linear, linear_evaluate
from kernels.mlp.cpu cimport Mlp, mlp_evaluate
from kernels.trees.cpu cimport TREE_OUTPUTS, Trees, trees_evaluate

import numpy as np

from engine.telemetry.step_timer import StepTimes

cdef extern from *:
    """
    #include <x86intrin.h>
    /* as in step_timer.pyx: waits for what came before, and keeps what comes after from starting early */
    static inline uint64_t bot4_row_ticks(void) {
        unsigned int core;
        uint64_t ticks = __rdtscp(&core);
        _mm_lfence();
        return ticks;
    }
    """
    uint64_t ticks_now "bot4_row_ticks"() noexcept nogil

ctypedef void (*evaluate_t)(const void *model, const double *row, double *out) noexcept nogil

cdef enum:
    OVERHEAD_SAMPLES = 2048
    CALIBRATION_NS = 2_000_000   # the counter is compared with the clock over at least so long


cdef inline int64_t monotonic_ns() noexcept nogil:
    cdef timespec now
    clock_gettime(CLOCK_MONOTONIC, &now)
    return now.tv_sec * 1_000_000_000 + now.tv_nsec


cdef void run(
    evaluate_t evaluate, const void *model, const double *rows, int64_t begin, int64_t end, int64_t group,
    double *outputs, int64_t *elapsed_ticks
) noexcept nogil:
    """Evaluates rows [begin, end); the ticks of each whole group go to `elapsed_ticks`."""
    cdef int64_t i = begin, last, number = 0
    cdef uint64_t before
    while i < end:
        last = min(i + group, end)
        before = ticks_now()
        while i < last:
            evaluate(model, rows + i * LINEAR_INPUTS, outputs + i * TREE_OUTPUTS)
            i += 1
        elapsed_ticks[number] = <int64_t> (ticks_now() - before)
        number += 1


def ticks_of_nothing():
    """Ticks between two readings with nothing between, shape (2048,): their median is the clock's own cost."""
    samples = np.empty(OVERHEAD_SAMPLES, dtype=np.int64)
    cdef int64_t[::1] view = samples
    cdef uint64_t before
    cdef int64_t i
    for i in range(OVERHEAD_SAMPLES):
        before = ticks_now()
        view[i] = <int64_t> (ticks_now() - before)
    return samples


def time_rows(evaluator, rows, int64_t warmup=0, int64_t group=1):
    """Times an evaluator over rows, float64 of shape (n, 32), the first `warmup` of them untimed, in groups of `group`.

    Returns StepTimes and the outputs, shape (n, 4). Raises ValueError when nothing is left to time.
    """
    cdef evaluate_t evaluate
    cdef const void *model
    if isinstance(evaluator, Linear):
        evaluate, model = <evaluate_t> linear_evaluate, &(<Linear> evaluator).model
    elif isinstance(evaluator, Trees):
        evaluate, model = <evaluate_t> trees_evaluate, &(<Trees> evaluator).model
    else:
        evaluate, model = <evaluate_t> mlp_evaluate, &(<Mlp?> evaluator).model
    rows = np.ascontiguousarray(rows, dtype=np.float64)
    if rows.ndim != 2 or rows.shape[1] != LINEAR_INPUTS:
        raise ValueError(f"rows must be (n, {LINEAR_INPUTS}); they are {rows.shape}")
    cdef int64_t count = len(rows)
    if group < 1 or warmup < 0 or count - warmup < group:
        raise ValueError(f"nothing to time: {count} rows, warmup {warmup}, group {group}")
    count -= (count - warmup) % group
    outputs = np.zeros((len(rows), TREE_OUTPUTS))
    cdef int64_t groups = (count - warmup) // group, allocations, faults, started_ns, elapsed_ns
    cdef const double[:, ::1] row_view = rows
    cdef double[:, ::1] output_view = outputs
    cdef int64_t[::1] ignored = np.ones(warmup // group + 1, dtype=np.int64)  # touched before the clock runs
    cdef int64_t[::1] elapsed = np.ones(groups, dtype=np.int64)
    cdef uint64_t started
    outputs[:] = 1.0
    overhead = np.median(ticks_of_nothing())
    with nogil:
        run(evaluate, model, &row_view[0, 0], 0, warmup, group, &output_view[0, 0], &ignored[0])
        allocations, faults = allocations_so_far(), minor_faults_so_far()
        started_ns, started = monotonic_ns(), ticks_now()
        run(evaluate, model, &row_view[0, 0], warmup, count, group, &output_view[0, 0], &elapsed[0])
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
    return StepTimes(ns, overhead * ns_per_tick, ns_per_tick, groups * group, counted, faults), outputs
