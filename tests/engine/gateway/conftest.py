"""An exchange and a session with it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from engine.exchange.config import ExchangeSettings, FlowSettings
from engine.exchange.credentials import make_credentials
from engine.exchange.server import ExchangeServer
from engine.gateway.credentials import Credentials, load
from tests.engine.gateway.trader import Trader

STILL = FlowSettings(events_per_s=0.0)
BUSY = FlowSettings(events_per_s=300.0, resting_orders_per_side=100, size_minimum_lots=50)
PLENTY = 1_000_000


@pytest.fixture
def key_files(tmp_path: Path) -> tuple[Path, Path]:
    return make_credentials(tmp_path)


@pytest.fixture
def credentials(key_files: tuple[Path, Path]) -> Credentials:
    return load(str(key_files[1]))


@pytest.fixture
async def exchange(key_files: tuple[Path, Path], request: pytest.FixtureRequest) -> AsyncIterator[ExchangeServer]:
    """A still, empty market; parametrize indirectly with BUSY for a living one."""
    server = ExchangeServer(
        ExchangeSettings(
            flow=getattr(request, "param", STILL),
            credentials_file=str(key_files[0]),
            orders_per_10_s=PLENTY,
            request_weight_per_minute=PLENTY,
        )
    )
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def trader(exchange: ExchangeServer, credentials: Credentials) -> AsyncIterator[Trader]:
    trader = Trader(credentials, exchange.address)
    await trader.start()
    yield trader
    await trader.stop()
