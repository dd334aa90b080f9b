"""Segments: created whole, refused when unknown, locked by one writer."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ipc.segment import HEADER_BYTES, WRITER_BYTE, Header, Segment, SegmentError

HEADER = Header("test", 7, 3 * 4096, 64, 128, 1000, 3)


def test_header_comes_back_as_written(memory: Path) -> None:
    Segment.create(memory / "a", HEADER, b"payload")
    segment = Segment.attach(memory / "a", "test")
    assert segment.header == HEADER
    assert segment.memory[HEADER_BYTES : HEADER_BYTES + 7] == b"payload"
    assert os.stat(memory / "a").st_blocks * 512 >= HEADER.total_bytes  # allocated, not sparse


def test_what_one_mapping_writes_another_reads(memory: Path) -> None:
    first = Segment.create(memory / "a", HEADER)
    second = Segment.attach(memory / "a", "test", writable=False)
    first.memory[5000:5003] = b"abc"
    assert second.memory[5000:5003] == b"abc"
    with pytest.raises(TypeError):
        second.memory[5000] = 1


def test_creation_refuses_an_existing_path_and_leaves_it_and_no_draft(memory: Path) -> None:
    Segment.create(memory / "a", HEADER, b"first")
    with pytest.raises(SegmentError, match=r"/a exists: drain and remove"):
        Segment.create(memory / "a", HEADER, b"other")
    assert (memory / "a").read_bytes()[HEADER_BYTES:].startswith(b"first")
    assert os.listdir(memory) == ["a"]


def test_creation_says_how_many_bytes_are_missing_and_where(memory: Path) -> None:
    with pytest.raises(SegmentError, match=rf"/a needs {1 << 60} bytes and {memory} has \d+ free"):
        Segment.create(memory / "a", Header("test", 0, 1 << 60, 64, 1))
    assert os.listdir(memory) == []


def test_creation_in_an_absent_folder_is_one_clear_line(memory: Path) -> None:
    with pytest.raises(SegmentError, match="No such file or directory"):
        Segment.create(memory / "nowhere" / "a", HEADER)


@pytest.mark.parametrize(
    ("offset", "content", "words"),
    [
        (0, b"X", "not a Bot4 segment"),
        (8, b"\x63", "layout 99 and schema"),
        (16, b"\x63", "and schema 99"),
        (56, b"\x00", "damaged header"),
        (64, b"\x01", "damaged header"),
    ],
)
def test_reader_refuses_a_header_it_does_not_know(memory: Path, offset: int, content: bytes, words: str) -> None:
    Segment.create(memory / "a", HEADER)
    with (memory / "a").open("r+b") as file:
        file.seek(offset)
        file.write(content)
    with pytest.raises(SegmentError, match=words):
        Segment.attach(memory / "a", "test")


def test_reader_refuses_a_cut_file_and_another_kind_and_none(memory: Path) -> None:
    Segment.create(memory / "a", HEADER)
    with pytest.raises(SegmentError, match="kind 'test', 'ring' was expected"):
        Segment.attach(memory / "a", "ring")
    os.truncate(memory / "a", HEADER.total_bytes - 1)
    with pytest.raises(SegmentError, match="it was cut"):
        Segment.attach(memory / "a", "test")
    os.truncate(memory / "a", 100)
    with pytest.raises(SegmentError, match="not a Bot4 segment"):
        Segment.attach(memory / "a", "test")
    with pytest.raises(SegmentError, match="cannot open segment"):
        Segment.attach(memory / "b", "test")


def test_lock_has_one_holder_and_is_free_after_release(memory: Path) -> None:
    segment = Segment.create(memory / "a", HEADER)
    assert not segment.is_locked(WRITER_BYTE)
    lock = segment.lock(WRITER_BYTE, "writer")
    assert segment.is_locked(WRITER_BYTE)
    with pytest.raises(SegmentError, match="already has a live writer: stop it first"):
        Segment.attach(memory / "a", "test").lock(WRITER_BYTE, "writer")
    assert not segment.is_locked(WRITER_BYTE + 1)
    lock.release()
    segment.lock(WRITER_BYTE, "writer").release()


def test_lock_of_a_killed_process_is_free(memory: Path) -> None:
    segment = Segment.create(memory / "a", HEADER)
    holder = (
        "import sys, time; from ipc.segment import Segment; "
        "lock = Segment.attach(sys.argv[1], 'test').lock(0, 'writer'); "
        "print('held', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", holder, str(memory / "a")], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        assert segment.is_locked(WRITER_BYTE)
        process.kill()
        process.wait()
    assert not segment.is_locked(WRITER_BYTE)
