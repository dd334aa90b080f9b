// The search for the maximum: transforms.py, optimise.py and cpu.py's `search` as one machine around one evaluation.
//
// Threads of a warp run one instruction at a time, and nearly all of them are the evaluation's. So the search never
// calls it: it says where the likelihood is wanted next and takes the answer in, whatever stage each series is in, and
// every series of a warp is evaluated together. Numbers of a search lie in its thread's column of `memory`, where
// neighbouring threads have neighbouring addresses: no local arrays, no stack.

#define MOST 7           // parameters
#define CLASSES 3        // of persistence, from each of which a climb may begin
#define STEP_MOST 1.0    // of one coordinate in one iteration: most are angles
#define DIFFERENCE_FREE 1e-4
#define DIFFERENCE 6e-6  // relative, of natural parameters
#define HALVINGS 25
#define DAMPING_MOST 100.0
#define NOISE 1e-13      // of the log-likelihood, relative
#define STALLED_GAIN 1e-8
#define STALLED_ITERATIONS 6
#define INSIDE 1e-4
#define NU_LEAST 2.05

enum Block {
    FREE, TRIAL, GRADIENT, THERE, DIRECTION, THETA, NATURAL, BEST, VALUES, ROW, STARTS,
    JACOBIAN = STARTS + CLASSES, INVERSE = JACOBIAN + MOST, HESSIAN = INVERSE + MOST, LOWER = HESSIAN + MOST,
    HALF = LOWER + MOST, BLOCKS = HALF + MOST
};  // of MOST numbers each

// The likelihood is wanted from FIRST to STEP: up to LINE at the free coordinates in TRIAL, then at THETA.
enum Stage { NEXT_CLIMB, FIRST, DIFFERENCES, LINE, ABOVE, BELOW, SLOPE, STEP, DONE, ITERATE, STUCK, BEGIN, ARRIVED };

struct Model {
    int means, process, errors;  // coefficients of the mean: 0 or 1

    __device__ __forceinline__ int variances() const { return process == GJR ? 4 : 3; }
    __device__ __forceinline__ int size() const { return means + variances() + errors; }
};

struct Search {
    double *memory;
    long long stride;
    Model model;
    int k, iterations;
    double tolerance;
    int stage, column, halvings, iteration, stalled, evaluations, climb;
    bool fresh, converged, arrived;  // no step since the Hessian was differenced; this climb; the best one
    double value, slope, length;  // value: minus the log-likelihood at FREE
    double best, reach;           // the log-likelihood at BEST, and the least on the grid that is worth a climb

    __device__ __forceinline__ double &operator()(int block, int i) const {
        return memory[(block * MOST + i) * stride];
    }
    __device__ __forceinline__ double &operator()(int block, int i, int j) const {
        return memory[((block + i) * MOST + j) * stride];
    }
};

__device__ __forceinline__ Search search_of(double *memory, long long stride, const Model &model) {
    Search s = {};
    s.memory = memory, s.stride = stride, s.model = model, s.k = model.size();
    return s;
}

// Which parameter stands at a place, -1 for none.
__device__ __forceinline__ int parameter_at(const Model &model, int place) {
    const int m = model.means, shape = m + model.variances();
    if (place == MU) return m - 1;
    if (place <= ALPHA) return m + place - OMEGA;
    if (place == GAMMA) return model.process == GJR ? m + 2 : -1;
    if (place == BETA) return shape - 1;
    return model.errors > place - NU ? shape + place - NU : -1;
}

// The parameters in a block.
__device__ __forceinline__ Point point_of(const Search &s, int block) {
    Point p;
#pragma unroll
    for (int place = 0; place < PLACES; ++place) {
        const int i = parameter_at(s.model, place);
        p.at[place] = i < 0 ? 0.0 : s(block, i);
    }
    return p;
}

__device__ __forceinline__ void store(const Search &s, int block, const Point &p) {
#pragma unroll
    for (int place = 0; place < PLACES; ++place) {
        const int i = parameter_at(s.model, place);
        if (i >= 0) s(block, i) = p.at[place];
    }
}

__device__ __forceinline__ void copy(const Search &s, int from, int to) {
    for (int i = 0; i < s.k; ++i) s(to, i) = s(from, i);
}

// ---- between natural parameters and free ones -----------------------------------------------------------------------

struct Bounded {
    double value, slope;
};

__device__ __forceinline__ double nu_most(const Model &model) { return model.errors == STUDENT ? 500.0 : 300.0; }

// least + (most - least) sin^2(angle).
__device__ __forceinline__ Bounded between(double angle, double least, double most) {
    const Angle of = angle_of(angle);
    return {least + (most - least) * of.sine * of.sine, 2.0 * (most - least) * of.sine * of.cosine};
}

__device__ __forceinline__ double between_angle(double value, double least, double most) {
    return arcsine(sqrt(smaller(larger((value - least) / (most - least), INSIDE), 1.0 - INSIDE)));
}

// THETA and JACOBIAN at the free coordinates in `block`.
__device__ __forceinline__ void to_natural(const Search &s, int block) {
    const int m = s.model.means, shape = m + s.model.variances(), last = shape - 1;
    for (int i = 0; i < s.k; ++i)
        for (int j = 0; j < s.k; ++j) s(JACOBIAN, i, j) = 0.0;
    if (m) {
        s(THETA, 0) = s(block, 0);
        s(JACOBIAN, 0, 0) = 1.0;
    }
    s(THETA, m) = s(JACOBIAN, m, m) = exp_of(s(block, m));
    const Bounded persistence = between(s(block, m + 1), 0.0, 1.0), shocks = between(s(block, last), 0.0, 1.0);
    s(THETA, last) = persistence.value * (1.0 - shocks.value);
    s(JACOBIAN, last, m + 1) = persistence.slope * (1.0 - shocks.value);
    s(JACOBIAN, last, last) = -persistence.value * shocks.slope;
    if (s.model.process == GARCH) {
        s(THETA, m + 1) = persistence.value * shocks.value;
        s(JACOBIAN, m + 1, m + 1) = persistence.slope * shocks.value;
        s(JACOBIAN, m + 1, last) = persistence.value * shocks.slope;
    } else {
        const Bounded positive = between(s(block, m + 2), 0.0, 1.0);
        const double twice = 2.0 * persistence.value * shocks.value, rest = 1.0 - 2.0 * positive.value;
        const double by_persistence = 2.0 * persistence.slope * shocks.value;
        const double by_shocks = 2.0 * persistence.value * shocks.slope;
        s(THETA, m + 1) = twice * positive.value;
        s(THETA, m + 2) = twice * rest;
        s(JACOBIAN, m + 1, m + 1) = by_persistence * positive.value;
        s(JACOBIAN, m + 1, m + 2) = twice * positive.slope;
        s(JACOBIAN, m + 1, last) = by_shocks * positive.value;
        s(JACOBIAN, m + 2, m + 1) = by_persistence * rest;
        s(JACOBIAN, m + 2, m + 2) = -2.0 * twice * positive.slope;
        s(JACOBIAN, m + 2, last) = by_shocks * rest;
    }
    if (s.model.errors != NORMAL) {
        const Bounded inverse = between(s(block, shape), 1.0 / nu_most(s.model), 1.0 / NU_LEAST);
        s(THETA, shape) = 1.0 / inverse.value;
        s(JACOBIAN, shape, shape) = -inverse.slope / (inverse.value * inverse.value);
    }
    if (s.model.errors == SKEWED) {
        const Angle of = angle_of(s(block, shape + 1));
        s(THETA, shape + 1) = of.sine;
        s(JACOBIAN, shape + 1, shape + 1) = of.cosine;
    }
}

// TRIAL from natural parameters in row `row` of STARTS; what lies on or outside a bound is moved just inside.
__device__ __forceinline__ void to_free(const Search &s, int row) {
    const int m = s.model.means, shape = m + s.model.variances(), last = shape - 1;
    if (m) s(TRIAL, 0) = s(STARTS, row, 0);
    s(TRIAL, m) = log_of(larger(s(STARTS, row, m), 1e-12));
    double shock = s(STARTS, row, m + 1);
    if (s.model.process == GJR) {
        const double positive = 0.5 * shock;
        shock += 0.5 * s(STARTS, row, m + 2);
        s(TRIAL, m + 2) = between_angle(positive / larger(shock, 1e-12), 0.0, 1.0);
    }
    const double persistence = larger(shock, 0.0) + larger(s(STARTS, row, last), 0.0);
    s(TRIAL, m + 1) = between_angle(persistence, 0.0, 1.0);
    s(TRIAL, last) = between_angle(shock / larger(persistence, 1e-12), 0.0, 1.0);
    if (s.model.errors != NORMAL)
        s(TRIAL, shape) = between_angle(1.0 / s(STARTS, row, shape), 1.0 / nu_most(s.model), 1.0 / NU_LEAST);
    if (s.model.errors == SKEWED)
        s(TRIAL, shape + 1) = arcsine(smaller(larger(s(STARTS, row, shape + 1), INSIDE - 1.0), 1.0 - INSIDE));
}

// ---- small matrices -------------------------------------------------------------------------------------------------

// INVERSE = HESSIAN^-1 by Cholesky; false, and INVERSE as it was, unless positive definite.
__device__ __forceinline__ bool invert(const Search &s) {
    for (int i = 0; i < s.k; ++i) {
        for (int j = 0; j <= i; ++j) {
            double value = s(HESSIAN, i, j);
            for (int r = 0; r < j; ++r) value -= s(LOWER, i, r) * s(LOWER, j, r);
            if (i == j && !(value > 1e-12 * fabs(s(HESSIAN, i, i)) && is_finite(value))) return false;
            s(LOWER, i, j) = i == j ? sqrt(value) : value / s(LOWER, j, j);
        }
    }
    for (int j = 0; j < s.k; ++j) {
        s(HALF, j, j) = 1.0 / s(LOWER, j, j);
        for (int i = j + 1; i < s.k; ++i) {
            double value = 0.0;
            for (int r = j; r < i; ++r) value -= s(LOWER, i, r) * s(HALF, r, j);
            s(HALF, i, j) = value / s(LOWER, i, i);
        }
    }
    for (int i = 0; i < s.k; ++i) {
        for (int j = 0; j < s.k; ++j) {
            double value = 0.0;
            for (int r = i > j ? i : j; r < s.k; ++r) value += s(HALF, r, i) * s(HALF, r, j);
            s(INVERSE, i, j) = value;
        }
    }
    return true;
}

__device__ __forceinline__ void make_symmetric(const Search &s) {
    for (int i = 0; i < s.k; ++i)
        for (int j = 0; j < i; ++j) s(HESSIAN, i, j) = s(HESSIAN, j, i) = 0.5 * (s(HESSIAN, i, j) + s(HESSIAN, j, i));
}

// The inverse of the differenced Hessian, its diagonal raised until it is positive definite.
__device__ __forceinline__ void invert_damped(const Search &s) {
    double damping = 0.1;
    while (!invert(s)) {
        for (int i = 0; i < s.k; ++i) {
            const double size = larger(fabs(s(HESSIAN, i, i)), 1.0);
            if (damping > DAMPING_MOST) {
                for (int j = 0; j < s.k; ++j) s(INVERSE, i, j) = 0.0;
                s(INVERSE, i, i) = is_finite(s(HESSIAN, i, i)) ? 1.0 / size : 1.0;
            } else {
                s(HESSIAN, i, i) += damping * size;
            }
        }
        if (damping > DAMPING_MOST) return;
        damping *= 4.0;
    }
}

// BFGS: DIRECTION is the step taken, NATURAL the change of the gradient; ROW is room for a product.
__device__ __forceinline__ void update_inverse(const Search &s) {
    double curvature = 0.0, through = 0.0;
    for (int i = 0; i < s.k; ++i) {
        double product = 0.0;
        for (int j = 0; j < s.k; ++j) product += s(INVERSE, i, j) * s(NATURAL, j);
        s(ROW, i) = product;
        curvature += s(DIRECTION, i) * s(NATURAL, i);
        through += s(NATURAL, i) * product;
    }
    if (!(curvature > 1e-10 * sqrt(larger(through, 0.0))) || curvature <= 0.0) return;
    const double scale = (1.0 + through / curvature) / curvature;
    for (int i = 0; i < s.k; ++i)
        for (int j = 0; j < s.k; ++j)
            s(INVERSE, i, j) += scale * s(DIRECTION, i) * s(DIRECTION, j)
                - (s(ROW, i) * s(DIRECTION, j) + s(DIRECTION, i) * s(ROW, j)) / curvature;
}
