"""Settings of the risk process: how often it looks, what it remembers, what it believes before it has seen enough."""

import msgspec

from kernels.device import Mode

SHORTEST_BAR_S = 0.1
MOST_STATES = 8  # of a regime: as many have a scale of their own in the core


class RiskProcessConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Bars are closes of the mids; a return counts where both its closes are of valid books."""

    enabled: bool = True
    bar_s: float = 1.0
    refresh_s: float = 1.0  # results are published at least so often, and sooner when positions change
    change_s: float = 0.2  # but not sooner than this
    refit_s: float = 60.0
    history_bars: int = 4_096
    minimum_bars: int = 60  # fewer: PRIOR
    fit_bars: int = 600  # fewer: EWMA
    decay: float = 0.97  # of a bar, in EWMA
    horizon_s: float = 86_400.0  # of VaR and CVaR: a bar's shocks times the square root of the bars in it
    prior_volatility_per_day: float = 0.04
    minimum_volatility_per_day: float = 0.002  # calmer than this is not believed: a price that nobody moves can jump
    prior_correlation: float = 0.5
    regime_states: int = 3  # of the hidden Markov model, from fit_bars on
    regime_ratios: tuple[float, ...] = (1.5, 3.0)  # before: volatility of now to the long run where the next one begins
    refit_on_change: bool = True  # a refit before its time when the market has left what was fitted
    refit_spacing_s: float = 5.0  # but not sooner than this after the last
    change_false_alarm_bars: float = 3_600.0  # fewest on average between false alarms of one side
    seed: int = 1
    niceness: int = 15
    gpu: Mode = "off"

    def __post_init__(self) -> None:
        if not SHORTEST_BAR_S <= self.bar_s < 1e9:
            raise ValueError(f"bar_s must be at least {SHORTEST_BAR_S}, is {self.bar_s}: the books are seen so often")
        if self.seed < 0:
            raise ValueError(f"seed must not be negative, is {self.seed}")
        for name in (
            "refresh_s",
            "change_s",
            "refit_s",
            "refit_spacing_s",
            "horizon_s",
            "prior_volatility_per_day",
        ):
            if not 0.0 < getattr(self, name) < 1e9:
                raise ValueError(f"{name} must be above 0, is {getattr(self, name)}")
        if not 0.0 <= self.minimum_volatility_per_day <= self.prior_volatility_per_day:
            raise ValueError(
                f"minimum_volatility_per_day must be from 0 to prior_volatility_per_day"
                f" ({self.prior_volatility_per_day}), is {self.minimum_volatility_per_day}"
            )
        if not 0.5 <= self.decay < 1.0:
            raise ValueError(f"decay must be from 0.5 to below 1, is {self.decay}")
        if not 0.0 <= self.prior_correlation < 1.0:
            raise ValueError(f"prior_correlation must be from 0 to below 1, is {self.prior_correlation}")
        if not 8 <= self.minimum_bars <= self.fit_bars <= self.history_bars <= 1_000_000:
            raise ValueError(
                f"minimum_bars, fit_bars and history_bars must rise from 8 to 1000000, are {self.minimum_bars},"
                f" {self.fit_bars} and {self.history_bars}"
            )
        if list(self.regime_ratios) != sorted(set(self.regime_ratios)) or any(r <= 0 for r in self.regime_ratios):
            raise ValueError(f"regime_ratios must be positive and rise, are {list(self.regime_ratios)}")
        if not 2 <= self.regime_states <= MOST_STATES:
            raise ValueError(f"regime_states must be 2 to {MOST_STATES}, is {self.regime_states}")
        if not 1.0 < self.change_false_alarm_bars < 1e9:
            raise ValueError(f"change_false_alarm_bars must be above 1, is {self.change_false_alarm_bars}")
        if not 0 <= self.niceness <= 19:
            raise ValueError(f"niceness must be from 0 to 19, is {self.niceness}")
