"""The fills of both backtests beside each other: which are alike, which are not, and what the first of those was."""

from collections import Counter
from typing import Any

import numpy as np

from engine.replay.backtest import Backtest

Fill = tuple[int, int, int, int]  # decision that saw it (ns), side, price ticks, lots


def ours_as_seen(mine: Backtest, interval_ns: int, report_latency_ns: int) -> list[Fill]:
    """Our fills as the peer lists its own: by the decision that saw them, an order's fills between two added up."""
    fills = mine.fills
    seen = -(-(fills["time_ns"] + report_latency_ns) // interval_ns) * interval_ns
    lots: Counter[tuple[int, int, int, int]] = Counter()
    for time_ns, fill in zip(seen.tolist(), fills, strict=True):
        lots[(time_ns, int(fill["side"]), int(fill["price_ticks"]), int(fill["order_id"]))] += int(
            fill["quantity_lots"]
        )
    return sorted((time_ns, side, price, count) for (time_ns, side, price, _), count in lots.items())


def differences(mine: Backtest, theirs: dict[str, Any], interval_ns: int, report_latency_ns: int) -> dict[str, Any]:
    """{alike, only_bot4, only_peer, first, explanation}; both lists whole under `bot4` and `peer`."""
    ours = ours_as_seen(mine, interval_ns, report_latency_ns)
    peers = sorted((row[0], row[1], row[2], row[3]) for row in theirs["fills"])
    mine_only, peers_only = Counter(ours) - Counter(peers), Counter(peers) - Counter(ours)
    apart = sorted([*mine_only.elements(), *peers_only.elements()])
    position = int(np.where(mine.fills["side"] == 1, 1, -1) @ mine.fills["quantity_lots"]) if len(mine.fills) else 0
    first = apart[0] if apart else None
    return {
        "alike": (Counter(ours) & Counter(peers)).total(),
        "only_bot4": mine_only.total(),
        "only_peer": peers_only.total(),
        "first": first,
        "explanation": explain(first, ours, peers, (position, int(theirs["position_lots"]))),
        "bot4": ours,
        "peer": peers,
    }


def explain(first: Fill | None, ours: list[Fill], peers: list[Fill], positions: tuple[int, int]) -> list[str]:
    """Lines for a person: the first difference with what each side has about then, and the positions at the end."""
    ends = f"position at the end: bot4 {positions[0]:,} lots, the peer {positions[1]:,} lots"
    if first is None:
        return ["every fill is the same: decision, side, price, lots", ends]
    lines = [f"first difference at {first[0]}:"]
    for name, fills in (("bot4", ours), ("peer", peers)):
        near = [fill for fill in fills if abs(fill[0] - first[0]) <= 1_000_000_000][:3]
        said = "; ".join(
            f"{'bought' if side == 1 else 'sold'} {lots} at {price} seen at +{(time_ns - first[0]) // 1_000_000} ms"
            for time_ns, side, price, lots in near
        )
        lines.append(f"{name}: {said or 'no fill within a second'}")
    return [*lines, ends]
