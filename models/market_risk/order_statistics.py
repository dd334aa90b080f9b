"""VaR and CVaR of scenarios as weighted sums of order statistics, so that their Euler contributions are exact.

VaR is the loss at rank (n + 1) p, between two neighbours if the rank is not whole (Hyndman and Fan 1996, type 6). CVaR
is the mean of the worst n (1 - p) losses, the last of them counted in part (Acerbi and Tasche 2002, definition 2.6).
Both are positively homogeneous in the exposures; their gradient is the same weighted sum of the scenarios' returns.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.faults import DataFault, Fault

Floats = NDArray[np.float64]
Places = NDArray[np.int64]

SAMPLE = 4_096
SMOOTHED = 0.1  # of the tail: half-width in ranks over which a conditional mean is taken


@dataclass(frozen=True)
class Weighted:
    """A statistic of a tail: the sum of `weights` times its losses at `places`, counted within the tail."""

    places: Places
    weights: Floats

    def of(self, values: Floats) -> Floats:
        """Of values (tail,) a number, of values (tail, assets) one number an asset."""
        found: Floats = np.tensordot(self.weights, values[self.places], axes=1)
        return found


@dataclass(frozen=True)
class Tail:
    """The worst losses of a set of scenarios: enough for VaR, CVaR, their standard errors and contributions."""

    level: float
    count: int
    places: Places  # of the worst scenarios, worst last
    losses: Floats  # at those places, ascending

    def from_top(self, rank: int) -> int:
        """Index into `places` of the loss of that rank among all, 1 the smallest."""
        return len(self.places) - 1 - (self.count - rank)

    def var(self) -> Weighted:
        rank = (self.count + 1) * self.level
        lower = min(int(rank), self.count - 1)
        fraction = rank - lower
        pair = [self.from_top(lower), self.from_top(lower + 1)]
        return Weighted(np.array(pair), np.array([1.0 - fraction, fraction]))

    def cvar(self) -> Weighted:
        mass = self.count * (1.0 - self.level)
        whole = int(mass + 1e-9)
        part = max(mass - whole, 0.0) if mass - whole > 1e-9 else 0.0
        places = np.arange(len(self.places) - whole - (part > 0), len(self.places))
        weights = np.full(len(places), 1.0 / mass)
        if part > 0:
            weights[0] = part / mass
        return Weighted(places, weights / weights.sum())

    def near_var(self) -> Weighted:
        """The mean over ranks around VaR, half-width a tenth of the tail: E[. | loss = VaR] with less noise."""
        half = int(SMOOTHED * self.count * (1.0 - self.level))
        if half == 0:
            return self.var()
        rank = round((self.count + 1) * self.level)
        centre = self.from_top(rank)
        places = np.arange(centre - half, centre + half + 1)
        kernel = 1.0 - (np.arange(-half, half + 1) / (half + 1.0)) ** 2
        return Weighted(places, kernel / kernel.sum())

    def value(self, weighted: Weighted) -> float:
        """Of a statistic of this tail."""
        return float(weighted.of(self.losses))

    def standard_error_var(self) -> float:
        """Half the distance between the order statistics one binomial standard deviation to each side of VaR.

        Free of a density estimate: the distribution-free interval of David and Nagaraja (2003), 7.1, at one deviation.
        """
        spread = np.sqrt(self.count * self.level * (1.0 - self.level))
        rank = (self.count + 1) * self.level
        ends = [self.loss_at(min(rank + spread, self.count)), self.loss_at(rank - spread)]
        used = min(rank + spread, self.count) - (rank - spread)
        return float((ends[0] - ends[1]) * spread / used)

    def standard_error_cvar(self) -> float:
        """Manistre and Hancock (2005): variance of the tail and of where it begins; NaN below two losses of a tail."""
        beyond = int(self.count * (1.0 - self.level) + 1e-9)
        if beyond < 2:
            return float("nan")
        var, worst = self.value(self.var()), self.losses[len(self.losses) - beyond :]
        mean = float(worst.mean())
        variance = float(worst.var()) + self.level * (mean - var) ** 2
        return float(np.sqrt(variance / (self.count * (1.0 - self.level))))

    def loss_at(self, rank: float) -> float:
        lower = max(min(int(rank), self.count - 1), self.count - len(self.places) + 1)
        low, high = self.losses[self.from_top(lower)], self.losses[self.from_top(lower + 1)]
        return float(low + min(rank - lower, 1.0) * (high - low))


def tail_of(losses: Floats, level: float) -> Tail:
    """The part of losses (n,) that VaR, CVaR and their errors need. Faults: level not in (0.5, 1), too few of them."""
    check_level(level)
    count = len(losses)
    if count < least_scenarios(level):
        raise DataFault(
            f"{count:,} scenarios cannot show a loss at level {level:g}: rank (n + 1) p = {(count + 1) * level:.2f} is "
            f"above n; give at least {least_scenarios(level):,} or lower the level"
        )
    if not np.all(np.isfinite(losses)):
        row = int(np.flatnonzero(~np.isfinite(losses))[0])
        raise DataFault(f"loss of scenario {row + 1:,} of {count:,} is not a number; leave that row out")
    beyond = count * (1.0 - level)
    needed = min(count, int(np.ceil(beyond * (1.0 + SMOOTHED) + 2.0 * np.sqrt(beyond))) + 4)
    worst = np.flatnonzero(losses >= lower_bound(losses, needed))
    order = np.argsort(losses[worst], kind="stable")[-needed:]  # ties in order of place, whatever their number
    places = worst[order].astype(np.int64)
    return Tail(level, count, places, losses[places])


def lower_bound(losses: Floats, needed: int) -> float:
    """A value that at least `needed` of losses (n,) reach, and few more: found on a sample, so that a long array is
    looked at once and only its end is ordered."""
    count = len(losses)
    if count > SAMPLE * 4:
        sample = losses[:: count // SAMPLE]
        share = needed / count
        taken = min(len(sample) - 1, int(len(sample) * share + 4.0 * np.sqrt(len(sample) * share)) + 4)
        guess = float(np.partition(sample, len(sample) - taken)[len(sample) - taken])
        if np.count_nonzero(losses >= guess) >= needed:
            return guess
    return float(np.partition(losses, count - needed)[count - needed])


def least_scenarios(level: float) -> int:
    """The fewest losses whose rank (n + 1) p is within them."""
    return int(np.ceil(level / (1.0 - level) * (1.0 - 1e-9)))


def check_level(level: float) -> None:
    """Raises Fault unless 0.5 < level < 1."""
    if not 0.5 < level < 1.0:
        raise Fault(f"level is {level:g}: a confidence level lies between 0.5 and 1, like 0.99")


def empirical_var(losses: Floats, level: float) -> float:
    """Loss at rank (n + 1) p of losses (n,)."""
    tail = tail_of(losses, level)
    return tail.value(tail.var())


def empirical_cvar(losses: Floats, level: float) -> float:
    """Mean of the worst n (1 - p) of losses (n,)."""
    tail = tail_of(losses, level)
    return tail.value(tail.cvar())
