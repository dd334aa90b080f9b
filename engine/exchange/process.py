"""The exchange as a process: says where it listens, runs until SIGTERM or SIGINT, leaves a whole ledger."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable

import uvloop

from engine.exchange.config import ExchangeSettings
from engine.exchange.server import ExchangeServer


def announce(line: str) -> None:
    print(line, flush=True)


def main(settings: ExchangeSettings, say: Callable[[str], None] = announce) -> int:
    """Runs the exchange. `say` gets one JSON line once the port is open:
    {"ready": "exchange", "address": "127.0.0.1:40123", "pid": 4711}. Raises UserError when the port is taken.
    """
    return uvloop.run(_run(settings, say))


async def _run(settings: ExchangeSettings, say: Callable[[str], None]) -> int:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    server = ExchangeServer(settings)
    await server.start()
    say(json.dumps({"ready": "exchange", "address": server.address, "pid": os.getpid()}))
    await stopping.wait()
    await server.stop()
    return 0


if __name__ == "__main__":  # a bare exchange for trying things out: python -m engine.exchange.process [port]
    sys.exit(main(ExchangeSettings(port=int(sys.argv[1]) if len(sys.argv) > 1 else 0)))
