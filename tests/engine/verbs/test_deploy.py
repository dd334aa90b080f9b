"""The service: systemd takes the unit, the example configuration is valid, and the manager hears what it waits for."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.gateway.credentials import load as load_credentials
from tests.architecture.tree import PROJECT
from tests.engine.verbs.command import bot4, config

DEPLOY = PROJECT / "deploy"


@pytest.mark.parametrize("drop_in", ["", "live.conf"])
def test_systemd_finds_nothing_wrong_with_the_unit(drop_in: str, tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed (Debian: apt-get install systemd)")
    for name in ("bot4.service", drop_in):
        if name:
            text = (DEPLOY / name).read_text().replace("/opt/bot4/.venv/bin/python", sys.executable)
            target = tmp_path / ("bot4.service.d/live.conf" if name == drop_in else name)
            target.parent.mkdir(exist_ok=True)
            target.write_text(text)
    finished = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(tmp_path / "bot4.service")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (finished.returncode, finished.stderr) == (0, "")


def test_the_unit_feeds_its_watchdog_and_keeps_the_rings_of_a_killed_run() -> None:
    unit = (DEPLOY / "bot4.service").read_text()
    settings = dict(re.findall(r"^(\w+)=(.*)$", unit, re.MULTILINE))
    assert settings["Type"] == "notify"
    assert settings["Restart"] == "on-failure"
    assert settings["RestartPreventExitStatus"] == "2 3 4"
    assert settings["RuntimeDirectoryPreserve"] == "yes"
    assert settings["NoNewPrivileges"] == "yes"
    assert settings["ProtectSystem"] == "strict"
    assert "MemoryDenyWriteExecute" not in settings


def test_the_example_configuration_is_valid() -> None:
    finished = bot4("validate", "--config", DEPLOY / "bot4.toml")
    assert (finished.returncode, finished.stderr) == (0, "")
    assert finished.stdout.startswith("valid: instruments BTCUSDT.BINANCE; strategies market_maker")


def test_a_credential_that_systemd_shows_with_a_group_bit_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "bot4-key"
    path.write_text('{"api_key": "k", "hmac_secret": "s"}')
    path.chmod(0o440)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert load_credentials(environment={"BOT4_CREDENTIAL_FILE": str(path)}).api_key == "k"


# -- what the manager hears --------------------------------------------------------------------------------------------


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    """A socket in the place of systemd's."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(60)
        yield listener


def start(folder: Path, *arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "engine", "run", "--json", "--no-replay", "--config", str(config(folder)), *arguments],
        cwd=PROJECT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"NOTIFY_SOCKET": str(folder / "notify")},
    )


def heard(manager: socket.socket, seconds: float) -> set[str]:
    """All that is said in so long."""
    found, deadline = set(), time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        manager.settimeout(left)
        try:
            found.add(manager.recv(1024).decode())
        except TimeoutError:
            break
    return found


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_manager_hears_ready_then_watchdog_then_stopping(tmp_path: Path, manager: socket.socket) -> None:
    process = start(tmp_path)
    try:
        assert manager.recv(1024) == b"READY=1"
        assert manager.recv(1024) == b"WATCHDOG=1"
        process.send_signal(signal.SIGTERM)
        last = b"WATCHDOG=1"
        while last == b"WATCHDOG=1":
            last = manager.recv(1024)
        assert last == b"STOPPING=1"
        assert process.wait(60) == 0
    finally:
        process.kill()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_watchdog_starves_when_the_core_hangs(tmp_path: Path, manager: socket.socket) -> None:
    process = start(tmp_path)
    try:
        assert manager.recv(1024) == b"READY=1"
        pids = {row["name"]: row["pid"] for row in status(tmp_path)["processes"]}
        os.kill(pids["core"], signal.SIGSTOP)
        heard(manager, 6)  # STALL_LIMIT_S and a little
        assert heard(manager, 1) == set()
        os.kill(pids["core"], signal.SIGCONT)
        assert heard(manager, 3) == {"WATCHDOG=1"}
    finally:
        process.terminate()
        process.wait(60)


def status(folder: Path) -> dict[str, list[dict[str, object]]]:
    import json

    while (finished := bot4("status", "--json", "--config", folder / "bot4.toml")).returncode != 0:
        time.sleep(0.1)
    found: dict[str, list[dict[str, object]]] = json.loads(finished.stdout)
    return found
