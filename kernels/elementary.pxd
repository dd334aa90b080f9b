# exp and log with the same bits on every host: elementary_reference.py, operation for operation. Callers are compiled
# with -ffp-contract=off (setup.py): a fused multiply-add would round differently.
from libc.stdint cimport int64_t, uint64_t

cdef extern from *:
    """
    #include <string.h>
    static inline double bot4_from_bits(uint64_t bits) { double value; memcpy(&value, &bits, 8); return value; }
    static inline uint64_t bot4_to_bits(double value) { uint64_t bits; memcpy(&bits, &value, 8); return bits; }
    """
    double from_bits "bot4_from_bits"(uint64_t bits) noexcept nogil
    uint64_t to_bits "bot4_to_bits"(double value) noexcept nogil

cdef inline double power_of_two(int64_t k) noexcept nogil:
    """2**k for -1022 <= k <= 1023."""
    return from_bits(<uint64_t> (k + 1023) << 52)

cdef inline double exp_steps(double r_high, double r_low) noexcept nogil:
    """exp(r_high - r_low) for a reduced argument, between sqrt(1/2) and sqrt(2)."""
    cdef double r = r_high - r_low
    cdef double t = r * r
    cdef double c = r - t * (1.66666666666666019037e-01 + t * (-2.77777777770155933842e-03 + t * (
        6.61375632143793436117e-05 + t * (-1.65339022054652515390e-06 + t * 4.13813679705723846039e-08))))
    return 1.0 - ((r_low - (r * c) / (2.0 - c)) - r_high)

cdef inline double exp(double x) noexcept nogil:
    """e**x within 1 ulp; 0 and infinity beyond the range of a double, NaN for NaN."""
    cdef double k, y
    cdef int64_t n, half
    if x != x:
        return x
    if x > 709.782712893383973096:
        return from_bits(<uint64_t> 0x7FF0000000000000)
    if x < -745.13321910194110842:
        return 0.0
    k = (x * 1.44269504088896338700e00 + 6755399441055744.0) - 6755399441055744.0
    y = exp_steps(x - k * 6.93147180369123816490e-01, k * 1.90821492927058770002e-10)
    n = <int64_t> k
    half = n >> 1            # in two steps, of which the first is exact: 2**1024 and 2**-1074 are no normal numbers
    return y * power_of_two(half) * power_of_two(n - half)

cdef inline double log_steps(double m, double k) noexcept nogil:
    """k ln2 + log(m) for m between sqrt(1/2) and sqrt(2)."""
    cdef double f = m - 1.0
    cdef double s = f / (2.0 + f)
    cdef double z = s * s
    cdef double w = z * z
    cdef double even = w * (3.999999999940941908e-01 + w * (2.222219843214978396e-01 + w * 1.531383769920937332e-01))
    cdef double odd = z * (6.666666666666735130e-01 + w * (2.857142874366239149e-01 + w * (
        1.818357216161805012e-01 + w * 1.479819860511658591e-01)))
    cdef double half = 0.5 * f * f
    return k * 6.93147180369123816490e-01 - ((half - (s * (half + (even + odd)) + k * 1.90821492927058770002e-10)) - f)

cdef inline double log(double x) noexcept nogil:
    """Natural logarithm within 1 ulp; minus infinity for 0, NaN below 0 and for NaN."""
    cdef int64_t k = 0
    cdef uint64_t bits
    cdef double m
    if x != x or x < 0.0:
        return from_bits(<uint64_t> 0x7FF8000000000000)
    if x == 0.0:
        return from_bits(<uint64_t> 0xFFF0000000000000)
    bits = to_bits(x)
    if bits == <uint64_t> 0x7FF0000000000000:
        return x
    if bits < <uint64_t> 0x0010000000000000:
        bits = to_bits(x * 9007199254740992.0)  # a subnormal, times 2**53
        k = -53
    k += <int64_t> (bits >> 52) - 1022
    m = from_bits(bits & <uint64_t> 0x000FFFFFFFFFFFFF | <uint64_t> 0x3FE0000000000000)
    if m < 7.07106781186547524401e-01:
        m += m
        k -= 1
    return log_steps(m, <double> k)
