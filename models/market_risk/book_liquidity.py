"""What leaving a position costs, from samples of an order book: spread, depth near the mid, how soon it is back."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.faults import DataFault
from models.market_risk.liquidity import SweepCost, Terms, sweep_cost

Floats = NDArray[np.float64]

LEAST_SAMPLES = 30
TOLD = 0.25  # of the time recorded: a longer return of the depth is not surely seen in it
RECOVERED = 3.0  # relaxation times after which 95 % of the depth is back


@dataclass(frozen=True)
class Side:
    """One side of a book: prices (levels,), best first, and quantities (levels,) in units of the instrument."""

    prices: Floats
    quantities: Floats

    def within(self, mid: float, fraction: float) -> "Side":
        """The levels at most that fraction of the mid away from it."""
        near = np.abs(self.prices / mid - 1.0) <= fraction
        return Side(self.prices[near], self.quantities[near])

    def value(self, mid: float) -> float:
        """Money resting there, at the mid."""
        return float(self.quantities.sum() * mid)


@dataclass(frozen=True)
class BookSample:
    """A valid book at one moment. depth: money within the distance asked for; depth_cost: of taking it whole against
    the mid, as a fraction of its value. Both of the side that is hit."""

    mid: float
    spread: float  # relative
    depth: float
    depth_cost: float


def sample_of(bids: Side, asks: Side, sold: bool, fraction: float) -> BookSample:
    """One sample, `fraction` of the mid deep, of the bids for what is to be sold, of the asks for a short position."""
    mid = 0.5 * float(bids.prices[0] + asks.prices[0])
    near = (bids if sold else asks).within(mid, fraction)
    spread = float(asks.prices[0] - bids.prices[0]) / mid
    if len(near.prices) == 0:
        return BookSample(mid, spread, 0.0, 0.5 * spread)
    whole = sweep_cost(near.prices, near.quantities, float(near.quantities.sum()), mid)
    return BookSample(mid, spread, near.value(mid), whole.cost_fraction)


def terms_of(samples: list[BookSample], step_s: float, name: str) -> tuple[Terms, tuple[str, ...]]:
    """`Terms` of evenly spaced samples, and notes. Raises DataFault for too few.

    spread: mean, with its standard deviation; depth: median; impact: median cost of taking the depth, less half the
    mean spread, which is counted apart. refill_s: `RECOVERED` relaxation times of an exponential return of the log
    depth to its mean (Obizhaeva and Wang 2013), from its autocorrelation at one step; at least one step.
    """
    if len(samples) < LEAST_SAMPLES:
        raise DataFault(f"{name}: {len(samples)} samples of a valid book; at least {LEAST_SAMPLES} are needed")
    spreads = np.array([sample.spread for sample in samples])
    depths = np.array([sample.depth for sample in samples])
    costs = np.array([sample.depth_cost for sample in samples])
    refill_s, notes = refill(depths, step_s, name)
    impact = max(float(np.median(costs)) - 0.5 * float(spreads.mean()), 0.0)
    return Terms(float(spreads.mean()), float(spreads.std()), float(np.median(depths)), refill_s, impact), notes


def refill(depths: Floats, step_s: float, name: str) -> tuple[float, tuple[str, ...]]:
    """Seconds until 95 % of a deviation of the depth is gone, and a note where the samples are too short to tell."""
    logs = np.log(np.maximum(depths, 1e-9 * max(float(depths.max()), 1.0)))
    centred = logs - logs.mean()
    power = float(centred @ centred)
    correlation = float(centred[1:] @ centred[:-1]) / power if power > 0.0 else 0.0
    longest = len(depths) * step_s
    if correlation <= 0.0:
        return step_s, ()
    found = float(max(step_s, RECOVERED * step_s / -np.log(min(correlation, 1.0 - 1e-12))))
    if found <= TOLD * longest:
        return found, ()
    return found, (
        f"REFILL_UNCERTAIN: the depth of {name} comes back in about {found:,.0f} s, as far as {longest:,.0f} s "
        f"recorded can tell",
    )


def at_once(side: Side, quantity: float, mid: float) -> SweepCost:
    """What taking the whole position from a side would cost now; `unfilled` lies beyond the visible book."""
    return sweep_cost(side.prices, side.quantities, quantity, mid)


def described(found: SweepCost, mid: float) -> dict[str, Any]:
    """In money, for a result."""
    return {
        "filled": found.filled * mid,
        "unfilled": found.unfilled * mid,
        "cost": found.cost,
        "cost_fraction": found.cost_fraction,
    }
