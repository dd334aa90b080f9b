"""The gateway process between its rings and the exchange: halts, waits, is killed, and sends nothing twice."""

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from engine.exchange.config import ExchangeSettings, Fault
from engine.exchange.credentials import make_credentials
from engine.exchange.server import ExchangeServer
from engine.gateway.halt import HaltWord
from engine.journal.status import JournalStatus
from ipc.counters import Counters
from ipc.messages import Action, OrderType, Refusal, ReportKind, Side
from tests.engine.gateway.conftest import BUSY, STILL
from tests.engine.gateway.core_stand_in import KILL_POINTS, LANE_POINTS, CoreStandIn
from tests.engine.gateway.trader import RUN_ID

BUY, SELL = Side.BID, Side.ASK


@pytest.fixture
async def core(tmp_path: Path, exchange: ExchangeServer, key_files: tuple[Path, Path]) -> AsyncIterator[CoreStandIn]:
    stand_in = CoreStandIn(tmp_path, exchange.address, key_files[1])
    yield stand_in
    await stand_in.stop()


async def test_order_travels_from_ring_to_venue_and_its_reports_back(
    core: CoreStandIn, exchange: ExchangeServer
) -> None:
    core.start()
    number = core.send(side=BUY, price_ticks=6_000_000, quantity_lots=100)
    await core.reported(number, ReportKind.ACCEPTED)
    core.cancel(number)
    await core.reported(number, ReportKind.CANCELLED)
    await core.stop()
    core.check(exchange)
    counters = Counters.attach(core.files.counters("gateway"))
    assert (counters.value("sent"), counters.value("refused"), counters.value("reports")) == (2, 0, 2)
    assert counters.read("handle").count == 2


@pytest.mark.parametrize("kind", ["ed25519", "hmac"])
async def test_orders_with_and_without_a_logged_on_session_end_alike(tmp_path: Path, kind: str) -> None:
    """With Ed25519 the session logs on and orders take the lane; with HMAC each is signed, and none does."""
    keys = make_credentials(tmp_path, kind=kind)
    server = ExchangeServer(ExchangeSettings(flow=STILL, credentials_file=str(keys[0])))
    await server.start()
    core = CoreStandIn(tmp_path, server.address, keys[1])
    core.start()
    first = core.send(side=BUY, price_ticks=6_000_000, quantity_lots=100)
    maker = core.send(side=SELL, price_ticks=6_000_100, quantity_lots=50, order_type=OrderType.LIMIT_MAKER)
    await core.reported(maker, ReportKind.ACCEPTED)
    second = core.send(side=BUY, price_ticks=5_999_900, quantity_lots=70, action=Action.REPLACE, target=first)
    await core.reported(second, ReportKind.ACCEPTED)
    core.send(side=SELL, quantity_lots=10, order_type=OrderType.MARKET)
    core.cancel(maker)
    core.cancel(second)
    await core.wait(lambda: all(known.final for known in core.orders.values()))
    unknown = core.cancel(second)
    await core.wait(lambda: ReportKind.CANCEL_REJECTED in core.orders[second].kinds)
    await core.stop()
    core.check(server)
    await server.stop()
    assert core.orders[first].kinds == [ReportKind.ACCEPTED, ReportKind.REPLACED]
    counters = Counters.attach(core.files.counters("gateway"))
    assert (counters.value("orders"), counters.value("refused")) == (unknown, 0)


async def test_halt_word_refuses_new_orders_and_lets_cancels_pass(core: CoreStandIn, exchange: ExchangeServer) -> None:
    core.start()
    number = core.send(side=BUY, price_ticks=6_000_000, quantity_lots=100)
    await core.reported(number, ReportKind.ACCEPTED)
    HaltWord(core.files.halt).set(1)
    refused = core.send(side=BUY, price_ticks=6_000_000, quantity_lots=100)
    await core.reported(refused, ReportKind.REJECTED)
    assert core.refused(refused) == Refusal.GATEWAY_HALTED
    core.cancel(number)
    await core.reported(number, ReportKind.CANCELLED)
    assert f"{RUN_ID}-{refused}" not in exchange.ledger.orders
    core.check(exchange)


async def test_disk_durability_holds_an_order_until_the_journal_has_it(
    tmp_path: Path, exchange: ExchangeServer, key_files: tuple[Path, Path]
) -> None:
    core = CoreStandIn(tmp_path, exchange.address, key_files[1], durability="disk")
    status = JournalStatus(core.files.journal_status, create=True)
    core.start()
    first = core.send(side=BUY, price_ticks=6_000_000, quantity_lots=100)
    second = core.send(side=BUY, price_ticks=6_000_000, quantity_lots=100)
    await asyncio.sleep(0.4)
    assert not exchange.ledger.orders
    status.set_durable(2, 1)
    await core.reported(first, ReportKind.ACCEPTED)
    await asyncio.sleep(0.1)
    assert f"{RUN_ID}-{second}" not in exchange.ledger.orders
    status.set_durable(4, 2)
    await core.reported(second, ReportKind.ACCEPTED)
    await core.stop()
    core.check(exchange)


async def test_order_that_outlives_the_record_of_attempts_can_still_be_cancelled_also_after_a_kill(
    tmp_path: Path, exchange: ExchangeServer, key_files: tuple[Path, Path]
) -> None:
    """The cancel comes after more numbers than the record has rows: it must not wait for the row of its own target."""
    core = CoreStandIn(tmp_path, exchange.address, key_files[1], gateway={"attempts_capacity": 16})
    core.start()
    old = core.send(side=BUY, price_ticks=6_000_000, quantity_lots=100)
    await core.reported(old, ReportKind.ACCEPTED)
    for _ in range(15):
        number = core.send(side=BUY, price_ticks=6_000_000, quantity_lots=100)
        core.cancel(number)
        await core.reported(number, ReportKind.CANCELLED)
    core.kill()
    core.start()
    core.cancel(old)
    await core.wait(lambda: core.orders[old].final)
    await core.stop()
    core.check(exchange)


async def test_clock_of_the_host_set_back_by_an_hour_delays_no_time_out(
    core: CoreStandIn, exchange: ExchangeServer
) -> None:
    exchange.misbehaviour.set((Fault(point="request", action="drop", method="order.place", count=1),))
    core.start("the_clock_is_set_back", 3_600_000_000_000)
    number = core.send(side=BUY, price_ticks=6_000_000, quantity_lots=100)
    await core.wait(lambda: core.orders[number].final, 4.0)
    assert core.orders[number].kinds == [ReportKind.UNKNOWN, ReportKind.NOT_FOUND]
    again = core.send(side=BUY, price_ticks=6_000_000, quantity_lots=100)
    await core.reported(again, ReportKind.ACCEPTED)
    await core.stop()
    core.check(exchange)


async def test_error_that_nobody_thought_of_ends_the_process_and_its_successor_goes_on(
    core: CoreStandIn, exchange: ExchangeServer
) -> None:
    core.start("the_log_on_breaks")
    number = core.send(side=BUY, price_ticks=6_000_000, quantity_lots=100)
    await core.until(lambda: not core._gateway.is_alive())
    assert core._gateway.exitcode == 1  # with its traceback in the log; the supervisor starts it again
    assert core.orders[number].kinds == []
    core.start()
    await core.reported(number, ReportKind.ACCEPTED)
    await core.stop()
    core.check(exchange)


async def test_without_a_venue_orders_are_refused_and_a_query_is_unknown(
    core: CoreStandIn, exchange: ExchangeServer
) -> None:
    await exchange.stop()
    core.start()
    number = core.send(side=BUY, price_ticks=6_000_000, quantity_lots=100)
    await core.reported(number, ReportKind.REJECTED)
    assert core.refused(number) == Refusal.VENUE_DISCONNECTED


@pytest.mark.recovery
@pytest.mark.parametrize("point", [*LANE_POINTS, *KILL_POINTS])
async def test_killed_at_a_step_it_neither_loses_nor_doubles_an_order(
    core: CoreStandIn, exchange: ExchangeServer, point: str
) -> None:
    halt = HaltWord(core.files.halt, create=True)
    core.start(point, count=2)
    core.send(side=BUY, price_ticks=6_000_000, quantity_lots=100)
    await core.wait(lambda: ReportKind.ACCEPTED in core.orders[1].kinds)
    halt.set(int(point == "between_refusal_and_its_report"))
    core.send(side=SELL, price_ticks=6_010_000, quantity_lots=100)
    core.send(side=SELL, price_ticks=6_020_000, quantity_lots=100)
    if point != "between_report_and_finish":
        await core.dies()
    else:
        await core.until(lambda: not core._gateway.is_alive())
    halt.set(0)
    core.start()
    await core.wait(lambda: all(known.kinds for known in core.orders.values()))
    await core.finish()
    await core.stop()
    core.check(exchange)
    if point == "between_refusal_and_its_report":
        assert core.refused(3) == Refusal.GATEWAY_HALTED  # decided before the kill, and held to after it


@pytest.mark.recovery
@pytest.mark.parametrize("exchange", [BUSY], indirect=True)
async def test_killed_again_and_again_at_a_living_market(core: CoreStandIn, exchange: ExchangeServer) -> None:
    dice = random.Random(5)
    market = exchange.markets["BTCUSDT"]
    for _ in range(8):
        core.start()
        await core.wait(lambda: len(exchange._order_connections) > 0)
        for _ in range(12):
            side = dice.choice([BUY, SELL])
            (bid, _), (ask, _) = market.engine.best(BUY), market.engine.best(SELL)
            working = core.open_numbers()
            if working and dice.random() < 0.3:
                core.cancel(dice.choice(working))
            elif working and dice.random() < 0.2:
                old = dice.choice(working)
                side = Side(core.orders[old].side)
                core.send(
                    side=side,
                    price_ticks=bid if side == BUY else ask,
                    quantity_lots=50,
                    action=Action.REPLACE,
                    target=old,
                )
            else:
                price = dice.choice([bid, ask])
                core.send(side=side, price_ticks=price, quantity_lots=dice.randint(20, 200))
            core.read()
            await asyncio.sleep(dice.random() * 0.01)
        core.kill()
    core.start()
    await core.finish()
    await core.stop()
    core.check(exchange)
    assert exchange.ledger.duplicates == 0
    assert sum(known.filled_lots for known in core.orders.values()) > 0
