"""Settings of sizing: every limit of the chain, with its unit in its name."""

import math

import msgspec

SMALLEST_FRACTION = 0.25
LARGEST_FRACTION = 0.5


class SizingPolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How a Kelly bet becomes lots. Ratios are of capital; a term without a limit (None) is 1."""

    kelly_fraction: float = SMALLEST_FRACTION
    shrink_for_estimation: bool = True
    volatility_target_per_year: float | None = None
    periods_per_year: float = 252.0
    soft_drawdown: float = 0.10  # below: full size
    hard_drawdown: float = 0.20  # from here: nothing
    venue_caps: dict[str, float] = {}  # gross exposure at a venue over capital
    gross_cap: float = 1.0  # gross exposure over capital
    capital_cap: float | None = None  # money that positions may bind in all; None: all of the capital
    margin_rate: float = 1.0  # money bound by a unit of exposure

    def __post_init__(self) -> None:
        if not 0.0 < self.kelly_fraction <= LARGEST_FRACTION:
            raise ValueError(
                f"kelly_fraction must be {SMALLEST_FRACTION} to {LARGEST_FRACTION}, is {self.kelly_fraction}: beyond "
                f"half of Kelly drawdowns grow faster than what is gained, and the edge is only an estimate"
            )
        if not 0.0 <= self.soft_drawdown < self.hard_drawdown <= 1.0:
            raise ValueError(
                f"soft_drawdown must be at least 0 and below hard_drawdown, which is at most 1; they are "
                f"{self.soft_drawdown} and {self.hard_drawdown}"
            )
        for name, value in (
            ("volatility_target_per_year", self.volatility_target_per_year), ("gross_cap", self.gross_cap),
            ("periods_per_year", self.periods_per_year), ("capital_cap", self.capital_cap),
            *((f"venue_caps.{venue}", cap) for venue, cap in self.venue_caps.items()),
        ):  # fmt: skip
            if value is not None and not (math.isfinite(value) and value > 0.0):
                raise ValueError(f"{name} must be above 0 and finite, is {value}")
        if not 0.0 < self.margin_rate <= 1.0:
            raise ValueError(f"margin_rate must be above 0 and at most 1, is {self.margin_rate}")
