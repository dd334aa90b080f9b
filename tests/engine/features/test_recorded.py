"""Features over a recorded book: the incremental row against the whole history, and plausible at every moment."""

from pathlib import Path

import numpy as np

from engine.book.stage import BookStage
from engine.features.catalogue import FEATURE_NAMES
from engine.features.reference import feature_row
from engine.features.stage import FeatureStage
from engine.stage import FEATURE_VIEW
from ipc.messages import Kind
from tests.engine.book.test_recorded import SPOT, recorded
from tests.engine.features.test_stage import Recorder, assert_close, messages_of


def test_recorded_features_agree_with_the_whole_history_and_stay_in_their_ranges(data: Path) -> None:
    table, records = recorded(data, SPOT[:1])
    book = BookStage(table)
    stage = FeatureStage(table, book.view())
    recorder = Recorder(book)
    view = stage.rows(FEATURE_VIEW)[0:1]
    kinds = (records["kind"] == Kind.LEVEL) | (records["kind"] == Kind.TRADE) | (records["kind"] == Kind.BOOK_STATE)
    rows, compared = [], 0
    ends = (records["flags"] & 1) != 0
    begin = 0
    taken = records[kinds]
    for end in np.flatnonzero(ends[kinds])[:4_000] + 1:
        batch = taken[begin:end]
        begin = end
        book.drive(batch)
        for message in messages_of(batch):
            stage.drive(message)
        recorder.see(batch[-1:])
        if view[0]["ready"]:
            rows.append(view[0]["values"].copy())
            if len(rows) % 300 == 0 and recorder.history is not None:
                assert_close(rows[-1], feature_row(recorder.history, recorder.core_time_ns))
                compared += 1
    assert compared >= 5
    values = dict(zip(FEATURE_NAMES, np.array(rows).T, strict=True))
    assert all(np.isfinite(column).all() for column in values.values())
    assert (values["spread_ticks"] >= 1).all()
    for name in ("imbalance_1", "imbalance_5", "imbalance_10", "trade_imbalance_1s", "trade_imbalance_60s"):
        assert (np.abs(values[name]) <= 1).all()
    for name in ("realised_variance_1s", "buy_rate_10s", "book_rate_1s", "time_since_trade_s", "depth_slope_bid"):
        assert (values[name] >= 0).all()
    assert 8 < np.median(values["book_rate_1s"]) < 12  # the stream is depth@100ms
