"""Change detection, online and compiled: CUSUM of log-likelihood ratios and Bayesian online change points.

CUSUM: Page (1954), "Continuous inspection schemes", on scores that are standard normal as long as nothing changes.
An alarm at a threshold h comes wrongly at most once in exp(h) observations a side on average (Lorden 1971, eq. 11).
Bayesian: Adams and MacKay (2007), algorithm 1, normal observations of unknown mean and variance (normal-gamma
prior), constant hazard. The run length is bounded: the longest one takes in all that are longer and forgets
exponentially, so a step costs O(longest).
"""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

Array = NDArray[np.float64]
Counts = NDArray[np.int64]
SIDES = 4  # mean up, mean down, volatility up, volatility down


@njit(cache=True, error_model="numpy")
def cusum_step(score: float, mean_shift: float, volatility_ratio: float, sums_s: Array) -> None:
    """Adds the log-likelihood ratio of each alternative to sums_s (4,), never below 0. NaN adds nothing.

    mean_shift: the shift to be found, in deviations. volatility_ratio > 1: the rise to be found; the fall is 1 / it.
    """
    if math.isnan(score):
        return
    wider = volatility_ratio * volatility_ratio
    narrower = 1.0 / wider
    sums_s[0] = max(0.0, sums_s[0] + mean_shift * (score - 0.5 * mean_shift))
    sums_s[1] = max(0.0, sums_s[1] - mean_shift * (score + 0.5 * mean_shift))
    sums_s[2] = max(0.0, sums_s[2] + 0.5 * (score * score * (1.0 - 1.0 / wider) - math.log(wider)))
    sums_s[3] = max(0.0, sums_s[3] + 0.5 * (score * score * (1.0 - 1.0 / narrower) - math.log(narrower)))


@njit(cache=True, error_model="numpy")
def cusum(
    scores: Array,
    mean_shift: float,
    volatility_ratio: float,
    threshold: float,
    sums_s: Array,
    lengths_s: Counts,
    alarms_t: Counts,
    since_t: Counts,
) -> None:
    """Fills alarms_t (n,): the side (0 to 3) whose sum passed the threshold, then all sums start again; else -1.

    since_t (n,): how many observations, the alarm's included, that sum has been above 0: where the change began.
    sums_s, lengths_s (4,) are taken over from before and left for what follows. The largest sum names the side.
    """
    for t in range(scores.size):
        cusum_step(scores[t], mean_shift, volatility_ratio, sums_s)
        for side in range(SIDES):
            lengths_s[side] = lengths_s[side] + 1 if sums_s[side] > 0.0 else 0
        side = int(np.argmax(sums_s))
        alarms_t[t], since_t[t] = -1, 0
        if sums_s[side] > threshold:
            alarms_t[t], since_t[t] = side, lengths_s[side]
            sums_s[:] = 0.0
            lengths_s[:] = 0


@njit(cache=True, error_model="numpy")
def bayesian_step(
    value: float,
    hazard: float,
    prior_p: Array,
    constants_r: Array,
    weights_r: Array,
    means_r: Array,
    betas_r: Array,
    logs_r: Array,
) -> float:
    """One observation: weights_r (longest + 1,) become P(run length | values so far). Returns log p(value | past).

    prior_p (4,): mean, kappa, alpha, beta of the normal-gamma. constants_r: lgamma(alpha_r + 1/2) - lgamma(alpha_r)
    - log(pi) / 2 with alpha_r = alpha + r / 2. means_r, betas_r: posterior at each run length; index 0 is the prior.
    logs_r: scratch. NaN is no observation: nothing changes.
    """
    if math.isnan(value):
        return 0.0
    longest = weights_r.size - 1
    kappa0, alpha0 = prior_p[1], prior_p[2]
    largest = -np.inf
    for r in range(longest + 1):
        kappa, alpha = kappa0 + r, alpha0 + 0.5 * r
        spread = 2.0 * betas_r[r] * (kappa + 1.0) / kappa
        distance = value - means_r[r]
        logs_r[r] = constants_r[r] - 0.5 * math.log(spread) - (alpha + 0.5) * math.log1p(distance * distance / spread)
        if weights_r[r] > 0.0 and logs_r[r] > largest:
            largest = logs_r[r]
    total = 0.0
    for r in range(longest + 1):
        weights_r[r] *= math.exp(logs_r[r] - largest) if weights_r[r] > 0.0 else 0.0
        total += weights_r[r]
    top_weight, top_mean, top_beta = 0.0, means_r[longest], betas_r[longest]
    for r in range(longest, -1, -1):
        kappa, alpha = kappa0 + r, alpha0 + 0.5 * r
        distance = value - means_r[r]
        grown = (1.0 - hazard) * weights_r[r] / total
        mean = means_r[r] + distance / (kappa + 1.0)
        beta = betas_r[r] + 0.5 * kappa * distance * distance / (kappa + 1.0)
        if r == longest:  # stays: the weight of one observation is forgotten
            top_weight, top_mean, top_beta = grown, mean, beta * alpha / (alpha + 0.5)
        elif r == longest - 1:  # joins what has stayed
            both = top_weight + grown
            share = grown / both if both > 0.0 else 0.0
            weights_r[longest] = both
            means_r[longest] = top_mean + share * (mean - top_mean)
            betas_r[longest] = top_beta + share * (beta - top_beta)
        else:
            weights_r[r + 1], means_r[r + 1], betas_r[r + 1] = grown, mean, beta
    weights_r[0], means_r[0], betas_r[0] = hazard, prior_p[0], prior_p[3]
    return largest + math.log(total)


@njit(cache=True, error_model="numpy")
def bayesian(
    values: Array,
    hazard: float,
    prior_p: Array,
    constants_r: Array,
    weights_r: Array,
    means_r: Array,
    betas_r: Array,
    recent: int,
    recent_t: Array,
    likeliest_t: Counts,
    newest_t: Counts,
) -> None:
    """Steps through values (n,). After each: recent_t = P(run length <= recent), likeliest_t the likeliest.

    newest_t (n,): the likeliest of 1 to recent: how many values the newest run has, should there be one.
    """
    logs_r = np.empty(weights_r.size)
    for t in range(values.size):
        bayesian_step(values[t], hazard, prior_p, constants_r, weights_r, means_r, betas_r, logs_r)
        recent_t[t] = weights_r[: recent + 1].sum()
        likeliest_t[t] = int(np.argmax(weights_r))
        newest_t[t] = 1 + int(np.argmax(weights_r[1 : recent + 1]))
