"""Tape files: what is written is read, and nothing else passes for it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.errors import Exit, IntegrityError
from engine.feed.binance import make_instrument
from engine.replay.tape import BLOCK_RECORDS, HEADER, PAGE_BYTES, Tape, merge, write_tape
from ipc.messages import MESSAGE, Kind, messages

INSTRUMENTS = np.concatenate([make_instrument("spot", "BTCUSDT"), make_instrument("usdm", "BTCUSDT")])
Array = np.ndarray[Any, Any]


def records(count: int, first_ns: int = 1_000) -> Array:
    made = messages(count)
    made["receive_time_ns"] = np.arange(count) + first_ns
    made["kind"] = Kind.TRADE
    made["price_ticks"] = np.arange(count) * 7
    return made


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A tape of three blocks, the last not full."""
    path = tmp_path / "some.tape"
    whole = records(2 * BLOCK_RECORDS + 100)
    write_tape(path, INSTRUMENTS, [whole[:10], whole[10:10], whole[10:-1], whole[-1:]], source_sha256="ab" * 32)
    return path


def damage(path: Path, byte: int) -> None:
    content = bytearray(path.read_bytes())
    content[byte] ^= 0x10
    path.write_bytes(content)


def test_a_tape_holds_what_was_written_numbered_from_zero(path: Path) -> None:
    tape = Tape.open(path, verify=True)
    expected = records(2 * BLOCK_RECORDS + 100)
    expected["sequence"] = np.arange(len(expected))
    np.testing.assert_array_equal(tape.records, expected)
    np.testing.assert_array_equal(tape.instruments, INSTRUMENTS)
    assert tape.names == ["BTCUSDT.BINANCE", "BTCUSDT-PERP.BINANCE"]
    assert tape.source_sha256 == "ab" * 32
    assert tape.header["records_offset"] % PAGE_BYTES == 0
    assert not tape.records.flags.writeable


def test_a_tape_of_nothing_is_a_tape(tmp_path: Path) -> None:
    assert write_tape(tmp_path / "empty.tape", INSTRUMENTS, []) == 0
    assert len(Tape.open(tmp_path / "empty.tape", verify=True).records) == 0


def test_a_flipped_byte_in_a_record_is_found_and_its_block_named(path: Path) -> None:
    offset = int(Tape.open(path).header["records_offset"])
    damage(path, offset + BLOCK_RECORDS * MESSAGE.itemsize + 5)
    with pytest.raises(IntegrityError, match=r"block 1 .*last good message 16383.*import it anew") as caught:
        Tape.open(path, verify=True)
    assert caught.value.exit_code == Exit.INTEGRITY


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.floats(0, 1, exclude_max=True), st.integers(0, 7))
def test_any_flipped_bit_anywhere_is_found(path: Path, where: float, bit: int) -> None:
    content = path.read_bytes()
    first_gap, last_gap = HEADER.itemsize + INSTRUMENTS.nbytes, PAGE_BYTES
    byte = int(where * len(content))
    flipped = bytearray(content)
    flipped[byte] ^= 1 << bit
    target = path.with_name("flipped.tape")
    target.write_bytes(flipped)
    if first_gap <= byte < last_gap:  # the padding says nothing
        Tape.open(target, verify=True)
        return
    with pytest.raises(IntegrityError):
        Tape.open(target, verify=True)


@pytest.mark.parametrize("byte", range(0, HEADER.itemsize + 512, 7))
def test_a_flipped_byte_in_the_header_is_found_on_opening(path: Path, byte: int) -> None:
    damage(path, byte)
    with pytest.raises(IntegrityError):
        Tape.open(path)


def test_a_cut_tape_says_how_many_messages_are_there(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: PAGE_BYTES + 10 * MESSAGE.itemsize + 3])
    with pytest.raises(IntegrityError, match="at most 10 of 32868 messages are there"):
        Tape.open(path)


def test_what_is_no_tape_and_what_is_absent_are_named(tmp_path: Path) -> None:
    (tmp_path / "a.tape").write_bytes(b"hello")
    with pytest.raises(IntegrityError, match=r"a\.tape: byte 0: not a tape"):
        Tape.open(tmp_path / "a.tape")
    with pytest.raises(IntegrityError, match="No such file"):
        Tape.open(tmp_path / "b.tape")


def test_a_version_that_this_build_does_not_know_is_refused(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[8] = 99
    path.write_bytes(content)
    with pytest.raises(IntegrityError, match="tape version 99"):
        Tape.open(path)


def test_messages_out_of_order_leave_no_file_and_an_old_tape_as_it_was(path: Path) -> None:
    before = path.read_bytes()
    with pytest.raises(IntegrityError, match="not in order"):
        write_tape(path, INSTRUMENTS, [records(5, 100), records(5, 50)])
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == [path.name]


STREAM = st.lists(st.lists(st.integers(0, 3), max_size=6), max_size=5)


@settings(max_examples=200, deadline=None)
@given(st.lists(STREAM, min_size=1, max_size=4))
def test_merged_streams_are_the_stable_sort_of_all_however_they_are_cut(steps: list[list[list[int]]]) -> None:
    """Each stream is chunks of time steps, many of them zero: equal times across chunks and streams are common."""
    every = []
    for number, stream in enumerate(steps):
        time, chunks = 10, []
        for chunk in stream:
            made = messages(len(chunk))
            for i, step in enumerate(chunk):
                time += step // 3  # three of four steps stand still
                made[i]["receive_time_ns"] = time
            made["instrument"] = number
            made["order_id"] = np.arange(len(chunk)) + 1_000 * len(chunks)
            chunks.append(made)
        every.append(chunks)
    streams: list[Iterator[Array]] = [iter(chunks) for chunks in every]
    merged = np.concatenate([messages(0), *merge(streams)])
    joined = np.concatenate([messages(0), *(chunk for chunks in every for chunk in chunks)])
    np.testing.assert_array_equal(merged, joined[np.argsort(joined["receive_time_ns"], kind="stable")])
