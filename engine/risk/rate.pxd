# A token bucket in integers on core time: credit counts 1e-9 of a message, so a rate per second earns `rate` credit a
# nanosecond and nothing is rounded.
from libc.stdint cimport int64_t

cdef enum:
    CREDIT_PER_MESSAGE = 1_000_000_000

cdef struct Bucket:
    int64_t credit
    int64_t time_ns            # of the last refill
    int64_t full_after_ns      # an empty bucket is full after so long: guards the product, spares it in quiet times
    int64_t over               # messages let through although the bucket was empty (cancels)

# -- QUERIES --

cdef inline int64_t whole_messages(const Bucket *bucket) noexcept nogil:
    return bucket.credit // CREDIT_PER_MESSAGE

# -- COMMANDS --

cdef inline void set_rate(Bucket *bucket, int64_t rate_per_s, int64_t burst) noexcept nogil:
    """After a change of limits: what was earned stays, up to the new burst."""
    bucket.full_after_ns = burst * CREDIT_PER_MESSAGE // rate_per_s + 1
    if bucket.credit > burst * CREDIT_PER_MESSAGE:
        bucket.credit = burst * CREDIT_PER_MESSAGE

cdef inline void refill(Bucket *bucket, int64_t now_ns, int64_t rate_per_s, int64_t burst) noexcept nogil:
    cdef int64_t elapsed_ns = now_ns - bucket.time_ns, full = burst * CREDIT_PER_MESSAGE
    if elapsed_ns <= 0:
        return
    bucket.time_ns = now_ns
    if elapsed_ns >= bucket.full_after_ns:
        bucket.credit = full
    else:
        bucket.credit += elapsed_ns * rate_per_s
        if bucket.credit > full:
            bucket.credit = full
