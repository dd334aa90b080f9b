"""Settings of sizing, one for each strategy."""

from typing import Literal

import msgspec

SCALE_ONE_E6 = 1_000_000


class SizingSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How a strategy's wish becomes a quantity; always whole steps of the venue, rounded toward zero.

    fixed: the wish times scale_e6 / 1e6. volatility_targeted: that, but no more than the lots whose loss has a standard
    deviation of target_risk_atoms (1e-8 of the quote currency) over one second, by the named feature.
    """

    method: Literal["fixed", "volatility_targeted"] = "fixed"
    scale_e6: int = SCALE_ONE_E6
    target_risk_atoms: int = 0  # per square root of a second; volatility_targeted only
    variance_feature: str = "realised_variance_10s"  # realised variance of log returns
    variance_horizon_s: float = 1.0  # the seconds that the feature's variance is of
    variance_unit: float = 1e-8  # one squared basis point, which is what our features count in
    minimum_variance_per_s: float = 1e-12  # a quieter market than this is not believed

    def __post_init__(self) -> None:
        if not 0 < self.scale_e6 <= 1000 * SCALE_ONE_E6:
            raise ValueError(f"scale_e6 must be above 0 and at most {1000 * SCALE_ONE_E6}, is {self.scale_e6}")
        for name in ("variance_horizon_s", "variance_unit", "minimum_variance_per_s"):
            value = getattr(self, name)
            if not 0.0 < value < float("inf"):
                raise ValueError(f"{name} must be above 0 and finite, is {value}")
        if self.method == "volatility_targeted":
            if self.target_risk_atoms <= 0:
                raise ValueError(f"target_risk_atoms must be above 0, is {self.target_risk_atoms}")
            if not self.variance_feature:
                raise ValueError("variance_feature must name a feature when method is volatility_targeted")
