"""A venue that the tests of the session steer by hand: it sends what it is told to, as badly as it is told to."""

import asyncio
import json
from typing import Any

from aiohttp import web

from tests.engine.feed.frames import snapshot, spot_diff


class Venue:
    """A stream and a depth snapshot on loopback. `book_id` is the update up to which the snapshot reaches."""

    def __init__(self) -> None:
        self.sockets: list[web.WebSocketResponse] = []
        self.queries: list[str] = []
        self.snapshots = 0
        self.book_id = 0
        self.last_id = 0
        self.refuse_snapshots = 0
        self.answers_pings = True
        self.closes_at_once = False
        self.connected = asyncio.Event()

    async def start(self) -> str:
        """Returns host:port."""
        app = web.Application()
        app.router.add_get("/stream", self._stream)
        app.router.add_get("/depth", self._depth)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        return f"{host}:{port}"

    async def stop(self) -> None:
        await self.disconnect()
        await self._runner.cleanup()

    async def _stream(self, request: web.Request) -> web.WebSocketResponse:
        self.queries.append(request.query["streams"])
        socket = web.WebSocketResponse(autoping=self.answers_pings, max_msg_size=0)
        await socket.prepare(request)
        if self.closes_at_once:
            await socket.close()
            return socket
        self.sockets.append(socket)
        self.connected.set()
        async for _ in socket:
            pass
        return socket

    async def _depth(self, request: web.Request) -> web.Response:
        self.snapshots += 1
        if self.refuse_snapshots > 0:
            self.refuse_snapshots -= 1
            return web.Response(status=429, text="too many requests")
        assert request.query["symbol"] == "BTCUSDT"
        return web.Response(body=snapshot(self.book_id), content_type="application/json")

    async def send(self, frame: bytes) -> None:
        await self.sockets[-1].send_str(frame.decode())

    async def diff(self, *, skipped: int = 0) -> None:
        """The next update; after `skipped` ones that are never sent."""
        first = self.last_id + 1 + skipped
        self.last_id = first
        await self.send(spot_diff(first, first))

    async def fragments(self, frame: bytes, sizes: int) -> None:
        """One message in frames of `sizes` bytes, written by hand: aiohttp does not send them."""
        transport = self.sockets[-1]._req.transport  # type: ignore[union-attr]
        parts = [frame[i : i + sizes] for i in range(0, len(frame), sizes)]
        for i, part in enumerate(parts):
            opcode = (0 if i else 1) | (0x80 if i == len(parts) - 1 else 0)
            size = bytes([len(part)]) if len(part) < 126 else b"\x7e" + len(part).to_bytes(2, "big")
            transport.write(bytes([opcode]) + size + part)  # type: ignore[union-attr]
            await asyncio.sleep(0)

    async def disconnect(self) -> None:
        """Cuts every connection without a word."""
        for socket in self.sockets:
            transport = socket._req.transport if socket._req is not None else None
            if transport is not None:
                transport.abort()
        self.sockets.clear()
        self.connected.clear()


def quote(update_id: int) -> bytes:
    data: dict[str, Any] = {"u": update_id, "s": "BTCUSDT", "b": "99.00", "B": "2", "a": "101.00", "A": "4"}
    return json.dumps({"stream": "btcusdt@bookTicker", "data": data}).encode()
