"""Settings of the strategy stage."""

import msgspec


class StrategySettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Bars are aligned to UTC; an interval without a trade repeats the last price with no volume."""

    bar_interval_ms: int = 1_000

    def __post_init__(self) -> None:
        if not 1 <= self.bar_interval_ms <= 86_400_000:
            raise ValueError(f"bar_interval_ms must be between 1 and 86400000, not {self.bar_interval_ms}")
