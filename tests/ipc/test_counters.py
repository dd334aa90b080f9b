"""Counters and histograms in shared memory: percentiles against hdrhistogram, reading while another process writes."""

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hdrh.histogram import HdrHistogram
from hypothesis import given, settings
from hypothesis import strategies as st

from ipc.counters import HISTOGRAM_BUCKETS, RELATIVE_ERROR, Counters, HistogramView, bucket_ceilings
from ipc.segment import SegmentError

LARGEST = 2**36 - 1
ORACLE = HdrHistogram(1, LARGEST, 3)
ORACLE_ERROR = 2e-3  # three digits, and it answers with the upper end of its own bucket


def make(memory: Path) -> Counters:
    return Counters.create(
        memory / "core.counters", epoch=3, counters=["messages", "orders"], histograms=["risk", "book"]
    )


def histogram_of(values: list[int], memory: Path) -> HistogramView:
    (memory / "core.counters").unlink(missing_ok=True)
    counters = make(memory)
    for value in values:
        counters.observe("risk", value)
    return counters.read("risk")


def test_reader_needs_only_the_path(memory: Path) -> None:
    writer = make(memory)
    reader = Counters.attach(memory / "core.counters")
    assert (reader.counters, reader.histograms) == (["messages", "orders"], ["risk", "book"])
    writer.increase("messages", 5)
    writer.increase("messages")
    writer.set("orders", -3)
    assert reader.values() == {"messages": 6, "orders": -3}
    with pytest.raises(ValueError, match="for reading only"):
        reader.increase("messages")
    with pytest.raises(KeyError, match="no counter 'risk'"):
        reader.value("risk")
    with pytest.raises(KeyError, match="no histogram 'messages'"):
        reader.read("messages")


def test_writer_is_one_and_a_restarted_one_goes_on(memory: Path) -> None:
    writer = make(memory)
    writer.increase("orders", 7)
    with pytest.raises(SegmentError, match="already has a live writer"):
        Counters.reopen(memory / "core.counters")
    writer.close()
    again = Counters.reopen(memory / "core.counters")
    again.increase("orders")
    assert again.value("orders") == 8


def test_names_must_be_given_once_and_fit(memory: Path) -> None:
    for names in (["a", "a"], [""], ["x" * 48]):
        with pytest.raises(ValueError, match="given once and have 1 to 47 bytes"):
            Counters.create(memory / "c", epoch=1, counters=names)


def test_empty_histogram_is_all_zero(memory: Path) -> None:
    view = make(memory).read("risk")
    assert (view.count, view.minimum, view.maximum, view.mean(), view.percentile(50)) == (0, 0, 0, 0.0, 0)


def test_extremes_are_exact_and_beyond_the_range_is_kept_in_the_last_bucket(memory: Path) -> None:
    view = histogram_of([-5, 0, LARGEST, LARGEST + 1, 10**12], memory)
    assert (view.count, view.minimum, view.maximum, view.total) == (5, -5, 10**12, 2 * LARGEST + 10**12 - 4)
    assert (view.buckets[0], view.buckets[-1]) == (2, 3)
    assert view.percentile(100) == 10**12
    with pytest.raises(ValueError, match="percent is 101"):
        view.percentile(101)


def test_buckets_cover_every_value_once_and_are_no_wider_than_stated(memory: Path) -> None:
    ceilings = bucket_ceilings()
    floors = np.concatenate([[0], ceilings[:-1] + 1])
    assert len(ceilings) == HISTOGRAM_BUCKETS
    assert ceilings[-1] == LARGEST
    assert np.all((ceilings - floors) / np.maximum(floors, 1) < RELATIVE_ERROR)
    view = histogram_of([*map(int, floors), *map(int, ceilings)], memory)
    assert np.all(view.buckets == 2)


@settings(max_examples=60, deadline=None)
@given(values=st.lists(st.integers(1, 70).map(float) | st.floats(0, 36).map(lambda power: 2**power), min_size=1))
def test_percentiles_are_those_of_hdrhistogram_within_the_stated_error(values: list[float]) -> None:
    whole = [min(int(value), LARGEST) for value in values]
    with TemporaryDirectory() as folder:
        view = histogram_of(whole, Path(folder))
    ORACLE.reset()
    for value in whole:
        ORACLE.record_value(value)
    for rank in {1, len(whole) // 2, len(whole) - 1, len(whole)} - {0}:
        percent = 100.0 * rank / len(whole)  # a whole rank: hdrhistogram rounds others to the nearest, we go up
        expected = ORACLE.get_value_at_percentile(percent)
        assert expected * (1 - ORACLE_ERROR) <= view.percentile(percent)
        assert view.percentile(percent) <= expected * (1 + RELATIVE_ERROR + ORACLE_ERROR)
    assert (view.count, view.total, view.minimum, view.maximum) == (len(whole), sum(whole), min(whole), max(whole))


def test_percentile_is_the_smallest_value_that_so_many_stay_within(memory: Path) -> None:
    view = histogram_of([1] * 5 + [2] * 3 + [60, 63], memory)
    assert [view.percentile(percent) for percent in (0, 50, 50.1, 80, 80.1, 90, 99.9, 100)] == [
        1,
        1,
        2,
        2,
        60,
        60,
        63,
        63,
    ]


def test_histogram_is_consistent_while_another_process_writes(memory: Path) -> None:
    program = """
import sys
from ipc.counters import Counters
counters = Counters.create(sys.argv[1], epoch=1, counters=["count"], histograms=["delay"])
print("ready", flush=True)
while True:
    for value in (10, 1_000, 100_000):
        counters.observe("delay", value)
        counters.increase("count")
"""
    path = memory / "busy.counters"
    with subprocess.Popen([sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        reader = Counters.attach(path)
        views = []
        while len(views) < 200 or (views[-1].count < 1_000 and process.poll() is None):
            before = reader.value("count")
            views.append(reader.read("delay"))
            assert before <= views[-1].count
        process.kill()
    assert views[-1].count >= 1_000
    assert np.all(np.diff([view.count for view in views]) >= 0)
    low, middle, high = (view_bucket(views[-1], value) for value in (10, 1_000, 100_000))
    assert low + middle + high == views[-1].count
    assert max(low, middle, high) - min(low, middle, high) <= max(2, views[-1].count // 10)


def view_bucket(view: HistogramView, value: int) -> int:
    return int(view.buckets[np.searchsorted(bucket_ceilings(), value)])
