"""Market data as a follower meets it: the book rebuilt by Binance's rules equals the exchange's own."""

import asyncio
import contextlib
import json
from itertools import pairwise
from typing import Any

import aiohttp
import pytest

from engine.exchange.config import ExchangeSettings, Fault, FlowSettings
from engine.exchange.server import ExchangeServer

BUSY = FlowSettings(events_per_s=600.0, resting_orders_per_side=150)


async def collect(server: ExchangeServer, streams: str, seconds: float) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Frames of a while, and a snapshot taken in the middle of it."""
    frames: list[dict[str, Any]] = []

    async def read(socket: aiohttp.ClientWebSocketResponse) -> None:
        async for message in socket:
            frames.append(json.loads(message.data))

    async with (
        aiohttp.ClientSession(f"http://{server.address}") as http,
        http.ws_connect(f"/stream?streams={streams}") as socket,
    ):
        reader = asyncio.create_task(read(socket))
        await asyncio.sleep(seconds / 2)
        async with http.get("/api/v3/depth", params={"symbol": "BTCUSDT", "limit": "5000"}) as response:
            snapshot = await response.json()
        await asyncio.sleep(seconds / 2)
        reader.cancel()
        await asyncio.gather(reader, return_exceptions=True)
    return frames, snapshot


class Book:
    """A follower's book: price text -> quantity text."""

    def __init__(self, snapshot: dict[str, Any]) -> None:
        self.update_id = snapshot["lastUpdateId"]
        self.sides = {"b": dict(snapshot["bids"]), "a": dict(snapshot["asks"])}

    def apply(self, diff: dict[str, Any]) -> None:
        for name, levels in self.sides.items():
            for price, quantity in diff[name]:
                levels[price] = quantity
                if float(quantity) == 0:
                    levels.pop(price)
        self.update_id = diff["u"]

    def best(self) -> tuple[str, str, str, str]:
        bid, ask = max(self.sides["b"], key=float), min(self.sides["a"], key=float)
        return bid, self.sides["b"][bid], ask, self.sides["a"][ask]


@pytest.mark.parametrize("speed", ["@100ms", "@0ms", ""])
async def test_book_rebuilt_from_snapshot_and_diffs_agrees_with_every_best_bid_and_offer(speed: str) -> None:
    server = ExchangeServer(ExchangeSettings(flow=BUSY))
    await server.start()
    stream = f"btcusdt@depth{speed}"
    frames, snapshot = await collect(server, f"{stream}/btcusdt@bookTicker/btcusdt@trade", 2.4 if speed == "" else 1.0)
    await server.stop()
    diffs = [frame["data"] for frame in frames if frame["stream"] == stream]
    tickers = [frame["data"] for frame in frames if frame["stream"] == "btcusdt@bookTicker"]
    assert all(earlier["u"] + 1 == later["U"] for earlier, later in pairwise(diffs))
    useful = [diff for diff in diffs if diff["u"] > snapshot["lastUpdateId"]]
    assert useful[0]["U"] <= snapshot["lastUpdateId"] + 1 <= useful[0]["u"]
    book = Book(snapshot)
    compared = 0
    for diff in useful:
        book.apply(diff)
        same_or_earlier = [t for t in tickers if t["u"] <= diff["u"]]
        if same_or_earlier:
            ticker = same_or_earlier[-1]
            assert book.best() == (ticker["b"], ticker["B"], ticker["a"], ticker["A"])
            compared += 1
    assert compared == len(useful) > 0
    if speed == "@0ms":
        (bid, bid_lots), (ask, ask_lots) = (
            server.markets["BTCUSDT"].engine.best(1),
            server.markets["BTCUSDT"].engine.best(2),
        )
        assert bid < ask
        assert min(bid_lots, ask_lots) > 0


async def test_trade_stream_numbers_trades_without_a_hole() -> None:
    server = ExchangeServer(ExchangeSettings(flow=BUSY))
    await server.start()
    frames, _ = await collect(server, "btcusdt@trade", 0.6)
    await server.stop()
    numbers = [frame["data"]["t"] for frame in frames]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert {frame["data"]["m"] for frame in frames} == {True, False}


@pytest.mark.parametrize("action", ["drop", "duplicate", "reorder", "rubbish", "delay"])
async def test_market_data_misbehaves_as_told(action: str) -> None:
    fault = Fault(point="market", action=action, probability=0.2, delay_ms=20)
    server = ExchangeServer(ExchangeSettings(flow=BUSY, faults=(fault,)))
    await server.start()
    numbers: list[int] = []
    bad = 0
    async with (
        aiohttp.ClientSession(f"http://{server.address}") as http,
        http.ws_connect("/ws/btcusdt@depth@0ms") as socket,
    ):
        for _ in range(150):
            text = (await asyncio.wait_for(socket.receive(), 5)).data
            try:
                numbers.append(json.loads(text)["U"])
            except (ValueError, KeyError, TypeError):
                bad += 1
    await server.stop()
    assert server.misbehaviour.done[f"market/{action}"] > 0
    in_order = numbers == sorted(numbers)
    assert in_order == (action in {"drop", "duplicate", "rubbish"})
    assert (len(set(numbers)) < len(numbers)) == (action == "duplicate")
    assert (bad > 0) == (action == "rubbish")


async def test_disconnect_cuts_the_stream_and_the_exchange_takes_the_next_connection() -> None:
    server = ExchangeServer(ExchangeSettings(flow=BUSY, faults=(Fault(point="market", action="disconnect", count=1),)))
    await server.start()
    async with aiohttp.ClientSession(f"http://{server.address}") as http:
        async with http.ws_connect("/ws/btcusdt@bookTicker") as socket:
            message = await asyncio.wait_for(socket.receive(), 5)
            assert message.type != aiohttp.WSMsgType.TEXT
        async with http.ws_connect("/ws/btcusdt@bookTicker") as socket:
            assert (await asyncio.wait_for(socket.receive(), 5)).type == aiohttp.WSMsgType.TEXT
    await server.stop()


async def test_faults_are_set_and_ended_over_http() -> None:
    server = ExchangeServer(ExchangeSettings(flow=BUSY))
    await server.start()
    async with aiohttp.ClientSession(f"http://{server.address}") as http:
        async with http.post("/bot4/misbehave", json=[{"point": "market", "action": "drop"}]) as response:
            assert response.status == 200
        async with http.ws_connect("/ws/btcusdt@bookTicker") as socket:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(socket.receive(), 0.2)
                pytest.fail("a dropped frame arrived")
        await http.post("/bot4/misbehave", json=[])
        async with http.ws_connect("/ws/btcusdt@bookTicker") as socket:
            assert (await asyncio.wait_for(socket.receive(), 5)).type == aiohttp.WSMsgType.TEXT
        async with http.post("/bot4/misbehave", json=[{"point": "nowhere", "action": "drop"}]) as response:
            assert response.status == 400
            assert "fault.point" in (await response.json())["error"]
    await server.stop()
