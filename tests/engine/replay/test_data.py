"""`bot4 data`: every recorded book rebuilt and held against the venue's own, imports, and what a missing diff does."""

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.book.stage import BookStage
from engine.errors import IntegrityError, UserError
from engine.feed.recorded import RecordedFeed, group, instrument_of, read_lines
from engine.replay.data import check, import_files, imported, list_tapes
from engine.replay.tape import Tape
from engine.stage import BOOK_VIEW
from ipc.instruments import from_units
from ipc.messages import BookState, Side

KEYS = [
    "name",
    "messages",
    "snapshots",
    "diffs",
    "gaps",
    "crossed",
    "bbo_compared",
    "bbo_equal",
    "trades",
    "clock_offset_ms",
]
# From the data's README: diffs applied, best bid and offer equal of compared, trades, median of local time minus E.
EXPECTED = {
    "spot_btcusdt": ("BTCUSDT.BINANCE", 6_493, 6_491, 6_493, 9_757 + 10_147),
    "spot_ethusdt": ("ETHUSDT.BINANCE", 6_468, 6_467, 6_467, 6_106 + 8_409),
    "usdm_btcusdt": ("BTCUSDT-PERP.BINANCE", 6_547, 6_546, 6_546, 21_313),
    "usdm_ethusdt": ("ETHUSDT-PERP.BINANCE", 6_581, 6_578, 6_578, 14_076),
    "cm_btcusd_perp": ("BTCUSD-PERP.BINANCE", 44_772, 44_767, 44_767, 2_286 + 2_949),
}


def days(data: Path, name: str) -> list[Path]:
    return sorted((data / "binance_ws").glob(f"{name}_*.gz"))


def delete_diff(path_in: Path, n: int, path_out: Path) -> int:
    """Copies a recording without its n-th depth update, from 0. Returns the receive time of the one deleted."""
    seen, deleted_ns = -1, 0
    with gzip.open(path_in) as stream, gzip.open(path_out, "wb", compresslevel=1) as out:
        for line in stream:
            if b'"depthUpdate"' in line[:120]:
                seen += 1
                if seen == n:
                    deleted_ns = int(line.split(b" ", 1)[0])
                    continue
            out.write(line)
    assert deleted_ns
    return deleted_ns


@pytest.mark.parametrize("name", EXPECTED)
def test_every_recorded_book_agrees_with_the_venues_best_bid_and_offer(data: Path, name: str) -> None:
    (found,) = check(days(data, name))["instruments"]
    assert list(found) == KEYS
    instrument, diffs, equal, compared, trades = EXPECTED[name]
    assert found["name"] == instrument
    assert (found["gaps"], found["crossed"], found["snapshots"]) == (0, 0, 1)
    assert (found["diffs"], found["bbo_equal"], found["bbo_compared"]) == (diffs, equal, compared)
    assert found["trades"] == trades
    assert found["clock_offset_ms"] == pytest.approx(-1_270, abs=10)


@pytest.mark.parametrize("n", [20, 1_700, 3_000])
def test_one_deleted_diff_is_exactly_one_gap_and_the_book_is_never_valid_again(
    data: Path, tmp_path: Path, n: int
) -> None:
    spoilt = tmp_path / "spot_btcusdt_20240808.gz"
    deleted_ns = delete_diff(days(data, "spot_btcusdt")[0], n, spoilt)
    (found,) = check([spoilt])["instruments"]
    assert found["gaps"] == 1
    assert found["diffs"] < 3_451
    (recording,) = group([spoilt])
    table = instrument_of(recording)
    book = BookStage(table)
    view = book.rows(BOOK_VIEW)
    states_after = set()
    for batch in RecordedFeed(recording, table, 0).batches():
        book.drive(batch, capacity=1)
        if len(batch) and batch[0]["receive_time_ns"] > deleted_ns + 200_000_000:
            states_after.add(int(view[0]["state"]))
    assert states_after == {BookState.GAP}


def snapshot_of(book: BookStage, table: np.ndarray[Any, Any], update_id: int) -> bytes:
    """The REST snapshot that the venue would have given of this book."""
    row = table[0]

    def side(number: int) -> list[list[str]]:
        return [
            [
                from_units(price, row["tick_mantissa"], row["tick_exponent"]),
                from_units(quantity, row["lot_mantissa"], row["lot_exponent"]),
            ]
            for price, quantity in book.best_levels(0, number, 5_000)
        ]

    return json.dumps({"lastUpdateId": update_id, "bids": side(Side.BID), "asks": side(Side.ASK)}).encode()


def test_after_a_gap_the_next_snapshot_makes_the_book_valid_and_equal_again(data: Path, tmp_path: Path) -> None:
    """Diff 100 deleted; after diff 200 the recording is given the snapshot that the venue had then."""
    (recording,) = group(days(data, "usdm_ethusdt"))
    table = instrument_of(recording)
    book, feed = BookStage(table), RecordedFeed(recording, table, 0)
    lines, diffs, update_id = [], 0, 0
    for line, batch in zip(read_lines(recording), feed.batches(), strict=True):
        book.drive(batch, capacity=1)
        is_diff = feed.handler.last_frame.type == 1
        diffs += is_diff
        if not (is_diff and diffs == 100):
            lines.append(b"%d %s\n" % (line.receive_time_ns, line.frame))
        if is_diff and diffs == 200:
            update_id = feed.handler.last_frame.last_update_id
            lines.append(b"%d %s\n" % (line.receive_time_ns, snapshot_of(book, table, update_id)))
        if diffs == 600:
            break
    spoilt = tmp_path / "usdm_ethusdt_20240808.gz"
    spoilt.write_bytes(gzip.compress(b"".join(lines), 1))
    (found,) = check([spoilt])["instruments"]
    assert (found["gaps"], found["snapshots"], found["crossed"]) == (1, 2, 0)
    assert found["bbo_equal"] == found["bbo_compared"]
    assert 450 < found["diffs"] < 500  # the hundred without a book are missing, with those before the first snapshot


def test_an_import_of_several_recordings_is_one_tape_in_order_with_all_their_books(data: Path, tmp_path: Path) -> None:
    paths = days(data, "spot_ethusdt") + days(data, "usdm_ethusdt")
    made = import_files(paths, tmp_path / "eth.tape")
    assert made["instruments"] == ["ETHUSDT.BINANCE", "ETHUSDT-PERP.BINANCE"]
    tape = Tape.open(tmp_path / "eth.tape", verify=True)
    assert len(tape.records) == made["records"]
    assert np.all(np.diff(tape.records["receive_time_ns"]) >= 0)
    found = {entry["name"]: entry for entry in check([tmp_path / "eth.tape"])["instruments"]}
    for name in ("spot_ethusdt", "usdm_ethusdt"):
        instrument, diffs, equal, compared, trades = EXPECTED[name]
        entry = found[instrument]
        assert (entry["diffs"], entry["bbo_equal"], entry["bbo_compared"]) == (diffs, equal, compared)
        assert (entry["trades"], entry["gaps"]) == (trades, 0)
    (listed,) = list_tapes(tmp_path)
    assert (listed["records"], listed["instruments"]) == (made["records"], made["instruments"])


def test_recordings_are_imported_once_and_again_when_the_cached_tape_is_damaged(data: Path, tmp_path: Path) -> None:
    paths = days(data, "usdm_btcusdt")
    first = imported(paths, tmp_path)
    written = first.path.stat().st_mtime_ns
    assert imported(paths, tmp_path).path == first.path
    assert first.path.stat().st_mtime_ns == written
    content = bytearray(first.path.read_bytes())
    content[len(content) // 2] ^= 1
    first.path.write_bytes(content)
    again = imported(paths, tmp_path)
    assert again.path == first.path
    again.verify()
    assert imported([first.path], tmp_path).path == first.path


def test_a_failed_import_leaves_nothing_behind(data: Path, tmp_path: Path) -> None:
    with pytest.raises(IntegrityError, match="no depth snapshot"):
        import_files(days(data, "spot_ethusdt")[1:], tmp_path / "half.tape")
    assert list(tmp_path.iterdir()) == []


def test_mistakes_of_usage_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no data given"):
        check([])
    with pytest.raises(UserError, match="is a tape already"):
        import_files([tmp_path / "a.tape"], tmp_path / "b.tape")
    with pytest.raises(UserError, match="give one tape"):
        imported([tmp_path / "a.tape", tmp_path / "b.tape"], tmp_path)
    with pytest.raises(UserError, match="no such folder"):
        list_tapes(tmp_path / "absent")


def test_a_folder_lists_a_damaged_tape_with_its_error(tmp_path: Path) -> None:
    (tmp_path / "bad.tape").write_bytes(b"no tape")
    assert list_tapes(tmp_path)[0]["error"].startswith("bad.tape: byte 0: not a tape")
