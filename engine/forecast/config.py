"""Settings of the forecast stage."""

import msgspec


class ForecastSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How often a forecast is made and how long it counts."""

    every_batches: int = 1  # a new forecast at most every so many batches of an instrument
    maximum_age_ms: int = 1_000  # by core time since the feature row; older: not ready

    def __post_init__(self) -> None:
        if not 1 <= self.every_batches <= 1_000_000:
            raise ValueError(f"every_batches must be 1 to 1000000; it is {self.every_batches}")
        if not 1 <= self.maximum_age_ms <= 86_400_000:
            raise ValueError(f"maximum_age_ms must be 1 to 86400000; it is {self.maximum_age_ms}")
