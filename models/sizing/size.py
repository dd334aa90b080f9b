"""From edges to lots: the Kelly bet and, in a fixed order, every factor that makes it smaller.

    raw                 stand-alone Kelly: (mean - rate) / variance, or by listed outcomes, in lots of the capital
    x estimation        Kan and Zhou's factor: how much of an estimated optimum to believe
    x fraction          0.25 to 0.5 of Kelly
    x correlation       joint over stand-alone: the joint programme, with its constraints, on edges net of costs
    x costs             share of the edge that survives costs and funding; 0 when nothing does, never the other side
    x volatility_target at most 1
    x drawdown          1 up to the soft limit, falling to 0 at the hard one
    x data_quality      0 to 1, per instrument
    x venue_cap         nearest portfolio in risk within the venues' caps
    x gross_cap         the same for the gross cap
    x capital_cap       one factor for all: money that the positions bind
    x rounding          toward zero, to whole lots

The product is the lots exactly (see `chain`). What binds is listed in `caps_hit`.
"""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from models.construction.constraints import Constraints
from models.construction.moments import usable_covariance
from models.faults import Fault
from models.sizing.caps import caps_exceeded, within_caps
from models.sizing.chain import Chain, chain
from models.sizing.config import SMALLEST_FRACTION, SizingPolicy
from models.sizing.estimation import check_observations, kan_zhou_factor
from models.sizing.kelly import joint_kelly

Array = np.ndarray[Any, np.dtype[np.float64]]

TERMS = (
    "estimation", "fraction", "correlation", "costs", "volatility_target", "drawdown", "data_quality", "venue_cap",
    "gross_cap", "capital_cap",
)  # fmt: skip


@dataclass(frozen=True)
class Edges:
    """What is believed of n instruments, per period: means and (unbiased) covariance of simple returns, and costs.

    `raw` (n,): stand-alone Kelly fractions when they are not mean / variance; `observations`: on how many returns the
    means rest, None when they are known; costs (n,): of holding for a period, both ways, fraction of notional;
    funding (n,): what a long pays and a short receives per period.
    """

    names: tuple[str, ...]
    means: Array
    covariance: Array
    observations: int | None
    costs: Array
    funding: Array
    raw: Array | None = None
    rate: float = 0.0


@dataclass(frozen=True)
class Account:
    """Capital in money; price, size of a lot, venue and data quality (0 to 1) of each; drawdown from the peak."""

    capital: float
    prices: Array
    lot_sizes: Array
    venues: tuple[str, ...]
    quality: Array
    drawdown: float = 0.0


@dataclass(frozen=True)
class Sizes:
    """A chain for each instrument, in the order of the names; what bound; what a reader must know."""

    names: tuple[str, ...]
    chains: tuple[Chain, ...]
    caps_hit: tuple[str, ...]
    notes: tuple[str, ...] = ()
    weights: Array = field(default_factory=lambda: np.zeros(0))  # exposure over capital after rounding


def size(edges: Edges, account: Account, policy: SizingPolicy, constraints: Constraints | None = None) -> Sizes:
    """Lots of every instrument. `constraints`: on the fractions of capital, solved in the joint programme.

    Raises Fault on arguments that cannot be used: not finite, too few observations, contradicting constraints.
    """
    check(edges, account)
    covariance, repairs = usable_covariance(edges.covariance, edges.names)
    edges = replace(edges, covariance=covariance)
    count = len(edges.names)
    free = Constraints(edges.names, np.full(count, -np.inf), np.full(count, np.inf), None)
    excess = edges.means - edges.rate
    alone = excess / np.diag(edges.covariance) if edges.raw is None else edges.raw
    side = np.sign(alone)
    belief, notes = believed(excess, edges, policy)
    survives = surviving_share(side, excess, edges)
    scaled = belief * policy.kelly_fraction
    joint = np.zeros(count)
    if scaled > 0.0 and survives.any():
        calibrated = alone * np.diag(edges.covariance)  # the means whose continuous Kelly the raw fractions are
        joint = joint_kelly(calibrated * survives, edges.covariance, constraints or free, fraction=scaled)
    rail_factors, rails_hit = rails(joint, edges, account, policy)
    factors = {
        "estimation": np.full(count, belief),
        "fraction": np.full(count, policy.kelly_fraction),
        "correlation": ratio(joint, alone * scaled * survives),
        "costs": survives,
        **rail_factors,
    }
    hit = [f"edge_below_cost:{edges.names[i]}" for i in np.flatnonzero((alone != 0.0) & (survives == 0.0))]
    if constraints is not None:
        hit += [f"constraint:{name}" for name in constraints.active_at(joint) if joint.any()]
    return in_lots(edges.names, alone, factors, account, hit + rails_hit, [*repairs, *notes])


def believed(excess: Array, edges: Edges, policy: SizingPolicy) -> tuple[float, list[str]]:
    """Kan and Zhou's factor of the means' squared Sharpe ratio; 1, noted, when it does not apply."""
    notes = []
    if policy.kelly_fraction < SMALLEST_FRACTION:
        notes.append(f"FRACTION_LOW: {policy.kelly_fraction:g} of Kelly is below the usual {SMALLEST_FRACTION}")
    if not policy.shrink_for_estimation:
        return 1.0, [*notes, "ESTIMATION_IGNORED: means are taken as known because the policy says so"]
    if edges.observations is None:
        return 1.0, [*notes, "ESTIMATION_UNKNOWN: no number of observations given, so the edge is taken as known"]
    check_observations(len(excess), edges.observations)
    largest_likelihood = edges.covariance * (edges.observations - 1) / edges.observations
    squared = float(excess @ np.linalg.solve(largest_likelihood, excess))
    belief = kan_zhou_factor(squared, len(excess), edges.observations)
    if belief == 0.0:
        notes.append("EDGE_IS_NOISE: the means are no larger than chance alone would make them; nothing is held")
    return belief, notes


def surviving_share(side: Array, excess: Array, edges: Edges) -> Array:
    """(|edge| - cost - funding paid) / |edge|, at least 0: never the other side of the edge."""
    size_of_edge = np.abs(excess)
    net = size_of_edge - edges.costs - side * edges.funding
    kept = np.divide(net, size_of_edge, out=np.zeros(len(excess)), where=size_of_edge > 0)
    return np.where(np.sign(excess) == side, np.maximum(kept, 0.0), 0.0)


def rails(joint: Array, edges: Edges, account: Account, policy: SizingPolicy) -> tuple[dict[str, Array], list[str]]:
    """The factors after the programme, none above 1, and which limits they come from."""
    count, covariance = len(joint), edges.covariance
    target = 1.0
    volatility = float(np.sqrt(max(float(joint @ covariance @ joint), 0.0) * policy.periods_per_year))
    if policy.volatility_target_per_year is not None and volatility > policy.volatility_target_per_year:
        target = policy.volatility_target_per_year / volatility
    fall = drawdown_factor(account.drawdown, policy)
    wanted = joint * target * fall * account.quality
    in_venues = within_caps(wanted, covariance, account.venues, policy.venue_caps, None)
    in_gross = within_caps(wanted * in_venues, covariance, account.venues, {}, policy.gross_cap)
    bound = account.capital * policy.margin_rate * float(np.abs(wanted * in_venues * in_gross).sum())
    money = account.capital if policy.capital_cap is None else policy.capital_cap
    capital = min(1.0, money / bound) if bound > 0.0 else 1.0
    hit = [name for name, factor in (("volatility_target", target), ("drawdown", fall)) if factor < 1.0]
    hit += [f"data_quality:{edges.names[i]}" for i in np.flatnonzero(account.quality < 1.0)]
    hit += [name for name, *_ in caps_exceeded(wanted, account.venues, policy.venue_caps, None)]
    hit += [name for name, *_ in caps_exceeded(wanted * in_venues, account.venues, {}, policy.gross_cap)]
    hit += ["capital_cap"] if capital < 1.0 else []
    factors = {
        "volatility_target": np.full(count, target),
        "drawdown": np.full(count, fall),
        "data_quality": account.quality,
        "venue_cap": in_venues,
        "gross_cap": in_gross,
        "capital_cap": np.full(count, capital),
    }
    return factors, hit


def drawdown_factor(drawdown: float, policy: SizingPolicy) -> float:
    """1 up to the soft drawdown, then in a straight line to 0 at the hard one."""
    span = policy.hard_drawdown - policy.soft_drawdown
    return min(1.0, max(0.0, (policy.hard_drawdown - drawdown) / span))


def ratio(numerator: Array, denominator: Array) -> Array:
    """Of two positions on the same side; 1 where there is nothing, for another term is 0 there."""
    found: Array = np.divide(numerator, denominator, out=np.ones(len(numerator)), where=denominator != 0)
    return np.maximum(found, 0.0)


def in_lots(
    names: tuple[str, ...], alone: Array, factors: dict[str, Array], account: Account, hit: list[str], notes: list[str]
) -> Sizes:
    """The chains, and the exposure they end in."""
    per_lot = account.prices * account.lot_sizes
    raw = alone * account.capital / per_lot
    chains = []
    for i, name in enumerate(names):
        try:
            chains.append(chain(float(raw[i]), [(term, float(factors[term][i])) for term in TERMS]))
        except ValueError as error:
            raise Fault(f"{name}: {error}; look at its edge, the capital, the price and the lot size") from None
    lots = np.array([c.lots for c in chains], dtype=np.float64)
    return Sizes(names, tuple(chains), tuple(hit), tuple(notes), lots * per_lot / account.capital)


def check(edges: Edges, account: Account) -> None:
    """Raises Fault naming the first argument, and the instrument, that cannot be used."""
    if not (np.isfinite(account.capital) and account.capital > 0.0):
        raise Fault(f"capital must be above 0 and finite, is {account.capital}")
    if not 0.0 <= account.drawdown <= 1.0:
        raise Fault(f"drawdown must lie in 0 .. 1 (0.08 is 8 %), is {account.drawdown}")
    if not np.isfinite(edges.covariance).all():
        raise Fault("the covariance holds a value that is not finite")
    variances = np.diag(edges.covariance)
    for label, values, right in (
        ("mean", edges.means, np.isfinite(edges.means)),
        ("variance", variances, variances > 0.0),
        ("cost", edges.costs, np.isfinite(edges.costs) & (edges.costs >= 0.0)),
        ("funding", edges.funding, np.isfinite(edges.funding)),
        ("price", account.prices, np.isfinite(account.prices) & (account.prices > 0.0)),
        ("lot size", account.lot_sizes, np.isfinite(account.lot_sizes) & (account.lot_sizes > 0.0)),
        ("quality", account.quality, (account.quality >= 0.0) & (account.quality <= 1.0)),
    ):
        if not right.all():
            i = int(np.argmin(right))
            raise Fault(f"{edges.names[i]}: {label} {values[i]:g} cannot be used")
