"""REPORT messages as the gateway makes them: two records, MESSAGE and REPORT_DETAIL."""

from dataclasses import dataclass

import numpy as np

from ipc.messages import MESSAGE, REPORT_DETAIL, Flag, Kind, Liquidity, Refusal, ReportKind

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
        records = np.zeros(2, dtype=MESSAGE)
        head, detail = records[0], records[1:].view(REPORT_DETAIL)[0]
        records["event_time_ns"] = self.event_time_ns
        records["instrument"] = self.instrument
        head["kind"] = Kind.REPORT
        head["side"] = self.side
        head["flags"] = Flag.MORE
        head["price_ticks"] = self.price_ticks
        head["quantity_lots"] = self.quantity_lots
        head["order_id"] = self.order_id
        head["extra"] = int(self.kind) | int(self.code) << 8
        detail["kind"] = Kind.DETAIL
        detail["liquidity"] = self.liquidity
        detail["flags"] = Flag.LAST
        detail["venue_order_id"] = self.venue_order_id
        detail["trade_id"] = self.trade_id
        detail["fee_atoms"] = self.fee_atoms
        detail["cumulative_lots"] = self.cumulative_lots
        return records


def is_final(records: np.ndarray, quantity_lots: int) -> bool:
    """Whether nothing more will be heard of the order after this report; `quantity_lots` is the order's."""
    kind = int(records[0]["extra"]) & 0xFF
    if kind == ReportKind.FILL:
        return int(records[1:].view(REPORT_DETAIL)[0]["cumulative_lots"]) >= quantity_lots
    return kind in TERMINAL
