"""Another process reads the journal while its writer commits and cuts segments."""

import hashlib
import subprocess
import sys
import time
from pathlib import Path

from engine.journal.manifest import segment_path
from engine.journal.segment import PAGE_BYTES, SegmentReader
from tests.engine.journal.conftest import Desk
from tests.engine.journal.records import journal_records

PROJECT = Path(__file__).resolve().parents[3]
BATCHES = 30
INPUTS = 1000
COMMITS = 40


def test_a_follower_reads_every_record_once_and_in_order(desk: Desk) -> None:
    end = sum(len(journal_records(INPUTS, first_input=INPUTS * batch)) for batch in range(BATCHES))
    writer = desk.open_writer()
    command = [sys.executable, "-m", "tests.engine.journal.follower_child", str(desk.run), str(end)]
    followers = [
        subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    for _ in range(BATCHES):
        desk.send(INPUTS)
        writer.drain()
        time.sleep(0.03)
    assert len(writer.store.manifest.segments) > 3
    for follower in followers:
        printed, errors = follower.communicate(timeout=60)
        assert follower.returncode == 0, errors
        assert printed.strip() == hashlib.sha256(desk.everything.tobytes()).hexdigest()
    writer.close()


def test_a_killed_reader_does_not_keep_pages_from_the_writer(desk: Desk) -> None:
    writer = desk.open_writer()
    desk.send(INPUTS)
    writer.drain()
    holder = subprocess.Popen(
        [sys.executable, "-m", "tests.engine.journal.holder_child", str(segment_path(desk.run, 0))],
        cwd=PROJECT,
        stdout=subprocess.PIPE,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"holding\n"
    holder.kill()
    holder.communicate()
    before = segment_path(desk.run, 0).stat().st_size
    for _ in range(COMMITS):
        desk.send(1)
        writer.step()
    grown = segment_path(desk.run, 0).stat().st_size - before
    assert grown < 2 * COMMITS * PAGE_BYTES  # without pages to use again a commit takes three
    writer.close()


def test_a_segment_may_grow_far_while_it_is_read(tmp_path: Path) -> None:
    # a reader's map that takes the size of the file, or LMDB's 10 MiB, is outgrown between two transactions
    path = tmp_path / "segment.lmdb"
    writer = subprocess.Popen(
        [sys.executable, "-m", "tests.engine.journal.segment_child", str(path)],
        cwd=PROJECT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    orders, answers = writer.stdin, writer.stdout
    assert orders is not None
    assert answers is not None

    def grow_to(blocks: int) -> None:
        orders.write(f"{blocks}\n")
        orders.flush()
        assert answers.readline() == f"{blocks}\n"

    grow_to(1)
    for blocks in (24, 25):
        reader = SegmentReader(path, live=True)
        grow_to(blocks)
        assert [position for position, _ in reader.values(0)] == list(range(blocks))
        reader.close()
    orders.close()
    assert writer.wait(timeout=60) == 0
    answers.close()
