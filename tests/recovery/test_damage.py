"""What a user sees of a damaged or a diverging journal of a real run: exit code 3 and the place."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest

from engine.assembly import PROJECT
from engine.errors import Exit
from engine.journal.manifest import MANIFEST_NAME, read_manifest, segment_path, write_manifest
from engine.journal.process import CONSUMER_NAME, drain
from engine.journal.reader import Journal
from ipc.messages import Kind
from ipc.ring import Ring
from tests.recovery.living_run import eager_config

pytestmark = pytest.mark.recovery
FLIPS = 3


def bot4(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The command as a user types it."""
    return subprocess.run(
        [sys.executable, "-m", "engine", *arguments, "--json"], cwd=PROJECT, capture_output=True, text=True, check=False
    )


@contextmanager
def flipped(path: Path, places: list[int], mask: int) -> Iterator[None]:
    """The bytes at these places of a file are others for as long as this lasts."""
    whole = path.read_bytes()
    data = bytearray(whole)
    for at in places:
        data[at] ^= mask
    path.write_bytes(data)
    try:
        yield
    finally:
        path.write_bytes(whole)


def assert_refused(run: Path, place: str) -> None:
    """Replay and verify end with 3 and one line that names the place."""
    for verb in ("replay", "verify"):
        ended = bot4(verb, str(run))
        assert ended.returncode == Exit.INTEGRITY, ended.stderr
        assert re.search(place, ended.stderr), ended.stderr
        assert "Traceback" not in ended.stderr
        assert len(ended.stderr.strip().splitlines()) == 1


def test_whole_journals_replay_identically(finished: Path, unclosed: Path) -> None:
    for run in (finished, unclosed):
        ended = bot4("replay", str(run))
        assert ended.returncode == Exit.DONE, ended.stderr
        assert json.loads(ended.stdout)["identical"] is True
        assert bot4("verify", str(run)).returncode == Exit.DONE


def test_a_flipped_byte_of_a_closed_segment_is_named(finished: Path) -> None:
    random = Random(1)
    for _ in range(FLIPS):
        entry = random.choice(read_manifest(finished).segments)
        assert entry.sha256 is not None
        path = segment_path(finished, entry.number)
        with flipped(path, [random.randrange(path.stat().st_size)], 1 << random.randrange(8)):
            assert_refused(finished, f"segment {entry.number}")


@pytest.mark.parametrize("kind", ["finished", "unclosed"])
def test_a_flipped_byte_of_a_record_names_segment_block_and_record(kind: str, request: pytest.FixtureRequest) -> None:
    run: Path = request.getfixturevalue(kind)
    random = Random(2)
    blocks = list(Journal.open(run).blocks())
    for _ in range(FLIPS):
        block = random.choice(blocks)
        record = random.randrange(len(block.records))
        path = segment_path(run, block.segment)
        # a short block lies in a leaf page of LMDB, which is copied with every commit: older copies lie in free pages
        copies = [found.start() for found in re.finditer(re.escape(block.records[record].tobytes()), path.read_bytes())]
        assert copies
        byte = random.randrange(64)
        with flipped(path, [at + byte for at in copies], 1 << random.randrange(8)):
            assert_refused(run, rf"segment {block.segment}, block {block.block}, record {record}\b")


def test_a_flipped_byte_of_the_manifest_is_named(finished: Path) -> None:
    random = Random(3)
    path = finished / MANIFEST_NAME
    data = path.read_bytes()
    for _ in range(FLIPS):
        at = data.index(b'"sources"') + random.randrange(5_000)  # any byte but white space counts
        while data[at : at + 1].isspace():
            at += 1
        with flipped(path, [at], 1 << random.randrange(5)):
            assert_refused(finished, MANIFEST_NAME)


# -- journals that are whole and say something else -------------------------------------------------------------------


def rewritten(run: Path, folder: Path, change: Any) -> tuple[Path, np.ndarray]:
    """A copy of a run with changed records under hashes that are right, as a forger of the journal would leave it."""
    records = np.array(Journal.open(run).read())
    change(records)
    copy = folder / run.name
    copy.mkdir()
    shutil.copy(run / "instruments.npy", copy)
    manifest = read_manifest(run)
    manifest.segments, manifest.closed = [], False
    write_manifest(copy, manifest)
    ring = Ring.create(folder / "journal.ring", 1 << 18, lossy=False, epoch=1, consumers=[CONSUMER_NAME])
    producer = ring.producer()
    producer.send_kept(records)
    drain(copy, ring.path, eager_config(folder, folder, seed=1).journal, folder / "journal.status")
    producer.close()
    return copy, records


def test_a_changed_order_is_named_by_block_record_and_stage(finished: Path, tmp_path: Path) -> None:
    places = []

    def change(records: np.ndarray) -> None:
        orders = np.flatnonzero(records["kind"] == Kind.ORDER)
        places.append(int(orders[len(orders) // 2]))
        records["quantity_lots"][places[0]] += 1

    copy, _ = rewritten(finished, tmp_path, change)
    assert bot4("verify", str(copy)).returncode == Exit.DONE  # every hash is right
    ended = bot4("replay", str(copy))
    assert ended.returncode == Exit.INTEGRITY
    result = json.loads(ended.stdout)
    assert result["identical"] is False
    found = result["first_divergence"]
    assert (found["position"], found["kind"], found["stage"]) == (places[0], "ORDER", "execution.orders")
    block = next(block for block in Journal.open(copy).blocks() if block.end_position > places[0])
    assert (found["block"], found["record"]) == (block.block, places[0] - block.first_position)


@pytest.mark.parametrize(
    ("stage", "section", "key", "value"),
    [
        ("features", "features", "warmup_ms", 0),
        ("risk", "risk", "price_collar_bp", 150),
        ("strategy", "strategies", "interval_ms", 9),
    ],
)
def test_a_stage_that_computes_something_else_is_named(
    stage: str, section: str, key: str, value: int, finished: Path, tmp_path: Path
) -> None:
    copy = tmp_path / finished.name
    shutil.copytree(finished, copy)
    manifest = read_manifest(copy)
    settings: Any = manifest.config[section]
    if section == "strategies":
        settings[0]["params"] = {key: value}
    else:
        settings[key] = value
    write_manifest(copy, manifest)
    ended = bot4("replay", str(copy))
    assert ended.returncode == Exit.INTEGRITY, ended.stderr
    found = json.loads(ended.stdout)["first_divergence"]
    assert found["stage"] == stage
    blocks = {block.block: block for block in Journal.open(copy).blocks()}
    assert blocks[found["block"]].records[found["record"]]["kind"] == Kind[found["kind"]]
