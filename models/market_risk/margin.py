"""Exchange margin: what a position must keep, the price at which it is liquidated, and how far away that is.

Maintenance margin of notional N in a tier is rate * N - deduction, continuous across tiers (the deductions follow from
the rates, as exchanges publish them). Linear contracts settle in the quote currency: notional = quantity * price.
Inverse contracts settle in the coin, a contract is worth a fixed number of quote units: notional = contracts * face /
price.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import stats

from models.faults import Fault

Contract = Literal["linear", "inverse"]


@dataclass(frozen=True)
class Tiers:
    """floors: notional from which a tier applies, the first 0, settlement currency; rates: of maintenance margin."""

    floors: tuple[float, ...]
    rates: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.floors) != len(self.rates) or not self.floors or self.floors[0] != 0.0:
            raise Fault(f"tiers need as many floors as rates, the first floor 0: {self.floors}, {self.rates}")
        if any(a >= b for a, b in zip(self.floors, self.floors[1:], strict=False)):
            raise Fault(f"floors of the margin tiers must rise: {self.floors}")
        if not all(0.0 < rate < 1.0 for rate in self.rates):
            raise Fault(f"maintenance margin rates must lie between 0 and 1: {self.rates}")

    def deductions(self) -> tuple[float, ...]:
        """What makes the margin continuous: deduction_k = deduction_{k-1} + floor_k (rate_k - rate_{k-1})."""
        found = [0.0]
        for k in range(1, len(self.floors)):
            found.append(found[-1] + self.floors[k] * (self.rates[k] - self.rates[k - 1]))
        return tuple(found)

    def maintenance(self, notional: float) -> float:
        """Margin that must be kept for a notional, settlement currency."""
        k = int(np.searchsorted(self.floors, notional, side="right")) - 1
        return self.rates[k] * notional - self.deductions()[k]


@dataclass(frozen=True)
class Position:
    """quantity: coins (linear) or contracts of `face` quote units (inverse); negative for short.

    margin: collateral behind it in settlement currency, without its profit. fee_rate: charged on leaving.
    """

    contract: Contract
    quantity: float
    entry_price: float
    margin: float
    face: float = 1.0
    fee_rate: float = 0.0

    def __post_init__(self) -> None:
        if self.contract not in ("linear", "inverse"):
            raise Fault(f"contract {self.contract!r} must be linear or inverse")
        if not (self.entry_price > 0.0 and self.face > 0.0 and self.margin >= 0.0 and 0.0 <= self.fee_rate < 1.0):
            raise Fault(
                "a position needs a positive entry price and face, a margin and a fee rate that are not negative"
            )

    def notional(self, price: float) -> float:
        """In settlement currency."""
        size = abs(self.quantity) * self.face
        return size * price if self.contract == "linear" else size / price

    def profit(self, price: float) -> float:
        """Unrealised, in settlement currency."""
        size = self.quantity * self.face
        if self.contract == "linear":
            return size * (price - self.entry_price)
        return size * (1.0 / self.entry_price - 1.0 / price)

    def excess(self, price: float, tiers: Tiers) -> float:
        """Equity less maintenance margin and leaving fee: liquidation is where it is 0."""
        notional = self.notional(price)
        return self.margin + self.profit(price) - tiers.maintenance(notional) - self.fee_rate * notional


@dataclass(frozen=True)
class Liquidation:
    """price is None when no price liquidates it. distance: |price / mark - 1|; margin_ratio: maintenance / equity."""

    price: float | None
    distance: float | None
    margin_ratio: float
    maintenance: float
    equity: float


def liquidation(position: Position, mark_price: float, tiers: Tiers) -> Liquidation:
    """Where the position is liquidated, seen from the mark price. A position under water already: its mark price."""
    if not mark_price > 0.0:
        raise Fault(f"mark price is {mark_price:g}: it must be positive")
    notional, equity = position.notional(mark_price), position.margin + position.profit(mark_price)
    maintenance = tiers.maintenance(notional) + position.fee_rate * notional
    ratio = maintenance / equity if equity > 0.0 else float("inf")
    if position.quantity == 0.0:
        return Liquidation(None, None, 0.0, 0.0, equity)
    price = liquidation_price(position, tiers) if position.excess(mark_price, tiers) > 0.0 else mark_price
    distance = None if price is None else abs(price / mark_price - 1.0)
    return Liquidation(price, distance, ratio, maintenance, equity)


def liquidation_price(position: Position, tiers: Tiers) -> float | None:
    """Price at which equity equals maintenance margin and fee; None when there is none above 0.

    In a tier the condition is linear in x = price (linear) or x = 1 / price (inverse); the solution that lies in its
    own tier is the one.
    """
    side, size = np.sign(position.quantity), abs(position.quantity) * position.face
    linear = position.contract == "linear"
    start = position.entry_price if linear else 1.0 / position.entry_price
    turn = side if linear else -side  # profit = turn * size * (x - start), notional = size * x
    ends = (*tiers.floors[1:], float("inf"))
    for floor, end, rate, deduction in zip(tiers.floors, ends, tiers.rates, tiers.deductions(), strict=True):
        slope = size * (turn - rate - position.fee_rate)
        if slope == 0.0:
            continue
        x = (turn * size * start - position.margin - deduction) / slope
        if x > 0.0 and floor <= size * x * (1.0 + 1e-12) and size * x <= end:
            return float(x if linear else 1.0 / x)
    return None


def liquidation_probability(distance: float, volatility: float, horizon: float, *, up: bool = False) -> float:
    """Chance that a price whose logarithm is a random walk touches a barrier that far away (reflection principle).

    distance: fraction of the price; volatility: standard deviation of log returns a step; horizon: steps.
    """
    if distance <= 0.0:
        return 1.0
    if not (volatility > 0.0 and horizon > 0.0):
        raise Fault(f"volatility {volatility:g} and horizon {horizon:g} must be positive")
    barrier = np.log1p(distance) if up else -np.log1p(-min(distance, 1.0 - 1e-16))
    return float(2.0 * stats.norm.sf(barrier / (volatility * np.sqrt(horizon))))


def tiers_of(rows: Sequence[tuple[float, float]]) -> Tiers:
    """Tiers from (floor of the notional, maintenance margin rate) rows."""
    return Tiers(tuple(float(floor) for floor, _ in rows), tuple(float(rate) for _, rate in rows))
