// Losses and returns of scenario paths, one thread a path: the arithmetic of cpu.py in its order, so the bits are the same.
//
// philox.py, quantiles.py and cpu.py explain the formulas; names and streams are theirs. Fused products are written
// as fma(); everything else must round on its own: compile with --fmad=false. No header is needed, so that NVRTC, nvcc
// and a host's C++ compiler (kernels/cuda_on_host.h) take the same text. Losses depend on no grid: threads stride over
// the paths.
//
// `scratch` holds rows of `threads in the grid` doubles, so that neighbouring threads read neighbouring addresses:
// assets rows of innovations and, with more than one step, as many of gains and of variances.

typedef unsigned int Half;
typedef unsigned long long Word;

enum Stream { NORMAL, MIXING, BOOTSTRAP, JUMP };
enum Kind { SCORES, T_MARGINS, EMPIRICAL_MARGINS, RESAMPLED };

#define STEP_BITS 24
#define THREADS 128      // a block
#define TILE 8           // rows of the correlation's triangle that share one reading of the normals
#define COEFFICIENTS 6   // of a piece
#define TAIL 1383505805528216320ULL  // 0.075 * 2**64

struct Words {
    Word first, second;
};

struct Draws {
    int kind, assets, margin_pieces, days;
    const double *lower, *normal, *mixing, *margins, *observed;
};

// ---- Philox4x32-10 ---------------------------------------------------------------------------------------------------

__device__ __forceinline__ Words words_of(Word path, int draw, int step, Stream stream, Word seed) {
    Half c0 = (Half)draw, c1 = (Half)step | (Half)stream << STEP_BITS;
    Half c2 = (Half)path, c3 = (Half)(path >> 32);
    Half k0 = (Half)seed, k1 = (Half)(seed >> 32);
    for (int round = 0; round < 10; ++round) {
        const Word product_0 = (Word)0xD2511F53U * c0, product_1 = (Word)0xCD9E8D57U * c2;
        c0 = (Half)(product_1 >> 32) ^ c1 ^ k0;
        c2 = (Half)(product_0 >> 32) ^ c3 ^ k1;
        c1 = (Half)product_1;
        c3 = (Half)product_0;
        k0 += 0x9E3779B9U;
        k1 += 0xBB67AE85U;
    }
    return {(Word)c0 << 32 | c1, (Word)c2 << 32 | c3};
}

// ---- words to numbers ------------------------------------------------------------------------------------------------

__device__ __forceinline__ double uniform(Word word) {
    return (double)(long long)(word >> 11) * 0x1p-53 + 0x1p-54;
}

__device__ __forceinline__ Word nearer(Word word) { return word ^ (0ULL - (word >> 63)); }

__device__ __forceinline__ double polynomial(const double *piece, double local) {
    double value = fma(piece[5], local, piece[4]);
    value = fma(value, local, piece[3]);
    value = fma(value, local, piece[2]);
    value = fma(value, local, piece[1]);
    return fma(value, local, piece[0]);
}

__device__ __forceinline__ double at_probability(const double *table, double v) {
    const Word bits = (Word)__double_as_longlong(v);
    const Word piece = (bits >> 47) - 31008;  // 5 bits of mantissa, exponents from -54
    const double local = (double)(long long)(bits & ((1ULL << 47) - 1)) * 0x1p-47 - 0.5;
    return polynomial(table + piece * COEFFICIENTS, local);
}

__device__ __forceinline__ double at_score(const double *table, int pieces, double x) {
    const Word bits = (Word)__double_as_longlong(1.0 + fabs(x));
    Word piece = (bits >> 45) - 130944;  // 7 bits of mantissa, exponents from 0
    if (piece > (Word)(pieces - 1)) piece = (Word)(pieces - 1);
    const double local = (double)(long long)(bits & ((1ULL << 45) - 1)) * 0x1p-45 - 0.5;
    return polynomial(table + piece * COEFFICIENTS, local);
}

// Wichura (1988), AS 241, in the middle 85 %; the table in the tails.
__device__ __forceinline__ double normal_of(Word word, const double *table) {
    if (word + TAIL < 2 * TAIL) {  // around 0, the end of 64 bits included
        const double value = at_probability(table, uniform(nearer(word)));
        return word >> 63 ? -value : value;
    }
    const double q = (double)(long long)(word >> 11) * 0x1p-53 + (0x1p-54 - 0.5);
    const double r = fma(-q, q, 0.180625);
    double above = fma(2.5090809287301226727e3, r, 3.3430575583588128105e4);
    above = fma(above, r, 6.7265770927008700853e4);
    above = fma(above, r, 4.5921953931549871457e4);
    above = fma(above, r, 1.3731693765509461125e4);
    above = fma(above, r, 1.9715909503065514427e3);
    above = fma(above, r, 1.3314166789178437745e2);
    above = fma(above, r, 3.3871328727963666080e0);
    double below = fma(5.2264952788528545610e3, r, 2.8729085735721942674e4);
    below = fma(below, r, 3.9307895800092710610e4);
    below = fma(below, r, 2.1213794301586595867e4);
    below = fma(below, r, 5.3941960214247511077e3);
    below = fma(below, r, 6.8718700749205790830e2);
    below = fma(below, r, 4.2313330701600911252e1);
    below = fma(below, r, 1.0);
    return q * above / below;
}

__device__ __forceinline__ double mixing_of(const Draws &draws, int pieces, Word path, int step, Word seed) {
    if (pieces == 0) return 1.0;
    const Word word = words_of(path, 0, step, MIXING, seed).first;
    return at_probability(draws.mixing + (word >> 63) * pieces * COEFFICIENTS, uniform(nearer(word)));
}

__device__ __forceinline__ double empirical_of(const Draws &draws, const double *ordered, double score) {
    const int n = draws.days;
    const double below = at_score(draws.margins, draws.margin_pieces, score);
    double rank = score < 0.0 ? (n + 1) * below : (n + 1) - (n + 1) * below;
    if (rank < n) {
        if (rank < 1.0) rank = 1.0;
    } else {
        rank = n;
    }
    const int lower = rank < n ? (int)rank : n - 1;
    const double fraction = rank - lower;
    return ordered[lower - 1] + fraction * (ordered[lower] - ordered[lower - 1]);
}

__device__ __forceinline__ double margin_of(const Draws &draws, int asset, double score) {
    if (draws.kind == T_MARGINS) {
        const long long start = (long long)asset * draws.margin_pieces * COEFFICIENTS;
        const double value = at_score(draws.margins + start, draws.margin_pieces, score);
        return score < 0.0 ? -value : value;
    }
    if (draws.kind == EMPIRICAL_MARGINS)
        return empirical_of(draws, draws.observed + (long long)asset * draws.days, score);
    return score;
}

// ---- innovations of one step -----------------------------------------------------------------------------------------

// z becomes factor * (lower z), in place, from the last rows up; each sum from the first asset on.
__device__ __forceinline__ void correlate(const Draws &draws, double factor, double *z, long long stride) {
    const int n = draws.assets;
    for (int top = (n - 1) / TILE * TILE; top >= 0; top -= TILE) {
        const double *row[TILE];
        double own[TILE], sum[TILE];
#pragma unroll
        for (int r = 0; r < TILE; ++r) {
            const int i = top + r < n ? top + r : n - 1;  // rows beyond the end are computed and not stored
            row[r] = draws.lower + (long long)i * n;
            own[r] = z[i * stride];
            sum[r] = row[r][i] * own[r];
        }
        for (int j = 0; j < top; ++j) {
            const double other = z[j * stride];
#pragma unroll
            for (int r = 0; r < TILE; ++r) sum[r] = fma(row[r][j], other, sum[r]);
        }
#pragma unroll
        for (int r = 0; r < TILE; ++r) {
#pragma unroll
            for (int j = 0; j < r; ++j)
                if (top + r < n) sum[r] = fma(row[r][top + j], own[j], sum[r]);
            if (top + r < n) z[(top + r) * stride] = factor * sum[r];
        }
    }
}

__device__ __forceinline__ void innovations(
    const Draws &draws, int mixing_pieces, Word path, int step, Word seed, double *z, long long stride
) {
    if (draws.kind == RESAMPLED) {
        const Word word = words_of(path, 0, step, BOOTSTRAP, seed).first;
        const long long day = (long long)((word >> 32) * (Word)draws.days >> 32);
        for (int i = 0; i < draws.assets; ++i) z[i * stride] = draws.observed[(long long)i * draws.days + day];
        return;
    }
    for (int i = 0; i < draws.assets; i += 2) {
        const Words words = words_of(path, i / 2, step, NORMAL, seed);
        z[i * stride] = normal_of(words.first, draws.normal);
        if (i + 1 < draws.assets) z[(i + 1) * stride] = normal_of(words.second, draws.normal);
    }
    correlate(draws, mixing_of(draws, mixing_pieces, path, step, seed), z, stride);
}

__device__ __forceinline__ double jump_of(
    const Draws &draws, const double *odds, int counts, double mean, double sd, int asset, Word path, int step, Word seed
) {
    const Words words = words_of(path, asset, step, JUMP, seed);
    const double share = uniform(words.second), size = normal_of(words.first, draws.normal);
    int n = 0;
    while (n < counts - 1 && share > odds[n]) ++n;
    return n * mean + sqrt((double)n) * sd * size;
}

// ---- kernels ---------------------------------------------------------------------------------------------------------

struct Process {
    const double *mean, *variance, *omega, *alpha, *gamma, *beta, *jump_mean, *jump_sd, *jump_odds;
    int jump_counts;
    double floor;
};

// `rows` of (assets,): mean, variance, omega, alpha, gamma, beta, jump mean, jump sd.
__device__ __forceinline__ Process process_of(
    const double *rows, int assets, const double *jump_odds, int jump_counts, double floor
) {
    const double *row[8];
#pragma unroll
    for (int k = 0; k < 8; ++k) row[k] = rows + (long long)k * assets;
    return {row[0], row[1], row[2], row[3], row[4], row[5], row[6], row[7], jump_odds, jump_counts, floor};
}

// One path over the horizon; take(asset, gain) is given each asset's simple return, from the first asset on.
template <class Take>
__device__ __forceinline__ void follow(
    const Draws &draws, const Process &process, int mixing_pieces, int steps, Word path, Word seed, double *z,
    long long stride, Take take
) {
    double *gains = z + draws.assets * stride, *variances = gains + draws.assets * stride;
    for (int step = 0; step < steps; ++step) {
        innovations(draws, mixing_pieces, path, step, seed, z, stride);
        for (int i = 0; i < draws.assets; ++i) {
            const double jump = process.jump_counts == 0 ? 0.0
                : jump_of(draws, process.jump_odds + (long long)i * process.jump_counts, process.jump_counts,
                          process.jump_mean[i], process.jump_sd[i], i, path, step, seed);
            const double h = step == 0 ? process.variance[i] : variances[i * stride];
            const double shock = margin_of(draws, i, z[i * stride]) * sqrt(h);
            double gain = process.mean[i] + shock + jump;
            if (gain < process.floor) gain = process.floor;
            const double before = step == 0 ? 0.0 : gains[i * stride];
            const double after = before + (1.0 + before) * gain;
            if (step + 1 == steps) {
                take(i, after);
            } else {
                const double alpha = process.alpha[i], weight = shock < 0.0 ? alpha + process.gamma[i] : alpha;
                gains[i * stride] = after;
                variances[i * stride] = process.omega[i] + weight * (shock * shock) + process.beta[i] * h;
            }
        }
    }
}

// losses (paths,) of paths first, first + 1 ...: minus the sum over assets of exposure * return over the horizon.
extern "C" __global__ void __launch_bounds__(THREADS) path_losses(
    int kind, int assets, int margin_pieces, int mixing_pieces, int days, int jump_counts, const double *lower,
    const double *normal, const double *mixing, const double *margins, const double *observed, const double *process,
    const double *jump_odds, double floor, int steps, const double *exposures, long long first, Word seed,
    long long paths, double *losses, double *scratch
) {
    const Draws draws = {kind, assets, margin_pieces, days, lower, normal, mixing, margins, observed};
    const Process by = process_of(process, assets, jump_odds, jump_counts, floor);
    const long long stride = (long long)gridDim.x * blockDim.x;
    const long long thread = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    for (long long p = thread; p < paths; p += stride) {
        double loss = 0.0;
        follow(draws, by, mixing_pieces, steps, (Word)(first + p), seed, scratch + thread, stride,
               [&](int i, double gain) { loss -= exposures[i] * gain; });
        losses[p] = loss;
    }
}

// returns (assets, count) over the horizon of the paths of these numbers (count,), in any order.
extern "C" __global__ void __launch_bounds__(THREADS) path_returns(
    int kind, int assets, int margin_pieces, int mixing_pieces, int days, int jump_counts, const double *lower,
    const double *normal, const double *mixing, const double *margins, const double *observed, const double *process,
    const double *jump_odds, double floor, int steps, const long long *numbers, Word seed, long long count,
    double *returns, double *scratch
) {
    const Draws draws = {kind, assets, margin_pieces, days, lower, normal, mixing, margins, observed};
    const Process by = process_of(process, assets, jump_odds, jump_counts, floor);
    const long long stride = (long long)gridDim.x * blockDim.x;
    const long long thread = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    for (long long p = thread; p < count; p += stride)
        follow(draws, by, mixing_pieces, steps, (Word)numbers[p], seed, scratch + thread, stride,
               [&](int i, double gain) { returns[i * count + p] = gain; });
}

// losses (paths,) = -(expected + s * (direction . z)), for one step of SCORES without jumps.
extern "C" __global__ void __launch_bounds__(THREADS) linear_losses(
    int assets, int mixing_pieces, const double *normal, const double *mixing, const double *direction,
    double expected, long long first, Word seed, long long paths, double *losses
) {
    const Draws draws = {SCORES, assets, 0, 0, 0, normal, mixing, 0, 0};
    const long long stride = (long long)gridDim.x * blockDim.x;
    for (long long p = (long long)blockIdx.x * blockDim.x + threadIdx.x; p < paths; p += stride) {
        const Word path = (Word)(first + p);
        const double factor = mixing_of(draws, mixing_pieces, path, 0, seed);
        double total = 0.0;
        for (int i = 0; i < assets; i += 2) {
            const Words words = words_of(path, i / 2, 0, NORMAL, seed);
            total = fma(direction[i], normal_of(words.first, normal), total);
            if (i + 1 < assets) total = fma(direction[i + 1], normal_of(words.second, normal), total);
        }
        losses[p] = -(expected + factor * total);
    }
}
