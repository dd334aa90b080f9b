"""Everything killed at once, the supervisor too, and the run taken up again by `bot4 run --resume`."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import TypeVar

import msgspec
import pytest

from engine.assembly import PROJECT
from engine.config import Config, as_toml
from engine.exchange.config import ExchangeSettings
from engine.exchange.credentials import make_credentials
from engine.run_files import RunFiles, run_files
from ipc.ring import Ring
from ipc.segment import SegmentError
from tests.recovery.audit import audit
from tests.recovery.living_run import LivingRun, eager_config, kills_of_share, shared_memory

pytestmark = pytest.mark.recovery
PATIENCE_S = 60.0
Found = TypeVar("Found")
DEATHS = kills_of_share(2, least=2)


@pytest.mark.timeout(120 + 30 * DEATHS)
def test_all_killed_with_the_supervisor_the_run_is_resumed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    random = Random(3)
    with (
        shared_memory() as shared,
        standing_exchange(tmp_path, eager_config(tmp_path, shared, seed=3).exchange) as where,
    ):
        config = resumable(eager_config(tmp_path, shared, seed=3, exchange_address=where), tmp_path)
        settings = tmp_path / "bot4.toml"
        settings.write_text(as_toml(config))
        run_id, orders = None, 0
        for _ in range(DEATHS):
            with commanded(settings, run_id) as command:
                run_id = run_id or await_run(tmp_path, command)
                files = run_files(run_id, config.run.directory, config.run.shared_memory_directory)
                orders = await_order_number(files, orders + 20, command)
                time.sleep(random.uniform(0.0, 0.5))
                kill_whole(files, command, random)
        assert run_id is not None
        with LivingRun.started(config, monkeypatch, resume=run_id) as run:
            run.await_orders(20)
            run.settle()
            folder = run.finish()
        found = audit(folder, tmp_path / "ledger.jsonl")
    assert found.orders > orders
    print(found, DEATHS)


@contextmanager
def standing_exchange(folder: Path, settings: ExchangeSettings) -> Iterator[str]:
    """The built-in exchange by itself, which outlives the runs; gives its address."""
    keys, _ = make_credentials(folder)
    settings = msgspec.structs.replace(
        settings, ledger_file=str(folder / "ledger.jsonl"), credentials_file=str(keys), seed=3
    )
    path = folder / "exchange.json"
    path.write_bytes(msgspec.json.encode(settings))
    process = subprocess.Popen(
        [sys.executable, "-m", "engine.child", "exchange", str(path)], cwd=PROJECT, stdout=subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())["address"]
    finally:
        process.terminate()
        process.communicate(timeout=10)


def resumable(config: Config, folder: Path) -> Config:
    gateway = msgspec.structs.replace(config.gateway, credential_file=str(folder / "trader-key.json"))
    return msgspec.structs.replace(config, gateway=gateway)


@contextmanager
def commanded(settings: Path, run_id: str | None) -> Iterator[subprocess.Popen[bytes]]:
    """`bot4 run`, or with an id `bot4 run --resume`, as a user would."""
    arguments = [sys.executable, "-m", "engine", "run", "--json", "--config", str(settings)]
    command = subprocess.Popen(
        [*arguments, *(["--resume", run_id] if run_id else [])],
        cwd=PROJECT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    try:
        yield command
    finally:
        command.kill()
        command.communicate(timeout=10)


def patiently(look: Callable[[], Found | None], command: subprocess.Popen[bytes], what: str) -> Found:
    """What `look` finds. Fails when the command ends before, or after a minute."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        if command.poll() is not None:
            assert command.stderr is not None
            raise AssertionError(f"bot4 run ended with {command.returncode}: {command.stderr.read().decode()}")
        found = look()
        if found is not None:
            return found
        time.sleep(0.02)
    raise AssertionError(f"no {what} within {PATIENCE_S:.0f} s")


def await_run(folder: Path, command: subprocess.Popen[bytes]) -> str:
    """Id of the run that the command has begun."""

    def look() -> str | None:
        return next((path.parent.name for path in folder.glob("*/manifest.json")), None)

    return patiently(look, command, "run")


def await_order_number(files: RunFiles, number: int, command: subprocess.Popen[bytes]) -> int:
    """Until order `number` has been published; gives the newest number then."""

    def look() -> int | None:
        try:
            newest = Ring.attach(files.ring("orders")).head // 2
        except SegmentError:
            return None
        return newest if newest >= number else None

    return patiently(look, command, f"order {number}")


def kill_whole(files: RunFiles, command: subprocess.Popen[bytes], random: Random) -> None:
    """kill -9 of the supervisor and all it started, in any order."""
    noted = json.loads(files.processes.read_text())
    pids = [command.pid, *(row["pid"] for row in noted["processes"])]
    random.shuffle(pids)
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    command.wait()
