"""A running exchange on a free port, and a raw client that speaks to it as any client would."""

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from cryptography.hazmat.primitives import serialization

from engine.exchange.config import ExchangeSettings, FlowSettings
from engine.exchange.credentials import make_credentials
from engine.exchange.server import ExchangeServer

STILL = FlowSettings(events_per_s=0.0)


class RawClient:
    """The order API by hand: aiohttp and signatures made here, nothing of the gateway."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, credentials: dict[str, str]) -> None:
        self.socket, self.credentials = socket, credentials
        self.events: list[dict[str, Any]] = []
        self._number = 0

    def sign(self, **params: Any) -> dict[str, Any]:
        params = {"apiKey": self.credentials["api_key"], "timestamp": time.time_ns() // 1_000_000, **params}
        payload = "&".join(f"{name}={params[name]}" for name in sorted(params))
        key = serialization.load_pem_private_key(self.credentials["ed25519_private_pem"].encode(), None)
        params["signature"] = base64.b64encode(key.sign(payload.encode())).decode()  # type: ignore[union-attr,call-arg]
        return params

    async def send(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        self._number += 1
        await self.socket.send_str(json.dumps({"id": self._number, "method": method, "params": params}))
        while True:
            body = json.loads((await asyncio.wait_for(self.socket.receive(), 5)).data)
            if body.get("id") == self._number:
                return dict(body)
            self.events.append(body["event"])

    async def call(self, method: str, **params: Any) -> dict[str, Any]:
        return await self.send(method, self.sign(**params))

    async def limit(self, client_id: str, side: str, price: str, quantity: str, **more: Any) -> dict[str, Any]:
        order = {"symbol": "BTCUSDT", "type": "LIMIT", "timeInForce": "GTC", "newClientOrderId": client_id}
        return await self.call("order.place", **order, side=side, price=price, quantity=quantity, **more)


@pytest.fixture
def key_files(tmp_path: Path) -> tuple[Path, Path]:
    return make_credentials(tmp_path)


@pytest.fixture
async def exchange(tmp_path: Path, key_files: tuple[Path, Path]) -> AsyncIterator[ExchangeServer]:
    """An exchange whose book is empty and whose flow stands still."""
    server = ExchangeServer(
        ExchangeSettings(flow=STILL, credentials_file=str(key_files[0]), ledger_file=str(tmp_path / "ledger.jsonl"))
    )
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def http(exchange: ExchangeServer) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(f"http://{exchange.address}") as session:
        yield session


@pytest.fixture
async def client(http: aiohttp.ClientSession, key_files: tuple[Path, Path]) -> AsyncIterator[RawClient]:
    async with http.ws_connect("/ws-api/v3") as socket:
        yield RawClient(socket, json.loads(key_files[1].read_text()))
