// The stages of a search: each takes in the likelihood where it was wanted and says where it is wanted next.
//
// Climbs (optimise.py's `maximise`) from one or more starts, then the Hessian in natural parameters and a last Newton
// step (cpu.py's `hessian_of` and `newton_step`).

// ---- stages ---------------------------------------------------------------------------------------------------------

// THETA for the next difference of the gradient in natural parameters, above or below.
__device__ __forceinline__ double move_one(const Search &s, double side) {
    const double width = DIFFERENCE * larger(fabs(s(BEST, s.column)), 0.01);
    copy(s, BEST, THETA);
    s(THETA, s.column) = s(BEST, s.column) + side * width;
    return width;
}

// The climbs are over.
__device__ __forceinline__ void conclude(Search &s, bool errors) {
    s.stage = errors ? ABOVE : DONE;
    s.column = 0;
    copy(s, BEST, FREE);  // the answer, until a Newton step improves it
    if (errors) move_one(s, 1.0);
}

// One climb is over, at FREE.
__device__ __forceinline__ void finish(Search &s) {
    const double loglik = -s.value;
    const bool better = s.converged == s.arrived ? loglik > s.best : s.converged;
    s.stage = NEXT_CLIMB;
    if (!better && (s.climb > 1 || s.arrived)) return;
    to_natural(s, FREE);
    copy(s, THETA, BEST);
    s.best = loglik;
    s.arrived = s.converged;
}

__device__ __forceinline__ void arrive(Search &s, bool converged) {
    s.stage = ARRIVED;
    s.converged = converged;
}

__device__ __forceinline__ void begin_differences(Search &s) {
    s.fresh = true;
    s.stage = DIFFERENCES;
    s.column = 0;
    copy(s, FREE, TRIAL);
    s(TRIAL, 0) += DIFFERENCE_FREE;
}

// No step along the direction led down.
__device__ __forceinline__ void leave(Search &s) {
    if (s.fresh) return arrive(s, s.slope > -1e-6 || s.stalled > 0);
    s.stage = BEGIN;
}

__device__ __forceinline__ void set_trial(const Search &s) {
    for (int i = 0; i < s.k; ++i) s(TRIAL, i) = s(FREE, i) + s.length * s(DIRECTION, i);
}

// DIRECTION = -INVERSE gradient, no coordinate beyond STEP_MOST; its slope.
__device__ __forceinline__ double direction_of(const Search &s) {
    double most = 0.0, slope = 0.0;
    for (int i = 0; i < s.k; ++i) {
        double value = 0.0;
        for (int j = 0; j < s.k; ++j) value -= s(INVERSE, i, j) * s(GRADIENT, j);
        s(DIRECTION, i) = value;
        most = larger(fabs(value), most);
    }
    const double shrink = most > STEP_MOST ? STEP_MOST / most : 1.0;
    for (int i = 0; i < s.k; ++i) {
        s(DIRECTION, i) *= shrink;
        slope += s(DIRECTION, i) * s(GRADIENT, i);
    }
    return slope;
}

__device__ __forceinline__ void iterate(Search &s) {
    if (s.iteration++ == s.iterations) return arrive(s, false);
    s.slope = direction_of(s);
    if (fabs(s.slope) < 2.0 * s.tolerance) return arrive(s, true);
    s.length = 1.0;
    s.halvings = 0;
    s.stage = s.slope < 0.0 ? LINE : STUCK;
    set_trial(s);
}

// Minus the log-likelihood in free coordinates, its gradient into THERE; infinite where either is undefined.
__device__ __forceinline__ double objective(const Search &s, double loglik) {
    bool finite = is_finite(loglik);
    for (int j = 0; j < s.k; ++j) {
        double slope = 0.0;
        for (int i = 0; i < s.k; ++i) slope -= s(NATURAL, i) * s(JACOBIAN, i, j);
        s(THERE, j) = slope;
        finite = finite && is_finite(slope);
    }
    return finite ? -loglik : infinity();
}

__device__ __forceinline__ void take_first(Search &s, double loglik) {
    s.value = objective(s, loglik);
    s.iteration = s.stalled = 0;
    copy(s, TRIAL, FREE);
    copy(s, THERE, GRADIENT);
    if (!is_finite(s.value)) return arrive(s, false);
    s.stage = BEGIN;
}

__device__ __forceinline__ void take_difference(Search &s, double loglik) {
    objective(s, loglik);
    for (int i = 0; i < s.k; ++i) s(HESSIAN, i, s.column) = (s(THERE, i) - s(GRADIENT, i)) / DIFFERENCE_FREE;
    s(TRIAL, s.column) = s(FREE, s.column);
    if (++s.column < s.k) {
        s(TRIAL, s.column) += DIFFERENCE_FREE;
        return;
    }
    make_symmetric(s);
    invert_damped(s);
    s.stage = ITERATE;
}

__device__ __forceinline__ void take_line(Search &s, double loglik) {
    const double found = objective(s, loglik);
    if (!(found <= s.value + 1e-4 * s.length * s.slope + NOISE * fabs(s.value))) {
        const double curve = found - s.value - s.length * s.slope;
        s.length *= is_finite(curve) ? smaller(larger(-0.5 * s.length * s.slope / curve, 0.1), 0.5) : 0.1;
        if (++s.halvings == HALVINGS) s.stage = STUCK;
        return set_trial(s);
    }
    for (int i = 0; i < s.k; ++i) {
        s(DIRECTION, i) = s(TRIAL, i) - s(FREE, i);
        s(NATURAL, i) = s(THERE, i) - s(GRADIENT, i);
    }
    copy(s, TRIAL, FREE);
    copy(s, THERE, GRADIENT);
    s.stalled = s.value - found < STALLED_GAIN ? s.stalled + 1 : 0;
    s.value = found;
    s.fresh = false;
    if (s.stalled == STALLED_ITERATIONS) return arrive(s, true);
    update_inverse(s);
    s.stage = ITERATE;
}

// ---- standard errors ------------------------------------------------------------------------------------------------

struct Covariance {
    double *at;  // (3, k, k): inverse Hessian, inverse outer product of scores, sandwich
    long long stride;
    int k;

    __device__ __forceinline__ double &operator()(int kind, int i, int j) const {
        return at[((kind * k + i) * k + j) * stride];
    }
};

// INVERSE into one of the three; NaN where the matrix was not positive definite.
__device__ __forceinline__ void keep(const Search &s, const Covariance &covariance, int kind, bool positive) {
    for (int i = 0; i < s.k; ++i)
        for (int j = 0; j < s.k; ++j) covariance(kind, i, j) = positive ? s(INVERSE, i, j) : not_a_number();
}

__device__ __forceinline__ void take_moved(Search &s, const Covariance &covariance, bool polish) {
    if (s.stage == ABOVE) {
        copy(s, NATURAL, THERE);
        s.stage = BELOW;
        move_one(s, -1.0);
        return;
    }
    const double width = move_one(s, 1.0);
    for (int i = 0; i < s.k; ++i) s(HESSIAN, i, s.column) = -((s(THERE, i) - s(NATURAL, i)) / (2.0 * width));
    s.stage = ABOVE;
    if (++s.column < s.k) {
        move_one(s, 1.0);
        return;
    }
    make_symmetric(s);
    const bool positive = invert(s);
    keep(s, covariance, 0, positive);
    s.stage = polish && positive ? SLOPE : DONE;
    copy(s, BEST, THETA);
}

// A last Newton step from the gradient at BEST, where it is a small one inside the limits.
__device__ __forceinline__ void take_slope(Search &s) {
    s.stage = DONE;
    for (int i = 0; i < s.k; ++i) {
        double change = 0.0;
        for (int j = 0; j < s.k; ++j) change += s(INVERSE, i, j) * s(NATURAL, j);
        if (!(fabs(change) < 1e-2 * sqrt(s(INVERSE, i, i)))) return;
        s(THETA, i) = s(BEST, i) + change;
    }
    const Point p = point_of(s, THETA);
    const double alpha = p.at[ALPHA], gamma = p.at[GAMMA], beta = p.at[BETA];
    const double least = smaller(smaller(alpha, alpha + gamma), smaller(beta, 1.0 - alpha - 0.5 * gamma - beta));
    if (p.at[OMEGA] > 0.0 && least > 0.0) s.stage = STEP;
}

__device__ __forceinline__ void take_step(Search &s, double loglik) {
    s.stage = DONE;
    if (!(loglik > s.best - 1e-9)) return;
    s.best = loglik;
    copy(s, THETA, FREE);
}

// Each stage stands here once, and so do those between two evaluations: what is inlined twice is spilled.
__device__ __forceinline__ void take(Search &s, double loglik, const Covariance &covariance, bool polish) {
    if (s.stage <= LINE) s.evaluations += 1;
    if (s.stage == FIRST) take_first(s, loglik);
    else if (s.stage == DIFFERENCES) take_difference(s, loglik);
    else if (s.stage == LINE) take_line(s, loglik);
    else if (s.stage <= BELOW) take_moved(s, covariance, polish);
    else if (s.stage == SLOPE) take_slope(s);
    else take_step(s, loglik);
    if (s.stage == ITERATE) iterate(s);
    if (s.stage == STUCK) leave(s);
    if (s.stage == BEGIN) begin_differences(s);
    if (s.stage == ARRIVED) finish(s);
}
