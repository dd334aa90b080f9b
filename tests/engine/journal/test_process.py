"""The journal process: stopped by rule, killed at random moments, in want of space."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import msgspec
import numpy as np
import pytest

from engine.errors import UserError
from engine.journal.config import JournalSettings
from engine.journal.manifest import read_manifest
from engine.journal.process import STATUS_NAME, JournalProcessSettings, drain
from engine.journal.reader import Journal
from engine.journal.segment import JournalUnwritable
from engine.journal.status import JournalState
from ipc.doorbell import Doorbell
from ipc.messages import MESSAGE
from ipc.ring import RingFull
from tests.engine.journal.conftest import SMALL, Desk

PROJECT = Path(__file__).resolve().parents[3]
KILLS = 5
PATIENCE_S = 30.0


def start(desk: Desk, largest_file_bytes: int = 0, bell: str = "") -> subprocess.Popen[bytes]:
    settings = JournalProcessSettings(
        run_directory=str(desk.run),
        ring=str(desk.run / "journal.ring"),
        status=str(desk.run / STATUS_NAME),
        bell=bell,
        journal=desk.settings,
    )
    arguments = [msgspec.json.encode(settings).decode(), str(largest_file_bytes)]
    command = [sys.executable, "-m", "tests.engine.journal.journal_child", *arguments]
    return subprocess.Popen(command, cwd=PROJECT, stderr=subprocess.PIPE)


def wait_until(condition: Callable[[], bool], child: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert child.poll() is None, child.communicate()[1].decode()
        assert time.monotonic() < deadline
        time.sleep(0.002)


def is_running(desk: Desk, since_ns: int = 0) -> bool:
    if not (desk.run / STATUS_NAME).exists():
        return False
    return desk.status.state is JournalState.RUNNING and desk.status.heartbeat_ns > since_ns


def stop(child: subprocess.Popen[bytes]) -> int:
    child.send_signal(signal.SIGTERM)
    child.communicate(timeout=PATIENCE_S)
    return child.returncode


def send_much(desk: Desk) -> None:
    for _ in range(40):
        desk.send(300)
        time.sleep(0.01)


def test_sigterm_drains_the_ring_and_closes_the_last_segment(desk: Desk) -> None:
    child = start(desk)
    wait_until(lambda: is_running(desk), child)
    desk.send(1000)
    assert stop(child) == 0
    assert read_manifest(desk.run).closed
    assert desk.status.state is JournalState.CLOSED
    np.testing.assert_array_equal(Journal.open(desk.run).read(), desk.everything)


def test_gateway_that_waits_for_an_order_to_be_on_disk_is_woken(make_desk: Callable[[JournalSettings], Desk]) -> None:
    desk = make_desk(msgspec.structs.replace(SMALL, durability="disk"))
    child = start(desk, bell=str(desk.run / "gateway.bell"))
    wait_until(lambda: is_running(desk), child)
    desk.send(200)  # there is no gateway yet: nobody to wake, and no reason to stop
    wait_until(lambda: desk.status.position == len(desk.everything), child)
    bell = Doorbell(desk.run / "gateway.bell")
    before = desk.status.durable_order_number
    desk.send(200)
    assert bell.wait(PATIENCE_S)
    assert desk.status.durable_order_number > before > 0
    assert stop(child) == 0


@pytest.mark.recovery
def test_kill_9_at_random_moments_loses_and_doubles_nothing(desk: Desk) -> None:
    random = np.random.default_rng(5)
    total = 0
    for _ in range(KILLS):
        started_ns = time.monotonic_ns()
        child = start(desk)
        wait_until(partial(is_running, desk, started_ns), child)
        end = time.monotonic() + float(random.uniform(0.0, 0.12))
        while time.monotonic() < end:
            try:
                desk.send(int(random.integers(1, 400)))
            except RingFull:
                time.sleep(0.001)
        durable, committed = desk.status.durable_position, desk.status.position
        os.kill(child.pid, signal.SIGKILL)
        child.communicate()
        assert child.returncode == -signal.SIGKILL
        records = Journal.open(desk.run, verify=False).read()  # the next writer verifies
        assert total <= durable <= committed <= len(records)
        np.testing.assert_array_equal(records, desk.everything[: len(records)])
        total = durable
    drained = drain(desk.run, desk.run / "journal.ring", desk.settings, desk.run / STATUS_NAME)
    assert drained >= 0
    np.testing.assert_array_equal(Journal.open(desk.run).read(), desk.everything)


def test_a_dead_runs_ring_is_drained_into_its_journal_once(desk: Desk) -> None:
    writer = desk.open_writer()
    desk.send(700)
    writer.step()
    desk.abandon(writer)
    left = len(desk.everything) - desk.status.position
    assert left > 0
    assert drain(desk.run, desk.run / "journal.ring", desk.settings, desk.run / STATUS_NAME) == left
    assert read_manifest(desk.run).closed
    assert drain(desk.run, desk.run / "journal.ring", desk.settings, desk.run / STATUS_NAME) == 0
    np.testing.assert_array_equal(Journal.open(desk.run).read(), desk.everything)


def test_a_live_runs_ring_is_not_drained(desk: Desk) -> None:
    writer = desk.open_writer()
    with pytest.raises(UserError, match="live journal writer"):
        drain(desk.run, desk.run / "journal.ring", desk.settings, desk.run / STATUS_NAME)
    writer.close()


def test_a_full_disk_stops_the_ring_and_nothing_is_lost_when_room_comes_back(
    make_desk: Callable[[JournalSettings], Desk], monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = make_desk(SMALL)
    writer = desk.open_writer()
    desk.send(300)
    writer.drain()
    monkeypatch.setattr("engine.journal.store.free_bytes", lambda folder: 0)
    writer.store._settings = msgspec.structs.replace(SMALL, stop_free_mib=1)
    desk.send(300)
    assert writer.step() == 0
    assert desk.status.state is JournalState.FULL
    assert desk.status.refused == 1
    with pytest.raises(RingFull):  # and so the gated ring stops the core
        send_much(desk)
    monkeypatch.undo()
    writer.store._settings = SMALL
    writer._retry_at_ns = 0
    writer.drain()
    assert JournalState(desk.status.state) is JournalState.RUNNING
    writer.close()
    records = Journal.open(desk.run).read()
    np.testing.assert_array_equal(records, desk.everything[: len(records)])
    assert len(records) == len(desk.everything)


def test_a_write_that_the_system_refuses_ends_the_process_and_loses_nothing(desk: Desk) -> None:
    largest = 300_000
    child = start(desk, largest)
    wait_until(lambda: is_running(desk), child)
    with pytest.raises(RingFull):
        send_much(desk)
    errors = child.communicate(timeout=PATIENCE_S)[1]
    assert b"JOURNAL_FULL" in errors
    assert child.returncode == 1
    assert desk.status.state is JournalState.FAILED
    committed = desk.status.position
    assert 0 < committed * MESSAGE.itemsize < largest
    drain(desk.run, desk.run / "journal.ring", desk.settings, desk.run / STATUS_NAME)
    np.testing.assert_array_equal(Journal.open(desk.run).read(), desk.everything)


def test_a_drain_without_room_says_so(make_desk: Callable[[JournalSettings], Desk]) -> None:
    desk = make_desk(msgspec.structs.replace(SMALL, stop_free_mib=1 << 30))
    desk.send(10)
    with pytest.raises(JournalUnwritable, match="JOURNAL_FULL"):
        drain(desk.run, desk.run / "journal.ring", desk.settings, desk.run / STATUS_NAME)


def test_status_counts_every_commit_and_how_long_it_took(desk: Desk) -> None:
    writer = desk.open_writer()
    for _ in range(5):
        desk.send(50)
        writer.step()
    commits = desk.status.commits()
    assert commits.count == 5
    assert 0 < commits.minimum <= commits.percentile(50) <= commits.maximum
    writer.close()


@pytest.mark.parametrize(
    ("field", "value"), [("segment_mib", 0), ("segment_mib", 1025), ("group_records", 16_385), ("keep_days", -1.0)]
)
def test_a_setting_beyond_its_limit_is_named(field: str, value: float) -> None:
    with pytest.raises(ValueError, match=rf"journal\.{field} must be from"):
        JournalSettings(**{field: value})  # type: ignore[arg-type]
