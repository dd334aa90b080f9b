# Counters and histograms in shared memory: one process writes them with plain 64-bit stores, any process reads.
from libc.stdint cimport int64_t, uint64_t
from ipc.atomics cimport load_relaxed, store_relaxed

cdef enum:
    SUB_BITS = 5             # 32 buckets for each power of two: a value is known to 1/32
    BUCKETS = 1024           # 0 ns to 2^36 ns, about 68.7 s; what is longer falls into the last
    LARGEST_BITS = 36

cdef struct Histogram:
    int64_t total            # sum of the values
    int64_t minimum          # exact; negative when a clock went backwards
    int64_t maximum          # exact
    int64_t reserved[5]
    int64_t buckets[BUCKETS]

cdef extern from *:
    """
    static inline int bot4_leading_zeros(uint64_t value) { return __builtin_clzll(value); }
    """
    int leading_zeros "bot4_leading_zeros"(uint64_t value) noexcept nogil

cdef inline int bucket_of(int64_t value) noexcept nogil:
    """Below 64 a bucket a value; above, the five bits after the leading one choose among 32 of its power of two."""
    cdef int shift
    if value < 0:
        return 0
    if value >> LARGEST_BITS:
        return BUCKETS - 1
    shift = 63 - leading_zeros(<uint64_t> value | 32) - SUB_BITS
    return <int> ((shift << SUB_BITS) + (value >> shift))

# The writer is one thread of one process: a load, an addition and a store, no locked instruction.
cdef inline void record(Histogram *histogram, int64_t value) noexcept nogil:
    cdef int64_t *bucket = &histogram.buckets[bucket_of(value)]
    store_relaxed(bucket, load_relaxed(bucket) + 1)
    store_relaxed(&histogram.total, load_relaxed(&histogram.total) + value)
    if value > load_relaxed(&histogram.maximum):
        store_relaxed(&histogram.maximum, value)
    if value < load_relaxed(&histogram.minimum):
        store_relaxed(&histogram.minimum, value)

cdef inline void add(int64_t *counter, int64_t amount) noexcept nogil:
    store_relaxed(counter, load_relaxed(counter) + amount)

cdef inline void put(int64_t *counter, int64_t value) noexcept nogil:
    store_relaxed(counter, value)

cdef class Counters:
    cdef readonly object segment
    cdef object _lock
    cdef object _directory
    cdef char *_memory
    # For the writer's constructors: valid while this object lives. KeyError when there is none of that name.
    cdef int64_t *counter(self, str name) except NULL
    cdef Histogram *histogram(self, str name) except NULL
