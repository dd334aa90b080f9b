"""REPORT messages as the gateway makes them: two records, MESSAGE and REPORT_DETAIL.

Packed as a whole: an order that the core sends meanwhile waits, and numpy takes ten times as long field by field.
"""

import struct
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ipc.messages import MESSAGE, REPORT_DETAIL, Flag, Kind, Liquidity, Refusal, ReportKind

_RECORDS = struct.Struct("<qqqIBBHqqqq" + "qqqIBBHqqqq")  # MESSAGE and REPORT_DETAIL, field by field
assert _RECORDS.size == MESSAGE.itemsize + REPORT_DETAIL.itemsize

TERMINAL = frozenset(
    {ReportKind.CANCELLED, ReportKind.REPLACED, ReportKind.REJECTED, ReportKind.EXPIRED, ReportKind.NOT_FOUND}
)


@dataclass(frozen=True)
class Report:
    """One report as a value; `records` gives the message."""

    kind: ReportKind
    order_id: int
    instrument: int
    side: int
    event_time_ns: int = 0
    code: Refusal = Refusal.NONE
    price_ticks: int = 0
    quantity_lots: int = 0
    cumulative_lots: int = 0
    venue_order_id: int = 0
    trade_id: int = 0
    fee_atoms: int = 0
    liquidity: Liquidity = Liquidity.NONE

    def records(self) -> np.ndarray:
        """Shape (2,), dtype MESSAGE; receive times are the publisher's to set."""
        head = (
            *(0, self.event_time_ns, 0, self.instrument, Kind.REPORT, self.side, Flag.MORE),
            *(self.price_ticks, self.quantity_lots, self.order_id, self.kind | self.code << 8),
        )
        detail = (
            *(0, self.event_time_ns, 0, self.instrument, Kind.DETAIL, self.liquidity, Flag.LAST),
            *(self.venue_order_id, self.trade_id, self.fee_atoms, self.cumulative_lots),
        )
        return np.frombuffer(bytearray(_RECORDS.pack(*head, *detail)), dtype=MESSAGE)


class ReportFields(NamedTuple):
    """What the publisher must know of a report's records."""

    order_id: int
    kind: int
    cumulative_lots: int


def fields_of(records: np.ndarray) -> ReportFields:
    values = _RECORDS.unpack(records.tobytes())
    return ReportFields(values[9], values[10] & 0xFF, values[21])


def is_final(fields: ReportFields, quantity_lots: int) -> bool:
    """Whether nothing more will be heard of the order after this report; `quantity_lots` is the order's."""
    if fields.kind == ReportKind.FILL:
        return fields.cumulative_lots >= quantity_lots
    return fields.kind in TERMINAL
