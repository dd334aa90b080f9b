"""The exchange on a socket: REST snapshot, market-data streams, the order API, and the test-only endpoints.

GET  /api/v3/time | /api/v3/exchangeInfo | /api/v3/depth?symbol=BTCUSDT&limit=1000 | /api/v3/ping
WS   /stream?streams=btcusdt@depth@100ms/btcusdt@trade/btcusdt@bookTicker   (combined), /ws/btcusdt@trade (raw)
     also @depth (1000 ms) and @depth@0ms (a diff per command)
WS   /ws-api/v3
GET  /bot4/health | /bot4/ledger | /bot4/sends    POST /bot4/misbehave  body: list of Fault
POST /bot4/disconnect?channel=market|orders     POST /bot4/trading?symbol=BTCUSDT&on=0
"""

import asyncio
import contextlib
import time
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import WSMsgType, web

from engine import clock
from engine.errors import Exit, UserError
from engine.exchange.accounts import Account
from engine.exchange.config import ExchangeSettings, Fault
from engine.exchange.connection import Connection
from engine.exchange.credentials import read_keys
from engine.exchange.desk import Desk
from engine.exchange.ledger import Ledger
from engine.exchange.limits import RateLimits
from engine.exchange.market import Market, frame_text
from engine.exchange.misbehaviour import Misbehaviour
from engine.exchange.protocol import OrderApi, Session
from engine.exchange.sends import SendRecord
from ipc.instruments import to_units

DEPTH_LIMIT = 5_000


def wall_ms() -> int:
    return time.time_ns() // 1_000_000


class Subscribers:
    """Who hears which stream."""

    def __init__(self, misbehaviour: Misbehaviour) -> None:
        self._misbehaviour = misbehaviour
        self._by_stream: dict[str, list[tuple[Connection, bool]]] = {}

    # -- QUERIES --

    def wanted(self, stream: str) -> bool:
        return bool(self._by_stream.get(stream))

    # -- COMMANDS --

    def publish(self, stream: str, data: dict[str, Any]) -> None:
        for connection, combined in tuple(self._by_stream.get(stream, ())):
            fault = self._misbehaviour.choose("market")
            connection.emit(frame_text(stream, data, combined), fault, self._misbehaviour)

    def add(self, connection: Connection, streams: list[str], combined: bool) -> None:
        for stream in streams:
            self._by_stream.setdefault(stream, []).append((connection, combined))

    def remove(self, connection: Connection) -> None:
        for stream, subscribers in self._by_stream.items():
            self._by_stream[stream] = [entry for entry in subscribers if entry[0] is not connection]


class ExchangeServer:
    """The running exchange. `start` returns when the port is open; `port` and `address` say where."""

    def __init__(self, settings: ExchangeSettings) -> None:
        self.settings = settings
        self.misbehaviour = Misbehaviour(settings.seed, settings.faults)
        path = Path(settings.ledger_file) if settings.ledger_file else None
        self.ledger = Ledger(path, 2 * settings.remembered_orders)
        self.port = 0
        self.steps = 0
        self.sends = SendRecord(settings.record_sends)
        self._streams = Subscribers(self.misbehaviour)
        self.markets = {
            symbol.symbol: Market(symbol, settings.flow, (settings.seed, index), self._streams)
            for index, symbol in enumerate(settings.symbols)
        }
        keys = read_keys(Path(settings.credentials_file)) if settings.credentials_file else {}
        self.accounts = {key.account: self._account(key.account, i + 1) for i, key in enumerate(keys.values())}
        self._limits = RateLimits(settings.orders_per_10_s, settings.request_weight_per_minute)
        self.desk = Desk(self.markets, self.ledger, self._tell, settings.remembered_orders)
        self.api = OrderApi(self.markets, self.desk, self.accounts, keys, self._limits)
        self._market_connections: set[Connection] = set()
        self._order_connections: dict[Connection, Session] = {}
        self._held_requests: list[tuple[Connection, Session, dict[str, Any]]] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._runner: web.AppRunner | None = None

    def _account(self, name: str, owner: int) -> Account:
        account = Account(name, owner)
        for market in self.markets.values():
            account.free[market.settings.base_asset] = to_units(self.settings.base_balance, 1, 8)
            account.free[market.settings.quote_asset] = to_units(self.settings.quote_balance, 1, 8)
        return account

    @property
    def address(self) -> str:
        """host:port"""
        return f"{self.settings.host}:{self.port}"

    # -- COMMANDS --

    async def start(self) -> None:
        """Opens the port and starts the flow. Raises UserError when the port is taken."""
        app = web.Application()
        app.add_routes(
            [
                web.get("/api/v3/ping", self._ping),
                web.get("/api/v3/time", self._time),
                web.get("/api/v3/exchangeInfo", self._exchange_info),
                web.get("/api/v3/depth", self._depth),
                web.get("/stream", self._combined),
                web.get("/ws/{streams:.*}", self._raw),
                web.get("/ws-api/v3", self._orders),
                web.get("/bot4/health", self._health),
                web.get("/bot4/ledger", self._ledger),
                web.get("/bot4/sends", self._sends),
                web.post("/bot4/misbehave", self._misbehave),
                web.post("/bot4/disconnect", self._disconnect),
                web.post("/bot4/trading", self._trading),
            ]
        )
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self.settings.host, self.settings.port)
        try:
            await site.start()
        except OSError as error:
            await self._runner.cleanup()
            where = f"{self.settings.host}:{self.settings.port}"
            raise UserError(f"{where}: the exchange cannot listen there: {error.strerror}", Exit.FAILED) from error
        self.port = int(self._runner.addresses[0][1])
        for market in self.markets.values():
            if self.settings.flow.events_per_s > 0:
                self._tasks.append(asyncio.create_task(self._run_flow(market)))
        for interval_ms in (100, 1000):
            self._tasks.append(asyncio.create_task(self._run_diffs(interval_ms)))

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for connection in (*self._market_connections, *self._order_connections):
            connection.abort()
        if self._runner is not None:
            await self._runner.cleanup()
        self.ledger.close()

    # -- what runs --

    async def _run_flow(self, market: Market) -> None:
        """The order flow at its own pace: what is due is done, then it sleeps until the next is."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            due += market.flow.pause_s()
            wait = due - loop.time()
            if wait > 0:
                await asyncio.sleep(wait)
            elif -wait > self.settings.flow.longest_pause_s:
                due = loop.time()
            elif self.steps % 64 == 0:
                await asyncio.sleep(0)
            self.steps += 1
            if market.trading:
                market.flow_step(wall_ms())

    async def _run_diffs(self, interval_ms: int) -> None:
        while True:
            await asyncio.sleep(interval_ms / 1000)
            now_ms = wall_ms()
            for market in self.markets.values():
                market.flush(interval_ms, now_ms)

    def _tell(self, account: str, event: dict[str, Any]) -> None:
        """One user data stream event to every connection of the account that subscribed."""
        text = msgspec.json.encode({"subscriptionId": 0, "event": event}).decode()
        for connection, session in tuple(self._order_connections.items()):
            if session.subscription == account:
                connection.emit(text, self.misbehaviour.choose("event"), self.misbehaviour)

    # -- REST --

    async def _ping(self, request: web.Request) -> web.Response:
        return _json({})

    async def _time(self, request: web.Request) -> web.Response:
        return _json({"serverTime": wall_ms()})

    async def _exchange_info(self, request: web.Request) -> web.Response:
        return _json(self.api.exchange_info(wall_ms()))

    async def _depth(self, request: web.Request) -> web.Response:
        market = self.markets.get(request.query.get("symbol", ""))
        if market is None:
            return _json({"code": -1121, "msg": "Invalid symbol."}, 400)
        text = request.query.get("limit", "100")
        if not text.isdecimal():
            return _json({"code": -1100, "msg": "Illegal characters found in parameter 'limit'."}, 400)
        fault = self.misbehaviour.choose("market", "depth")
        if fault is not None and fault.method == "depth":
            return _json({"code": -1000, "msg": "An unknown error occurred while processing the request."}, 500)
        return _json(market.depth(max(1, min(int(text), DEPTH_LIMIT))))

    async def _health(self, request: web.Request) -> web.Response:
        return _json(
            {
                "steps": self.steps,
                "market_connections": len(self._market_connections),
                "order_connections": len(self._order_connections),
                "faults_done": self.misbehaviour.done,
                "symbols": {name: market.engine.update_id for name, market in self.markets.items()},
            }
        )

    async def _ledger(self, request: web.Request) -> web.Response:
        return _json(self.ledger.summary())

    async def _sends(self, request: web.Request) -> web.Response:
        return _json(self.sends.summary())

    async def _misbehave(self, request: web.Request) -> web.Response:
        try:
            self.misbehaviour.set(msgspec.json.decode(await request.read(), type=tuple[Fault, ...]))
        except msgspec.DecodeError as error:
            return _json({"error": str(error)}, 400)
        return _json({})

    async def _disconnect(self, request: web.Request) -> web.Response:
        channel = request.query.get("channel", "orders")
        for connection in tuple(self._market_connections if channel == "market" else self._order_connections):
            connection.abort()
        return _json({})

    async def _trading(self, request: web.Request) -> web.Response:
        market = self.markets.get(request.query.get("symbol", ""))
        if market is None:
            return _json({"code": -1121, "msg": "Invalid symbol."}, 400)
        market.trading = request.query.get("on", "1") == "1"
        return _json({"trading": market.trading})

    # -- WebSocket --

    async def _combined(self, request: web.Request) -> web.StreamResponse:
        return await self._market_data(request, request.query.get("streams", ""), True)

    async def _raw(self, request: web.Request) -> web.StreamResponse:
        return await self._market_data(request, request.match_info["streams"], False)

    async def _market_data(self, request: web.Request, streams: str, combined: bool) -> web.StreamResponse:
        socket = web.WebSocketResponse(max_msg_size=1 << 16, heartbeat=self.settings.session_ping_s)
        await socket.prepare(request)
        connection = Connection(socket, request, self.settings.send_queue_frames, self.sends)
        self._market_connections.add(connection)
        self._streams.add(connection, [name for name in streams.split("/") if name], combined)
        try:
            async for message in socket:
                if message.type == WSMsgType.TEXT:
                    self._subscribe(connection, message.data, combined)
        finally:
            self._streams.remove(connection)
            self._market_connections.discard(connection)
            await connection.close()
        return socket

    def _subscribe(self, connection: Connection, text: str, combined: bool) -> None:
        """SUBSCRIBE on a live connection; anything else is answered with Binance's error for it."""
        try:
            request = msgspec.json.decode(text)
            if request["method"] != "SUBSCRIBE":
                raise KeyError(request["method"])
            self._streams.add(connection, [str(name) for name in request["params"]], combined)
            connection.put(msgspec.json.encode({"result": None, "id": request.get("id")}).decode())
        except (msgspec.DecodeError, KeyError, TypeError):
            connection.put('{"error":{"code":2,"msg":"Invalid request"}}')

    async def _orders(self, request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse(max_msg_size=1 << 16, heartbeat=self.settings.session_ping_s)
        await socket.prepare(request)
        connection = Connection(socket, request, self.settings.send_queue_frames, self.sends)
        session = Session()
        self._order_connections[connection] = session
        try:
            async for message in socket:
                if message.type == WSMsgType.TEXT:
                    self._receive(connection, session, message.data)
        finally:
            session.closed = True
            self._order_connections.pop(connection, None)
            await connection.close()
        return socket

    def _receive(self, connection: Connection, session: Session, text: str) -> None:
        """One frame from a client, through the faults of the point `request`."""
        received_ns = clock.utc_ns()
        try:
            request = msgspec.json.decode(text)
            if not isinstance(request, dict) or not isinstance(request.get("params", {}), dict):
                raise msgspec.DecodeError("not an object")
        except msgspec.DecodeError:
            connection.put('{"id":null,"status":400,"error":{"code":-1135,"msg":"Invalid JSON Request"}}')
            return
        if self.sends.on:
            self.sends.order_received(request, received_ns)
        fault = self.misbehaviour.choose("request", str(request.get("method")))
        action = None if fault is None else fault.action
        if action == "drop":
            return
        if action == "disconnect":
            connection.abort()
            return
        if action == "reorder":
            self._held_requests.append((connection, session, request))
            return
        if fault is not None and action == "delay":
            loop = asyncio.get_running_loop()
            loop.call_later(fault.delay_ms / 1000, self._answer, connection, session, request)
            return
        if action == "rubbish":
            connection.put(self.misbehaviour.rubbish())
        self._answer(connection, session, request)
        if action == "duplicate":
            self._answer(connection, session, request)
        if action == "disconnect_after":
            connection.abort()
        held, self._held_requests = self._held_requests, []
        for entry in held:
            self._answer(*entry)

    def _answer(self, connection: Connection, session: Session, request: dict[str, Any]) -> None:
        """Does what is asked, also when the connection has gone meanwhile: a request on its way still arrives."""
        answer = self.api.handle(session, request, wall_ms())
        fault = self.misbehaviour.choose("answer", str(request.get("method")))
        with contextlib.suppress(ConnectionError):
            connection.emit(msgspec.json.encode(answer).decode(), fault, self.misbehaviour)


def _json(body: object, status: int = 200) -> web.Response:
    return web.Response(body=msgspec.json.encode(body), status=status, content_type="application/json")
