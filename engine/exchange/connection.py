"""One WebSocket connection of the exchange: frames go out in order, through the faults asked for."""

import asyncio

from aiohttp import web

from engine import clock
from engine.exchange.config import Fault
from engine.exchange.misbehaviour import Misbehaviour
from engine.exchange.sends import SendRecord


class Connection:
    """Frames are queued and written by a task of its own; a reader that falls too far behind is cut off."""

    def __init__(self, socket: web.WebSocketResponse, request: web.Request, capacity: int, sends: SendRecord) -> None:
        self._sends = sends
        self._socket = socket
        self._transport = request.transport
        self._queue: asyncio.Queue[str | None] = asyncio.Queue(capacity)
        self._held: list[str] = []
        self._cut = False
        self._writer = asyncio.create_task(self._write())

    # -- COMMANDS --

    def emit(self, text: str, fault: Fault | None, misbehaviour: Misbehaviour) -> None:
        """Sends a frame, or does to it what the fault says."""
        action = None if fault is None else fault.action
        if action == "drop":
            return
        if action == "disconnect":
            self.abort()
            return
        if action == "reorder":
            self._held.append(text)
            return
        if fault is not None and action == "delay":
            asyncio.get_running_loop().call_later(fault.delay_ms / 1000, self.put, text)
            return
        if action == "rubbish":
            self.put(misbehaviour.rubbish())
        self.put(text)
        if action == "duplicate":
            self.put(text)
        if action == "disconnect_after":
            self.put(None)
        held, self._held = self._held, []
        for late in held:
            self.put(late)

    def put(self, text: str | None) -> None:
        """Queues a frame; None cuts the connection after those before it."""
        if self._cut:
            return
        try:
            self._queue.put_nowait(text)
        except asyncio.QueueFull:
            self.abort()

    def abort(self) -> None:
        """Cuts the connection at once, without a close frame: what a dying network does."""
        self._cut = True
        if self._transport is not None:
            self._transport.abort()

    async def close(self) -> None:
        """After the reader has ended."""
        self._cut = True
        self._writer.cancel()
        await asyncio.gather(self._writer, return_exceptions=True)

    async def _write(self) -> None:
        while True:
            text = await self._queue.get()
            if text is None:
                self.abort()
                return
            sent_ns = clock.utc_ns()
            try:
                await self._socket.send_str(text)
            except (ConnectionError, RuntimeError):
                self._cut = True
                return
            if self._sends.on:
                self._sends.frame_sent(text, sent_ns)
