// Elementary functions from + - * / and bits, for CUDA: the same bits on every GPU and, by cuda_on_host.h, on a host.
//
// The device's own exp, log, sin, lgamma differ from a host's in the last place, and its sin needs a stack. exp and log
// are kernels/elementary_reference.py operation for operation; sine, cosine and arcsine use the approximations of
// FreeBSD's msun (Sun Microsystems 1993: k_sin.c, k_cos.c, e_asin.c); log Gamma is Stirling's series (Abramowitz and
// Stegun 6.1.41). Included by each kernels.cu once; compile with --fmad=false.

#define HALF_PI 1.57079632679489661923
#define LOG_TWO_PI 1.83787706640934548356
#define ROUNDER 6755399441055744.0  // 1.5 * 2**52: adding and subtracting it rounds to an integer
#define LARGEST 1.7976931348623157e308

__device__ __forceinline__ double infinity() { return __longlong_as_double(0x7FF0000000000000LL); }
__device__ __forceinline__ double not_a_number() { return __longlong_as_double(0x7FF8000000000000LL); }
__device__ __forceinline__ bool is_finite(double x) { return fabs(x) <= LARGEST; }
__device__ __forceinline__ double larger(double a, double b) { return a > b ? a : b; }
__device__ __forceinline__ double smaller(double a, double b) { return a < b ? a : b; }

// 2**k for -1022 <= k <= 1023.
__device__ __forceinline__ double power_of_two(long long k) { return __longlong_as_double((k + 1023) << 52); }

// e**x within 1 ulp.
__device__ __forceinline__ double exp_of(double x) {
    if (x != x) return x;
    if (x > 709.782712893383973096) return infinity();
    if (x < -745.13321910194110842) return 0.0;
    const double k = (x * 1.44269504088896338700e00 + ROUNDER) - ROUNDER;
    const double high = x - k * 6.93147180369123816490e-01, low = k * 1.90821492927058770002e-10;
    const double r = high - low, t = r * r;
    const double c = r - t * (1.66666666666666019037e-01 + t * (-2.77777777770155933842e-03 + t * (
        6.61375632143793436117e-05 + t * (-1.65339022054652515390e-06 + t * 4.13813679705723846039e-08))));
    const double y = 1.0 - ((low - (r * c) / (2.0 - c)) - high);
    const long long n = (long long)k, half = n >> 1;
    return y * power_of_two(half) * power_of_two(n - half);
}

// Natural logarithm within 1 ulp; minus infinity for 0, NaN below 0.
__device__ __forceinline__ double log_of(double x) {
    if (x != x || x < 0.0) return not_a_number();
    if (x == 0.0) return -infinity();
    if (x > LARGEST) return x;
    const bool subnormal = x < 0x1p-1022;
    const long long bits = __double_as_longlong(subnormal ? x * 0x1p53 : x);
    long long k = (bits >> 52) - 1022 - (subnormal ? 53 : 0);
    double m = __longlong_as_double((bits & 0x000FFFFFFFFFFFFFLL) | 0x3FE0000000000000LL);
    if (m < 7.07106781186547524401e-01) {
        m += m;
        k -= 1;
    }
    const double f = m - 1.0, s = f / (2.0 + f), z = s * s, w = z * z;
    const double even = w * (3.999999999940941908e-01 + w * (2.222219843214978396e-01 + w * 1.531383769920937332e-01));
    const double odd = z * (6.666666666666735130e-01 + w * (2.857142874366239149e-01 + w * (
        1.818357216161805012e-01 + w * 1.479819860511658591e-01)));
    const double half = 0.5 * f * f, places = (double)k;
    const double low = places * 1.90821492927058770002e-10;
    return places * 6.93147180369123816490e-01 - ((half - (s * (half + (even + odd)) + low)) - f);
}

struct Angle {
    double sine, cosine;
};

// Sine and cosine within 1e-15, for |x| below 1e5 only.
__device__ __forceinline__ Angle angle_of(double x) {
    const double k = (x * (1.0 / HALF_PI) + ROUNDER) - ROUNDER;
    const double r = (x - k * 1.57079632673412561417e+00) - k * 6.07710050650619224932e-11;
    const double z = r * r;
    const double sine = r + r * z * (-1.66666666666666324348e-01 + z * (8.33333333332248946124e-03 + z * (
        -1.98412698298579493134e-04 + z * (2.75573137070700676789e-06 + z * (
        -2.50507602534068634195e-08 + z * 1.58969099521155010221e-10)))));
    const double cosine = 1.0 - 0.5 * z + z * z * (4.16666666666666019037e-02 + z * (-1.38888888888741095749e-03 + z * (
        2.48015872894767294178e-05 + z * (-2.75573143513906633035e-07 + z * (
        2.08757232129817482790e-09 + z * -1.13596475577881948265e-11)))));
    const long long quadrant = (long long)k & 3;
    const double s = quadrant & 1 ? cosine : sine, c = quadrant & 1 ? sine : cosine;
    return {quadrant & 2 ? -s : s, (quadrant == 1 || quadrant == 2) ? -c : c};
}

// The angle in [-pi / 2, pi / 2] whose sine is x, within 1e-15; NaN outside [-1, 1].
__device__ __forceinline__ double arcsine(double x) {
    const double size = fabs(x);
    const bool small = size < 0.5;
    const double t = small ? x * x : 0.5 * (1.0 - size);
    const double p = t * (1.66666666666666657415e-01 + t * (-3.25565818622400915405e-01 + t * (
        2.01212532134862925881e-01 + t * (-4.00555345006794114027e-02 + t * (
        7.91534994289814532176e-04 + t * 3.47933107596021167570e-05)))));
    const double q = 1.0 + t * (-2.40339491173441421878e+00 + t * (2.02094576023350569471e+00 + t * (
        -6.88283971605453293030e-01 + t * 7.70381505559019352791e-02)));
    if (small) return x + x * (p / q);
    const double root = sqrt(t), found = HALF_PI - 2.0 * (root + root * (p / q));
    return x < 0.0 ? -found : found;
}

struct LogGamma {
    double value, slope;
};

// log Gamma and its derivative for x > 0: recurrence up to 8, then the asymptotic series.
__device__ __forceinline__ LogGamma log_gamma(double x) {
    double product = 1.0, inverses = 0.0;
    while (x < 8.0) {
        product *= x;
        inverses += 1.0 / x;
        x += 1.0;
    }
    const double i = 1.0 / (x * x), log_x = log_of(x);
    const double series = 1.0 / 12 - i * (1.0 / 360 - i * (1.0 / 1260 - i * (1.0 / 1680 - i * (
        1.0 / 1188 - i * (691.0 / 360360 - i * (1.0 / 156))))));
    const double slopes = i * (1.0 / 12 - i * (1.0 / 120 - i * (1.0 / 252 - i * (1.0 / 240 - i * (
        1.0 / 132 - i * (691.0 / 32760 - i * (1.0 / 12)))))));
    const double value = (x - 0.5) * log_x - x + 0.5 * LOG_TWO_PI + series / x - log_of(product);
    return {value, log_x - 0.5 / x - slopes - inverses};
}
