"""Scenario paths in blocks, compiled. A path's arithmetic is its own and in one order: blocks only share the lanes.

`Draws` says how innovations arise, `Process` how returns follow from them. All memory is the caller's; `words` has
shape (3, block), `work` (2 * assets + 4, block). Axes: assets i, paths b within a block.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from kernels.scenarios.fused import fma
from kernels.scenarios.philox import BOOTSTRAP, JUMP, MIXING, NORMAL, fill_words
from kernels.scenarios.quantiles import (
    to_empirical,
    to_margin,
    to_mixing,
    to_normals,
    uniform,
)

Floats = NDArray[np.float64]
Paths = NDArray[np.int64]
Words = NDArray[np.uint64]
Word = Any  # a uint64 scalar

SCORES, T_MARGINS, EMPIRICAL_MARGINS, RESAMPLED = 0, 1, 2, 3  # Draws.kind
BLOCK = 256  # paths worked on together: the work memory of 50 assets stays in the second-level cache


class Draws(NamedTuple):
    """How the innovations of one step arise.

    kind        SCORES: s * (lower z) as it is; T_MARGINS: through `margins`; EMPIRICAL_MARGINS: through
                `margins[0]` and `observed`; RESAMPLED: whole rows of `observed`, so their dependence is kept
    lower       (assets, assets) lower triangle that correlates normals
    normal      (pieces, 6) of tables.normal_table
    mixing      (2, pieces, 6) of tables.mixing_table, or (0, 0, 0): no mixing, the normal case
    margins     (assets or 1, pieces, 6) of tables.t_margin_table or tables.probability_table
    observed    (assets, n): ascending for EMPIRICAL_MARGINS, by date for RESAMPLED
    """

    kind: int
    lower: Floats
    normal: Floats
    mixing: Floats
    margins: Floats
    observed: Floats


class Process(NamedTuple):
    """How simple returns follow: r = mean + sqrt(h) z + jumps, h' = omega + (alpha + gamma [e < 0]) e^2 + beta h.

    Every array is (assets,), variance is h of the first step; but jump_odds is (assets, counts), the probability of at
    most 0, 1, 2 ... jumps a step, or (0, 0): none. A jump does not feed the variance. floor: the least r, -1 for what
    cannot lose more than its price.
    """

    mean: Floats
    variance: Floats
    omega: Floats
    alpha: Floats
    gamma: Floats
    beta: Floats
    jump_odds: Floats
    jump_mean: Floats
    jump_sd: Floats
    floor: float


@njit(cache=True, error_model="numpy", nogil=True)
def mixing_block(draws: Draws, paths: Paths, count: int, step: int, seed: Word, words: Words, mixing: Floats) -> None:
    """Mixing factors of the paths of one step, ones in the normal case."""
    if len(draws.mixing) == 0:
        mixing[:count] = 1.0
        return
    fill_words(words, paths, count, 0, step, MIXING, seed)
    to_mixing(words[0], count, draws.mixing, mixing)


@njit(cache=True, error_model="numpy", nogil=True)
def normal_block(draws: Draws, paths: Paths, count: int, step: int, seed: Word, words: Words, z: Floats) -> None:
    """Independent normals (assets, count) of one step; assets 2j and 2j + 1 come from draw j."""
    for i in range(0, len(z), 2):
        fill_words(words, paths, count, i // 2, step, NORMAL, seed)
        to_normals(words[0], count, draws.normal, z[i], words[2])
        if i + 1 < len(z):
            to_normals(words[1], count, draws.normal, z[i + 1], words[2])


@njit(cache=True, error_model="numpy", nogil=True)
def correlate(lower: Floats, mixing: Floats, count: int, z: Floats) -> None:
    """z (assets, count) becomes mixing * (lower z), in place, each sum from the first asset on."""
    for i in range(len(lower) - 1, -1, -1):
        row = z[i]
        diagonal = lower[i, i]
        if i == 0:
            for b in range(count):
                row[b] = mixing[b] * (diagonal * row[b])
            continue
        own = lower[i, 0]
        first = z[0]
        for b in range(count):
            row[b] = fma(own, first[b], diagonal * row[b])
        j = 1
        while j + 4 <= i:  # four at a time, still added one after the other: the row stays in registers
            w0, w1, w2, w3 = lower[i, j], lower[i, j + 1], lower[i, j + 2], lower[i, j + 3]
            z0, z1, z2, z3 = z[j], z[j + 1], z[j + 2], z[j + 3]
            for b in range(count):
                row[b] = fma(w3, z3[b], fma(w2, z2[b], fma(w1, z1[b], fma(w0, z0[b], row[b]))))
            j += 4
        while j < i:
            weight, other = lower[i, j], z[j]
            for b in range(count):
                row[b] = fma(weight, other[b], row[b])
            j += 1
        for b in range(count):
            row[b] *= mixing[b]


@njit(cache=True, error_model="numpy", nogil=True)
def innovation_block(
    draws: Draws, paths: Paths, count: int, step: int, seed: Word, words: Words, work: Floats, z: Floats
) -> None:
    """Innovations (assets, count) of one step into `z`, by `draws.kind`."""
    if draws.kind == RESAMPLED:
        fill_words(words, paths, count, 0, step, BOOTSTRAP, seed)
        days = draws.observed.shape[1]
        for b in range(count):  # 32 bits times days: a day's odds are off by less than days / 2**32
            day = np.int64(((words[0, b] >> np.uint64(32)) * np.uint64(days)) >> np.uint64(32))
            for i in range(len(z)):
                z[i, b] = draws.observed[i, day]
        return
    mixing_block(draws, paths, count, step, seed, words, work[0])
    normal_block(draws, paths, count, step, seed, words, z)
    correlate(draws.lower, work[0], count, z)
    if draws.kind == T_MARGINS:
        for i in range(len(z)):
            to_margin(z[i], count, draws.margins[i])
    elif draws.kind == EMPIRICAL_MARGINS:
        for i in range(len(z)):
            to_empirical(z[i], count, draws.margins[0], draws.observed[i])


@njit(cache=True, error_model="numpy", nogil=True)
def jump_block(
    draws: Draws,
    process: Process,
    asset: int,
    paths: Paths,
    count: int,
    step: int,
    seed: Word,
    words: Words,
    jumps: Floats,
) -> None:
    """Sum of one step's jumps of one asset: n jumps, Poisson by inversion, add up to n mean + sqrt(n) sd normal."""
    odds = process.jump_odds[asset]
    fill_words(words, paths, count, asset, step, JUMP, seed)
    to_normals(words[0], count, draws.normal, jumps, words[2])
    for b in range(count):
        share = uniform(words[1, b])
        n = 0
        while n < len(odds) - 1 and share > odds[n]:
            n += 1
        jumps[b] = n * process.jump_mean[asset] + np.sqrt(float(n)) * process.jump_sd[asset] * jumps[b]


@njit(cache=True, error_model="numpy", nogil=True)
def path_block(
    draws: Draws,
    process: Process,
    steps: int,
    paths: Paths,
    count: int,
    seed: Word,
    words: Words,
    work: Floats,
    gains: Floats,
) -> None:
    """gains (assets, count): simple return of each asset over the horizon."""
    assets = len(gains)
    z, variances, jumps = work[4 : 4 + assets], work[4 + assets :], work[1]
    jumping = len(process.jump_odds) > 0
    jumps[:] = 0.0
    gains[:, :count] = 0.0
    for i in range(assets):
        variances[i, :count] = process.variance[i]
    for step in range(steps):
        innovation_block(draws, paths, count, step, seed, words, work, z)
        for i in range(assets):
            if jumping:
                jump_block(draws, process, i, paths, count, step, seed, words, jumps)
            if step == 0:
                z[i, :count] *= np.sqrt(process.variance[i])
            else:
                for b in range(count):
                    z[i, b] *= np.sqrt(variances[i, b])
            compound(process.mean[i], process.floor, count, z[i], jumps, gains[i])
            if step + 1 < steps:
                advance(process, i, count, z[i], variances[i])


@njit(cache=True, error_model="numpy", nogil=True)
def compound(mean: float, floor: float, count: int, shocks: Floats, jumps: Floats, gains: Floats) -> None:
    """One asset's gains (count,) after one more step of mean + shock + jump."""
    for b in range(count):
        gain = max(floor, mean + shocks[b] + jumps[b])
        gains[b] += (1.0 + gains[b]) * gain


@njit(cache=True, error_model="numpy", nogil=True)
def advance(process: Process, asset: int, count: int, shocks: Floats, variances: Floats) -> None:
    """One asset's variances (count,) of the next step."""
    omega, alpha, beta = process.omega[asset], process.alpha[asset], process.beta[asset]
    falling = alpha + process.gamma[asset]
    for b in range(count):
        weight = falling if shocks[b] < 0.0 else alpha
        variances[b] = omega + weight * (shocks[b] * shocks[b]) + beta * variances[b]


@njit(cache=True, error_model="numpy", nogil=True)
def path_losses(
    draws: Draws,
    process: Process,
    steps: int,
    exposures: Floats,
    first: int,
    seed: Word,
    losses: Floats,
    words: Words,
    work: Floats,
    gains: Floats,
) -> None:
    """losses (n,) of paths first, first + 1 ...: minus the sum over assets of exposure * return over the horizon."""
    block = words.shape[1]
    paths = np.empty(block, np.int64)
    for start in range(0, len(losses), block):
        count = min(block, len(losses) - start)
        for b in range(count):
            paths[b] = first + start + b
        path_block(draws, process, steps, paths, count, seed, words, work, gains)
        block_losses = losses[start : start + count]
        block_losses[:] = 0.0
        for i in range(len(exposures)):
            for b in range(count):
                block_losses[b] -= exposures[i] * gains[i, b]


@njit(cache=True, error_model="numpy", nogil=True)
def path_returns(
    draws: Draws,
    process: Process,
    steps: int,
    paths: Paths,
    seed: Word,
    returns: Floats,
    words: Words,
    work: Floats,
    gains: Floats,
) -> None:
    """returns (n, assets) over the horizon of the given paths, in any order: a tail is made again from its numbers."""
    block = words.shape[1]
    for start in range(0, len(paths), block):
        count = min(block, len(paths) - start)
        path_block(draws, process, steps, paths[start : start + count], count, seed, words, work, gains)
        for b in range(count):
            for i in range(returns.shape[1]):
                returns[start + b, i] = gains[i, b]


@njit(cache=True, error_model="numpy", nogil=True)
def linear_losses(
    draws: Draws, direction: Floats, expected: float, first: int, seed: Word, losses: Floats, words: Words, work: Floats
) -> None:
    """losses (n,) = -(expected + s * (direction . z)): one step of SCORES without jumps needs no asset of its own.

    `direction` is lower' (exposures * sqrt(variance)), (assets,). The draws are those of `path_losses`.
    """
    block = words.shape[1]
    paths = np.empty(block, np.int64)
    for start in range(0, len(losses), block):
        count = min(block, len(losses) - start)
        for b in range(count):
            paths[b] = first + start + b
        mixing_block(draws, paths, count, 0, seed, words, work[0])
        total = work[1]
        total[:count] = 0.0
        for i in range(0, len(direction), 2):
            fill_words(words, paths, count, i // 2, 0, NORMAL, seed)
            for half in range(min(2, len(direction) - i)):
                to_normals(words[half], count, draws.normal, work[2], words[2])
                for b in range(count):
                    total[b] = fma(direction[i + half], work[2, b], total[b])
        for b in range(count):
            losses[start + b] = -(expected + work[0, b] * total[b])
