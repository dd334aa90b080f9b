"""Hidden Markov models, slow and obvious: logarithms, smoothing forward and backward, enumeration of paths."""

import itertools

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def log_densities(values: Array, means_i: Array, variances_i: Array) -> Array:
    """Normal log-densities, (n, states); a missing value (NaN) says nothing: 0 for every state."""
    distance = values[:, None] - means_i
    found: Array = -0.5 * (np.log(2.0 * np.pi * variances_i) + distance * distance / variances_i)
    return np.where(np.isnan(values)[:, None], 0.0, found)


def forward_filter(
    values: Array, initial_i: Array, transition_ij: Array, means_i: Array, variances_i: Array
) -> tuple[Array, Array]:
    """(filtered (n, states), log p(value | past) (n,)). Rabiner (1989), eq. 19-20, in logarithms."""
    densities = log_densities(values, means_i, variances_i)
    filtered, increments = np.empty_like(densities), np.empty(values.size)
    with np.errstate(divide="ignore"):
        predicted = np.log(initial_i)
        for t in range(values.size):
            joint = predicted + densities[t]
            increments[t] = np.logaddexp.reduce(joint)
            filtered[t] = np.exp(joint - increments[t])
            predicted = np.log(filtered[t] @ transition_ij)
    return filtered, increments


def smoothed(
    values: Array, initial_i: Array, transition_ij: Array, means_i: Array, variances_i: Array
) -> tuple[Array, Array]:
    """(P(state | all values) (n, states), joint of neighbours (n - 1, states, states)). Rabiner, eq. 25-27, 37."""
    densities = np.exp(log_densities(values, means_i, variances_i))
    filtered, increments = forward_filter(values, initial_i, transition_ij, means_i, variances_i)
    backward = np.ones_like(filtered)
    for t in range(values.size - 2, -1, -1):
        backward[t] = transition_ij @ (densities[t + 1] * backward[t + 1]) / np.exp(increments[t + 1])
    joint = np.array(
        [
            filtered[t][:, None] * transition_ij * densities[t + 1] * backward[t + 1] / np.exp(increments[t + 1])
            for t in range(values.size - 1)
        ]
    ).reshape(-1, means_i.size, means_i.size)
    return filtered * backward, joint


def em_iteration(
    values: Array,
    initial_i: Array,
    transition_ij: Array,
    means_i: Array,
    variances_i: Array,
    variance_floor: float,
    mixture: bool,
) -> tuple[Array, Array, Array, Array]:
    """(initial, transition, means, variances) after one iteration. Rabiner (1989), eq. 40, 52-53."""
    weights, joint = smoothed(values, initial_i, transition_ij, means_i, variances_i)
    seen = ~np.isnan(values)
    total = weights[seen].sum(axis=0)
    means = (weights[seen] * values[seen, None]).sum(axis=0) / total
    variances = (weights[seen] * (values[seen, None] - means) ** 2).sum(axis=0) / total
    counts = joint.sum(axis=0)
    initial = total / total.sum() if mixture else weights[0]
    transition = np.tile(initial, (initial.size, 1)) if mixture else counts / counts.sum(axis=1, keepdims=True)
    return initial, transition, means, np.maximum(variances, variance_floor)


def enumerated(
    values: Array, initial_i: Array, transition_ij: Array, means_i: Array, variances_i: Array
) -> tuple[Array, float]:
    """(P(last state | values), log-likelihood) by adding up every path of states: for a handful of values."""
    densities = np.exp(log_densities(values, means_i, variances_i))
    at_end = np.zeros(means_i.size)
    for path in itertools.product(range(means_i.size), repeat=values.size):
        weight = initial_i[path[0]] * densities[0, path[0]]
        for t in range(1, values.size):
            weight *= transition_ij[path[t - 1], path[t]] * densities[t, path[t]]
        at_end[path[-1]] += weight
    return at_end / at_end.sum(), float(np.log(at_end.sum()))
