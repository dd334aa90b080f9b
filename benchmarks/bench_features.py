"""One feature row: the feature stage over recorded messages, the book driven before it and not timed.

Each row is timed on its own by `engine/telemetry/step_timer.pyx`, the clock's cost subtracted. There is no peer: no
library keeps these 32 features incrementally; the row from the whole history (engine/features/reference.py) is there to
be right, not fast.

    python -m benchmarks.bench_features
"""

import json
from typing import Any

from benchmarks.bench_book import WARMUP_SHARE, market_records
from engine.book.stage import BookStage
from engine.features.stage import FeatureStage
from engine.stage import FEATURE_VIEW
from engine.telemetry.step_timer import time_steps
from ipc.messages import Kind

ROUNDS = 3


def feature_row() -> dict[str, Any]:
    """The row `feature_row`: name, count, p50_ns, p99_ns, p999_ns, max_ns, per_s; p50 by kind of message beside it."""
    table, records, source = market_records()
    rows = {"all": records}
    rows["update_p50_ns"] = records[records["kind"] != Kind.TRADE]
    warmup = int(len(records) * WARMUP_SHARE)
    best: dict[str, Any] = {}
    for name, taken in rows.items():
        for _ in range(ROUNDS):
            book = BookStage(table)
            features = FeatureStage(table, book.view())
            times = time_steps(features.step(), taken, warmup=min(warmup, len(taken) // 2), before=[book.step()])
            row = times.row("feature_row")
            if features.rows(FEATURE_VIEW)[0]["ready"] != 1:
                raise ValueError("the records leave the row not ready: what was timed is not what is meant")
            if name != "all":
                best[name] = min(best.get(name, row["p50_ns"]), row["p50_ns"])
            elif not best or row["p50_ns"] < best["p50_ns"]:
                best = row | {"clock_overhead_ns": times.overhead_ns, "clock_resolution_ns": times.resolution_ns}
    return best | {"warmup": warmup, "data": source}


if __name__ == "__main__":
    print(json.dumps(feature_row(), indent=2))
