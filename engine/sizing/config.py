"""Settings of sizing, one for each strategy."""

from typing import Literal

import msgspec

SCALE_ONE_E6 = 1_000_000
SMALLEST_FRACTION, LARGEST_FRACTION = 0.25, 0.5  # of Kelly
HORIZONS = 4  # of a forecast, as in engine/stage.pxd
LEAST_OBSERVATIONS = 6  # of one bet: models.sizing.estimation
LOTS_BOUND = 1 << 53  # as far as doubles count one by one
TERMS = (  # SizingView.term[n] is TERMS[n]
    "estimation", "fraction", "correlation", "costs", "volatility_target", "drawdown", "data_quality", "venue_cap",
    "gross_cap", "capital_cap", "rounding",
)  # fmt: skip


class SizingSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How a strategy's wish becomes a quantity; always whole steps of the venue, rounded toward zero.

    fixed: the wish times scale_e6 / 1e6. volatility_targeted: that, but no more than the lots whose loss has a standard
    deviation of target_risk_atoms (1e-8 of the quote currency) over one second, by the named feature.
    kelly: the wish, but no more than is missing to Kelly's position for the forecast and the volatility that the risk
    process published; nothing without an edge beyond kelly_cost_bp and funding, a ready forecast and fresh results.
    How far the forecast is believed follows from its model's card, unless the coefficient and the observations are
    given here. What closes a position against the forecast must say reduce_only.
    """

    method: Literal["fixed", "volatility_targeted", "kelly"] = "fixed"
    scale_e6: int = SCALE_ONE_E6
    target_risk_atoms: int = 0  # per square root of a second; 0 for kelly: no such term
    variance_feature: str = "realised_variance_10s"  # realised variance of log returns
    variance_horizon_s: float = 1.0  # the seconds that the feature's variance is of
    variance_unit: float = 1e-8  # one squared basis point, which is what our features count in
    minimum_variance_per_s: float = 1e-12  # a quieter market than this is not believed

    kelly_fraction: float = 0.25
    kelly_horizon: int = 0  # place of the horizon in the model's forecast
    kelly_horizon_s: float = 1.0  # and how long it is
    kelly_information_coefficient: float = 0.0  # correlation of forecast and return out of sample; 0: the model's card
    kelly_observations: int = 0  # independent ones that it was measured on; 0: the model's card
    kelly_cost_bp: float = 2.0  # of a position, both ways: fees, spread; funding comes as the venue says it
    kelly_funding_interval_s: float = 28_800.0  # between two payments of funding
    kelly_venue_bp: int = 10_000  # of the equity that all positions at one venue may be worth
    kelly_gross_bp: int = 10_000  # and all positions
    kelly_capital_bp: int = 1_000  # and one position

    def __post_init__(self) -> None:
        if not 0 < self.scale_e6 <= 1000 * SCALE_ONE_E6:
            raise ValueError(f"scale_e6 must be above 0 and at most {1000 * SCALE_ONE_E6}, is {self.scale_e6}")
        self._check_kelly()
        for name in ("variance_horizon_s", "variance_unit", "minimum_variance_per_s"):
            value = getattr(self, name)
            if not 0.0 < value < float("inf"):
                raise ValueError(f"{name} must be above 0 and finite, is {value}")
        if self.method == "volatility_targeted":
            if self.target_risk_atoms <= 0:
                raise ValueError(f"target_risk_atoms must be above 0, is {self.target_risk_atoms}")
            if not self.variance_feature:
                raise ValueError("variance_feature must name a feature when method is volatility_targeted")

    def _check_kelly(self) -> None:
        if not SMALLEST_FRACTION <= self.kelly_fraction <= LARGEST_FRACTION:
            raise ValueError(
                f"kelly_fraction must be from {SMALLEST_FRACTION} to {LARGEST_FRACTION}, is {self.kelly_fraction}: "
                "beyond half of Kelly drawdowns grow faster than what is gained, and the edge is only an estimate"
            )
        if not 0 <= self.kelly_horizon < HORIZONS:
            raise ValueError(f"kelly_horizon must be from 0 to {HORIZONS - 1}, is {self.kelly_horizon}")
        if not 0.0 < self.kelly_horizon_s < 1e6:
            raise ValueError(f"kelly_horizon_s must be above 0, is {self.kelly_horizon_s}")
        if not 0.0 <= self.kelly_cost_bp < 10_000.0:
            raise ValueError(f"kelly_cost_bp must be from 0 to below 10000, is {self.kelly_cost_bp}")
        if not 1.0 <= self.kelly_funding_interval_s < 1e6:
            raise ValueError(f"kelly_funding_interval_s must be from 1 to 1e6, is {self.kelly_funding_interval_s}")
        for name in ("kelly_venue_bp", "kelly_gross_bp", "kelly_capital_bp"):
            if not 1 <= getattr(self, name) <= 100_000:
                raise ValueError(f"{name} must be from 1 to 100000, is {getattr(self, name)}")
        if not 0.0 <= self.kelly_information_coefficient < 1.0:
            raise ValueError(
                f"kelly_information_coefficient must be from 0 to below 1, is {self.kelly_information_coefficient}"
            )
        if self.kelly_observations != 0 and self.kelly_observations < LEAST_OBSERVATIONS:
            raise ValueError(f"kelly_observations must be at least {LEAST_OBSERVATIONS}, is {self.kelly_observations}")
        if (self.kelly_information_coefficient > 0.0) != (self.kelly_observations > 0):
            raise ValueError("kelly_information_coefficient and kelly_observations are given both or not at all")
        if self.target_risk_atoms < 0:
            raise ValueError(f"target_risk_atoms must not be negative, is {self.target_risk_atoms}")
