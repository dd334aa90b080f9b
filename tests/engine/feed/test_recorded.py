"""Recordings: how files belong together, and the one line a user gets for each way a file can be wrong."""

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.errors import Exit, IntegrityError, UserError
from engine.feed.binance import KNOWN, make_instrument
from engine.feed.recorded import RecordedFeed, derive_sizes, group, instrument_of
from ipc.instruments import Contract
from ipc.messages import BookState, Kind
from tests.engine.feed.frames import RECEIVED_NS, snapshot, spot_diff

STEP_NS = 100_000_000
LINES = [snapshot(8), *(spot_diff(update, update) for update in range(9, 15))]


def numbered(frames: list[bytes], first_ns: int = RECEIVED_NS) -> list[bytes]:
    return [b"%d %s\n" % (first_ns + i * STEP_NS, frame) for i, frame in enumerate(frames)]


def write(path: Path, lines: list[bytes]) -> Path:
    path.write_bytes(gzip.compress(b"".join(lines)))
    return path


def read(*paths: Path) -> RecordedFeed:
    """Reads a recording to its end."""
    (recording,) = group(paths)
    feed = RecordedFeed(recording, instrument_of(recording), 0)
    for _ in feed.batches():
        pass
    return feed


@pytest.fixture
def wrong(tmp_path: Path) -> Callable[[bytes | list[bytes]], str]:
    """The line a user gets for a file with these bytes, or lines; exit code 3."""

    def message(content: bytes | list[bytes]) -> str:
        path = tmp_path / "spot_btcusdt_20240808.gz"
        path.write_bytes(content if isinstance(content, bytes) else gzip.compress(b"".join(content)))
        with pytest.raises(IntegrityError) as caught:
            read(path)
        text = str(caught.value)
        assert caught.value.exit_code == Exit.INTEGRITY
        assert "spot_btcusdt_20240808.gz" in text
        assert "byte " in text
        assert "\n" not in text
        return text

    return message


def test_days_of_one_name_are_one_recording_in_order_of_time(tmp_path: Path) -> None:
    later = write(tmp_path / "spot_btcusdt_20240809.gz", numbered(LINES[4:], RECEIVED_NS + 4 * STEP_NS))
    earlier = write(tmp_path / "spot_btcusdt_20240808.gz", numbered(LINES[:4]))
    other = write(tmp_path / "cm_btcusd_perp_20240808.gz", [])
    recordings = group([later, other, earlier])
    assert [(r.market, r.symbol, len(r.paths)) for r in recordings] == [
        ("spot", "BTCUSDT", 2),
        ("cm", "BTCUSD_PERP", 1),
    ]
    feed = read(later, earlier)
    assert feed.lines == len(LINES)
    assert feed.handler.counts(0)["state"] == BookState.VALID
    assert feed.handler.counts(0)["diffs"] == len(LINES) - 1


def test_a_recording_without_compression_and_without_a_day_is_read_too(tmp_path: Path) -> None:
    path = tmp_path / "spot_btcusdt.txt"
    path.write_bytes(b"".join(numbered(LINES)))
    assert read(path).lines == len(LINES)


def test_half_a_gzip_names_the_last_good_message_and_how_to_keep_it(wrong: Callable[[bytes], str]) -> None:
    whole = gzip.compress(b"".join(numbered(LINES * 300)), mtime=0)
    text = wrong(whole[: len(whole) // 2])
    assert "cut or damaged" in text
    assert "last good message" in text
    assert "| gzip > whole.gz" in text


def test_what_is_no_gzip_at_all_is_named(wrong: Callable[[bytes], str]) -> None:
    assert "no good message before it" in wrong(b"not a gzip file at all, but long enough to be one")


@pytest.mark.parametrize(("divisor", "unit"), [(10**9, "seconds"), (10**6, "milliseconds"), (10**3, "microseconds")])
def test_times_in_another_unit_are_named_with_the_factor(
    wrong: Callable[[list[bytes]], str], divisor: int, unit: str
) -> None:
    text = wrong([b"%d %s\n" % (RECEIVED_NS // divisor, LINES[0])])
    assert f"is in {unit}, nanoseconds are wanted" in text
    assert f"multiply the first column by {divisor}" in text


def test_a_recording_without_a_snapshot_asks_for_the_file_in_which_it_begins(
    wrong: Callable[[list[bytes]], str],
) -> None:
    text = wrong(numbered(LINES[1:]))
    assert "no depth snapshot" in text
    assert "give the file in which it begins" in text


def test_lines_in_the_wrong_order_are_named(wrong: Callable[[list[bytes]], str]) -> None:
    lines = numbered(LINES)
    lines[3], lines[4] = lines[4], lines[3]
    text = wrong(lines)
    assert "wrong order" in text
    assert "line 5" in text
    assert "last good message line 4" in text


def test_a_line_that_is_no_line_and_a_frame_that_is_no_frame_are_named(wrong: Callable[[list[bytes]], str]) -> None:
    lines = numbered(LINES)
    assert "line 3" in wrong([*lines[:2], b"garbage\n", *lines[2:]])
    text = wrong([*lines[:2], lines[2][:-9] + b"\n", *lines[3:]])
    assert "FRAME_MALFORMED" in text
    assert "last good message line 2" in text


def test_a_price_finer_than_the_tick_is_named(wrong: Callable[[list[bytes]], str]) -> None:
    lines = numbered([*LINES, spot_diff(15, 15, [("1.001", "1")])])
    assert "DECIMAL_INEXACT near" in wrong(lines)


@pytest.mark.parametrize("name", ["kraken_xbtusd_20240808.gz", "prices.csv", "itch.pcap"])
def test_an_unknown_venue_is_a_mistake_of_usage(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    with pytest.raises(UserError, match="venue unknown") as caught:
        group([tmp_path / name])
    assert caught.value.exit_code == Exit.USAGE


def test_a_missing_file_and_a_day_given_twice_are_mistakes_of_usage(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file"):
        group([tmp_path / "spot_btcusdt_20240808.gz"])
    (tmp_path / "again").mkdir()
    paths = [write(folder / "spot_btcusdt_20240808.gz", []) for folder in (tmp_path, tmp_path / "again")]
    with pytest.raises(UserError, match="same day of the same recording"):
        group(paths)


def test_an_unknown_instruments_sizes_are_the_finest_decimals_seen(tmp_path: Path) -> None:
    frames = [frame.replace(b"BTCUSDT", b"XRPUSDT") for frame in [snapshot(8, [("0.51230000", "12.0")]), *LINES[1:]]]
    path = write(tmp_path / "usdm_xrpusdt_20240808.gz", numbered(frames))
    (recording,) = group([path])
    sizes = derive_sizes(recording)
    assert (sizes.tick_size, sizes.lot_size) == ("0.0001", "0.1")
    table = instrument_of(recording)
    assert table["name"].tolist() == [b"XRPUSDT-PERP.BINANCE"]
    assert table["contract"].tolist() == [Contract.LINEAR]


def test_the_known_sizes_are_no_coarser_than_the_recorded_books(data: Path) -> None:
    for (market, symbol), known in KNOWN.items():
        (recording,) = group(sorted((data / "binance_ws").glob(f"{market}_{symbol.lower()}_*.gz")))
        derived = derive_sizes(recording)
        assert (float(known.tick_size), float(known.lot_size)) == (float(derived.tick_size), float(derived.lot_size))


def test_the_minimum_quantity_is_the_venues_step_where_books_are_finer() -> None:
    assert make_instrument("spot", "BTCUSDT")["minimum_quantity_lots"].tolist() == [10]


def test_chunks_hold_the_same_messages_as_the_lines(tmp_path: Path) -> None:
    path = write(tmp_path / "spot_btcusdt_20240808.gz", numbered(LINES))
    (recording,) = group([path])
    (chunk,) = RecordedFeed(recording, instrument_of(recording), 0).chunks()
    kinds = chunk["kind"].tolist()
    assert kinds.count(Kind.LEVEL) == 3 + 6
    assert kinds.count(Kind.BOOK_STATE) == 2
