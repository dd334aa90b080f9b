// GARCH and GJR: log-likelihood, gradient and scores of one series in one pass forwards, nothing stored.
//
// Sensitivities of the variance run beside the recursion (scores.py has the formulas; likelihood.py gets the gradient
// backwards instead, which needs h of every bar again). A bar costs one read of its return, and no division lies
// between h and the next h. GARCH is GJR with gamma 0. Sums run from the first bar on, not folded as in sums.py: the
// log-likelihood differs from the CPU's by rounding.

enum Process { GARCH, GJR };
enum Errors { NORMAL, STUDENT, SKEWED };
enum Start { BENCHMARK, BACKCAST, UNCONDITIONAL, OLS };
enum Parameter { MU, OMEGA, ALPHA, GAMMA, BETA, NU, SKEW, PLACES };

#define AHEAD 4  // returns read while as many are worked on

struct Series {
    const double *returns;  // scaled to mean square about 1, the next one `stride` further
    long long stride;
    int n, start;
    double presample;  // the start variance where the convention fixes it
};

struct Point {
    double at[PLACES];  // natural parameters; places that a model lacks are 0
};

// step(t, return) for t = 0, 1 ... n - 1.
template <class Step> __device__ __forceinline__ void each(const Series &series, Step step) {
    double now[AHEAD], next[AHEAD];
#pragma unroll
    for (int j = 0; j < AHEAD; ++j) next[j] = series.returns[(j < series.n ? j : 0) * series.stride];
    for (int begin = 0; begin < series.n; begin += AHEAD) {
#pragma unroll
        for (int j = 0; j < AHEAD; ++j) {
            const int later = begin + AHEAD + j;
            now[j] = next[j];
            next[j] = series.returns[(later < series.n ? later : 0) * series.stride];
        }
#pragma unroll
        for (int j = 0; j < AHEAD; ++j)
            if (begin + j < series.n) step(begin + j, now[j]);
    }
}

// Sum of logarithms: mantissas multiplied, exponents added, one logarithm.
struct LogSum {
    double product = 1.0;
    long long exponents = 0;

    __device__ __forceinline__ void add(double x) {
        const long long bits = __double_as_longlong(product * x);
        exponents += (bits >> 52) - 1023;
        product = __longlong_as_double((bits & 0x000FFFFFFFFFFFFFLL) | 0x3FF0000000000000LL);
    }

    __device__ __forceinline__ double value() const {
        return log_of(product) + (double)exponents * 6.93147180559945309417e-01;
    }
};

// ---- the variance ---------------------------------------------------------------------------------------------------

struct Variance {
    double omega, alpha, negative, beta, h, before;  // before: the variance before the first return
    double by[BETA + 1];                             // d h / d (mu, omega, alpha, gamma, beta)

    __device__ __forceinline__ Variance(const Series &series, const Point &p) {
        omega = p.at[OMEGA], alpha = p.at[ALPHA], beta = p.at[BETA], negative = alpha + p.at[GAMMA];
        const double through = alpha + 0.5 * p.at[GAMMA] + beta;
        double first = 1.0, by_mu = 0.0, by_omega = 0.0;
        before = series.presample;
        if (series.start == UNCONDITIONAL) {
            by_omega = 1.0 / (1.0 - through);
            before = omega * by_omega;
            first += through * by_omega;
        } else if (series.start == BENCHMARK) {
            double squares = 0.0, sum = 0.0;
            each(series, [&](int, double x) {
                const double e = x - p.at[MU];
                squares = fma(e, e, squares);
                sum += e;
            });
            before = squares / series.n;
            by_mu = -2.0 * sum / series.n;
        }
        h = omega + through * before;
        by[MU] = through * by_mu;
        by[OMEGA] = first;
        by[ALPHA] = by[BETA] = first * before;
        by[GAMMA] = 0.5 * first * before;
    }

    // From the bar with residual e to the next, h alone.
    __device__ __forceinline__ void move(double e) {
        const double weight = e < 0.0 ? negative : alpha;
        h = fma(beta, h, fma(weight * e, e, omega));
    }

    // The same with the sensitivities.
    __device__ __forceinline__ void advance(double e) {
        const double weight = e < 0.0 ? negative : alpha, square = e * e;
        by[MU] = fma(beta, by[MU], -2.0 * weight * e);
        by[OMEGA] = fma(beta, by[OMEGA], 1.0);
        by[ALPHA] = fma(beta, by[ALPHA], square);
        by[GAMMA] = fma(beta, by[GAMMA], e < 0.0 ? square : 0.0);
        by[BETA] = fma(beta, by[BETA], h);
        move(e);
    }
};

// ---- the density: densities.py one bar at a time --------------------------------------------------------------------

template <int ERRORS> struct Density {
    double nu = 0.0, skew = 0.0, inverse_scale = 0.0, constant = 0.0, slope = 0.0;
    double a = 0.0, b = 1.0, by_nu_a = 0.0, by_nu_b = 0.0, by_skew_a = 0.0, by_skew_b = 0.0;
    double right = 1.0, left = 1.0;
    double by_variance, by_residual, tail, share, by_a, by_b, by_side;  // of the bar given last
    double shares = 0.0, all_a = 0.0, all_b = 0.0, all_side = 0.0, squares = 0.0;
    LogSum variances, tails;

    __device__ __forceinline__ explicit Density(const Point &p) {
        if constexpr (ERRORS != NORMAL) {
            nu = p.at[NU];
            inverse_scale = 1.0 / (nu - 2.0);
            const LogGamma above = log_gamma(0.5 * (nu + 1.0)), below = log_gamma(0.5 * nu);
            constant = above.value - below.value - 0.5 * log_of(2.0 * HALF_PI * (nu - 2.0));
            slope = 0.5 * above.slope - 0.5 * below.slope - 0.5 * inverse_scale;
        }
        if constexpr (ERRORS == SKEWED) {
            skew = p.at[SKEW];
            by_skew_a = 4.0 * exp_of(constant) * (nu - 2.0) / (nu - 1.0);
            a = skew * by_skew_a;
            b = sqrt(1.0 + 3.0 * skew * skew - a * a);
            by_nu_a = a * (slope + inverse_scale - 1.0 / (nu - 1.0));
            by_nu_b = -a * by_nu_a / b;
            by_skew_b = (3.0 * skew - a * by_skew_a) / b;
            right = 1.0 / (1.0 + skew), left = 1.0 / (1.0 - skew);
        }
    }

    // The derivatives of one bar's log-likelihood, and its part of the sums.
    __device__ __forceinline__ void add(double e, double h) {
        variances.add(h);
        if constexpr (ERRORS == NORMAL) {
            const double inverse = 1.0 / h, ratio = e * inverse;
            squares = fma(e, ratio, squares);
            by_variance = 0.5 * fma(e, ratio, -1.0) * inverse;
            by_residual = -ratio;
        } else if constexpr (ERRORS == STUDENT) {
            const double scaled = h * (nu - 2.0), whole = fma(e, e, scaled), both = 1.0 / (h * whole);
            const double inverse = whole * both, of_whole = h * both;
            tail = whole * inverse * inverse_scale;
            share = e * e * of_whole;
            by_variance = 0.5 * fma(nu + 1.0, share, -1.0) * inverse;
            by_residual = -(nu + 1.0) * e * of_whole;
            tails.add(tail);
            shares += share;
        } else {
            add_skewed(e, h);
        }
    }

    __device__ __forceinline__ void add_skewed(double e, double h) {
        const double inverse = 1.0 / sqrt(h), z = e * inverse, inner = b * z + a;
        const double side = inner >= 0.0 ? right : left, y = inner * side;
        tail = 1.0 + y * y * inverse_scale;
        const double of_tail = inverse_scale / tail, by_y = -(nu + 1.0) * y * of_tail;
        share = y * y * of_tail;
        by_a = by_y * side;
        by_b = by_a * z;
        by_side = inner >= 0.0 ? -by_a * y : by_a * y;
        by_residual = by_a * b * inverse;
        by_variance = -0.5 * (1.0 + by_a * b * z) * inverse * inverse;
        tails.add(tail);
        shares += share;
        all_a += by_a;
        all_b += by_b;
        all_side += by_side;
    }

    __device__ __forceinline__ double value(int n) const {
        if constexpr (ERRORS == NORMAL) return -0.5 * (squares + variances.value() + n * LOG_TWO_PI);
        return n * (constant + log_of(b)) - 0.5 * variances.value() - 0.5 * (nu + 1.0) * tails.value();
    }

    // d / d nu and d / d lambda of n bars from sums over them of log tail, share and the derivatives by a, b and side.
    __device__ __forceinline__ double by_nu(int n, double logs, double of_shares, double of_a, double of_b) const {
        const double own = n * slope - 0.5 * logs + 0.5 * (nu + 1.0) * of_shares * inverse_scale;
        return ERRORS == SKEWED ? own + of_a * by_nu_a + (of_b + n / b) * by_nu_b : own;
    }

    __device__ __forceinline__ double by_skew(int n, double of_a, double of_b, double of_side) const {
        return of_side + of_a * by_skew_a + (of_b + n / b) * by_skew_b;
    }
};

// ---- passes ---------------------------------------------------------------------------------------------------------

// The log-likelihood at p, and its gradient.
template <int ERRORS>
__device__ __forceinline__ double evaluate_as(const Series &series, const Point &p, Point &gradient) {
    Variance variance(series, p);
    Density<ERRORS> density(p);
#pragma unroll
    for (int i = 0; i < PLACES; ++i) gradient.at[i] = 0.0;
    each(series, [&](int, double x) {
        const double e = x - p.at[MU];
        density.add(e, variance.h);
        gradient.at[MU] -= density.by_residual;
#pragma unroll
        for (int i = 0; i <= BETA; ++i) gradient.at[i] = fma(density.by_variance, variance.by[i], gradient.at[i]);
        variance.advance(e);
    });
    if constexpr (ERRORS != NORMAL)
        gradient.at[NU] = density.by_nu(series.n, density.tails.value(), density.shares, density.all_a, density.all_b);
    if constexpr (ERRORS == SKEWED)
        gradient.at[SKEW] = density.by_skew(series.n, density.all_a, density.all_b, density.all_side);
    return density.value(series.n);
}

__device__ __forceinline__ double evaluate(const Series &series, int errors, const Point &p, Point &gradient) {
    if (errors == NORMAL) return evaluate_as<NORMAL>(series, p, gradient);
    if (errors == STUDENT) return evaluate_as<STUDENT>(series, p, gradient);
    return evaluate_as<SKEWED>(series, p, gradient);
}

#define PAIRS (PLACES * (PLACES + 1) / 2)  // of places; that of i and j <= i is number i (i + 1) / 2 + j

// Sums over the bars of products of two scores.
template <int ERRORS>
__device__ __forceinline__ void outer_as(const Series &series, const Point &p, double (&sums)[PAIRS]) {
    constexpr int COUNT = BETA + 1 + ERRORS;
    Variance variance(series, p);
    Density<ERRORS> density(p);
#pragma unroll
    for (int i = 0; i < PAIRS; ++i) sums[i] = 0.0;
    each(series, [&](int, double x) {
        const double e = x - p.at[MU];
        density.add(e, variance.h);
        double score[PLACES] = {};
#pragma unroll
        for (int i = 0; i <= BETA; ++i) score[i] = density.by_variance * variance.by[i];
        score[MU] -= density.by_residual;
        if constexpr (ERRORS != NORMAL)
            score[NU] = density.by_nu(1, log_of(density.tail), density.share, density.by_a, density.by_b);
        if constexpr (ERRORS == SKEWED) score[SKEW] = density.by_skew(1, density.by_a, density.by_b, density.by_side);
#pragma unroll
        for (int i = 0; i < COUNT; ++i)
#pragma unroll
            for (int j = 0; j <= i; ++j) sums[i * (i + 1) / 2 + j] = fma(score[i], score[j], sums[i * (i + 1) / 2 + j]);
        variance.advance(e);
    });
}

__device__ __forceinline__ void outer(const Series &series, int errors, const Point &p, double (&sums)[PAIRS]) {
    if (errors == NORMAL) return outer_as<NORMAL>(series, p, sums);
    if (errors == STUDENT) return outer_as<STUDENT>(series, p, sums);
    return outer_as<SKEWED>(series, p, sums);
}
