"""The exchange as a process of its own."""

import json
import multiprocessing
import os
import signal
import urllib.request
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from engine.errors import UserError
from engine.exchange.config import ExchangeSettings
from engine.exchange.process import main
from engine.exchange.server import ExchangeServer


def run(settings: ExchangeSettings, pipe: Connection) -> None:
    raise SystemExit(main(settings, pipe.send))


def test_process_says_where_it_listens_and_stops_clean_on_sigterm(tmp_path: Path) -> None:
    ours, theirs = multiprocessing.Pipe()
    settings = ExchangeSettings(ledger_file=str(tmp_path / "ledger"))
    process = multiprocessing.get_context("spawn").Process(target=run, args=(settings, theirs))
    process.start()
    assert ours.poll(20)
    ready = json.loads(ours.recv())
    assert ready["ready"] == "exchange"
    with urllib.request.urlopen(
        f"http://{ready['address']}/api/v3/depth?symbol=BTCUSDT&limit=5", timeout=5
    ) as response:
        assert len(json.load(response)["bids"]) == 5
    os.kill(ready["pid"], signal.SIGTERM)
    process.join(10)
    assert process.exitcode == 0


async def test_taken_port_is_one_clear_error() -> None:
    first = ExchangeServer(ExchangeSettings())
    await first.start()
    with pytest.raises(UserError, match="cannot listen there"):
        await ExchangeServer(ExchangeSettings(port=first.port)).start()
    await first.stop()
