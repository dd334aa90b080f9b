"""Books rebuilt from recorded Binance streams: against the obvious book and the venue's own best bid and offer."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from engine.book.config import BookSettings
from engine.book.reference import ReferenceLevels
from engine.book.stage import BookStage
from engine.feed.recorded import RecordedFeed, group, instrument_of
from engine.stage import BOOK_VIEW
from ipc.messages import BookReason, BookState, Flag, Kind, Side

SPOT = ["spot_ethusdt_20240808.gz", "spot_ethusdt_20240809.gz"]
FUTURES = ["usdm_btcusdt_20240808.gz"]


def recorded(data: Path, names: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """(instrument table, messages) of one recording."""
    paths = [data / "binance_ws" / name for name in names]
    if missing := [path.name for path in paths if not path.is_file()]:
        pytest.skip(f"recorded market data absent: {missing}")
    (recording,) = group(paths)
    table = instrument_of(recording)
    return table, np.concatenate(list(RecordedFeed(recording, table, 0).chunks()))


def batch_ends(records: np.ndarray) -> np.ndarray:
    """Positions after the last record of each depth update."""
    return np.flatnonzero((records["kind"] == Kind.LEVEL) & (records["flags"] & Flag.LAST != 0)) + 1


@pytest.mark.parametrize(("names", "compared", "window_ticks"), [(SPOT, 6_468, 1 << 16), (FUTURES, 6_545, 1 << 10)])
def test_a_recorded_book_agrees_with_the_venue_and_with_the_reference(
    data: Path, names: list[str], compared: int, window_ticks: int
) -> None:
    table, records = recorded(data, names)
    stage = BookStage(table, BookSettings(window_ticks=window_ticks))
    sides = {Side.BID: ReferenceLevels(Side.BID), Side.ASK: ReferenceLevels(Side.ASK)}
    begin = 0
    for i, end in enumerate(batch_ends(records)):
        stage.drive(records[begin:end])
        levels = records[begin:end][records["kind"][begin:end] == Kind.LEVEL]
        for side, price, lots in levels[["side", "price_ticks", "quantity_lots"]].tolist():
            sides[Side(side)].set(price, lots)
        begin = end
        if i % 250 == 0:
            for side, slow in sides.items():
                assert stage.best_levels(0, side, 20_000) == slow.best_levels(20_000)
    stage.drive(records[begin:])
    view = stage.rows(BOOK_VIEW)[0]
    assert (view["state"], view["gaps"], view["crossed"]) == (BookState.VALID, 0, 0)
    assert stage.bbo_comparisons(0) == (compared, compared)


def test_a_deleted_diff_leaves_the_book_invalid_until_the_next_snapshot(data: Path) -> None:
    table, records = recorded(data, FUTURES)
    stage = BookStage(table)
    ends = batch_ends(records)
    gap = np.zeros(1, dtype=records.dtype)
    gap["kind"], gap["extra"], gap["quantity_lots"] = Kind.BOOK_STATE, BookState.GAP, BookReason.MISSING_UPDATE
    snapshot = records[: ends[0]]
    view = stage.rows(BOOK_VIEW)
    stage.drive(np.concatenate([records[: ends[99]], gap]))
    before = view[0]["update_id"]
    states = set()
    for begin, end in pairwise(ends[100:121]):
        stage.drive(records[begin:end])
        states.add(int(view[0]["state"]))
    assert (states, view[0]["update_id"], view[0]["gaps"]) == ({BookState.GAP}, before, 1)
    stage.drive(snapshot)
    assert view[0]["state"] == BookState.SYNCING
