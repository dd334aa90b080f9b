"""Any flipped byte of a closed segment, and any flipped byte of a record in an open one, is found and named."""

import re
import shutil
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from engine.errors import Exit, IntegrityError
from engine.journal.manifest import MANIFEST_NAME, segment_path, write_manifest
from engine.journal.reader import Journal
from engine.journal.segment import PAGE_BYTES, sha256_of_file
from engine.journal.verify import Request, examine, verify_segment
from ipc.messages import MESSAGE
from tests.engine.journal.conftest import Desk

FLIPS_OF_A_CLOSED_FILE = 300
FLIPS_NAMED = 12  # of them, those whose place a child process is asked for
FLIPS_OF_AN_OPEN_FILE = 200


@pytest.fixture
def closed(desk: Desk) -> Desk:
    writer = desk.open_writer()
    for _ in range(18):
        desk.send(1000)
        writer.drain()
    writer.close()
    return desk


def flip(path: Path, at: int, mask: int) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ mask]))


def test_every_flipped_byte_of_a_closed_segment_is_found_and_its_segment_named(closed: Desk) -> None:
    random = np.random.default_rng(11)
    journal = Journal.open(closed.run)
    named_records = 0
    for number in range(FLIPS_OF_A_CLOSED_FILE):
        entry = journal.segments[random.integers(len(journal.segments))]
        path = segment_path(closed.run, entry.number)
        at, mask = int(random.integers(path.stat().st_size)), 1 << int(random.integers(8))
        flip(path, at, mask)
        assert sha256_of_file(path) != entry.sha256
        if number < FLIPS_NAMED:
            with pytest.raises(IntegrityError, match=f"segment {entry.number}") as caught:
                Journal.open(closed.run)
            assert caught.value.exit_code == Exit.INTEGRITY
            named_records += bool(re.search(r"block \d+, record \d+", str(caught.value)))
        flip(path, at, mask)
    Journal.open(closed.run)
    assert named_records > FLIPS_NAMED // 2  # most bytes of a segment are in records


def request_for(path: Path, previous_chain: str) -> Request:
    return Request(path=str(path), segment=0, first_block=0, first_position=0, previous_chain=previous_chain)


def test_every_flipped_byte_of_a_record_in_an_open_segment_is_found_and_the_record_named(desk: Desk) -> None:
    writer = desk.open_writer()
    for _ in range(4):
        desk.send(600)
        writer.drain()
    desk.abandon(writer)
    entry = Journal.open(desk.run).segments[-1]
    path = segment_path(desk.run, entry.number)
    data = path.read_bytes()
    random = np.random.default_rng(12)
    positions = random.choice(len(desk.everything), 40, replace=False)
    tried = 0
    request = request_for(desk.run / "damaged.mdb", entry.previous_chain)
    for position in positions:
        place = data.find(desk.everything[position].tobytes())
        assert place > 0
        for _ in range(FLIPS_OF_AN_OPEN_FILE // len(positions)):
            damaged = bytearray(data)
            damaged[place + int(random.integers(MESSAGE.itemsize))] ^= 1 << int(random.integers(8))
            Path(request.path).write_bytes(damaged)
            error = examine(request, lambda _: None).error
            assert error is not None
            assert re.search(rf"segment 0, block \d+, record \d+ \(position {position}\)", error)
            tried += 1
    assert tried == FLIPS_OF_AN_OPEN_FILE


def test_a_flipped_byte_in_an_open_segment_stops_reader_and_writer(desk: Desk) -> None:
    writer = desk.open_writer()
    desk.send(600)
    writer.drain()
    desk.abandon(writer)
    path = segment_path(desk.run, 0)
    flip(path, path.read_bytes().find(desk.everything[123].tobytes()) + 40, 4)
    with pytest.raises(IntegrityError, match=r"segment 0, block \d+, record \d+ \(position 123\)"):
        Journal.open(desk.run)
    with pytest.raises(IntegrityError, match="position 123"):
        desk.open_writer()


def test_a_flipped_byte_anywhere_in_an_open_segment_gives_an_error_or_the_true_records(desk: Desk) -> None:
    writer = desk.open_writer()
    for _ in range(30):
        desk.send(20)
        writer.drain()
    desk.abandon(writer)
    path = segment_path(desk.run, 0)
    data = path.read_bytes()
    random = np.random.default_rng(14)
    for page in random.integers(len(data) // 4096, size=10):
        damaged = bytearray(data)
        damaged[4096 * int(page) + int(random.integers(64))] ^= 1 << int(random.integers(8))  # LMDB's own words
        path.write_bytes(damaged)
        with suppress(IntegrityError):
            records = Journal.open(desk.run).read()
            np.testing.assert_array_equal(records, desk.everything[: len(records)])


def test_a_segment_that_lost_its_last_commit_is_not_written_on(desk: Desk) -> None:
    writer = desk.open_writer()
    path = segment_path(desk.run, 0)
    for _ in range(3):
        metas = path.read_bytes()[: 2 * PAGE_BYTES]
        desk.send(20)
        writer.step()
    desk.abandon(writer)
    with path.open("r+b") as file:
        file.write(metas)
    with pytest.raises(IntegrityError, match=r"segment 0: ends at \d+, but \d+ records were committed"):
        desk.open_writer()


def test_a_file_that_kills_its_reader_is_damaged_and_not_the_end_of_us(closed: Desk) -> None:
    path = segment_path(closed.run, 0)
    with path.open("r+b") as file:
        file.truncate(3 * 4096)  # LMDB maps what is not there: SIGBUS
    with pytest.raises(IntegrityError, match="segment 0"):
        Journal.open(closed.run)


def test_silence_beyond_the_time_out_is_damage(closed: Desk) -> None:
    entry = Journal.open(closed.run).segments[0]
    request = request_for(segment_path(closed.run, 0), entry.previous_chain)
    with pytest.raises(IntegrityError, match="segment 0: not read within"):
        verify_segment(request, timeout_s=0.001)


def test_a_missing_segment_is_named(closed: Desk) -> None:
    segment_path(closed.run, 1).unlink()
    with pytest.raises(IntegrityError, match="segment 1"):
        Journal.open(closed.run)


def test_a_segment_of_another_run_is_refused(closed: Desk, tmp_path: Path) -> None:
    manifest = Journal.open(closed.run).manifest
    shutil.copy(segment_path(closed.run, 0), segment_path(closed.run, 1))
    write_manifest(closed.run, manifest)
    with pytest.raises(IntegrityError, match="segment 1"):
        Journal.open(closed.run)


def test_every_flipped_byte_of_the_manifest_is_found(closed: Desk) -> None:
    path = closed.run / MANIFEST_NAME
    data = path.read_bytes()
    random = np.random.default_rng(13)
    for at in random.choice(len(data), 100, replace=False):
        if chr(data[at]) in " \n":
            continue  # white space of the layout carries nothing
        damaged = bytearray(data)
        damaged[at] ^= 1 << int(random.integers(7))
        path.write_bytes(damaged)
        with pytest.raises(IntegrityError):
            Journal.open(closed.run, verify=False)
