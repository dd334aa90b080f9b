// Fits, filters and steps of many GARCH and GJR processes on a GPU, one thread a series.
//
// starts.py, optimise.py and cpu.py explain the method; names, limits and order of trials are theirs. Returns lie bar
// by bar, the series next to one another, so that neighbouring threads read neighbouring addresses; so do results and
// parameters. Fused products are written as fma(), everything else must round on its own (--fmad=false), and no
// function is the device's own: what runs on the host by kernels/cuda_on_host.h is what a GPU computes. Kernels are
// called garch_...: `step` alone is a function of the C library, which the host would call instead.

#include "../elementary.cuh"
#include "likelihood.cuh"
#include "search.cuh"
#include "climb.cuh"

#define THREADS 32  // a block: few series already reach every multiprocessor
#define SHORT 1500  // returns: below, two tops are looked for
#define OUT_OF_REACH 8.0
#define BACKCAST_SPAN 75
#define BACKCAST_DECAY 0.94
#define TRIALS 6

__constant__ const double ALPHAS[TRIALS] = {0.04, 0.09, 0.06, 0.13, 0.12, 0.2};
__constant__ const double PERSISTENCES[TRIALS] = {0.985, 0.985, 0.94, 0.94, 0.8, 0.4};

// ---- starts ---------------------------------------------------------------------------------------------------------

struct Level {
    double mean, variance;
};

// Least squares: the mean, or 0 where the model has none, and the mean square around it. Fixes the presample.
__device__ __forceinline__ Level level_of(Series &series, int means) {
    double sum = 0.0, squares = 0.0, weighted = 0.0, weight = 1.0, weights = 0.0;
    if (means) each(series, [&](int, double x) { sum += x; });
    const double mean = sum / series.n;
    each(series, [&](int t, double x) {
        const double e = x - mean;
        squares = fma(e, e, squares);
        if (t < BACKCAST_SPAN) {
            weighted += weight * e * e;
            weights += weight;
            weight *= BACKCAST_DECAY;
        }
    });
    series.presample = series.start == BACKCAST ? weighted / weights : squares / series.n;
    return {mean, squares / series.n};
}

// The Gaussian log-likelihood without its constant into `value`; nu as the kurtosis of the shocks has it.
__device__ __forceinline__ double nu_of(const Series &series, const Point &p, double &value) {
    Variance variance(series, p);
    LogSum logs;
    double second = 0.0, fourth = 0.0;
    each(series, [&](int, double x) {
        const double e = x - p.at[MU], square = e * e / variance.h;
        second += square;
        fourth = fma(square, square, fourth);
        logs.add(variance.h);
        variance.move(e);
    });
    value = -0.5 * (logs.value() + second);
    if (!is_finite(value)) value = -infinity();
    const double kurtosis = series.n * fourth / (second * second);
    return kurtosis > 3.75 ? larger((4.0 * kurtosis - 6.0) / (kurtosis - 3.0), 4.0) : 12.0;
}

// The best of each class of persistence into STARTS, its value into VALUES.
__device__ __forceinline__ void make_starts(const Search &s, const Series &series, const Level &level) {
    for (int row = 0; row < CLASSES; ++row) s(VALUES, row) = not_a_number();
    const int tilts = s.model.process == GARCH ? 1 : 2;
    for (int trial = 0; trial < TRIALS * tilts; ++trial) {
        const double alpha = ALPHAS[trial / tilts], persistence = PERSISTENCES[trial / tilts];
        const double tilt = trial % tilts ? 0.6 : 0.0;  // share of alpha moved to negative shocks
        const int row = persistence > 0.9 ? 0 : persistence > 0.7 ? 1 : 2;
        Point p = {};
        p.at[MU] = level.mean;
        p.at[OMEGA] = (1.0 - persistence) * level.variance;
        p.at[ALPHA] = (1.0 - tilt) * alpha;
        p.at[GAMMA] = 2.0 * tilt * alpha;
        p.at[BETA] = larger(persistence - alpha, 0.01);
        double value;
        p.at[NU] = nu_of(series, p, value);
        if (value <= s(VALUES, row)) continue;
        s(VALUES, row) = value;
        store(s, STARTS + row, p);
    }
}

// TRIAL at the next place to climb from: the earlier fit (climb -1), then the grid's best. False when none is left.
__device__ __forceinline__ bool begin_climb(Search &s, const Series &series, const Level &level) {
    int row = 0;
    if (s.climb >= 0) {
        if (s.climb == 0) make_starts(s, series, level);
        for (int other = 1; other < CLASSES; ++other)
            if (!(s(VALUES, other) <= s(VALUES, row)) && s(VALUES, other) == s(VALUES, other)) row = other;
        if (s.climb == 0) s.reach = s(VALUES, row) - OUT_OF_REACH;
        if (s.climb > 0 && (series.n >= SHORT || !(s(VALUES, row) > s.reach))) return false;
        s(VALUES, row) = not_a_number();
    }
    to_free(s, row);
    s.stage = FIRST;
    s.climb += 1;
    return true;
}

// From the outer product of the scores at BEST, and the inverse Hessian that is there.
__device__ __forceinline__ void keep_outer(const Search &s, const Series &series, const Covariance &covariance) {
    double sums[PAIRS];
    outer(series, s.model.errors, point_of(s, BEST), sums);
#pragma unroll
    for (int first = 0; first < PLACES; ++first) {
#pragma unroll
        for (int second = 0; second <= first; ++second) {
            const int i = parameter_at(s.model, first), j = parameter_at(s.model, second);
            if (i >= 0 && j >= 0) s(HESSIAN, i, j) = s(HESSIAN, j, i) = sums[first * (first + 1) / 2 + second];
        }
    }
    keep(s, covariance, 1, invert(s));
    for (int i = 0; i < s.k; ++i) {
        for (int j = 0; j < s.k; ++j) {
            double value = 0.0;
            for (int r = 0; r < s.k; ++r)
                for (int c = 0; c < s.k; ++c) value += covariance(0, i, r) * s(HESSIAN, r, c) * covariance(0, c, j);
            covariance(2, i, j) = value;
        }
    }
}

// ---- kernels --------------------------------------------------------------------------------------------------------

// Fits each column of returns (n, count), scaled to mean square about 1, from warm (k, count) where its first row is no
// NaN. theta (k, count), logliks, converged, evaluations (count,), covariance (3, k, k, count) when `errors_wanted`;
// memory (BLOCKS * MOST, count) is scratch.
extern "C" __global__ void __launch_bounds__(THREADS, 8) garch_fit(
    int count, int n, int means, int process, int errors, int start, int iterations, int errors_wanted, int polish,
    double tolerance, const double *returns, const double *warm, double *theta, double *logliks, long long *converged,
    long long *evaluations, double *covariance, double *memory
) {
    const int own = blockIdx.x * blockDim.x + threadIdx.x;
    if (own >= count) return;
    Series series = {returns + own, count, n, start, 0.0};
    const Level level = level_of(series, means);
    Search s = search_of(memory + own, count, {means, process, errors});
    s.iterations = iterations, s.tolerance = tolerance, s.best = -infinity();
    const Covariance covariances = {covariance + own, count, s.k};
    s.stage = NEXT_CLIMB;
    s.climb = warm[own] == warm[own] ? -1 : 0;
    for (int i = 0; i < s.k && s.climb < 0; ++i) s(STARTS, i) = warm[(long long)i * count + own];
    while (s.stage != DONE) {
        const bool warm_enough = s.climb == 0 && s.arrived;
        if (s.stage == NEXT_CLIMB && (warm_enough || !begin_climb(s, series, level))) conclude(s, errors_wanted);
        if (s.stage == DONE) break;
        if (s.stage <= LINE) to_natural(s, TRIAL);
        Point gradient;
        const double loglik = evaluate(series, errors, point_of(s, THETA), gradient);
        store(s, NATURAL, gradient);
        take(s, loglik, covariances, polish);
    }
    for (int i = 0; i < s.k; ++i) theta[(long long)i * count + own] = s(FREE, i);
    logliks[own] = s.best, converged[own] = s.arrived, evaluations[own] = s.evaluations;
}

// The outer product and sandwich of covariance, after `garch_fit` and with its memory: from the scores where its
// Hessian was taken.
extern "C" __global__ void __launch_bounds__(THREADS, 8) garch_scores(
    int count, int n, int means, int process, int errors, int start, const double *returns, double *covariance,
    double *memory
) {
    const int own = blockIdx.x * blockDim.x + threadIdx.x;
    if (own >= count) return;
    Series series = {returns + own, count, n, start, 0.0};
    level_of(series, means);
    const Search s = search_of(memory + own, count, {means, process, errors});
    keep_outer(s, series, {covariance + own, count, s.k});
}

// At theta, in the data's units: starts, the variance before the first return; following, after the last; levels
// (2, count), mean square of the residuals and mean variance; variances and residuals (n, count). scales (count,) of
// the returns.
extern "C" __global__ void __launch_bounds__(THREADS) garch_filter(
    int count, int n, int means, int process, int errors, int start, const double *returns, const double *scales,
    double *theta, double *starts, double *following, double *levels, double *variances, double *residuals
) {
    const int own = blockIdx.x * blockDim.x + threadIdx.x;
    if (own >= count) return;
    Series series = {returns + own, count, n, start, 0.0};
    level_of(series, means);
    const Point p = point_of(search_of(theta + own, count, {means, process, errors}), 0);
    const double scale = scales[own], square = scale * scale;
    Variance variance(series, p);
    starts[own] = variance.before * square;
    double squares = 0.0, sum = 0.0;
    each(series, [&](int t, double x) {
        const double e = x - p.at[MU];
        variances[(long long)t * count + own] = variance.h * square;
        residuals[(long long)t * count + own] = e * scale;
        squares = fma(e, e, squares);
        sum += variance.h;
        variance.move(e);
    });
    following[own] = variance.h * square;
    levels[own] = squares / n * square;
    levels[count + own] = sum / n * square;
}

// One bar of every series: variances (count,) become those of the next bar. parameters (5, count): mu, omega, alpha,
// gamma, beta in the data's units. Products rounded one by one, as in steps.py: the same bits.
extern "C" __global__ void __launch_bounds__(THREADS) garch_step(
    int count, const double *parameters, const double *returns, double *variances
) {
    const int own = blockIdx.x * blockDim.x + threadIdx.x;
    if (own >= count) return;
    const double *of = parameters + own;
    const double e = returns[own] - of[0], alpha = of[2 * (long long)count];
    const double weight = e < 0.0 ? alpha + of[3 * (long long)count] : alpha;
    variances[own] = of[count] + weight * e * e + of[4 * (long long)count] * variances[own];
}
