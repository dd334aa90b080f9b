"""The chain from a wish to lots: named factors whose product, multiplied in order, is the lots, bit for bit.

The identity is one of IEEE doubles: `raw`, times the first factor, times the second, ... each product rounded to
nearest as any machine does, is exactly `lots`, which is a whole number. So whoever reads the output can check it with
the plainest loop. As fractions it holds too: each term keeps the lots before and after, and after / before telescopes.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

ROUNDING = "rounding"
LARGEST_LOTS = 2.0**53  # beyond, doubles are no longer whole lots
NUDGES = 64  # last places by which the quantity before rounding may be lowered so that the identity holds


@dataclass(frozen=True)
class Term:
    """One factor; `before` and `after` in lots."""

    name: str
    factor: float
    before: float
    after: float

    @property
    def ratio(self) -> Fraction:
        """after / before without any rounding; 1 where there was nothing left to multiply."""
        return Fraction(self.after) / Fraction(self.before) if self.before != 0.0 else Fraction(1)


@dataclass(frozen=True)
class Chain:
    """raw x product of the factors = lots. `raw` is in lots with a sign and need not be whole."""

    raw: float
    terms: tuple[Term, ...]
    lots: int

    def product(self) -> float:
        """What a reader computes: left to right, in doubles."""
        running = self.raw
        for term in self.terms:
            running *= term.factor
        return running

    def exact_product(self) -> Fraction:
        """The same with the exact ratios."""
        running = Fraction(self.raw)
        for term in self.terms:
            running *= term.ratio
        return running


def chain(raw: float, factors: Sequence[tuple[str, float]]) -> Chain:
    """Multiplies in order and rounds toward zero; the last term is the rounding.

    Raises ValueError when raw or a factor is not finite, a factor is negative or none is given, or the lots
    are more than doubles count one by one.
    """
    if not math.isfinite(raw):
        raise ValueError(f"raw must be finite, is {raw}")
    terms, running = [], raw
    if not factors:
        raise ValueError("a chain needs at least one factor before the rounding")
    for name, factor in factors:
        if not (math.isfinite(factor) and factor >= 0.0):
            raise ValueError(f"{name} must be at least 0 and finite, is {factor}")
        before, running = running, running * factor
        terms.append(Term(name, factor, before, running))
    if not abs(running) < LARGEST_LOTS:
        raise ValueError(f"{running} lots are more than {LARGEST_LOTS:.0f}, the largest whole number kept")
    return _rounded(raw, terms)


def _rounded(raw: float, terms: list[Term]) -> Chain:
    """Appends the rounding; lowers the quantity before it by last places until a double gives whole lots exactly."""
    before = terms[-1].after
    lots = math.trunc(before)
    factor = _factor_to(before, lots)
    for _ in range(NUDGES):
        if factor is not None:
            break
        last = terms[-1]
        lowered = math.nextafter(last.factor, 0.0)
        before = last.before * lowered
        if math.trunc(before) != lots:
            break
        terms[-1] = Term(last.name, lowered, last.before, before)
        factor = _factor_to(before, lots)
    if factor is None:
        raise ArithmeticError(f"no double turns {before!r} into {lots} lots")
    after = before * factor
    return Chain(raw, (*terms, Term(ROUNDING, factor, before, after)), lots)


def _factor_to(before: float, lots: int) -> float | None:
    """A double f <= 1 with before x f == lots in doubles, or None."""
    if lots == 0:
        return 0.0
    guess = lots / before
    for factor in (guess, math.nextafter(guess, 1.0), math.nextafter(guess, 0.0)):
        if factor <= 1.0 and before * factor == lots:
            return factor
    return None
