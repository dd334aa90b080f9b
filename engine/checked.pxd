# Integer arithmetic that says when it does not fit. Products of ticks and lots go through 128 bits.
# Every function returns True when the result does not fit in int64 (or a divisor is not positive); *result is then 0.
from libc.stdint cimport int64_t

cdef extern from *:
    """
    #include <stdint.h>
    typedef __int128 bot4_i128;

    static inline int bot4_fit(bot4_i128 value, int64_t *result) {
        *result = (int64_t)value;
        if (*result == value) return 0;
        *result = 0;
        return 1;
    }
    static inline int bot4_add(int64_t a, int64_t b, int64_t *result) {
        if (!__builtin_add_overflow(a, b, result)) return 0;
        *result = 0;
        return 1;
    }
    static inline int bot4_multiply(int64_t a, int64_t b, int64_t *result) {
        if (!__builtin_mul_overflow(a, b, result)) return 0;
        *result = 0;
        return 1;
    }
    /* a * b / divisor, toward zero */
    static inline int bot4_share(int64_t a, int64_t b, int64_t divisor, int64_t *result) {
        *result = 0;
        if (divisor <= 0) return 1;
        return bot4_fit((bot4_i128)a * b / divisor, result);
    }
    /* floor and ceiling of a * b * numerator / denominator */
    static inline int bot4_value(int64_t a, int64_t b, int64_t numerator, int64_t denominator,
                                 int64_t *floor, int64_t *ceiling) {
        bot4_i128 product, quotient;
        int64_t ab;
        int rest;
        *floor = *ceiling = 0;
        if (denominator <= 0) return 1;
        if (!__builtin_mul_overflow(a, b, &ab)) {  /* the usual case: no call into the 128-bit library */
            product = (bot4_i128)ab * numerator;
        } else if (__builtin_mul_overflow((bot4_i128)a * b, (bot4_i128)numerator, &product)) {
            return 1;
        }
        if (denominator == 1) {
            quotient = product;
            rest = 0;
        } else {
            quotient = (int64_t)product == product ? (int64_t)product / denominator : product / denominator;
            rest = quotient * denominator != product;
            if (rest && product < 0) quotient -= 1;
        }
        if (bot4_fit(quotient, floor)) return 1;
        return bot4_fit(quotient + rest, ceiling);
    }
    /* whether a * b > c * d, exactly */
    static inline int bot4_product_exceeds(int64_t a, int64_t b, int64_t c, int64_t d) {
        return (bot4_i128)a * b > (bot4_i128)c * d;
    }
    """
    bint add_overflows "bot4_add"(int64_t a, int64_t b, int64_t *result) noexcept nogil
    bint multiply_overflows "bot4_multiply"(int64_t a, int64_t b, int64_t *result) noexcept nogil
    bint share_overflows "bot4_share"(int64_t a, int64_t b, int64_t divisor, int64_t *result) noexcept nogil
    bint value_overflows "bot4_value"(
        int64_t a, int64_t b, int64_t numerator, int64_t denominator, int64_t *floor, int64_t *ceiling
    ) noexcept nogil
    bint product_exceeds "bot4_product_exceeds"(int64_t a, int64_t b, int64_t c, int64_t d) noexcept nogil
