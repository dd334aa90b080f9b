"""The order API as a client meets it, on a socket, in Binance's words."""

import hashlib
import hmac
import json
import time
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from engine.exchange.config import ExchangeSettings
from engine.exchange.credentials import make_credentials
from engine.exchange.server import ExchangeServer
from tests.engine.exchange.conftest import STILL, RawClient

NOW = "timestamp"


async def subscribe(client: RawClient) -> None:
    assert (await client.call("session.logon"))["status"] == 200
    assert (await client.send("userDataStream.subscribe", {}))["status"] == 200


async def test_limit_order_rests_is_found_by_client_id_and_is_cancelled(client: RawClient) -> None:
    placed = await client.limit("run-1", "BUY", "60000.00", "0.00100")
    assert placed["result"]["status"] == "NEW"
    assert placed["result"]["fills"] == []
    found = await client.call("order.status", symbol="BTCUSDT", origClientOrderId="run-1")
    assert found["result"]["orderId"] == placed["result"]["orderId"]
    assert found["result"]["price"] == "60000.00000000"
    opened = await client.call("openOrders.status", symbol="BTCUSDT")
    assert [order["clientOrderId"] for order in opened["result"]] == ["run-1"]
    cancelled = await client.call("order.cancel", symbol="BTCUSDT", origClientOrderId="run-1")
    assert cancelled["result"]["origClientOrderId"] == "run-1"
    assert cancelled["result"]["status"] == "CANCELED"
    again = await client.call("order.cancel", symbol="BTCUSDT", origClientOrderId="run-1")
    assert again["error"] == {"code": -2011, "msg": "Unknown order sent."}


async def test_unknown_order_is_no_such_order(client: RawClient) -> None:
    answer = await client.call("order.status", symbol="BTCUSDT", origClientOrderId="never")
    assert answer["status"] == 400
    assert answer["error"] == {"code": -2013, "msg": "Order does not exist."}


async def test_client_id_of_an_open_order_is_refused_and_noted(client: RawClient, exchange: ExchangeServer) -> None:
    await client.limit("run-1", "BUY", "60000.00", "0.00100")
    answer = await client.limit("run-1", "BUY", "60000.00", "0.00100")
    assert answer["error"] == {"code": -2010, "msg": "Duplicate order sent."}
    assert exchange.ledger.duplicates == 1
    assert exchange.ledger.orders["run-1"]["received"] == 2
    assert exchange.ledger.orders["run-1"]["state"] == "accepted"


async def test_fill_is_told_to_both_sides_with_trade_id_fee_and_maker_flag(
    client: RawClient, exchange: ExchangeServer
) -> None:
    await subscribe(client)
    await client.limit("maker", "SELL", "60000.00", "0.00200")
    market = exchange.markets["BTCUSDT"]
    market.engine.submit(0, 1, 1, 1, 6_000_100, 50)
    market.settle(1)
    await client.call("ping")
    assert [(e["x"], e["X"], e["c"]) for e in client.events] == [
        ("NEW", "NEW", "maker"),
        ("TRADE", "PARTIALLY_FILLED", "maker"),
    ]
    fill = client.events[-1]
    assert (fill["l"], fill["L"], fill["z"]) == ("0.00050000", "60000.00000000", "0.00050000")
    assert (fill["n"], fill["N"], fill["m"], fill["t"]) == ("0.03000000", "USDT", True, 1)
    trades = await client.call("myTrades", symbol="BTCUSDT", orderId=fill["i"])
    assert [(t["id"], t["qty"], t["commission"], t["isMaker"]) for t in trades["result"]] == [
        (1, "0.00050000", "0.03000000", True)
    ]


async def test_cancel_replace_that_fails_to_place_has_cancelled_all_the_same(client: RawClient) -> None:
    await client.limit("old", "BUY", "60000.00", "0.00100")
    replace = {
        "symbol": "BTCUSDT",
        "cancelReplaceMode": "STOP_ON_FAILURE",
        "cancelOrigClientOrderId": "old",
        "side": "BUY",
        "type": "LIMIT",
        "timeInForce": "GTC",
        "quantity": "0.00001",
        "price": "60000.00",
        "newClientOrderId": "new",
    }
    answer = await client.call("order.cancelReplace", **replace)
    assert (answer["status"], answer["error"]["code"]) == (409, -2021)
    assert answer["error"]["data"]["cancelResult"] == "SUCCESS"
    assert answer["error"]["data"]["newOrderResponse"] == {"code": -1013, "msg": "Filter failure: NOTIONAL"}
    answer = await client.call("order.cancelReplace", **replace)
    assert (answer["status"], answer["error"]["code"]) == (400, -2022)
    assert answer["error"]["data"]["newOrderResult"] == "NOT_ATTEMPTED"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"price": "60000.001"}, -1013),
        ({"quantity": "0.000001"}, -1013),
        ({"side": "LEFT"}, -1117),
        ({"type": "ICEBERG"}, -1116),
        ({"timeInForce": "GTX"}, -1115),
        ({"symbol": "NONE"}, -1121),
        ({"quantity": "5000.00000"}, -2010),
        ({"timestamp": 1}, -1021),
        ({"timestamp": time.time_ns() // 1_000_000 + 600_000}, -1021),
        ({"recvWindow": 60_001}, -1131),
    ],
)
async def test_wrong_parameter_is_refused_with_binances_code(
    client: RawClient, changes: dict[str, Any], code: int
) -> None:
    order = {"symbol": "BTCUSDT", "type": "LIMIT", "timeInForce": "GTC", "side": "BUY", "price": "60000.00"}
    answer = await client.call("order.place", **{**order, "quantity": "0.00100", **changes})
    assert answer["status"] == 400
    assert answer["error"]["code"] == code


async def test_altered_request_fails_its_signature(client: RawClient) -> None:
    params = client.sign(symbol="BTCUSDT", origClientOrderId="a")
    answer = await client.send("order.status", {**params, "origClientOrderId": "b"})
    assert answer["error"] == {"code": -1022, "msg": "Signature for this request is not valid."}
    answer = await client.send("order.status", {**params, "apiKey": "0" * 64})
    assert (answer["status"], answer["error"]["code"]) == (401, -2015)


async def test_hmac_key_signs_each_request_but_cannot_log_on(tmp_path: Path) -> None:
    exchange_file, trader_file = make_credentials(tmp_path, kind="hmac")
    server = ExchangeServer(ExchangeSettings(flow=STILL, credentials_file=str(exchange_file)))
    await server.start()
    credentials = json.loads(trader_file.read_text())

    def sign(**params: Any) -> dict[str, Any]:
        params |= {"apiKey": credentials["api_key"], "timestamp": time.time_ns() // 1_000_000}
        payload = "&".join(f"{name}={params[name]}" for name in sorted(params))
        secret = credentials["hmac_secret"].encode()
        return params | {"signature": hmac.new(secret, payload.encode(), hashlib.sha256).hexdigest()}

    async with (
        aiohttp.ClientSession(f"http://{server.address}") as http,
        http.ws_connect("/ws-api/v3") as socket,
    ):
        client = RawClient(socket, credentials)
        assert (await client.send("account.status", sign()))["status"] == 200
        assert (await client.send("session.logon", sign()))["status"] == 400
        assert (await client.send("userDataStream.subscribe.signature", sign()))["status"] == 200
    await server.stop()


async def test_orders_beyond_the_limit_are_refused_with_the_time_to_wait(tmp_path: Path) -> None:
    exchange_file, trader_file = make_credentials(tmp_path)
    server = ExchangeServer(ExchangeSettings(flow=STILL, credentials_file=str(exchange_file), orders_per_10_s=2))
    await server.start()
    async with (
        aiohttp.ClientSession(f"http://{server.address}") as http,
        http.ws_connect("/ws-api/v3") as socket,
    ):
        client = RawClient(socket, json.loads(trader_file.read_text()))
        answers = [await client.limit(f"run-{n}", "BUY", "60000.00", "0.00100") for n in range(3)]
    await server.stop()
    refused = [answer for answer in answers if answer["status"] == 429]
    assert refused
    assert refused[0]["error"]["code"] == -1015
    assert refused[0]["error"]["data"]["retryAfter"] % 10_000 == 0


async def test_what_is_no_json_is_answered_and_the_session_lives(client: RawClient) -> None:
    await client.socket.send_str("{nonsense")
    body = json.loads((await client.socket.receive()).data)
    assert body["error"]["code"] == -1135
    assert (await client.call("ping"))["status"] == 200


async def test_ledger_file_says_what_the_ledger_says(
    client: RawClient, exchange: ExchangeServer, http: aiohttp.ClientSession, tmp_path: Path
) -> None:
    await client.limit("a", "BUY", "60000.00", "0.00100")
    await client.limit("b", "SELL", "61000.00", "0.00100")
    await client.call("openOrders.cancelAll", symbol="BTCUSDT")
    async with http.get("/bot4/ledger") as response:
        summary = await response.json()
    lines = [json.loads(line) for line in (tmp_path / "ledger.jsonl").read_text().splitlines()]
    assert lines == summary["events"]
    assert [(e["event"], e["client_id"]) for e in lines] == [
        ("received", "a"),
        ("accepted", "a"),
        ("received", "b"),
        ("accepted", "b"),
        ("cancelled", "a"),
        ("cancelled", "b"),
    ]


async def test_money_is_conserved_over_orders_fills_and_cancels(client: RawClient, exchange: ExchangeServer) -> None:
    account, market = exchange.accounts["bot4"], exchange.markets["BTCUSDT"]
    before = dict(account.free)
    await client.limit("a", "BUY", "60000.00", "0.00300")
    market.engine.submit(0, 2, 1, 1, 5_990_000, 100)
    market.settle(1)
    await client.call("order.cancel", symbol="BTCUSDT", origClientOrderId="a")
    assert set(account.locked.values()) == {0}
    assert account.free["BTC"] - before["BTC"] == 100_000  # 0.001 BTC in atoms
    assert before["USDT"] - account.free["USDT"] == 60_00000000 + 6_000_000  # 60 USDT and 10 bp of it
