"""Requests that no honest client sends: each is answered, none harms the exchange."""

from pathlib import Path
from typing import Any

import aiohttp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.exchange.config import ExchangeSettings
from engine.exchange.credentials import make_credentials
from engine.exchange.protocol import Session
from engine.exchange.server import ExchangeServer
from tests.engine.exchange.conftest import STILL

METHODS = [
    "order.place",
    "order.cancel",
    "order.cancelReplace",
    "order.status",
    "openOrders.status",
    "openOrders.cancelAll",
    "account.status",
    "myTrades",
    "session.logon",
    "userDataStream.subscribe",
    "userDataStream.subscribe.signature",
    "exchangeInfo",
    "no.such.method",
]
NAMES = [
    *("symbol", "side", "type", "timeInForce", "price", "quantity", "newClientOrderId", "orderId", "recvWindow"),
    *("origClientOrderId", "cancelReplaceMode", "cancelOrigClientOrderId", "fromId", "limit", "newOrderRespType"),
]
SENSIBLE = ["BTCUSDT", "BUY", "SELL", "LIMIT", "MARKET", "GTC", "60000.00", "0.00100", "STOP_ON_FAILURE", "a", 1]
ODD = ["1e999999999", "NaN", "-1", "", "9" * 40, None, True, [], {}, 1.5, -1, 1 << 70, "\0"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> ExchangeServer:
    exchange_file: Path = make_credentials(tmp_path_factory.mktemp("keys"))[0]
    return ExchangeServer(
        ExchangeSettings(
            flow=STILL,
            credentials_file=str(exchange_file),
            orders_per_10_s=1 << 40,
            request_weight_per_minute=1 << 40,
        )
    )


@settings(max_examples=400, deadline=None)
@given(
    st.sampled_from(METHODS),
    st.dictionaries(st.sampled_from(NAMES), st.sampled_from([*SENSIBLE, *SENSIBLE, *ODD]), max_size=9),
)
def test_every_request_is_answered_and_money_stays_whole(
    server: ExchangeServer, method: str, params: dict[str, Any]
) -> None:
    session = Session()
    session.key = next(iter(server.api.keys.values()))  # as after a log-on: what follows needs no signature
    answer = server.api.handle(session, {"id": 1, "method": method, "params": {"timestamp": 5, **params}}, 5)
    assert answer["id"] == 1
    assert ("result" in answer) != ("error" in answer)
    account = server.accounts["bot4"]
    open_orders = server.desk.open_orders(account, None)
    for asset in ("BTC", "USDT"):
        locked = sum(order.locked_atoms for order in open_orders if order.lock_asset == asset)
        assert account.locked.get(asset, 0) == locked


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/api/v3/depth?symbol=NONE", 400, -1121),
        ("/api/v3/depth?symbol=BTCUSDT&limit=x", 400, -1100),
        ("/api/v3/depth?symbol=BTCUSDT&limit=99999999999", 200, None),
    ],
)
async def test_snapshot_request_that_makes_no_sense_has_its_code(path: str, status: int, code: int | None) -> None:
    server = ExchangeServer(ExchangeSettings(flow=STILL))
    await server.start()
    async with aiohttp.ClientSession(f"http://{server.address}") as http, http.get(path) as response:
        assert response.status == status
        assert (await response.json()).get("code") == code
    await server.stop()
