"""A live market-data session: one combined stream for many symbols, kept up, and depth snapshots fetched when wanted.

    frame received -> stamped once -> FeedHandler.accept (decoder, synchroniser) -> the market ring

Runs on uvloop. A lost connection is told to the core at once (every book SYNCING), then the session connects again
after a pause that doubles, with jitter. Frames in pieces are put together up to the limit; a larger one ends the
connection.
"""

import asyncio
import random
from collections.abc import Callable
from typing import Any

import aiohttp
import numpy as np
import picows

from engine import clock
from engine.feed.config import FeedConfig
from engine.feed.sync import FeedHandler

SNAPSHOT_LOOK_S = 0.02  # between two looks at which books want a snapshot

Publish = Callable[[np.ndarray[Any, Any], int], None]  # records (MESSAGE), receive time ns; they are copied


class Frames(picows.WSListener):
    """Puts frames together and hands whole ones on, with the time at which the last piece came."""

    def __init__(self, on_frame: Callable[[Any, int], None], limit_bytes: int) -> None:
        self._on_frame = on_frame
        self._limit_bytes = limit_bytes
        self._parts: list[bytes] = []
        self._bytes = 0

    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        received_ns = clock.utc_ns()
        if frame.msg_type == picows.WSMsgType.CLOSE:
            transport.disconnect()
        elif frame.msg_type in (picows.WSMsgType.TEXT, picows.WSMsgType.BINARY, picows.WSMsgType.CONTINUATION):
            if frame.fin and not self._parts:
                self._on_frame(frame.get_payload_as_memoryview(), received_ns)
                return
            self._parts.append(frame.get_payload_as_bytes())
            self._bytes += len(self._parts[-1])
            if self._bytes > self._limit_bytes:
                self._parts, self._bytes = [], 0
                transport.disconnect(graceful=False)
            elif frame.fin:
                whole, self._parts, self._bytes = b"".join(self._parts), [], 0
                self._on_frame(whole, received_ns)


class FeedSession:
    """One connection of one market. `symbols` are the instruments' rows in the table given to `handler`, by symbol."""

    def __init__(
        self,
        handler: FeedHandler,
        symbols: dict[str, int],
        stream_url: str,
        depth_url: str,
        config: FeedConfig,
        publish: Publish,
        seed: int = 0,
    ) -> None:
        self._handler, self._symbols, self._config, self._publish = handler, symbols, config, publish
        streams = "/".join(f"{name.lower()}@{kind}" for name in symbols for kind in config.streams)
        self._stream_url = f"{stream_url}/stream?streams={streams}"
        self._depth_url = depth_url
        self._random = random.Random(seed)
        self._tasks: list[asyncio.Task[None]] = []
        self._http: aiohttp.ClientSession | None = None
        self.connected = False
        self.frames = 0
        self.connections = 0
        self.cuts = 0
        self.snapshots = 0
        self.snapshots_failed = 0
        self.last_error = ""

    async def start(self) -> None:
        """Begins to connect; returns without waiting for a far side that is down."""
        timeout = aiohttp.ClientTimeout(total=self._config.snapshot_timeout_ms / 1_000)
        self._http = aiohttp.ClientSession(timeout=timeout)
        self._tasks = [asyncio.create_task(self._keep_up())]
        self._tasks += [asyncio.create_task(self._keep_synchronised(name, row)) for name, row in self._symbols.items()]

    async def stop(self) -> None:
        """Closes for good."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._http is not None:
            await self._http.close()

    def resynchronise(self) -> None:
        """Begins every book anew from a snapshot: a reader of the ring has lost records."""
        if self.connected:
            now_ns = clock.utc_ns()
            self._publish(self._handler.disconnect(now_ns), now_ns)

    # -- the stream --

    async def _keep_up(self) -> None:
        config = self._config
        interval_ms = config.reconnect_interval_ms
        while True:
            transport: picows.WSTransport | None = None
            try:
                transport, _ = await picows.ws_connect(
                    lambda: Frames(self._on_frame, config.max_frame_bytes),
                    self._stream_url,
                    websocket_handshake_timeout=config.connect_timeout_ms / 1_000,
                    enable_auto_ping=True,
                    auto_ping_idle_timeout=config.heartbeat_ms / 1_000,
                    auto_ping_reply_timeout=config.heartbeat_timeout_ms / 1_000,
                    max_frame_size=config.max_frame_bytes,
                )
                self.connected = True
                self.connections += 1
                interval_ms = config.reconnect_interval_ms
                await transport.wait_disconnected()
                self.last_error = "disconnected"
            except (OSError, picows.WSError, TimeoutError) as error:
                self.last_error = f"{type(error).__name__}: {error}"
            finally:
                if transport is not None:
                    transport.disconnect(graceful=False)
            self._cut()
            await asyncio.sleep(interval_ms / 1_000 * self._random.uniform(0.5, 1.0))
            interval_ms = min(2 * interval_ms, config.reconnect_interval_limit_ms)

    def _cut(self) -> None:
        """The core learns at once that no book can be trusted."""
        if self.connected:
            self.connected = False
            self.cuts += 1
            now_ns = clock.utc_ns()
            self._publish(self._handler.disconnect(now_ns), now_ns)

    def _on_frame(self, frame: Any, received_ns: int) -> None:
        self.frames += 1
        records = self._handler.accept(frame, received_ns)
        if len(records):
            self._publish(records, received_ns)

    # -- snapshots --

    async def _keep_synchronised(self, symbol: str, row: int) -> None:
        """Fetches a snapshot of one book whenever it wants one, paced: the interval doubles while it is in vain."""
        config = self._config
        interval_ms = config.resync_interval_ms
        while True:
            await asyncio.sleep(SNAPSHOT_LOOK_S)
            if not self.connected or not self._handler.snapshot_wanted(row):
                interval_ms = config.resync_interval_ms
                continue
            await self._fetch_snapshot(symbol, row)
            await asyncio.sleep(interval_ms / 1_000 * self._random.uniform(0.5, 1.0))
            interval_ms = min(2 * interval_ms, config.resync_interval_limit_ms)

    async def _fetch_snapshot(self, symbol: str, row: int) -> None:
        assert self._http is not None
        query = {"symbol": symbol, "limit": str(self._config.snapshot_levels)}
        try:
            async with self._http.get(self._depth_url, params=query) as response:
                body = await response.read()
                if response.status != 200:
                    raise aiohttp.ClientError(f"{response.status} {body[:120].decode('ascii', 'replace')}")
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            self.snapshots_failed += 1
            self.last_error = f"{symbol} snapshot: {type(error).__name__}: {error}"
            return
        received_ns = clock.utc_ns()
        self.snapshots += 1
        records = self._handler.accept(body, received_ns, row)
        if len(records):
            self._publish(records, received_ns)
