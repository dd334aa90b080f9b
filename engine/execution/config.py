"""Settings of execution: how many orders it remembers, and how long it waits for a word."""

import msgspec


class ExecutionSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Frozen; an impossible value is a ValueError that names the key."""

    order_capacity: int = 16_384  # rows of the order table, open and closed; at most half may be open
    trade_memory: int = 8_192  # trade ids remembered per instrument, to drop fills delivered twice
    ack_timeout_ms: int = 2_000  # no word for so long: UNKNOWN and queried, and queried again after as long
    burst_messages: int = 32  # cancels, closing orders and queries emitted at one message; the rest follow with TIME

    def __post_init__(self) -> None:
        for name in ("order_capacity", "trade_memory"):
            value = getattr(self, name)
            if not 16 <= value <= 1 << 24 or value & (value - 1):
                raise ValueError(f"{name} must be a power of two from 16 to {1 << 24}, is {value}")
        if not 1 <= self.ack_timeout_ms <= 600_000:
            raise ValueError(f"ack_timeout_ms must be from 1 to 600000, is {self.ack_timeout_ms}")
        if not 1 <= self.burst_messages <= 1_024:
            raise ValueError(f"burst_messages must be from 1 to 1024, is {self.burst_messages}")
