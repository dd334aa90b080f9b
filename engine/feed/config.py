"""Limits and times of the feed."""

import msgspec


class FeedConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Every limit of a feed session; sizes are preallocated from them."""

    max_frame_bytes: int = 1 << 20  # a snapshot of 5,000 levels a side has about 320 kB
    max_frame_records: int = 10_240  # levels in one frame
    buffered_diffs: int = 1_024  # per instrument, before its snapshot
    buffered_records: int = 65_536
    snapshot_levels: int = 1_000  # asked for a side; the venue gives 5,000 at most
    snapshot_timeout_ms: int = 5_000
    resync_interval_ms: int = 500  # between two snapshot requests of one instrument; doubles up to the limit
    resync_interval_limit_ms: int = 30_000
    reconnect_interval_ms: int = 250  # doubles up to the limit; each wait is jittered down to half
    reconnect_interval_limit_ms: int = 30_000
    connect_timeout_ms: int = 5_000
    heartbeat_ms: int = 5_000  # silent so long: ping
    heartbeat_timeout_ms: int = 5_000  # still silent so long after: reconnect
    max_symbols: int = 64  # a connection
    streams: tuple[str, ...] = ("depth@100ms", "trade", "bookTicker")  # of each symbol

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            if name != "streams" and getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}, must be at least 1")
        if self.snapshot_levels > 5_000:
            raise ValueError(f"snapshot_levels is {self.snapshot_levels}, the venue gives 5000 at most")
        if self.max_frame_records < 2 * self.snapshot_levels:
            raise ValueError(
                f"max_frame_records is {self.max_frame_records}, a snapshot needs {2 * self.snapshot_levels}"
            )
        for name in ("resync_interval", "reconnect_interval"):
            if getattr(self, f"{name}_limit_ms") < getattr(self, f"{name}_ms"):
                raise ValueError(f"{name}_limit_ms must be at least {name}_ms")
