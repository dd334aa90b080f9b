"""What it costs, and how long it takes, to turn a position into money: spread, depth of the book, pace."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.faults import DataFault, Fault
from models.panel import read_records

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class SweepCost:
    """A position sold into the resting orders of one side, at once.

    filled and unfilled quantity (unfilled: beyond the visible book), average price, cost against the mid in the quote
    currency and as a fraction of the filled value.
    """

    filled: float
    unfilled: float
    average_price: float
    cost: float
    cost_fraction: float


@dataclass(frozen=True)
class LiquidityAdjusted:
    """VaR with the cost of leaving: total = var * horizon_factor + spread_cost + depth_cost, all in one currency."""

    var: float
    horizon_factor: float
    spread_cost: float
    depth_cost: float
    total: float


def spread_cost(exposures: Any, spreads: Any, deviations: Any = 0.0, *, multiple: float = 3.0) -> float:
    """Half the relative spread, stressed, on every exposure; Bangia, Diebold, Schuermann and Stroughair (1999), eq. 6.

    spreads: mean relative spread (ask - bid) / mid, deviations: its standard deviation, (assets,). `multiple`: how many
    deviations the spread widens when it matters (the paper: 2 to 4.5, for the spread is far from normal).
    """
    held = np.abs(np.atleast_1d(np.asarray(exposures, np.float64)))
    wide = np.broadcast_to(np.asarray(spreads, np.float64), held.shape) + multiple * np.asarray(deviations, np.float64)
    if np.any(wide < 0.0) or not np.all(np.isfinite(wide)):
        raise Fault("a relative spread is negative or not a number: give (ask - bid) / mid of each instrument")
    return float(0.5 * np.sum(held * wide))


def sweep_cost(prices: Any, quantities: Any, quantity: float, mid: float) -> SweepCost:
    """Cost of taking `quantity` from resting orders, best price first: prices and quantities (levels,), one side.

    Bids for a sale (prices falling), asks for a purchase (prices rising). Quantities in units of the instrument.
    """
    price, resting = np.asarray(prices, np.float64), np.asarray(quantities, np.float64)
    if price.shape != resting.shape or price.ndim != 1 or len(price) == 0:
        raise Fault(f"prices {price.shape} and quantities {resting.shape}: one quantity a level is needed")
    steps = np.diff(price)
    if np.any(resting < 0.0) or not (np.all(steps <= 0.0) or np.all(steps >= 0.0)):
        raise Fault("levels must lie in order of price, best first, with quantities that are not negative")
    before = np.concatenate([[0.0], np.cumsum(resting)[:-1]])
    taken = np.clip(abs(quantity) - before, 0.0, resting)
    filled = float(taken.sum())
    paid = float(taken @ price)
    cost = abs(paid - filled * mid)
    fraction = cost / (filled * mid) if filled > 0.0 else 0.0
    return SweepCost(filled, max(abs(quantity) - filled, 0.0), paid / filled if filled else mid, cost, fraction)


def time_to_liquidate(quantity: float, depth: float, *, refill_s: float, participation: float = 0.1) -> float:
    """Seconds to leave a position when each refill of the book lets `participation` of the depth be taken.

    depth: resting quantity near the touch on the side that is hit; refill_s: time in which it comes back. Obizhaeva and
    Wang (2013) call the pace of coming back the book's resilience.
    """
    if not 0.0 < participation <= 1.0:
        raise Fault(f"participation is {participation:g}: a share of the depth, above 0 and at most 1")
    if not refill_s > 0.0 or depth < 0.0:
        raise Fault(f"refill_s {refill_s:g} must be positive and depth {depth:g} not negative")
    if quantity == 0.0:
        return 0.0
    if depth == 0.0:
        return float("inf")
    return float(np.ceil(abs(quantity) / (participation * depth) - 1e-12)) * refill_s


def horizon_factor(liquidation_steps: float) -> float:
    """What one-step VaR is multiplied by when a position is left evenly over that many steps, at least 1.

    The position falls linearly: variance is the sum of (1 - t / T)^2, t = 0 ... T - 1, (1 + T)(1 + 2 T) / (6 T).
    """
    if liquidation_steps <= 1.0:
        return 1.0
    t = liquidation_steps
    return float(np.sqrt((1.0 + t) * (1.0 + 2.0 * t) / (6.0 * t)))


def liquidity_adjusted_var(
    var: float, *, spread: float, depth: float = 0.0, liquidation_steps: float = 1.0
) -> LiquidityAdjusted:
    """One-step `var`, spread and depth cost in one currency, joined as if they came together (Bangia et al. 1999)."""
    factor = horizon_factor(liquidation_steps)
    return LiquidityAdjusted(var, factor, spread, depth, var * factor + spread + depth)


# -- of a portfolio --------------------------------------------------------------------------------------------------

FIELDS = ("spread", "spread_deviation", "depth", "refill_s", "impact")


@dataclass(frozen=True)
class Terms:
    """What leaving one instrument is like.

    spread and spread_deviation: relative. depth: money resting near the touch; refill_s: seconds until it is back (NaN:
    not known). impact: cost of taking the whole depth at once, as a fraction of its value.
    """

    spread: float
    spread_deviation: float = 0.0
    depth: float = float("nan")
    refill_s: float = float("nan")
    impact: float = 0.0


def read_liquidity(path: Path | str, names: Sequence[str]) -> dict[str, Terms]:
    """Reads `instrument,spread[,spread_deviation][,depth][,refill_s][,impact]`, one line for each of `names`."""
    header, rows = read_records(path)
    unknown = set(header) - {"instrument", *FIELDS}
    if not {"instrument", "spread"} <= set(header) or unknown:
        raise Fault(f"{path}: columns are instrument, spread and any of {', '.join(FIELDS[1:])}; got {sorted(header)}")
    found = {}
    for number, row in rows:
        try:
            given = {field: float(row[field]) for field in FIELDS if row.get(field)}
        except ValueError:
            raise DataFault(f"{path}: line {number} holds what is no number") from None
        if "spread" not in given or not all(0.0 <= value < np.inf for value in given.values()):
            raise DataFault(f"{path}: line {number}: a spread is needed, and nothing may be negative or infinite")
        found[row["instrument"]] = Terms(**given)
    absent = [name for name in names if name not in found]
    if absent:
        raise DataFault(f"{path}: no line for {', '.join(absent)}")
    return found


def leaving(
    var: float,
    names: Sequence[str],
    exposures: Floats,
    terms: Mapping[str, Terms],
    *,
    participation: float = 0.1,
    step_s: float | None = None,
) -> dict[str, Any]:
    """VaR with spread and depth cost, and the seconds in which each position can be left.

    step_s: seconds that `var` is for. Where the slowest position takes longer, VaR is that of one left evenly over its
    time (`horizon_factor`).

    Depth cost: the share of the depth that one tenth of it (`participation`) stands for, square-root in size (Almgren
    et al. 2005 find a power near 0.6): impact * sqrt(min(|exposure|, participation * depth) / depth) on the exposure.
    """
    each = [terms[name] for name in names]
    sizes = np.abs(exposures)
    spreads = spread_cost(exposures, [term.spread for term in each], [term.spread_deviation for term in each])
    depths = np.array([term.depth for term in each])
    known = np.isfinite(depths) & (depths > 0.0)
    slices = np.where(known, np.minimum(sizes, participation * np.where(known, depths, 1.0)), 0.0)
    share = np.sqrt(slices / np.where(known, depths, 1.0))
    depth_cost = float(np.sum(sizes * share * np.array([term.impact for term in each])))
    seconds = {
        name: time_to_liquidate(size, term.depth, refill_s=term.refill_s, participation=participation)
        for name, size, term in zip(names, sizes.tolist(), each, strict=True)
        if np.isfinite(term.depth) and np.isfinite(term.refill_s)
    }
    slowest = max((each for each in seconds.values() if each < np.inf), default=0.0)
    steps = slowest / step_s if step_s else 1.0
    adjusted = liquidity_adjusted_var(var, spread=spreads, depth=depth_cost, liquidation_steps=steps)
    return {
        "var": adjusted.var,
        "horizon_factor": adjusted.horizon_factor,
        "spread_cost": adjusted.spread_cost,
        "depth_cost": adjusted.depth_cost,
        "total": adjusted.total,
        "participation": participation,
        "seconds_to_liquidate": seconds,
    }
