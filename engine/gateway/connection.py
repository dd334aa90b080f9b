"""The connection to Binance's WebSocket order API: kept up, logged on, requests matched with answers.

It knows requests and events, not orders. Every request is answered exactly once through its callback: with the venue's
answer, or with None when none came in time. When the connection breaks, unanswered requests are dropped and `on_cut` is
called: whoever sent them must then ask what became of them. Time stamps of requests are `clock.utc_ns`, which
nobody sets, and the venue's offset to it as of the log-on.
"""

import asyncio
import random
import struct
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec
import picows

from engine import clock
from engine.gateway.config import GatewaySettings
from engine.gateway.credentials import Credentials
from engine.gateway.rate_limit import RateLimits
from engine.gateway.refusals import RATE_LIMIT_CODE, TIMESTAMP_CODE

Answer = dict[str, Any]
Done = Callable[[Answer | None], None]

# what reading a frame that is not what it should be can raise (msgspec's errors are ValueErrors, but for too deep a
# nesting; struct's come of a number that no report can hold)
MALFORMED = (KeyError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError, struct.error)


HELD_NS = 1_000_000_000  # shorter, and the next pause is longer: the venue bans who connects 300 times in five minutes


class Client(Protocol):
    """Who uses the connection."""

    def on_ready(self) -> None: ...

    def on_cut(self) -> None: ...

    def on_event(self, event: dict[str, Any]) -> None: ...


class VenueSilent(Exception):
    """The venue did not answer a request of the log-on, or refused it."""


@dataclass
class Pending:
    done: Done
    deadline_ns: int


def signature_payload(params: dict[str, Any]) -> str:
    """What Binance has signed: all parameters sorted by name."""
    return "&".join(f"{name}={params[name]}" for name in sorted(params))


def server_time_ms(result: Any) -> int:
    """Of the answer to `time`. Raises ValueError for one without it."""
    try:
        return int(result["serverTime"])
    except MALFORMED:
        raise ValueError(f"time: {str(result)[:80]} holds no serverTime") from None


class Frames(picows.WSListener):
    """Puts frames together and hands whole texts on. A text longer than `limit_bytes` ends the connection."""

    def __init__(
        self,
        on_text: Callable[[bytes], None],
        on_lost: Callable[[], None],
        after: Callable[[], None],
        limit_bytes: int,
    ) -> None:
        """`after` is called when a text has been dealt with, and before the next one that was read together with it."""
        self._on_text, self._on_lost, self._after, self._limit_bytes = on_text, on_lost, after, limit_bytes
        self._parts: list[bytes] = []
        self._bytes = 0

    def on_ws_disconnected(self, transport: picows.WSTransport) -> None:
        self._on_lost()

    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        if frame.msg_type == picows.WSMsgType.CLOSE:
            transport.disconnect()
        elif frame.msg_type in (picows.WSMsgType.TEXT, picows.WSMsgType.BINARY, picows.WSMsgType.CONTINUATION):
            if frame.fin and not self._parts:
                self._on_text(frame.get_payload_as_bytes())
                self._after()
                return
            if frame.msg_type != picows.WSMsgType.CONTINUATION:
                self._parts, self._bytes = [], 0  # what was begun before it has no end
            self._parts.append(frame.get_payload_as_bytes())
            self._bytes += len(self._parts[-1])
            if self._bytes > self._limit_bytes:
                self._parts, self._bytes = [], 0
                transport.disconnect(graceful=False)
            elif frame.fin:
                text, self._parts, self._bytes = b"".join(self._parts), [], 0
                self._on_text(text)
                self._after()


class Connection:
    def __init__(
        self, settings: GatewaySettings, credentials: Credentials, limits: RateLimits, client: Client, seed: int = 0
    ) -> None:
        self._settings, self._credentials, self._limits, self._client = settings, credentials, limits, client
        self._random = random.Random(seed)
        self._pending: dict[int, Pending] = {}
        self._next_id = 1
        self._transport: picows.WSTransport | None = None
        self._task: asyncio.Task[None] | None = None
        self._clock_offset_ms = 0
        self.ready = False
        self.asking = False  # the client's word: until what was in doubt has been asked for, nothing new is sent
        self.failure: Exception | None = None  # a programme error that ended the work here: the process is to end by it
        self.between_texts: Callable[[], None] = lambda: None  # to be set before the start
        self.send_called_ns = 0  # of the last request, ns UTC
        self.cuts = 0
        self.malformed = 0
        self.logons = 0
        self.last_error = ""

    # -- QUERIES --

    @property
    def clock_offset_ms(self) -> int:
        """The venue's clock less ours, as of the last log-on."""
        return self._clock_offset_ms

    @property
    def plain(self) -> bool:
        """Whether an order can be sent as it is: connected, nothing to ask first, logged on (nothing is signed)."""
        return self.ready and not self.asking and self._credentials.session_logon and self._transport is not None

    @property
    def transport(self) -> picows.WSTransport | None:
        return self._transport

    # -- COMMANDS --

    async def start(self) -> None:
        self._task = asyncio.create_task(self._work())

    async def stop(self) -> None:
        """Closes for good; nothing is called back any more."""
        self.ready = False
        self._pending.clear()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._transport is not None:
            self._transport.disconnect(graceful=False)
            self._transport = None

    def request(
        self,
        method: str,
        params: dict[str, Any],
        done: Done,
        *,
        weight: int = 1,
        orders: int = 0,
        signed: bool = True,
        explicit: bool = False,
        at_ns: int = 0,
    ) -> None:
        """Sends a request. `at_ns` is the time it bears (0 for now): the venue refuses it a receive window later.

        `explicit` signs it by itself although the session is logged on.
        """
        if self._transport is None:
            asyncio.get_running_loop().call_soon(self._unsent, done)
            return
        now_ns = clock.utc_ns()
        if signed:
            params["recvWindow"] = self._settings.receive_window_ms
            params["timestamp"] = (at_ns or now_ns) // 1_000_000 + self._clock_offset_ms
            if explicit or not self._credentials.session_logon:
                params["apiKey"] = self._credentials.api_key
                params["signature"] = self._credentials.sign(signature_payload(params))
        number = self.take_id()
        self.expect(number, done, now_ns)
        self._limits.add(now_ns // 1_000_000, weight, orders)
        body = msgspec.json.encode({"id": number, "method": method, "params": params})
        self.send_called_ns = clock.utc_ns()
        self._transport.send(picows.WSMsgType.TEXT, body)

    def take_id(self) -> int:
        """The id of the next request."""
        number, self._next_id = self._next_id, self._next_id + 1
        return number

    def expect(self, number: int, done: Done, now_ns: int) -> None:
        """The answer to a request of this id is for `done`."""
        self._pending[number] = Pending(done, now_ns + self._settings.ack_timeout_ms * 1_000_000)

    def poll(self, now_ns: int) -> None:
        """Answers with None what was not answered in time."""
        late = [number for number, pending in self._pending.items() if now_ns >= pending.deadline_ns]
        for number in late:
            pending = self._pending.pop(number, None)
            if pending is not None:
                pending.done(None)

    def begin_anew(self) -> None:
        """Ends this connection; the next one follows as after any cut."""
        if self._transport is not None:
            self._transport.disconnect(graceful=False)

    # -- the pieces --

    async def _work(self) -> None:
        """Keeps the connection up. What nobody thought of ends the process, and is not left to a task nobody awaits."""
        try:
            await self._keep_up()
        except Exception as error:
            self.ready, self.failure = False, error

    def _unsent(self, done: Done) -> None:
        """Answers a request that found no connection."""
        try:
            done(None)
        except Exception as error:
            self.failure = error

    async def _keep_up(self) -> None:
        """Connects, logs on, waits for the end, and begins anew after a pause that doubles until a connection holds."""
        interval_ms = self._settings.reconnect_interval_ms
        while True:
            begun_ns = clock.utc_ns()
            try:
                await self._connect()
                await self._log_on()
                self.ready = True
                self._client.on_ready()
                assert self._transport is not None
                await self._transport.wait_disconnected()
                self._note("disconnected")
            except (OSError, picows.WSError, VenueSilent, TimeoutError) as error:
                self._note(f"{type(error).__name__}: {error}")
            self._cut()
            if clock.utc_ns() - begun_ns > HELD_NS:
                interval_ms = self._settings.reconnect_interval_ms
            await asyncio.sleep(interval_ms / 1_000 * self._random.uniform(0.5, 1.0))
            interval_ms = min(2 * interval_ms, self._settings.reconnect_interval_limit_ms)

    def _note(self, error: str) -> None:
        """Why there is no connection: in the log, once for each reason in turn."""
        if error != self.last_error:
            print(f"order connection to {self._settings.address}: {error}", file=sys.stderr)
        self.last_error = error

    async def _connect(self) -> None:
        settings = self._settings
        transport, _ = await picows.ws_connect(
            lambda: Frames(self._take, self._lost, self.between_texts, settings.max_frame_bytes),
            settings.address,
            websocket_handshake_timeout=settings.connect_timeout_ms / 1_000,
            enable_auto_ping=True,
            auto_ping_idle_timeout=settings.heartbeat_ms / 1_000,
            auto_ping_reply_timeout=settings.heartbeat_ms / 1_000,
            max_frame_size=settings.max_frame_bytes,
        )
        self._transport = transport
        self._limits.add(clock.utc_ns() // 1_000_000, 2, 0)

    def _lost(self) -> None:
        """The connection broke. During the log-on its requests end here; afterwards `_keep_up` sees to the rest."""
        if not self.ready:
            pending, self._pending = self._pending, {}
            for entry in pending.values():
                entry.done(None)

    def _cut(self) -> None:
        if self._transport is not None:
            self._transport.disconnect(graceful=False)
        self._transport = None
        self._pending.clear()
        if self.ready:
            self.ready = False
            self.cuts += 1
            self._client.on_cut()

    async def _log_on(self) -> None:
        """Measures the venue's clock, logs the session on where the key can, and subscribes to the account's events."""
        before_ns = clock.utc_ns()
        venue_time = await self._ask("time", {}, signed=False)
        middle_ms = (before_ns + clock.utc_ns()) // 2_000_000
        try:
            offset_ms = server_time_ms(venue_time) - middle_ms
        except ValueError as error:
            raise VenueSilent(str(error)) from None
        # within the rounding of a millisecond and the way there our own clock is as good
        self._set_offset(offset_ms if abs(offset_ms) > self._settings.clock_error_ms // 4 else 0)
        if self._credentials.session_logon:
            await self._ask("session.logon", {}, signed=True)
            await self._ask("userDataStream.subscribe", {}, signed=False)
        else:
            await self._ask("userDataStream.subscribe.signature", {}, signed=True)
        self.logons += 1

    def _set_offset(self, offset_ms: int) -> None:
        self._clock_offset_ms = self._limits.offset_ms = offset_ms

    async def _ask(self, method: str, params: dict[str, Any], signed: bool) -> Any:
        """A request of the log-on and its result. Raises VenueSilent."""
        future: asyncio.Future[Answer | None] = asyncio.get_running_loop().create_future()

        def done(answer: Answer | None) -> None:
            if not future.done():
                future.set_result(answer)

        self.request(method, params, done, weight=2, signed=signed, explicit=True)
        async with asyncio.timeout(self._settings.connect_timeout_ms / 1_000):
            answer = await future
        if answer is None:
            raise VenueSilent(f"{method}: no answer")
        if answer.get("status") != 200:
            raise VenueSilent(f"{method}: {answer.get('error')}")
        return answer.get("result")

    def _take(self, text: bytes) -> None:
        """What is no rubbish of the venue but an error of ours ends the process, not only this connection."""
        try:
            self._on_text(text)
        except Exception as error:
            self.failure = error
            raise

    def _on_text(self, text: bytes) -> None:
        """An answer or an event; what is neither is counted and dropped, whatever it is."""
        try:
            body = msgspec.json.decode(text)
            if "event" in body:
                self._client.on_event(body["event"])
                return
            number = body["id"]
            if number is None:
                self.last_error = str(body.get("error"))
                self.malformed += 1
                return
            pending = self._pending.pop(number, None)
        except MALFORMED:
            self.malformed += 1
            return
        try:
            self._learn(body)
        except MALFORMED:
            self.malformed += 1
        if pending is None:
            return
        try:
            pending.done(body)
        except MALFORMED:  # an answer that lacks what it must have is no answer
            self.malformed += 1
            pending.done(None)

    def _learn(self, answer: Answer) -> None:
        """Rate limits and the clock, from any answer."""
        now_ms = clock.utc_ns() // 1_000_000
        self._limits.learn(now_ms, answer.get("rateLimits", []))
        error = answer.get("error") or {}
        if error.get("code") == RATE_LIMIT_CODE:
            retry_after = (error.get("data") or {}).get("retryAfter", now_ms + 1_000)
            self._limits.blocked_until_ms = max(self._limits.blocked_until_ms, int(retry_after) - self._clock_offset_ms)
        if error.get("code") == TIMESTAMP_CODE and self._transport is not None:
            before_ns = clock.utc_ns()

            def measured(reply: Answer | None) -> None:
                if reply is not None and reply.get("status") == 200:
                    middle_ms = (before_ns + clock.utc_ns()) // 2_000_000
                    self._set_offset(server_time_ms(reply["result"]) - middle_ms)

            self.request("time", {}, measured, signed=False)
