# Passes over the scenarios, four lanes at a time in a fixed order of additions: the same bits on every host.
#
# worst[s] is the loss of the book in scenario s if every open order fills as is worst in s; losses[s] is that of one
# instrument for one unit of value. One more order that may add `added` of value (below 0: sold) makes it
#   worst[s] + max(added * losses[s], 0)
# CVaR by Rockafellar and Uryasev (2000): the least over t of t + sum max(y - t, 0) / k. Any t gives an upper bound.
from libc.stdint cimport int64_t

cdef extern from *:
    """
    #include <immintrin.h>
    #include <stdint.h>

    /* sum over s of max(worst + max(added * losses, 0) - threshold, 0); n a multiple of 8 */
    static inline double bot4_excess(const double *worst, const double *losses, double added, double threshold,
                                     int64_t n) {
        const __m256d zero = _mm256_setzero_pd(), a = _mm256_set1_pd(added), t = _mm256_set1_pd(threshold);
        __m256d left = zero, right = zero, y;
        for (int64_t s = 0; s < n; s += 8) {
            y = _mm256_max_pd(_mm256_mul_pd(a, _mm256_loadu_pd(losses + s)), zero);
            y = _mm256_sub_pd(_mm256_add_pd(_mm256_loadu_pd(worst + s), y), t);
            left = _mm256_add_pd(left, _mm256_max_pd(y, zero));
            y = _mm256_max_pd(_mm256_mul_pd(a, _mm256_loadu_pd(losses + s + 4)), zero);
            y = _mm256_sub_pd(_mm256_add_pd(_mm256_loadu_pd(worst + s + 4), y), t);
            right = _mm256_add_pd(right, _mm256_max_pd(y, zero));
        }
        double lanes[4];
        _mm256_storeu_pd(lanes, _mm256_add_pd(left, right));
        return (lanes[0] + lanes[1]) + (lanes[2] + lanes[3]);
    }

    static inline __m256d bot4_moved(const double *worst, const double *losses, __m256d high, __m256d low) {
        const __m256d zero = _mm256_setzero_pd(), loss = _mm256_loadu_pd(losses);
        __m256d y = _mm256_mul_pd(high, _mm256_max_pd(loss, zero));
        y = _mm256_add_pd(y, _mm256_mul_pd(low, _mm256_min_pd(loss, zero)));
        return _mm256_add_pd(_mm256_loadu_pd(worst), y);
    }

    /* worst of a box whose ends moved by high and low: worst + high * max(losses, 0) + low * min(losses, 0) */
    static inline void bot4_move(double *worst, const double *losses, double high, double low, int64_t n) {
        const __m256d h = _mm256_set1_pd(high), l = _mm256_set1_pd(low);
        for (int64_t s = 0; s < n; s += 4)
            _mm256_storeu_pd(worst + s, bot4_moved(worst + s, losses + s, h, l));
    }

    /* the same without writing it back: those above threshold go to `out`, in their order; returns how many */
    static inline int64_t bot4_gather(const double *worst, const double *losses, double high, double low,
                                      double threshold, int64_t n, double *out) {
        const __m256d h = _mm256_set1_pd(high), l = _mm256_set1_pd(low), t = _mm256_set1_pd(threshold);
        double lanes[4];
        int64_t count = 0;
        for (int64_t s = 0; s < n; s += 4) {
            __m256d y = bot4_moved(worst + s, losses + s, h, l);
            int above = _mm256_movemask_pd(_mm256_cmp_pd(y, t, _CMP_GT_OQ));
            if (above == 0) continue;
            _mm256_storeu_pd(lanes, y);
            for (int lane = 0; lane < 4; lane++)
                if (above >> lane & 1) out[count++] = lanes[lane];
        }
        return count;
    }
    """
    double excess "bot4_excess"(
        const double *worst, const double *losses, double added, double threshold, int64_t n) noexcept nogil
    void move "bot4_move"(double *worst, const double *losses, double high, double low, int64_t n) noexcept nogil
    int64_t gather "bot4_gather"(
        const double *worst, const double *losses, double high, double low, double threshold, int64_t n, double *out
    ) noexcept nogil

# -- COMMANDS --

cdef inline void sift_down(double *heap, int64_t size, int64_t at) noexcept nogil:
    """Restores a heap whose root is the smallest after heap[at] has changed."""
    cdef double value = heap[at]
    cdef int64_t child = 2 * at + 1
    while child < size:
        if child + 1 < size and heap[child + 1] < heap[child]:
            child += 1
        if value <= heap[child]:
            break
        heap[at] = heap[child]
        at = child
        child = 2 * at + 1
    heap[at] = value

cdef inline void keep_largest(double *values, int64_t count, int64_t kept) noexcept nogil:
    """Reorders: the first `kept` are the largest, values[0] the smallest of those."""
    cdef int64_t i
    for i in range(kept // 2 - 1, -1, -1):
        sift_down(values, kept, i)
    for i in range(kept, count):
        if values[i] > values[0]:
            values[0] = values[i]
            sift_down(values, kept, 0)

cdef inline double stand_alone_tail(
    const double *losses, double units, int64_t scenarios, double tail, double *scratch
) noexcept nogil:
    """CVaR of so many units of value of one instrument alone (-1: a unit sold): the mean of the worst `tail` of its
    scenarios, the last of them in part. O(scenarios); scratch: (scenarios,)."""
    cdef int64_t whole = <int64_t> tail, needed = whole if whole == tail else whole + 1, i
    cdef double total = 0.0
    for i in range(scenarios):
        scratch[i] = units * losses[i]
    keep_largest(scratch, scenarios, needed)
    for i in range(1, needed):
        total += scratch[i]
    return (total + scratch[0] * (tail - <double> (needed - 1))) / tail
