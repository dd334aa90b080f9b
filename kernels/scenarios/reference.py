"""One scenario path at a time in plain Python: the truth for `cpu.py`.

Integers by Python's own, so nothing can overflow unseen; inversion by scipy's exact functions in place of tables. A
path is made from its number alone, so no block, batch or thread exists here.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from kernels.scenarios.cpu import EMPIRICAL_MARGINS, RESAMPLED, T_MARGINS, Process
from kernels.scenarios.philox import BOOTSTRAP, JUMP, MIXING, NORMAL, ROUNDS, STEP_BITS

Floats = NDArray[np.float64]

# multipliers and key increments by width of a word, Salmon et al. (2011), table 2 and section 4.3
MULTIPLIERS = {32: (0xD2511F53, 0xCD9E8D57), 64: (0xD2E7470EE14C6C93, 0xCA5A826395121157)}
INCREMENTS = {32: (0x9E3779B9, 0xBB67AE85), 64: (0x9E3779B97F4A7C15, 0xBB67AE8584CAA73B)}


@dataclass(frozen=True)
class Recipe:
    """What `Draws` holds as tables, in numbers: dof of the copula (inf: normal) and margins, observed (assets, n)."""

    kind: int
    lower: Floats
    dof: float
    margin_dofs: Floats
    observed: Floats


def philox(counter: tuple[int, ...], key: tuple[int, ...], width: int = 32) -> tuple[int, int, int, int]:
    """Philox4xW-10 for words of 32 or 64 bits (numpy's `Philox` is the latter)."""
    mask = (1 << width) - 1
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(ROUNDS):
        product_0, product_1 = MULTIPLIERS[width][0] * c0, MULTIPLIERS[width][1] * c2
        c0, c1, c2, c3 = (
            (product_1 >> width) ^ c1 ^ k0,
            product_1 & mask,
            (product_0 >> width) ^ c3 ^ k1,
            product_0 & mask,
        )
        k0, k1 = (k0 + INCREMENTS[width][0]) & mask, (k1 + INCREMENTS[width][1]) & mask
    return c0, c1, c2, c3


def words(path: int, draw: int, step: int, stream: int, seed: int) -> tuple[int, int]:
    """The two 64-bit words of a draw."""
    low = (1 << 32) - 1
    counter = (draw, step | stream << STEP_BITS, path & low, path >> 32)
    a, b, c, d = philox(counter, (seed & low, seed >> 32))
    return a << 32 | b, c << 32 | d


def uniform(word: int) -> tuple[bool, float]:
    """(whether in the upper half, distance from the nearer end) of ((word >> 11) + 1/2) 2**-53."""
    odd = 2 * (word >> 11) + 1
    upper = odd > 1 << 53
    return upper, ((1 << 54) - odd if upper else odd) * 2.0**-54


def normal(word: int) -> float:
    upper, v = uniform(word)
    value = float(special.ndtri(v))
    return -value if upper else value


def mixing(word: int, dof: float) -> float:
    """sqrt(dof / chi-square)."""
    if math.isinf(dof):
        return 1.0
    upper, v = uniform(word)
    half = special.gammainccinv(dof / 2.0, v) if upper else special.gammaincinv(dof / 2.0, v)
    return math.sqrt(dof / (2.0 * float(half)))


def lower_probability(x: float, dof: float) -> float:
    return float(special.ndtr(x) if math.isinf(dof) else special.stdtr(dof, x))


def t_margin(x: float, copula_dof: float, margin_dof: float) -> float:
    """Quantile of a t of variance 1 where the copula's margin has the probability of x."""
    p = lower_probability(-abs(x), copula_dof)
    if math.isinf(margin_dof):
        value = float(special.ndtri(p))
    else:
        value = math.sqrt((margin_dof - 2.0) / margin_dof) * float(special.stdtrit(margin_dof, p))
    return math.copysign(value, x)


def empirical(x: float, copula_dof: float, ordered: Floats) -> float:
    """Quantile of the ordered values at rank (n + 1) p, the ends held."""
    n, p = len(ordered), lower_probability(-abs(x), copula_dof)
    rank = (n + 1) * (p if x < 0.0 else 1.0 - p)
    return float(np.interp(rank, np.arange(1, n + 1), ordered))


def innovations(recipe: Recipe, path: int, step: int, seed: int, assets: int) -> Floats:
    """Of one step, (assets,)."""
    if recipe.kind == RESAMPLED:
        day = (words(path, 0, step, BOOTSTRAP, seed)[0] >> 32) * recipe.observed.shape[1] >> 32
        return recipe.observed[:, day]
    z = [normal(words(path, i // 2, step, NORMAL, seed)[i % 2]) for i in range(assets)]
    factor = mixing(words(path, 0, step, MIXING, seed)[0], recipe.dof)
    x = np.array([factor * sum(recipe.lower[i, j] * z[j] for j in range(i + 1)) for i in range(assets)])
    if recipe.kind == T_MARGINS:
        return np.array([t_margin(x[i], recipe.dof, recipe.margin_dofs[i]) for i in range(assets)])
    if recipe.kind == EMPIRICAL_MARGINS:
        return np.array([empirical(x[i], recipe.dof, recipe.observed[i]) for i in range(assets)])
    return x


def jump(process: Process, asset: int, path: int, step: int, seed: int) -> float:
    """Sum of the jumps of one asset in one step."""
    if len(process.jump_odds) == 0:
        return 0.0
    first, second = words(path, asset, step, JUMP, seed)
    upper, v = uniform(second)
    odds: Any = process.jump_odds[asset]
    n = min(int(np.sum((1.0 - v if upper else v) > odds)), len(odds) - 1)
    return float(n * process.jump_mean[asset] + math.sqrt(n) * process.jump_sd[asset] * normal(first))


def path_return(recipe: Recipe, process: Process, steps: int, path: int, seed: int) -> Floats:
    """Simple returns of one path over the horizon, (assets,)."""
    assets = len(process.mean)
    value, variance = np.ones(assets), process.variance.copy()
    for step in range(steps):
        shock = np.sqrt(variance) * innovations(recipe, path, step, seed, assets)
        jumps = np.array([jump(process, i, path, step, seed) for i in range(assets)])
        value *= 1.0 + np.maximum(process.mean + shock + jumps, process.floor)
        weight = process.alpha + process.gamma * (shock < 0.0)
        variance = process.omega + weight * shock**2 + process.beta * variance
    return value - 1.0
