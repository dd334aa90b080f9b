"""Gaussian hidden Markov model of one series, compiled: forward filter, EM, one O(1) step. Oracle: `reference.py`.

Scaled, not log-space: densities are taken relative to that of the possible state nearest to the value, so that an
outlier of hundreds of deviations neither underflows nor divides by zero. A value that is NaN is a missing
observation: the probabilities move by the transition alone, its likelihood is 1, and EM learns nothing from it.
Source: Rabiner (1989), "A tutorial on hidden Markov models"; smoothing in the form of Kim (1994), eq. 2.20.
"""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

Array = NDArray[np.float64]
LOG_TWO_PI = math.log(2.0 * math.pi)
IMPOSSIBLE = 1e-280  # probabilities below are 0: what is left of them could not be divided by


@njit(cache=True, error_model="numpy")
def predict(transition_ij: Array, probabilities_i: Array, predicted_j: Array) -> None:
    """predicted_j = sum over i of probabilities_i * transition_ij; all (states,), (states, states) row-stochastic."""
    for j in range(predicted_j.size):
        total = 0.0
        for i in range(probabilities_i.size):
            total += probabilities_i[i] * transition_ij[i, j]
        predicted_j[j] = total


@njit(cache=True, error_model="numpy")
def update(value: float, means_i: Array, variances_i: Array, predicted_i: Array, filtered_i: Array) -> float:
    """Bayes: filtered_i (states,) from predicted_i (states,) and one value. Returns log p(value | the past)."""
    states = means_i.size
    if math.isnan(value):
        for i in range(states):
            filtered_i[i] = predicted_i[i]
        return 0.0
    least = np.inf
    for i in range(states):
        distance = value - means_i[i]
        filtered_i[i] = distance * distance / variances_i[i]
        if predicted_i[i] > IMPOSSIBLE and filtered_i[i] < least:
            least = filtered_i[i]
    total = 0.0
    for i in range(states):
        possible = predicted_i[i] > IMPOSSIBLE
        relative = math.exp(-0.5 * (filtered_i[i] - least)) / math.sqrt(variances_i[i]) if possible else 0.0
        filtered_i[i] = predicted_i[i] * relative
        total += filtered_i[i]
    for i in range(states):
        filtered_i[i] /= total
    return math.log(total) - 0.5 * (least + LOG_TWO_PI)


@njit(cache=True, error_model="numpy")
def filter_step(
    value: float, transition_ij: Array, means_i: Array, variances_i: Array, probabilities_i: Array, scratch_i: Array
) -> float:
    """One bar online, O(states^2), nothing allocated: probabilities_i (states,) of yesterday become those of today.

    Returns log p(value | the past). scratch_i: (states,), overwritten.
    """
    predict(transition_ij, probabilities_i, scratch_i)
    return update(value, means_i, variances_i, scratch_i, probabilities_i)


@njit(cache=True, error_model="numpy")
def forward_filter(
    values: Array,
    initial_i: Array,
    transition_ij: Array,
    means_i: Array,
    variances_i: Array,
    filtered_ti: Array,
    increments_t: Array,
) -> float:
    """Fills filtered_ti (n, states) = P(state at t | values to t) and increments_t (n,); returns the log-likelihood.

    initial_i (states,): distribution at the first value, before it is seen.
    """
    predicted_i = initial_i.copy()
    total = 0.0
    for t in range(values.size):
        if t > 0:
            predict(transition_ij, filtered_ti[t - 1], predicted_i)
        increments_t[t] = update(values[t], means_i, variances_i, predicted_i, filtered_ti[t])
        total += increments_t[t]
    return total


@njit(cache=True, error_model="numpy")
def expected_statistics(
    values: Array,
    transition_ij: Array,
    means_i: Array,
    filtered_ti: Array,
    first_i: Array,
    counts_ij: Array,
    moments_ki: Array,
) -> None:
    """E step: what the M step needs, from the filter of the same parameters, in one backward pass.

    first_i (states,): smoothed distribution at the first value. counts_ij: expected transitions.
    moments_ki (3, states): smoothed weight of observed values, weight * distance from the mean, weight * distance^2.
    """
    states = means_i.size
    last = values.size - 1
    counts_ij[:] = 0.0
    moments_ki[:] = 0.0
    smoothed_i = filtered_ti[last].copy()
    predicted_j = np.empty(states)
    ratio_j = np.empty(states)
    for t in range(last, -1, -1):
        if t < last:
            predict(transition_ij, filtered_ti[t], predicted_j)
            for j in range(states):
                ratio_j[j] = smoothed_i[j] / predicted_j[j] if predicted_j[j] > 0.0 else 0.0
            for i in range(states):
                total = 0.0
                for j in range(states):
                    joint = filtered_ti[t, i] * transition_ij[i, j] * ratio_j[j]
                    counts_ij[i, j] += joint
                    total += joint
                smoothed_i[i] = total
        if not math.isnan(values[t]):
            for i in range(states):
                distance = values[t] - means_i[i]
                moments_ki[0, i] += smoothed_i[i]
                moments_ki[1, i] += smoothed_i[i] * distance
                moments_ki[2, i] += smoothed_i[i] * distance * distance
    first_i[:] = smoothed_i


@njit(cache=True, error_model="numpy")
def maximise(
    first_i: Array,
    counts_ij: Array,
    moments_ki: Array,
    variance_floor: float,
    mixture: bool,
    initial_i: Array,
    transition_ij: Array,
    means_i: Array,
    variances_i: Array,
) -> None:
    """M step in place. `mixture`: every row of the transition is the weights, so states have no memory."""
    states = means_i.size
    weight = moments_ki[0].sum()
    for i in range(states):
        if moments_ki[0, i] > 0.0:
            shift = moments_ki[1, i] / moments_ki[0, i]
            means_i[i] += shift
            variances_i[i] = max(moments_ki[2, i] / moments_ki[0, i] - shift * shift, variance_floor)
        initial_i[i] = moments_ki[0, i] / weight if mixture else first_i[i]
    for i in range(states):
        left = counts_ij[i].sum()
        for j in range(states):
            if mixture:
                transition_ij[i, j] = initial_i[j]
            elif left > 0.0:
                transition_ij[i, j] = counts_ij[i, j] / left


@njit(cache=True, error_model="numpy", nogil=True)
def expectation_maximisation(
    values: Array,
    initial_i: Array,
    transition_ij: Array,
    means_i: Array,
    variances_i: Array,
    variance_floor: float,
    mixture: bool,
    iterations: int,
    tolerance: float,
    filtered_ti: Array,
    increments_t: Array,
) -> tuple[float, int, bool]:
    """Baum-Welch from the given parameters, which become the estimate. Returns (log-likelihood, iterations, converged).

    Stops when an iteration gains less than `tolerance` log-likelihood. The log-likelihood, filtered_ti (n, states)
    and increments_t (n,) belong to the parameters returned. variance_floor keeps a state from collapsing on one value.
    """
    states = means_i.size
    first_i = np.empty(states)
    counts_ij = np.empty((states, states))
    moments_ki = np.empty((3, states))
    loglik = forward_filter(values, initial_i, transition_ij, means_i, variances_i, filtered_ti, increments_t)
    for iteration in range(iterations):
        expected_statistics(values, transition_ij, means_i, filtered_ti, first_i, counts_ij, moments_ki)
        maximise(
            first_i,
            counts_ij,
            moments_ki,
            variance_floor,
            mixture,
            initial_i,
            transition_ij,
            means_i,
            variances_i,
        )
        before = loglik
        loglik = forward_filter(values, initial_i, transition_ij, means_i, variances_i, filtered_ti, increments_t)
        if loglik - before < tolerance:
            return loglik, iteration + 1, True
    return loglik, iterations, False


@njit(cache=True, error_model="numpy")
def signed_tail(value: float, means_i: Array, variances_i: Array, predicted_i: Array) -> float:
    """Where a value lies in its prediction: P(below) if that is at most a half, else -P(above). NaN stays NaN."""
    below, above = 0.0, 0.0
    for i in range(means_i.size):
        distance = (value - means_i[i]) / math.sqrt(2.0 * variances_i[i])
        below += 0.5 * predicted_i[i] * math.erfc(-distance)
        above += 0.5 * predicted_i[i] * math.erfc(distance)
    return below if below <= above else -above


@njit(cache=True, error_model="numpy")
def filter_on(
    values: Array,
    transition_ij: Array,
    means_i: Array,
    variances_i: Array,
    probabilities_i: Array,
    filtered_ti: Array,
    increments_t: Array,
    tails_t: Array,
) -> None:
    """Goes on from probabilities_i (states,), that of the value before the first; leaves that of the last there.

    The same arithmetic as `filter_step` value by value: a stream and an array publish the same bits. tails_t (n,):
    `signed_tail` of each value in its prediction one step before.
    """
    scratch_i = np.empty(means_i.size)
    for t in range(values.size):
        increments_t[t] = filter_step(values[t], transition_ij, means_i, variances_i, probabilities_i, scratch_i)
        filtered_ti[t] = probabilities_i
        tails_t[t] = signed_tail(values[t], means_i, variances_i, scratch_i)
