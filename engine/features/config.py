"""Settings of the feature stage."""

import msgspec


class FeatureSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How much history a row needs before it is called ready; horizons and decays are part of the catalogue."""

    warmup_ms: int = 10_000  # after the book became VALID; below 10,000 the ten-second return reaches back less far

    def __post_init__(self) -> None:
        if not 0 <= self.warmup_ms <= 3_600_000:
            raise ValueError(f"warmup_ms must be from 0 to 3,600,000, not {self.warmup_ms}")
