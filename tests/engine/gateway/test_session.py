"""The session against the built-in exchange, first as it should be, then under every misbehaviour."""

import asyncio
import json
import random
from pathlib import Path

import numpy as np
import pytest

from engine.exchange.config import ExchangeSettings, Fault
from engine.exchange.credentials import make_credentials
from engine.exchange.server import ExchangeServer
from engine.gateway.credentials import Credentials, load
from engine.gateway.order_message import read_order
from ipc.messages import Action, OrderType, Refusal, ReportKind, Side, TimeInForce
from tests.engine.gateway.conftest import BUSY, STILL
from tests.engine.gateway.trader import RUN_ID, Trader

BUY, SELL = Side.BID, Side.ASK


def rest(exchange: ExchangeServer, side: Side, price_ticks: int, lots: int) -> None:
    """Somebody else's order."""
    market = exchange.markets["BTCUSDT"]
    market.engine.submit(0, side, OrderType.LIMIT, TimeInForce.GTC, price_ticks, lots)
    market.settle(1)


async def test_order_is_accepted_filled_in_parts_and_the_rest_cancelled(
    trader: Trader, exchange: ExchangeServer
) -> None:
    number = trader.limit(BUY, 6_000_000, 300)
    await trader.until(lambda: trader.orders[number].kinds == [ReportKind.ACCEPTED])
    rest(exchange, SELL, 6_000_000, 100)
    rest(exchange, SELL, 5_999_900, 50)
    await trader.until(lambda: trader.orders[number].filled_lots == 150)
    trader.cancel(number)
    await trader.until(lambda: trader.orders[number].final)
    assert trader.orders[number].kinds == [
        ReportKind.ACCEPTED,
        ReportKind.FILL,
        ReportKind.FILL,
        ReportKind.CANCELLED,
    ]
    trader.check(exchange)


async def test_immediate_order_takes_what_is_there_and_expires(trader: Trader, exchange: ExchangeServer) -> None:
    rest(exchange, SELL, 6_000_000, 100)
    number = trader.limit(BUY, 6_000_000, 300, time_in_force=TimeInForce.IOC)
    await trader.until(lambda: trader.orders[number].final)
    assert trader.orders[number].kinds == [ReportKind.ACCEPTED, ReportKind.FILL, ReportKind.EXPIRED]
    trader.check(exchange)


async def test_replacement_ends_the_old_order_and_begins_the_new(trader: Trader, exchange: ExchangeServer) -> None:
    old = trader.limit(BUY, 6_000_000)
    await trader.until(lambda: trader.orders[old].kinds)
    new = trader.limit(BUY, 6_000_100, action=Action.REPLACE, target=old)
    await trader.until(lambda: trader.orders[new].kinds and trader.orders[old].final)
    assert trader.orders[old].kinds == [ReportKind.ACCEPTED, ReportKind.REPLACED]
    assert trader.orders[new].kinds == [ReportKind.ACCEPTED]
    trader.check(exchange)


async def test_replacement_of_an_order_that_has_gone_is_rejected(trader: Trader, exchange: ExchangeServer) -> None:
    old = trader.limit(BUY, 6_000_000)
    await trader.until(lambda: trader.orders[old].kinds)
    rest(exchange, SELL, 6_000_000, 100)
    new = trader.limit(BUY, 6_000_100, action=Action.REPLACE, target=old)
    await trader.until(lambda: trader.orders[new].final and trader.orders[old].final)
    assert trader.orders[new].kinds == [ReportKind.REJECTED]
    assert trader.orders[new].codes == [Refusal.VENUE_UNKNOWN_ORDER]
    assert trader.orders[old].filled_lots == 100
    trader.check(exchange)


@pytest.mark.parametrize(
    ("order", "code"),
    [
        ({"order_type": OrderType.LIMIT_MAKER, "price_ticks": 6_100_000}, Refusal.VENUE_WOULD_TAKE),
        ({"price_ticks": 6_000_000, "quantity_lots": 1}, Refusal.VENUE_FILTER),
        ({"price_ticks": 6_000_000, "quantity_lots": 10**12}, Refusal.VENUE_INSUFFICIENT_BALANCE),
    ],
)
async def test_refusal_of_the_venue_has_its_code(
    trader: Trader, exchange: ExchangeServer, order: dict[str, int], code: Refusal
) -> None:
    rest(exchange, SELL, 6_050_000, 100)
    number = trader.send(side=BUY, **{"quantity_lots": 100, **order})
    await trader.until(lambda: trader.orders[number].final)
    assert trader.orders[number].codes == [code]
    trader.check(exchange)


async def test_words_of_a_refusal_that_has_no_code_of_ours_stand_in_the_log_once(
    trader: Trader, exchange: ExchangeServer, capfd: pytest.CaptureFixture[str]
) -> None:
    exchange.markets["BTCUSDT"].trading = False
    first, second = trader.limit(BUY, 6_000_000), trader.limit(BUY, 6_000_000)
    await trader.until(lambda: trader.orders[first].final and trader.orders[second].final)
    assert trader.orders[second].codes == [Refusal.VENUE_REJECTED]
    assert capfd.readouterr().err == f"{RUN_ID}-{first}: the venue refused it: -2010 Market is closed.\n"


async def test_market_order_is_sent_without_price_and_time_in_force(trader: Trader, exchange: ExchangeServer) -> None:
    rest(exchange, SELL, 6_000_000, 1_000)
    number = trader.send(side=BUY, quantity_lots=100, order_type=OrderType.MARKET)
    await trader.until(lambda: trader.orders[number].final)
    assert trader.orders[number].kinds == [ReportKind.ACCEPTED, ReportKind.FILL]
    trader.check(exchange)


async def test_order_limit_is_refused_here_before_the_venue_does(
    exchange: ExchangeServer, credentials: Credentials
) -> None:
    trader = Trader(credentials, exchange.address, orders_per_10_s=2)
    await trader.start()
    trader.session._limits.orders[0].limit = 2  # the venue's own word at the log-on was larger
    for _ in range(4):
        trader.limit(BUY, 6_000_000)
    refused = [n for n, known in trader.orders.items() if Refusal.VENUE_RATE_LIMIT in known.codes]
    assert refused == [3, 4]
    await trader.until(lambda: len(trader.kinds()) > 0 and trader.kinds()[ReportKind.ACCEPTED] == 2)
    assert trader.session.refusal(read_order(order_cancel(1))) == Refusal.NONE
    trader.check(exchange)
    await trader.stop()


def order_cancel(target: int) -> np.ndarray:
    from tests.engine.gateway.trader import order_message

    return order_message(99, action=Action.CANCEL, target=target)


async def test_hmac_key_trades_as_well(tmp_path: Path) -> None:
    exchange_file, trader_file = make_credentials(tmp_path, kind="hmac")
    server = ExchangeServer(ExchangeSettings(flow=STILL, credentials_file=str(exchange_file)))
    await server.start()
    trader = Trader(load(str(trader_file)), server.address)
    await trader.start()
    number = trader.limit(BUY, 6_000_000, 100)
    await trader.until(lambda: trader.orders[number].kinds)
    rest(server, SELL, 6_000_000, 100)
    await trader.until(lambda: trader.orders[number].final)
    trader.check(server)
    await trader.stop()
    await server.stop()


async def test_order_whose_request_is_lost_is_unknown_and_then_not_found(
    trader: Trader, exchange: ExchangeServer
) -> None:
    exchange.misbehaviour.set((Fault(point="request", action="drop", method="order.place", count=1),))
    number = trader.limit(BUY, 6_000_000)
    await trader.until(lambda: trader.orders[number].final)
    assert trader.orders[number].kinds == [ReportKind.UNKNOWN, ReportKind.NOT_FOUND]
    trader.check(exchange)


async def test_order_that_arrives_late_is_never_called_not_found(trader: Trader, exchange: ExchangeServer) -> None:
    fault = Fault(point="request", action="delay", method="order.place", count=1, delay_ms=250)
    exchange.misbehaviour.set((fault,))
    number = trader.limit(BUY, 6_000_000)
    await trader.until(lambda: ReportKind.UNKNOWN in trader.orders[number].kinds)
    await trader.until(lambda: ReportKind.ACCEPTED in trader.orders[number].kinds)
    trader.cancel(number)
    await trader.until(lambda: trader.orders[number].final)
    trader.check(exchange)


async def test_order_that_arrives_after_its_window_is_refused_by_the_venue(
    trader: Trader, exchange: ExchangeServer
) -> None:
    fault = Fault(point="request", action="delay", method="order.place", count=1, delay_ms=600)
    exchange.misbehaviour.set((fault,))
    number = trader.limit(BUY, 6_000_000)
    await trader.until(lambda: trader.orders[number].final)
    await asyncio.sleep(0.4)
    assert ReportKind.NOT_FOUND in trader.orders[number].kinds
    trader.check(exchange)


async def test_cut_makes_open_orders_unknown_until_they_are_found_again(
    trader: Trader, exchange: ExchangeServer
) -> None:
    number = trader.limit(BUY, 6_000_000, 200)
    await trader.until(lambda: trader.orders[number].kinds)
    exchange.misbehaviour.set((Fault(point="event", action="disconnect", count=1),))
    rest(exchange, SELL, 6_000_000, 50)  # its event is lost with the connection
    await trader.until(lambda: trader.orders[number].filled_lots == 50)
    await trader.until(lambda: trader.orders[number].kinds[-1] == ReportKind.ACCEPTED)
    assert trader.orders[number].kinds == [
        ReportKind.ACCEPTED,
        ReportKind.UNKNOWN,
        ReportKind.FILL,
        ReportKind.ACCEPTED,
    ]
    trader.cancel(number)
    await trader.until(lambda: trader.orders[number].final)
    trader.check(exchange)


async def test_cancel_of_an_order_in_doubt_waits_until_the_doubt_is_over(
    trader: Trader, exchange: ExchangeServer
) -> None:
    fault = Fault(point="request", action="delay", method="order.place", count=1, delay_ms=250)
    exchange.misbehaviour.set((fault,))
    number = trader.limit(BUY, 6_000_000)
    await trader.until(lambda: ReportKind.UNKNOWN in trader.orders[number].kinds)
    trader.cancel(number)  # now it would be answered "Unknown order sent."
    await trader.until(lambda: trader.orders[number].final)
    assert ReportKind.CANCEL_REJECTED not in trader.orders[number].kinds
    assert trader.orders[number].kinds[-2:] == [ReportKind.ACCEPTED, ReportKind.CANCELLED]
    trader.check(exchange)


@pytest.mark.parametrize("halted", [False, True])
async def test_replacement_that_waited_is_not_sent_into_a_halt(
    trader: Trader, exchange: ExchangeServer, halted: bool
) -> None:
    fault = Fault(point="request", action="delay", method="order.place", count=1, delay_ms=200)
    exchange.misbehaviour.set((fault,))
    old = trader.limit(BUY, 6_000_000)
    await trader.until(lambda: ReportKind.UNKNOWN in trader.orders[old].kinds)
    new = trader.limit(BUY, 6_000_100, action=Action.REPLACE, target=old)
    trader.session._halted = lambda: halted
    await trader.until(lambda: trader.orders[new].kinds)
    assert trader.orders[new].final == halted
    assert (trader.orders[new].codes == [Refusal.GATEWAY_HALTED]) == halted
    assert trader.orders[old].final != halted
    trader.check(exchange)


async def test_replacement_that_was_not_found_while_it_waited_is_never_sent(
    trader: Trader, exchange: ExchangeServer
) -> None:
    """Both are in doubt after a cut, and the venue answers for the replacement first."""
    old = trader.limit(BUY, 6_000_000)
    await trader.until(lambda: trader.orders[old].kinds)
    trader.session.on_cut()
    kept = trader.session.open_orders[old]
    kept.query_at_ns = 1 << 62
    new = trader.limit(BUY, 6_000_100, action=Action.REPLACE, target=old)
    trader.session._inquiry.doubt(trader.session.open_orders[new])
    await trader.until(lambda: trader.orders[new].kinds == [ReportKind.UNKNOWN, ReportKind.NOT_FOUND])
    kept.query_at_ns = 0
    await trader.until(lambda: trader.orders[old].kinds[-1] == ReportKind.ACCEPTED)
    await asyncio.sleep(0.1)
    assert f"{RUN_ID}-{new}" not in exchange.ledger.orders
    trader.check(exchange)


@pytest.mark.parametrize("too_much", ["depth", "time"])
async def test_word_of_the_venue_that_nothing_can_hold_is_counted_and_ends_nothing(
    trader: Trader, exchange: ExchangeServer, too_much: str
) -> None:
    number = trader.limit(BUY, 6_000_000)
    trade = {"t": 7, "L": "60000.00", "l": "0.00001", "n": "0", "N": "USDT", "m": True, "z": "0.00001"}
    event = {"e": "executionReport", "x": "TRADE", "c": f"{RUN_ID}-{number}", "C": "", "i": 1, "T": 10**15, **trade}
    text = b"[" * 100_000 if too_much == "depth" else json.dumps({"event": event}).encode()
    await trader.until(lambda: trader.orders[number].kinds)
    trader.session.connection._on_text(text)
    assert trader.session.connection.malformed == 1
    trader.cancel(number)
    await trader.until(lambda: trader.orders[number].final)
    trader.check(exchange)


async def test_fill_whose_event_was_lost_is_fetched_when_the_next_event_shows_it(
    exchange: ExchangeServer, credentials: Credentials
) -> None:
    trader = Trader(credentials, exchange.address, reconcile_interval_ms=60_000)
    await trader.start()
    number = trader.limit(BUY, 6_000_000, 300)
    await trader.until(lambda: trader.orders[number].kinds)
    exchange.misbehaviour.set((Fault(point="event", action="drop", count=1),))
    rest(exchange, SELL, 6_000_000, 100)
    rest(exchange, SELL, 6_000_000, 50)
    await trader.until(lambda: trader.orders[number].filled_lots == 150)
    assert trader.session.open_orders.keys() == {number}
    await trader.stop()


async def test_query_of_the_core_tells_all_again_even_of_a_finished_order(
    trader: Trader, exchange: ExchangeServer
) -> None:
    number = trader.limit(BUY, 6_000_000, 100)
    await trader.until(lambda: trader.orders[number].kinds)
    rest(exchange, SELL, 6_000_000, 100)
    await trader.until(lambda: trader.orders[number].final)
    trader.send(action=Action.QUERY, target=number)
    await trader.until(lambda: trader.doubled_fills == 1)
    trader.check(exchange)


async def test_restarted_session_reports_unknown_then_recovers_fills_made_meanwhile(
    trader: Trader, exchange: ExchangeServer, credentials: Credentials
) -> None:
    from engine.gateway.attempts import Attempt, State

    number = trader.limit(BUY, 6_000_000, 200)
    await trader.until(lambda: trader.orders[number].kinds)
    await trader.stop()
    rest(exchange, SELL, 6_000_000, 200)
    again = Trader(credentials, exchange.address)
    again.orders, again.number = trader.orders, trader.number
    attempt = Attempt(number, State.ATTEMPTED, 1, Refusal.NONE, 0, Action.NEW, BUY, 1, 1, 6_000_000, 200, 0, 0)
    again.session.recover([attempt])
    assert again.orders[number].kinds[-1] == ReportKind.UNKNOWN
    await again.start()
    await again.until(lambda: again.orders[number].final)
    again.check(exchange)
    await again.stop()


FAULTS = [
    (point, action)
    for point in ("request", "answer", "event")
    for action in ("drop", "duplicate", "reorder", "delay", "disconnect", "disconnect_after", "rubbish")
]


@pytest.mark.parametrize("exchange", [BUSY], indirect=True)
@pytest.mark.parametrize(("point", "action"), FAULTS)
async def test_no_order_is_lost_or_doubled_under(
    trader: Trader, exchange: ExchangeServer, point: str, action: str
) -> None:
    """Sixty orders, cancels and replacements at a living market that misbehaves at every fourth word."""
    exchange.misbehaviour.set((Fault(point=point, action=action, probability=0.25, delay_ms=60),))
    dice = random.Random(f"{point}/{action}")
    market = exchange.markets["BTCUSDT"]
    for _ in range(60):
        side = dice.choice([BUY, SELL])
        (bid, _), (ask, _) = market.engine.best(BUY), market.engine.best(SELL)
        best = (bid if side == BUY else ask) or 6_000_000
        working = trader.open_numbers()
        if working and dice.random() < 0.3:
            trader.cancel(dice.choice(working))
        elif working and dice.random() < 0.2:
            old = dice.choice(working)
            trader.limit(Side(trader.orders[old].side), best, action=Action.REPLACE, target=old)
        else:
            # a request that the network doubles must not trade: its copy would be a new order by the venue's rule
            away = 200_000 if point == "request" and action == "duplicate" else dice.choice([-30, 0, 0, 100])
            price = best - away if side == BUY else best + away
            time_in_force = dice.choice([TimeInForce.GTC, TimeInForce.GTC, TimeInForce.IOC]) if away < 1_000 else 1
            trader.limit(side, price, dice.randint(20, 200), time_in_force=time_in_force)
        await asyncio.sleep(0.008)
    assert exchange.misbehaviour.done.get(f"{point}/{action}", 0) > 0
    exchange.misbehaviour.set(())
    await trader.until(lambda: trader.session.connection.ready)
    for _ in range(4):  # a cancel may cross a doubt and be rejected, as the core knows: it asks again
        for number in trader.open_numbers():
            trader.cancel(number)
        await asyncio.sleep(0.15)
    await trader.until(lambda: not trader.open_numbers())
    trader.check(exchange, doubled_requests=(point, action) == ("request", "duplicate"))
    assert not exchange.desk.open_orders(exchange.accounts["bot4"], None)
    assert f"{RUN_ID}-1" in exchange.ledger.orders or ReportKind.NOT_FOUND in trader.orders[1].kinds
