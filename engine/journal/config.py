"""Settings of the journal."""

from typing import Literal

import msgspec

from ipc.messages import MESSAGE

MEBIBYTE = 1 << 20


class JournalSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How the journal groups, syncs, cuts and keeps. Raises ValueError naming the field and its limit.

    `durability` says what the gateway waits for: "disk" holds order n back until the journal has it on disk; "ring"
    does not, and the last moments before a power cut are rebuilt by asking the venue. The journal syncs in both.
    """

    durability: Literal["ring", "disk"] = "ring"
    segment_mib: int = 1024
    group_records: int = 16_384  # most records in one commit
    keep_days: float = 30.0
    keep_free_mib: int = 1024  # below this, closed segments that recovery does not need go, oldest first
    stop_free_mib: int = 256  # below this, the disk counts as full: JOURNAL_FULL
    idle_sleep_us: int = 200  # durability "disk": how long an empty ring is left alone
    linger_ms: float = 5.0  # durability "ring": between two commits, unless a group was full; nobody waits for them

    def __post_init__(self) -> None:
        limits = {
            "segment_mib": (1, 1024),
            "group_records": (1, 16_384),
            "keep_days": (0.0, 36_500.0),
            "keep_free_mib": (0, 1 << 30),
            "stop_free_mib": (0, 1 << 30),
            "idle_sleep_us": (1, 100_000),
            "linger_ms": (0.1, 1000.0),
        }
        for field, (least, most) in limits.items():
            value = getattr(self, field)
            if not least <= value <= most:
                raise ValueError(f"journal.{field} must be from {least} to {most}, is {value}")

    @property
    def segment_bytes(self) -> int:
        return self.segment_mib * MEBIBYTE

    @property
    def group_limit_records(self) -> int:
        """Most records in one commit, so that any block fits an empty segment: at most half of it is records."""
        return min(self.group_records, self.segment_bytes // 2 // MESSAGE.itemsize)
