"""A live market-data session: one combined stream for many symbols, kept up, and depth snapshots fetched when wanted.

    frame received -> stamped once -> decoder, synchroniser -> the market ring      (frames.pyx)

Runs on uvloop. A lost connection is told to the core at once (every book SYNCING), then the session connects again
after a pause that doubles, with jitter, until a connection has held for longer than a heartbeat. Frames in pieces are
put together; one that is too large is refused, and shows as a gap if it was part of a book.
"""

import asyncio
import random
import sys
from collections.abc import Callable
from typing import Any

import aiohttp
import numpy as np
import picows

from engine import clock
from engine.feed.config import FeedConfig
from engine.feed.frames import WIRE_FRAMES, FeedLane, Frames
from engine.feed.sync import FeedHandler
from ipc.messages import Refusal

SNAPSHOT_LOOK_S = 0.02  # between two looks at which books want a snapshot

Publish = Callable[[np.ndarray[Any, Any], int], None]  # records (MESSAGE), receive time ns; they are copied


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
        lane: FeedLane | None = None,
    ) -> None:
        """With a lane, frames of the stream go through it; snapshots and what the session itself says, to `publish`."""
        if len(symbols) > config.max_symbols:
            raise ValueError(f"{len(symbols)} symbols for one connection, feed.max_symbols is {config.max_symbols}")
        self._handler, self._symbols, self._config, self._publish = handler, symbols, config, publish
        streams = "/".join(f"{name.lower()}@{kind}" for name in symbols for kind in config.streams)
        self._stream_url = f"{stream_url}/stream?streams={streams}"
        self._depth_url = depth_url
        self._lane = lane
        self._random = random.Random(seed)
        self._tasks: list[asyncio.Task[None]] = []
        self._http: aiohttp.ClientSession | None = None
        self.connected = False
        self._frames = 0
        self.connections = 0
        self.cuts = 0
        self.snapshots = 0
        self.snapshots_failed = 0
        self.last_error = ""
        self.failure: BaseException | None = None  # a programme error that ended a task: the process is to end by it

    @property
    def frames(self) -> int:
        """Whole frames of the stream so far."""
        return self._frames + (self._lane.frames if self._lane is not None else 0)

    async def start(self) -> None:
        """Begins to connect; returns without waiting for a far side that is down."""
        timeout = aiohttp.ClientTimeout(total=self._config.snapshot_timeout_ms / 1_000)
        self._http = aiohttp.ClientSession(timeout=timeout)
        self._tasks = [asyncio.create_task(self._keep_up())]
        self._tasks += [asyncio.create_task(self._keep_synchronised(name, row)) for name, row in self._symbols.items()]
        for task in self._tasks:
            task.add_done_callback(self._ended)

    async def stop(self) -> None:
        """Closes for good."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._http is not None:
            await self._http.close()

    def _ended(self, task: asyncio.Task[None]) -> None:
        """No task ends but by `stop`: what ended it is not left to a task that nobody awaits."""
        if not task.cancelled():
            self.failure = self.failure or task.exception()

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
            begun_ns = clock.utc_ns()
            try:
                transport, _ = await picows.ws_connect(
                    lambda: Frames(self._on_frame, self._on_too_large, config.max_frame_bytes, self._lane),
                    self._stream_url,
                    websocket_handshake_timeout=config.connect_timeout_ms / 1_000,
                    enable_auto_ping=True,
                    auto_ping_idle_timeout=config.heartbeat_ms / 1_000,
                    auto_ping_reply_timeout=config.heartbeat_timeout_ms / 1_000,
                    max_frame_size=WIRE_FRAMES * config.max_frame_bytes,
                )
                self.connected = True
                self.connections += 1
                await transport.wait_disconnected()
                self._note("disconnected")
            except (OSError, picows.WSError, TimeoutError) as error:
                self._note(f"{type(error).__name__}: {error}")
                if isinstance(error, picows.WSProtocolError) and error.code == picows.WSCloseCode.MESSAGE_TOO_BIG:
                    self._on_too_large(WIRE_FRAMES * config.max_frame_bytes, clock.utc_ns())
            finally:
                if transport is not None:
                    transport.disconnect(graceful=False)
            self._cut()
            if clock.utc_ns() - begun_ns > (config.heartbeat_ms + config.heartbeat_timeout_ms) * 1_000_000:
                interval_ms = config.reconnect_interval_ms
            await asyncio.sleep(interval_ms / 1_000 * self._random.uniform(0.5, 1.0))
            interval_ms = min(2 * interval_ms, config.reconnect_interval_limit_ms)

    def _note(self, error: str) -> None:
        """What went wrong on the way to the venue: in the log, once for each reason in turn."""
        if error != self.last_error:
            print(f"market data from {self._stream_url.partition('/stream?')[0]}: {error}", file=sys.stderr)
        self.last_error = error

    def _cut(self) -> None:
        """The core learns at once that no book can be trusted."""
        if self.connected:
            self.connected = False
            self.cuts += 1
            now_ns = clock.utc_ns()
            self._publish(self._handler.disconnect(now_ns), now_ns)

    def _on_frame(self, frame: Any, received_ns: int) -> None:
        self._frames += 1
        records = self._handler.accept(frame, received_ns)
        if len(records):
            self._publish(records, received_ns)

    def _on_too_large(self, size: int, received_ns: int) -> None:
        self._publish(self._handler.refuse(Refusal.FRAME_TOO_LARGE, size, received_ns), received_ns)

    # -- snapshots --

    async def _keep_synchronised(self, symbol: str, row: int) -> None:
        """Fetches a snapshot of one book whenever it wants one, paced: the interval doubles while it is in vain.

        The first one waits for the stream's first diff, for an interval at most: a snapshot from before it is too old.
        """
        config = self._config
        interval_ms = config.resync_interval_ms
        waited_s = 0.0
        while True:
            await asyncio.sleep(SNAPSHOT_LOOK_S)
            if not self.connected or not self._handler.snapshot_wanted(row):
                interval_ms = config.resync_interval_ms
                waited_s = 0.0
                continue
            waited_s += SNAPSHOT_LOOK_S
            if self._handler.counts(row)["seen_update_id"] < 0 and waited_s * 1_000 < config.resync_interval_ms:
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
            self._note(f"{symbol} snapshot: {type(error).__name__}: {error}")
            return
        received_ns = clock.utc_ns()
        self.snapshots += 1
        records = self._handler.accept(body, received_ns, row)
        if len(records):
            self._publish(records, received_ns)
