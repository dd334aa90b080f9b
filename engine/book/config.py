"""Settings of the book stage."""

import msgspec


class BookSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Capacities and patience of the books; every instrument has the same."""

    window_ticks: int = 1 << 16  # prices a side reached by index; a power of two
    overflow_levels: int = 1 << 14  # levels a side outside the window; more makes the book SUSPECT (CAPACITY)
    stale_after_ms: int = 5_000  # without a book update for longer, VALID becomes STALE
    disagreement_ms: int = 500  # best bid and offer other than the venue's own for longer: SUSPECT

    def __post_init__(self) -> None:
        if not (64 <= self.window_ticks <= 1 << 24) or self.window_ticks & (self.window_ticks - 1):
            raise ValueError(f"window_ticks must be a power of two from 64 to {1 << 24}, not {self.window_ticks}")
        if not 1 <= self.overflow_levels <= 1 << 24:
            raise ValueError(f"overflow_levels must be from 1 to {1 << 24}, not {self.overflow_levels}")
        if self.stale_after_ms < 1:
            raise ValueError(f"stale_after_ms must be at least 1, not {self.stale_after_ms}")
        if self.disagreement_ms < 0:
            raise ValueError(f"disagreement_ms must not be negative, not {self.disagreement_ms}")
