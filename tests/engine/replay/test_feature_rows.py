"""Feature rows of a recording: those of the stages driven batch by batch, as often as asked, whole stretches only."""

import numpy as np
import pytest

from engine.book.stage import BookStage
from engine.features.stage import FeatureStage
from engine.replay.data import imported
from engine.replay.dataset import dataset, feature_rows_of
from engine.replay.feature_rows import FEATURE_ROW, FeatureRowCollector
from engine.stage import BOOK_VIEW, FEATURE_VIEW
from ipc.messages import BookState, Flag, Kind

RECORDING = "binance_ws/spot_btcusdt_20240808.gz"


@pytest.fixture(scope="module")
def tape(data, tmp_path_factory):
    return imported([data / RECORDING], tmp_path_factory.mktemp("tapes"))


def by_hand(tape, count):
    """A row after every batch that leaves the features ready, the stages driven from Python."""
    book = BookStage(tape.instruments)
    features = FeatureStage(tape.instruments, book.view())
    found = []
    records = np.array(tape.records[:count])
    ends = np.flatnonzero(records["flags"] & (Flag.LAST | Flag.MORE) == Flag.LAST) + 1
    for start, end in zip([0, *ends[:-1]], ends, strict=True):
        book.drive(records[start:end])
        features.drive(records[start:end])
        row, best = features.rows(FEATURE_VIEW)[0], book.rows(BOOK_VIEW)[0]
        if row["ready"]:
            mid = (best["bid_price_ticks"][0] + best["ask_price_ticks"][0]) / 2
            found.append((row["receive_time_ns"], mid, row["values"].copy()))
    return found


def test_every_row_equals_that_of_the_stages_driven_by_hand(tape):
    rows = np.zeros(20_000, dtype=FEATURE_ROW)
    taken, count = FeatureRowCollector(np.array(tape.instruments), 0).take(tape.records[:20_000], rows)
    expected = by_hand(tape, taken)
    assert count == len(expected) > 1_000
    np.testing.assert_array_equal(rows["time_ns"][:count], [time_ns for time_ns, _, _ in expected])
    np.testing.assert_array_equal(rows["mid_ticks"][:count], [mid for _, mid, _ in expected])
    np.testing.assert_array_equal(rows["values"][:count], [values for _, _, values in expected])


def test_rows_keep_their_distance_and_small_arrays_change_nothing(tape):
    whole = feature_rows_of(tape, 100)
    assert (np.diff(whole["time_ns"]) >= 100_000_000).all()
    collector = FeatureRowCollector(np.array(tape.instruments), 100_000_000)
    pieces, taken, rows = [], 0, np.zeros(7, dtype=FEATURE_ROW)
    while taken < len(tape.records):
        step, count = collector.take(tape.records[taken:], rows)
        taken += step
        pieces.append(rows[:count].copy())
    np.testing.assert_array_equal(np.concatenate(pieces), whole)


def test_a_gap_ends_a_segment(tape):
    """A book that leaves VALID in the middle and is rebuilt from the same recording: two segments, none across."""
    first = np.array(tape.records)
    gap = first[:1].copy()
    gap["kind"], gap["extra"], gap["flags"] = Kind.BOOK_STATE, BookState.GAP, Flag.LAST
    again = first.copy()
    shift = first["receive_time_ns"][-1] - first["receive_time_ns"][0] + 1_000_000
    gap["receive_time_ns"] = first["receive_time_ns"][-1]
    again["receive_time_ns"] += shift
    again["event_time_ns"] += shift
    rows = np.zeros(20_000, dtype=FEATURE_ROW)
    _, count = FeatureRowCollector(np.array(tape.instruments), 100_000_000).take(
        np.concatenate([first, gap, again]), rows
    )
    rows = rows[:count]
    assert set(rows["segment"]) == {0, 1}
    hole_ns = rows["time_ns"][rows["segment"] == 1][0] - rows["time_ns"][rows["segment"] == 0][-1]
    assert hole_ns >= 10_000_000_000


def test_a_dataset_has_the_columns_asked_for_and_names_its_sources(data, tmp_path):
    rows = dataset([data / RECORDING], tmp_path, 100, ("return_1s_bp", "imbalance_1"))
    assert rows.names == ("return_1s_bp", "imbalance_1")
    assert rows.values_nf.shape == (len(rows.mid_n), 2)
    assert (np.abs(rows.values_nf[:, 1]) <= 1).all()
    assert list(rows.sources) == ["spot_btcusdt_20240808.gz"]


def test_a_negative_interval_is_refused(tape):
    with pytest.raises(ValueError, match="must not be negative"):
        FeatureRowCollector(np.array(tape.instruments), -1)
