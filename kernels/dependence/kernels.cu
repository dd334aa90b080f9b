// Log-likelihoods of dynamic correlation at many points (a, b, g) at once, and their slopes.
//
// cpu.py, likelihood.py and pairs.py explain the formulas; names are theirs. One pair (composite) or one time (all
// assets) of one point is a thread; each computes what a plain loop would, and sums are taken in a fixed order, so no
// answer depends on the grid. Compile with --fmad=false. No header of a compiler is needed, so that NVRTC, nvcc and a
// host's C++ compiler (kernels/cuda_on_host.h) take the same text.
//
// Arrays are C-ordered: standardised (rows, assets), targets (assets, assets), points (count, 3) of a, b, g. "packed"
// is the lower triangle by rows. Neighbouring threads read neighbouring addresses, except where quasi is written.

#include "../elementary.cuh"

typedef long long Index;

#define THREADS 128  // a block
#define FACTORS 16   // multiplied before a logarithm is taken: see pairs.py and likelihood.py
#define SEGMENT 64   // values that one thread adds
#define TILE 4       // rows and columns of a factor worked on at once
#define PACKED(n) ((Index)(n) * ((n) + 1) / 2)

struct Element {
    int row, column;
};

struct Dynamics {
    double a, b, g;
};

__device__ __forceinline__ double negative_part(double value) { return value < 0.0 ? value : 0.0; }

// Row and column of element k of a lower triangle whose first row has `first` elements: 1 with the diagonal, or 0.
__device__ __forceinline__ Element place_of(Index k, int first) {
    int row = (int)((sqrt(8.0 * (double)k + 1.0) - 1.0) * 0.5);
    while ((Index)row * (row + 1) / 2 > k) --row;
    while ((Index)(row + 1) * (row + 2) / 2 <= k) ++row;
    return {first ? row : row + 1, (int)(k - (Index)row * (row + 1) / 2)};
}

__device__ __forceinline__ Dynamics dynamics_at(const double *points, Index point) {
    return {points[3 * point], points[3 * point + 1], points[3 * point + 2]};
}

// What Q moves back to: (1 - a - b) target - g negative_target.
__device__ __forceinline__ double rest_of(Dynamics by, double target, double negative_target) {
    return (1.0 - by.a - by.b) * target - by.g * negative_target;
}

// q of the next time.
__device__ __forceinline__ double next_of(double q, double rest, Dynamics by, double one, double other) {
    const double moved = rest + by.a * one * other + by.b * q;
    return by.g == 0.0 ? moved : moved + by.g * negative_part(one) * negative_part(other);
}

#define FOR_EACH(k, total)                                                                                     \
    for (Index k = (Index)blockIdx.x * blockDim.x + threadIdx.x; k < (total); k += (Index)gridDim.x * blockDim.x)

// ---- composite likelihood --------------------------------------------------------------------------------------------

// q_ii of every time into diagonals (count, rows, assets); unless null, its slopes by a, b, g into (count, 3, rows,
// assets).
extern "C" __global__ void __launch_bounds__(THREADS) diagonal_paths(
    int count, int rows, int assets, const double *standardised, const double *target, const double *negative_target,
    const double *points, double *diagonals, double *slopes
) {
    const Index size = (Index)rows * assets;
    FOR_EACH(k, (Index)count * assets) {
        const Index point = k / assets;
        const int i = (int)(k - point * assets);
        const Dynamics by = dynamics_at(points, point);
        const double level = target[(Index)i * assets + i], below = negative_target[(Index)i * assets + i];
        const double rest = rest_of(by, level, below);
        double value = level, by_a = 0.0, by_b = 0.0, by_g = 0.0;
        double *path = diagonals + point * size + i, *slope = slopes ? slopes + 3 * point * size + i : 0;
        for (Index at = 0; at < size; at += assets) {
            const double e = standardised[at + i], negative = negative_part(e);
            path[at] = value;
            if (slope) {
                slope[at] = by_a;
                slope[at + size] = by_b;
                slope[at + 2 * size] = by_g;
                by_a = e * e - level + by.b * by_a;
                by_b = value - level + by.b * by_b;
                by_g = negative * negative - below + by.b * by_g;
            }
            value = rest + by.a * e * e + by.g * negative * negative + by.b * value;
        }
    }
}

// diagonals (count, rows, assets): q_ii becomes 1 / sqrt(q_ii), and its slopes become d log q_ii.
extern "C" __global__ void __launch_bounds__(THREADS) diagonal_roots(
    int count, int rows, int assets, double *diagonals, double *slopes
) {
    const Index size = (Index)rows * assets;
    FOR_EACH(k, count * size) {
        const double value = diagonals[k];
        diagonals[k] = 1.0 / sqrt(value);
        if (slopes) {
            const Index point = k / size, first = 3 * point * size + (k - point * size);
#pragma unroll
            for (int by = 0; by < 3; ++by) slopes[first + by * size] = slopes[first + by * size] / value;
        }
    }
}

// One pair at one time: its correlation r, 1 - r^2 (NaN unless above 0), and e'R^-1 e.
struct Term {
    double r, free, form;
};

__device__ __forceinline__ Term term_of(double q, double root, double other_root, double one, double other) {
    const double r = q * root * other_root, free = 1.0 - r * r;
    const double form = (one * one + other * other - 2.0 * r * one * other) / free;
    return {r, free > 0.0 ? free : not_a_number(), form};
}

// values (count, 1, pairs): sum over times of a pair's log-likelihood; `roots` are diagonal_roots' (count, rows,
// assets).
extern "C" __global__ void __launch_bounds__(THREADS) pair_logliks(
    int count, int rows, int assets, const double *standardised, const double *target, const double *negative_target,
    const double *points, const double *roots, double *values
) {
    const Index size = (Index)rows * assets, pairs = PACKED(assets - 1);
    FOR_EACH(k, count * pairs) {
        const Index point = k / pairs;
        const Element pair = place_of(k - point * pairs, 0);
        const int i = pair.row, j = pair.column;
        const Dynamics by = dynamics_at(points, point);
        const double *root = roots + point * size;
        double q = target[(Index)i * assets + j], total = 0.0, product = 1.0;
        const double rest = rest_of(by, q, negative_target[(Index)i * assets + j]);
        int factors = 0;
        for (Index at = 0; at < size; at += assets) {
            const double one = standardised[at + i], other = standardised[at + j];
            const Term term = term_of(q, root[at + i], root[at + j], one, other);
            total += term.form - (one * one + other * other);
            product *= term.free;
            if (++factors == FACTORS) {
                total += log_of(product);
                product = 1.0;
                factors = 0;
            }
            q = next_of(q, rest, by, one, other);
        }
        values[k] = -0.5 * (total + log_of(product));
    }
}

// values (times, pairs) of the times first, first + 1 ...: log-likelihoods of each time and pair at one point, whose
// `roots` are diagonal_roots' (rows, assets). quasi (pairs,): q at the first of these times, moved on to after the last.
extern "C" __global__ void __launch_bounds__(THREADS) pair_times(
    int first, int times, int assets, const double *standardised, const double *target, const double *negative_target,
    const double *points, const double *roots, double *quasi, double *values
) {
    const Index pairs = PACKED(assets - 1);
    FOR_EACH(k, pairs) {
        const Element pair = place_of(k, 0);
        const int i = pair.row, j = pair.column;
        const Dynamics by = dynamics_at(points, 0);
        const double level = target[(Index)i * assets + j];
        const double rest = rest_of(by, level, negative_target[(Index)i * assets + j]);
        double q = first == 0 ? level : quasi[k];
        for (int t = 0; t < times; ++t) {
            const Index at = (Index)(first + t) * assets;
            const double one = standardised[at + i], other = standardised[at + j];
            const Term term = term_of(q, roots[at + i], roots[at + j], one, other);
            values[t * pairs + k] = -0.5 * (log_of(term.free) + (term.form - (one * one + other * other)));
            q = next_of(q, rest, by, one, other);
        }
        quasi[k] = q;
    }
}

// values (count, 4, pairs): what pair_logliks gives and its slopes by a, b, g; `slopes` are diagonal_roots' (count, 3,
// rows, assets).
extern "C" __global__ void __launch_bounds__(THREADS) pair_scores(
    int count, int rows, int assets, const double *standardised, const double *target, const double *negative_target,
    const double *points, const double *roots, const double *slopes, double *values
) {
    const Index size = (Index)rows * assets, pairs = PACKED(assets - 1);
    FOR_EACH(k, count * pairs) {
        const Index point = k / pairs;
        const Element pair = place_of(k - point * pairs, 0);
        const int i = pair.row, j = pair.column;
        const Dynamics by = dynamics_at(points, point);
        const double *root = roots + point * size, *slope = slopes + 3 * point * size;
        const double level = target[(Index)i * assets + j], below = negative_target[(Index)i * assets + j];
        const double rest = rest_of(by, level, below);
        double q = level, total = 0.0, product = 1.0, moves[3] = {0.0, 0.0, 0.0}, score[3] = {0.0, 0.0, 0.0};
        int factors = 0;
        for (Index at = 0; at < size; at += assets) {
            const double one = standardised[at + i], other = standardised[at + j], across = one * other;
            const Term term = term_of(q, root[at + i], root[at + j], one, other);
            const double by_r = (term.r + across - term.r * term.form) / term.free;
            total += term.form - (one * one + other * other);
            product *= term.free;
            if (++factors == FACTORS) {
                total += log_of(product);
                product = 1.0;
                factors = 0;
            }
            const double negative = negative_part(one) * negative_part(other), scale = root[at + i] * root[at + j];
            const double news[3] = {across - level, q - level, negative - below};
#pragma unroll
            for (int m = 0; m < 3; ++m) {
                const double *of = slope + m * size + at;
                score[m] += by_r * (moves[m] * scale - 0.5 * term.r * (of[i] + of[j]));
                moves[m] = news[m] + by.b * moves[m];
            }
            q = next_of(q, rest, by, one, other);
        }
        double *value = values + 4 * point * pairs + (k - point * pairs);
        value[0] = -0.5 * (total + log_of(product));
#pragma unroll
        for (int m = 0; m < 3; ++m) value[(m + 1) * pairs] = score[m];
    }
}

// ---- likelihood of all assets at once --------------------------------------------------------------------------------

// Q of every time into work (count, packed and one more row, rows): the lower triangle of each time, one element after
// the other, with room for w below it.
extern "C" __global__ void __launch_bounds__(THREADS) quasi_paths(
    int count, int rows, int assets, const double *standardised, const double *target, const double *negative_target,
    const double *points, double *work
) {
    const Index elements = PACKED(assets);
    FOR_EACH(k, count * elements) {
        const Index point = k / elements, element = k - point * elements;
        const Element place = place_of(element, 1);
        const int i = place.row, j = place.column;
        const Dynamics by = dynamics_at(points, point);
        double value = target[(Index)i * assets + j];
        const double rest = rest_of(by, value, negative_target[(Index)i * assets + j]);
        double *path = work + (point * (elements + assets) + element) * rows;
        for (int t = 0; t < rows; ++t) {
            const double one = standardised[(Index)t * assets + i], other = standardised[(Index)t * assets + j];
            path[t] = value;
            value = next_of(value, rest, by, one, other);
        }
    }
}

// Rows top .. top + TILE - 1, columns left .. left + TILE - 1 of the factor, left of the diagonal; in place.
__device__ __forceinline__ void factor_tile(double *work, Index stride, int last, int top, int left) {
    const double *row[TILE], *other[TILE];
    double sum[TILE][TILE];
#pragma unroll
    for (int r = 0; r < TILE; ++r) {
        row[r] = work + PACKED(top + r < last ? top + r : last) * stride;  // rows beyond the last are not stored
        other[r] = work + PACKED(left + r) * stride;
#pragma unroll
        for (int c = 0; c < TILE; ++c) sum[r][c] = row[r][(left + c) * stride];
    }
    for (int k = 0; k < left; ++k) {
        double one[TILE], two[TILE];
#pragma unroll
        for (int r = 0; r < TILE; ++r) {
            one[r] = row[r][k * stride];
            two[r] = other[r][k * stride];
        }
#pragma unroll
        for (int r = 0; r < TILE; ++r) {
#pragma unroll
            for (int c = 0; c < TILE; ++c) sum[r][c] -= one[r] * two[c];
        }
    }
#pragma unroll
    for (int c = 0; c < TILE; ++c) {
#pragma unroll
        for (int k = 0; k <= c; ++k) {
            const double known = other[c][(left + k) * stride];  // at k = c the reciprocal pivot
#pragma unroll
            for (int r = 0; r < TILE; ++r) {
                if (k < c) sum[r][c] -= sum[r][k] * known;
                else sum[r][c] *= known;
            }
        }
    }
#pragma unroll
    for (int r = 0; r < TILE; ++r) {
#pragma unroll
        for (int c = 0; c < TILE; ++c)
            if (top + r <= last) work[(PACKED(top + r) + left + c) * stride] = sum[r][c];
    }
}

// The tile on the diagonal; pivot[r] becomes q_ii / pivot^2 of its rows of the matrix, 1 for others.
__device__ __forceinline__ void factor_diagonal(double *work, Index stride, int last, int top, double *pivot) {
    const double *row[TILE];
    double sum[TILE][TILE];
#pragma unroll
    for (int r = 0; r < TILE; ++r) {
        row[r] = work + PACKED(top + r < last ? top + r : last) * stride;
#pragma unroll
        for (int c = 0; c <= r; ++c)
            sum[r][c] = top + r <= last && top + c < last ? row[r][(top + c) * stride] : 0.0;
        pivot[r] = sum[r][r];
    }
    for (int k = 0; k < top; ++k) {
        double one[TILE];
#pragma unroll
        for (int r = 0; r < TILE; ++r) one[r] = row[r][k * stride];
#pragma unroll
        for (int r = 0; r < TILE; ++r) {
#pragma unroll
            for (int c = 0; c <= r; ++c) sum[r][c] -= one[r] * one[c];
        }
    }
#pragma unroll
    for (int r = 0; r < TILE; ++r) {
#pragma unroll
        for (int c = 0; c <= r; ++c) {
#pragma unroll
            for (int k = 0; k < c; ++k) sum[r][c] -= sum[r][k] * sum[c][k];
            if (c < r) sum[r][c] *= sum[c][c];
            else sum[r][c] = 1.0 / sqrt(sum[r][c]);
            if (top + r <= last && top + c < last) work[(PACKED(top + r) + top + c) * stride] = sum[r][c];
        }
        pivot[r] = top + r < last ? pivot[r] * (sum[r][r] * sum[r][r]) : 1.0;
    }
}

// values (count, rows): each time's log-likelihood, from quasi_paths' work, which becomes Cholesky factors with
// reciprocal pivots and, in the row below, their inverses times w.
extern "C" __global__ void __launch_bounds__(THREADS) dcc_logliks(
    int count, int rows, int assets, const double *standardised, double *work, double *values
) {
    const Index elements = PACKED(assets), stride = rows;
    FOR_EACH(at, (Index)count * rows) {
        const Index point = at / rows, t = at - point * rows;
        const double *e = standardised + t * assets;
        double *own = work + point * (elements + assets) * stride + t;
        double total = 0.0, product = 1.0, squares = 0.0, known = 0.0;
        for (int i = 0; i < assets; ++i) {
            own[(elements + i) * stride] = e[i] * sqrt(own[(PACKED(i) + i) * stride]);
            known += e[i] * e[i];
        }
        for (int top = 0; top <= assets; top += TILE) {
            double pivot[TILE];
            for (int left = 0; left < top; left += TILE) factor_tile(own, stride, assets, top, left);
            factor_diagonal(own, stride, assets, top, pivot);
#pragma unroll
            for (int r = 0; r < TILE; ++r) {
                product *= pivot[r];
                if ((top + r + 1) % FACTORS == 0) {
                    total += log_of(product);
                    product = 1.0;
                }
            }
        }
        total += log_of(product);
        for (int i = 0; i < assets; ++i) {
            const double solved = own[(elements + i) * stride];
            squares -= solved * solved;
        }
        values[at] = 0.5 * (total + squares + known);
    }
}

// ---- sums ------------------------------------------------------------------------------------------------------------

// values (lists, length) to sums (lists, length / SEGMENT, rounded up), each from its first value on.
extern "C" __global__ void __launch_bounds__(THREADS) segment_sums(
    int lists, Index length, const double *values, double *sums
) {
    const Index segments = (length + SEGMENT - 1) / SEGMENT;
    FOR_EACH(k, lists * segments) {
        const Index list = k / segments, first = (k - list * segments) * SEGMENT;
        const Index stop = first + SEGMENT < length ? first + SEGMENT : length;
        double sum = 0.0;
        for (Index at = first; at < stop; ++at) sum += values[list * length + at];
        sums[k] = sum;
    }
}
