"""A seeded market of one instrument that makes feature rows ready: a snapshot, then updates and trades, 20 a second."""

import numpy as np

from ipc.messages import BookState, Flag, Kind, Side, messages

START_NS = 1_700_000_000_000_000_000
INTERVAL_NS = 50_000_000
LEVELS = 12
MID = 6_000_000


def opening(time_ns: int = START_NS) -> np.ndarray:
    """SYNCING, a snapshot of LEVELS a side, VALID."""
    records = messages(2 * LEVELS + 2)
    records["kind"] = Kind.LEVEL
    records["side"][1 : LEVELS + 1], records["side"][LEVELS + 1 : -1] = Side.BID, Side.ASK
    away = np.arange(1, LEVELS + 1)
    records["price_ticks"][1 : LEVELS + 1], records["price_ticks"][LEVELS + 1 : -1] = MID - away, MID + away
    records["quantity_lots"][1:-1] = 1_000
    records["flags"][1:-1] = Flag.SNAPSHOT
    for place, state in ((0, BookState.SYNCING), (-1, BookState.VALID)):
        records["kind"][place], records["extra"][place] = Kind.BOOK_STATE, state
        records["flags"][place] = Flag.LAST
    records["event_time_ns"] = records["receive_time_ns"] = time_ns
    return records


def updates(count: int, seed: int = 1, start_ns: int = START_NS) -> np.ndarray:
    """Batches of one level each, every fifth followed by a trade; quantities change, prices stay."""
    rng = np.random.default_rng(seed)
    found = []
    for i in range(count):
        time_ns = start_ns + (i + 1) * INTERVAL_NS
        record = messages(2 if i % 5 == 0 else 1)
        side = int(rng.integers(1, 3))
        away = int(rng.integers(1, LEVELS + 1))
        record["kind"], record["side"], record["flags"] = Kind.LEVEL, side, Flag.LAST
        record["price_ticks"] = MID - away if side == Side.BID else MID + away
        record["quantity_lots"] = rng.integers(1, 5_000)
        if len(record) == 2:
            record["kind"][1], record["price_ticks"][1] = Kind.TRADE, MID + (1 if side == Side.BID else -1)
        record["event_time_ns"] = record["receive_time_ns"] = time_ns
        found.append(record)
    return np.concatenate(found)
