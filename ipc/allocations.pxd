# How often this thread asked for memory, when the shim (allocation_shim.c) is preloaded; and its minor page faults,
# which also show memory that was mapped before and is touched for the first time.
# Read around a measuring loop, never in it.
from libc.stdint cimport int64_t

cdef extern from *:
    """
    #define _GNU_SOURCE
    #include <sys/resource.h>
    extern long long bot4_allocation_count(void) __attribute__((weak));
    static inline long long bot4_allocations(void) {
        return bot4_allocation_count ? bot4_allocation_count() : -1;
    }
    static inline long long bot4_minor_faults(void) {
        struct rusage usage;
        return getrusage(1 /* RUSAGE_THREAD */, &usage) == 0 ? usage.ru_minflt : -1;
    }
    """
    int64_t allocations_so_far "bot4_allocations"() noexcept nogil    # -1: the shim is not there
    int64_t minor_faults_so_far "bot4_minor_faults"() noexcept nogil
