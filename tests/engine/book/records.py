"""Makes the records of a feed for the tests: a small language for what a venue says."""

import numpy as np

from ipc.instruments import instrument
from ipc.messages import MESSAGE, BookReason, BookState, Flag, Kind, Side

MS = 1_000_000
START_NS = 1_723_161_291_000_000_000


def instruments(count: int = 2) -> np.ndarray:
    return np.concatenate([instrument(f"I{i}.TEST", f"I{i}", "0.01", "0.001") for i in range(count)])


class FeedScript:
    """Collects records; `time_ms` is the clock that stamps them, `row` the instrument."""

    def __init__(self, row: int = 0) -> None:
        self.parts: list[np.ndarray] = []
        self.row = row
        self.time_ms = 0.0
        self.update_id = 0

    def add(self, kind: Kind, **fields: int) -> "FeedScript":
        record = np.zeros(1, dtype=MESSAGE)
        now = START_NS + int(self.time_ms * MS)
        values = {"instrument": self.row, "event_time_ns": now, "receive_time_ns": now, "flags": Flag.LAST} | fields
        for name, value in values.items():
            record[name] = value
        record["kind"] = kind
        self.parts.append(record)
        return self

    def at(self, time_ms: float) -> "FeedScript":
        self.time_ms = time_ms
        return self

    def batch(
        self, bids: dict[int, int], asks: dict[int, int], *, snapshot: bool = False, update_id: int | None = None
    ) -> "FeedScript":
        self.update_id = self.update_id + 1 if update_id is None else update_id
        levels = [(Side.BID, p, q) for p, q in bids.items()] + [(Side.ASK, p, q) for p, q in asks.items()]
        for i, (side, price, quantity) in enumerate(levels):
            flags = (Flag.SNAPSHOT if snapshot else 0) | (Flag.LAST if i == len(levels) - 1 else 0)
            self.add(
                Kind.LEVEL,
                side=side,
                price_ticks=price,
                quantity_lots=quantity,
                order_id=self.update_id,
                flags=flags,
            )
        return self

    def state(self, state: BookState, reason: BookReason = BookReason.NONE) -> "FeedScript":
        return self.add(Kind.BOOK_STATE, extra=state, quantity_lots=reason, order_id=self.update_id)

    def snapshot(self, bids: dict[int, int], asks: dict[int, int]) -> "FeedScript":
        self.state(BookState.SYNCING, BookReason.START)
        self.batch(bids, asks, snapshot=True)
        return self.state(BookState.VALID)

    def quote(self, bid: tuple[int, int], ask: tuple[int, int], update_id: int) -> "FeedScript":
        self.add(
            Kind.QUOTE,
            price_ticks=bid[0],
            quantity_lots=bid[1],
            side=Side.BID,
            order_id=update_id,
            flags=Flag.MORE | Flag.LAST,
        )
        return self.add(
            Kind.QUOTE,
            price_ticks=ask[0],
            quantity_lots=ask[1],
            side=Side.ASK,
            order_id=update_id,
            flags=Flag.LAST | Flag.QUOTE_SIDE,
        )

    def trade(self, price: int, quantity: int, side: Side, trade_id: int = 1) -> "FeedScript":
        return self.add(Kind.TRADE, price_ticks=price, quantity_lots=quantity, side=side, order_id=trade_id)

    def records(self) -> np.ndarray:
        """Everything said since the last call, shape (n,), dtype MESSAGE."""
        taken, self.parts = self.parts, []
        return np.concatenate(taken) if taken else np.zeros(0, dtype=MESSAGE)
