"""What the session does while it does not know: after a cut, with a clock that was set, with a venue that contradicts
itself, and with errors of its own."""

import asyncio
import time
from types import SimpleNamespace
from typing import Any

import picows
import pytest

from engine import clock
from engine.exchange import server
from engine.exchange.config import Fault
from engine.exchange.desk import ApiError
from engine.exchange.server import ExchangeServer
from engine.gateway import inquiry
from engine.gateway.config import GatewaySettings
from engine.gateway.connection import Connection, Frames
from engine.gateway.credentials import Credentials
from engine.gateway.order_message import read_order
from engine.gateway.rate_limit import RateLimits
from ipc.messages import Action, Refusal, ReportKind, Side
from tests.engine.gateway.test_session import rest
from tests.engine.gateway.trader import RUN_ID, Trader, order_message

BUY, SELL = Side.BID, Side.ASK
HOUR_NS = 3_600_000_000_000


# -- after a cut: asked before anything new --


async def test_after_a_cut_nothing_new_is_sent_before_what_is_in_doubt_was_asked_for(
    trader: Trader, exchange: ExchangeServer
) -> None:
    old = trader.limit(BUY, 6_000_000)
    other = trader.limit(BUY, 5_999_000)
    await trader.until(lambda: trader.orders[old].kinds and trader.orders[other].kinds)
    exchange.misbehaviour.set((Fault(point="answer", action="delay", method="order.status", delay_ms=120),))
    trader.session.connection.begin_anew()
    await trader.until(lambda: trader.session.connection.logons == 2 and trader.session.connection.ready)
    assert (trader.session.takes_new, trader.session.connection.plain) == (False, False)
    refused = trader.limit(SELL, 6_100_000)
    replacement = trader.limit(BUY, 5_999_100, action=Action.REPLACE, target=other)
    assert trader.session.refusal(read_order(order_message(99, action=Action.CANCEL, target=old))) == Refusal.NONE
    await trader.until(lambda: trader.session.takes_new)
    assert [trader.orders[n].codes for n in (refused, replacement)] == [[Refusal.VENUE_DISCONNECTED]] * 2
    assert all(trader.orders[n].kinds[-1] == ReportKind.ACCEPTED for n in (old, other))
    taken = trader.limit(SELL, 6_100_000)
    await trader.until(lambda: trader.orders[taken].kinds == [ReportKind.ACCEPTED])
    trader.check(exchange)


async def test_order_that_an_event_brings_out_of_doubt_need_not_be_asked_for(
    trader: Trader, exchange: ExchangeServer
) -> None:
    number = trader.limit(BUY, 6_000_000, 100)
    await trader.until(lambda: trader.orders[number].kinds)
    exchange.misbehaviour.set((Fault(point="answer", action="drop", method="order.status"),))
    trader.session.connection.begin_anew()
    await trader.until(lambda: trader.session.connection.logons == 2 and trader.session.connection.ready)
    assert not trader.session.takes_new
    rest(exchange, SELL, 6_000_000, 100)
    await trader.until(lambda: trader.session.takes_new)
    assert trader.orders[number].filled_lots == 100


# -- what waited is asked again --


async def test_replacement_that_waited_is_not_sent_beyond_the_rate_limit(
    trader: Trader, exchange: ExchangeServer
) -> None:
    fault = Fault(point="request", action="delay", method="order.place", count=1, delay_ms=200)
    exchange.misbehaviour.set((fault,))
    old = trader.limit(BUY, 6_000_000)
    await trader.until(lambda: ReportKind.UNKNOWN in trader.orders[old].kinds)
    new = trader.limit(BUY, 6_000_100, action=Action.REPLACE, target=old)
    trader.session.limits.blocked_until_ms = clock.utc_ns() // 1_000_000 + 60_000
    trader.session._inquiry._limits = RateLimits(GatewaySettings())  # questions may be asked
    await trader.until(lambda: trader.orders[new].final)
    assert trader.orders[new].codes == [Refusal.VENUE_RATE_LIMIT]
    assert f"{RUN_ID}-{new}" not in exchange.ledger.orders
    assert trader.orders[old].kinds[-1] == ReportKind.ACCEPTED
    trader.check(exchange)


# -- the host's clock is set --


@pytest.mark.parametrize("step_ns", [-HOUR_NS, HOUR_NS])
async def test_doubt_lasts_as_long_as_it_must_when_the_host_s_clock_is_set(
    exchange: ExchangeServer, credentials: Credentials, monkeypatch: pytest.MonkeyPatch, step_ns: int
) -> None:
    """The venue's own clock goes on: only ours is set, between the order and the question what became of it."""
    trader = Trader(credentials, exchange.address)
    await trader.start()
    fault = Fault(point="request", action="delay", method="order.place", count=1, delay_ms=250)
    lost = Fault(point="request", action="drop", method="order.place", count=1)
    exchange.misbehaviour.set((fault,))
    late = trader.limit(BUY, 6_000_000)
    real = time.time_ns
    monkeypatch.setattr(server, "wall_ms", lambda: real() // 1_000_000)
    monkeypatch.setattr(time, "time_ns", lambda: real() + step_ns)
    await trader.until(lambda: trader.orders[late].kinds == [ReportKind.UNKNOWN, ReportKind.ACCEPTED], 3.0)
    exchange.misbehaviour.set((lost,))
    never = trader.limit(BUY, 6_000_000)
    started_s = time.monotonic()
    await trader.until(lambda: trader.orders[never].final, 3.0)
    assert trader.orders[never].kinds == [ReportKind.UNKNOWN, ReportKind.NOT_FOUND]
    assert time.monotonic() - started_s >= 0.4  # receive window and clock error
    trader.check(exchange)
    await trader.stop()


# -- a venue that contradicts itself --


async def test_order_that_the_venue_had_and_does_not_find_for_a_while_is_not_given_up(
    trader: Trader, exchange: ExchangeServer
) -> None:
    """Its records of orders that have just ended may be behind: the fill must not be lost with them."""
    number = trader.limit(BUY, 6_000_000, 100)
    await trader.until(lambda: trader.orders[number].kinds)
    await asyncio.sleep(0.45)  # beyond receive window and clock error
    status, signed, weight = exchange.api._methods["order.status"]
    asked = 0

    def behind(call: Any) -> Any:
        nonlocal asked
        asked += 1
        if asked <= 4:
            raise ApiError(-2013, "Order does not exist.")
        return status(call)

    exchange.api._methods["order.status"] = (behind, signed, weight)
    exchange.misbehaviour.set((Fault(point="event", action="drop"),))
    rest(exchange, SELL, 6_000_000, 100)
    await trader.until(lambda: trader.orders[number].final)
    assert trader.orders[number].filled_lots == 100
    assert asked > 4
    trader.check(exchange)


async def test_fills_of_more_than_one_page_are_all_fetched(
    exchange: ExchangeServer, credentials: Credentials, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inquiry, "TRADES_LIMIT", 3)
    trader = Trader(credentials, exchange.address)
    await trader.start()
    number = trader.limit(BUY, 6_000_000, 100)
    await trader.until(lambda: trader.orders[number].kinds)
    exchange.misbehaviour.set((Fault(point="event", action="drop"),))
    for _ in range(10):
        rest(exchange, SELL, 6_000_000, 10)
    await trader.until(lambda: trader.orders[number].final)
    assert (trader.orders[number].filled_lots, trader.doubled_fills) == (100, 0)
    trader.check(exchange)
    await trader.stop()


async def test_order_that_the_venue_had_and_keeps_not_finding_is_given_up_in_the_end(
    trader: Trader, exchange: ExchangeServer
) -> None:
    """A venue that was wiped, as test networks are."""
    number = trader.limit(BUY, 6_000_000, 100)
    await trader.until(lambda: trader.orders[number].kinds)
    exchange.desk._by_client_id.clear()
    await trader.until(lambda: trader.orders[number].final)
    assert ReportKind.NOT_FOUND in trader.orders[number].kinds
    assert ReportKind.UNKNOWN in trader.orders[number].kinds


async def test_status_that_we_do_not_know_is_asked_for_at_intervals_not_without_end(
    trader: Trader, exchange: ExchangeServer
) -> None:
    number = trader.limit(BUY, 6_000_000, 100)
    await trader.until(lambda: trader.orders[number].kinds)
    status, signed, weight = exchange.api._methods["order.status"]
    asked = 0

    def pending(call: Any) -> Any:
        nonlocal asked
        asked += 1
        return status(call) | {"status": "PENDING_NEW"}

    exchange.api._methods["order.status"] = (pending, signed, weight)
    trader.send(action=Action.QUERY, target=number)
    await asyncio.sleep(0.3)
    assert 2 <= asked <= 9  # every 40 ms
    trader.cancel(number)
    exchange.api._methods["order.status"] = (status, signed, weight)
    await trader.until(lambda: trader.orders[number].final)


async def test_event_stream_that_the_venue_ends_is_subscribed_to_again(
    exchange: ExchangeServer, credentials: Credentials
) -> None:
    trader = Trader(credentials, exchange.address, reconcile_interval_ms=60_000)
    await trader.start()
    number = trader.limit(BUY, 6_000_000, 200)
    await trader.until(lambda: trader.orders[number].kinds)
    exchange._tell("bot4", {"e": "eventStreamTerminated", "E": 1})
    await trader.until(lambda: trader.session.connection.logons == 2 and trader.session.takes_new)
    rest(exchange, SELL, 6_000_000, 50)
    await trader.until(lambda: trader.orders[number].filled_lots == 50)
    await trader.stop()


async def test_time_that_is_none_at_the_log_on_is_the_venue_s_fault_and_it_is_tried_again(
    exchange: ExchangeServer, credentials: Credentials
) -> None:
    answers: list[Any] = [{"serverTime": "soon"}, {}, [1]]
    real = exchange.api._methods["time"]
    exchange.api._methods["time"] = (lambda call: answers.pop() if answers else real[0](call), *real[1:])
    trader = Trader(credentials, exchange.address)
    await trader.start()
    assert (trader.session.connection.logons, answers) == (1, [])
    await trader.stop()


async def test_venue_that_ends_every_connection_is_tried_at_a_growing_distance_and_the_log_says_why_once(
    exchange: ExchangeServer, credentials: Credentials, capfd: pytest.CaptureFixture[str]
) -> None:
    """After each log-on, before anything else: 300 connections in five minutes would be answered with a ban."""
    limits = {"reconnect_interval_ms": 20, "reconnect_interval_limit_ms": 5_000}
    trader = Trader(credentials, exchange.address, **limits)
    await trader.start()
    on_ready = trader.session.on_ready

    def ready() -> None:
        on_ready()
        trader.session.connection.begin_anew()

    trader.session.on_ready = ready  # type: ignore[method-assign]
    trader.session.connection.begin_anew()
    await asyncio.sleep(0.8)
    assert 3 <= trader.session.connection.logons <= 8  # with pauses of 20 ms there would be more than 20
    assert capfd.readouterr().err.count("disconnected") == 1
    await trader.stop()


async def test_key_that_the_venue_refuses_is_told_in_the_log(
    exchange: ExchangeServer, credentials: Credentials, capfd: pytest.CaptureFixture[str]
) -> None:
    stranger = Credentials("nobody", credentials.sign, credentials.session_logon)
    trader = Trader(stranger, exchange.address)
    await trader.session.start()
    await trader.until(lambda: trader.session.connection.last_error != "")
    assert "session.logon: {'code': -2015" in capfd.readouterr().err
    assert not trader.session.takes_new
    await trader.session.stop()


# -- orders that the session does not know --


def order_of_another(client: Trader, client_id: str, price: str) -> None:
    params = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.00100"}
    params |= {"price": price, "newClientOrderId": client_id}
    client.session.connection.request("order.place", params, lambda answer: None)


async def test_open_order_that_is_not_of_this_run_is_named_in_the_log(
    trader: Trader, exchange: ExchangeServer, credentials: Credentials, capfd: pytest.CaptureFixture[str]
) -> None:
    """Left by a run that died with its machine, for one."""
    order_of_another(trader, "261120-235959-dead-7", "60000.00")
    await trader.until(lambda: "261120-235959-dead-7" in exchange.ledger.orders)
    other = Trader(credentials, exchange.address)
    await other.start()
    await other.until(lambda: other.session.foreign == 1)
    assert "BTCUSDT BUY 0.00100000 at 60000.00000000, client order id 261120-235959-dead-7" in capfd.readouterr().err
    other.session.connection.begin_anew()
    await other.until(lambda: other.session.connection.logons == 2)
    await asyncio.sleep(0.1)
    assert "261120" not in capfd.readouterr().err  # once
    await other.stop()


async def test_open_order_of_this_run_that_is_not_known_is_taken_in_and_can_be_cancelled(
    trader: Trader, exchange: ExchangeServer, credentials: Credentials
) -> None:
    """The session before, which is gone, had told that it ended."""
    number = trader.limit(BUY, 6_000_000, 100)
    await trader.until(lambda: trader.orders[number].kinds)
    await trader.stop()
    again = Trader(credentials, exchange.address)
    again.orders, again.number = trader.orders, trader.number
    await again.start()
    await again.until(lambda: again.orders[number].kinds[1:] == [ReportKind.UNKNOWN, ReportKind.ACCEPTED])
    assert again.orders[number].codes[1] == Refusal.ORDER_UNKNOWN
    again.cancel(number)
    await again.until(lambda: again.orders[number].final)
    again.check(exchange)
    await again.stop()


async def test_fill_of_an_order_that_was_forgotten_is_told_all_the_same(
    exchange: ExchangeServer, credentials: Credentials
) -> None:
    trader = Trader(credentials, exchange.address, reconcile_interval_ms=60_000)
    await trader.start()
    number = trader.limit(BUY, 6_000_000, 200)
    await trader.until(lambda: trader.orders[number].kinds)
    rest(exchange, SELL, 6_000_000, 50)
    await trader.until(lambda: trader.orders[number].filled_lots == 50)
    trader.session.open_orders.clear()
    rest(exchange, SELL, 6_000_000, 150)
    await trader.until(lambda: trader.orders[number].filled_lots == 200)
    trader.check(exchange)
    await trader.stop()


# -- errors of our own --


async def expect_failure(trader: Trader, text: str) -> None:
    await trader.until(lambda: trader.session.connection.failure is not None)
    with pytest.raises(RuntimeError, match=text):
        trader.session.poll(clock.utc_ns())


async def test_error_that_nobody_thought_of_ends_the_work_loudly_when_a_connection_is_made(
    trader: Trader, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(self: Connection) -> None:
        raise RuntimeError("nobody thought of it")

    monkeypatch.setattr(Connection, "_log_on", broken)
    trader.session.connection.begin_anew()
    await expect_failure(trader, "nobody thought of it")


async def test_error_that_nobody_thought_of_ends_the_work_loudly_when_a_text_is_read(
    trader: Trader, exchange: ExchangeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(event: dict[str, Any]) -> None:
        raise RuntimeError("a report that went wrong")

    monkeypatch.setattr(trader.session, "on_event", broken)
    trader.limit(BUY, 6_000_000)
    await expect_failure(trader, "a report that went wrong")


async def test_error_that_nobody_thought_of_ends_the_work_loudly_when_nothing_could_be_sent(trader: Trader) -> None:
    def broken(answer: object) -> None:
        raise RuntimeError("the answer to nothing")

    trader.session.connection._transport = None
    trader.session.connection.request("time", {}, broken, signed=False)
    await expect_failure(trader, "the answer to nothing")


# -- texts in pieces --


class Pieces:
    """Frames of at most 100 bytes a text, and what came of them."""

    def __init__(self) -> None:
        self.texts: list[bytes] = []
        self.disconnected = 0
        self.frames = Frames(self.texts.append, lambda: None, lambda: None, 100)

    def disconnect(self, graceful: bool = True) -> None:
        self.disconnected += 1

    def take(self, kind: picows.WSMsgType, payload: bytes, fin: bool) -> None:
        frame: Any = SimpleNamespace(msg_type=kind, fin=fin, get_payload_as_bytes=lambda: payload)
        transport: Any = self
        self.frames.on_ws_frame(transport, frame)


def test_text_in_pieces_without_end_ends_the_connection_instead_of_the_memory() -> None:
    pieces = Pieces()
    pieces.take(picows.WSMsgType.TEXT, b"x" * 60, False)
    pieces.take(picows.WSMsgType.CONTINUATION, b"x" * 40, False)
    assert pieces.disconnected == 0
    pieces.take(picows.WSMsgType.CONTINUATION, b"x", False)
    assert (pieces.disconnected, pieces.texts) == (1, [])


def test_text_that_begins_before_the_last_one_ended_is_read_and_the_last_one_dropped() -> None:
    pieces = Pieces()
    pieces.take(picows.WSMsgType.TEXT, b"lost", False)
    pieces.take(picows.WSMsgType.TEXT, b"who", False)
    pieces.take(picows.WSMsgType.CONTINUATION, b"le", True)
    pieces.take(picows.WSMsgType.TEXT, b"next", True)
    assert pieces.texts == [b"whole", b"next"]
