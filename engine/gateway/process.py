"""The gateway process: orders from the order ring to the venue, each number once; reports back to the reports ring.

The way of order n, and where a kill -9 leaves it:

    read from the ring    not marked: the next gateway reads it again
    (durability "disk")   waits until the journal has order n on disk
    halt word, limits     refused: marked REFUSED, reported, marked FINISHED; repeated from the mark after a kill
    marked ATTEMPTED      from here on never sent again: the next gateway reports it UNKNOWN and asks the venue
    sent
    reported              by reports; with the final one in the ring it is marked FINISHED
"""

import asyncio
import importlib
import os
import signal
import time
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np
import uvloop

from engine import clock
from engine.errors import UserError
from engine.gateway import credentials
from engine.gateway.attempts import AttemptRecord, State
from engine.gateway.config import GatewaySettings
from engine.gateway.fill_models import FillModels
from engine.gateway.halt import HaltWord
from engine.gateway.lane import OrderLane
from engine.gateway.order_message import OrderMessage, read_order
from engine.gateway.order_text import OrderText
from engine.gateway.publisher import ReportPublisher
from engine.gateway.rate_limit import RateLimits
from engine.gateway.session import BinanceSession
from engine.gateway.venue import ReportSink, Venue
from engine.journal.status import JournalStatus
from engine.run_files import RunFiles
from ipc import waiting
from ipc.bus import Heartbeat, Publisher
from ipc.counters import Counters
from ipc.doorbell import Doorbell
from ipc.messages import Action, Refusal, Source
from ipc.ring import Consumer, Ring

CONSUMER_NAME = "gateway"
NO_LIMIT = 1 << 62
HEARTBEAT_INTERVAL_NS = 500_000_000
STOP_DRAIN_S = 1.0
SLEEP_NS = 1_000_000  # on shared cores: how late an order may be found that neither the feed nor a report announced
COUNTERS = ("orders", "sent", "refused", "reports", "lapped", "cuts", "malformed", "reports_ring_full", "foreign")
# order_age: from the feed's receipt of the frame that caused the order (recv returned) to the look at the order ring
# that found it; handle: from there to the send called; tick_to_send: from the receipt to the send called
HISTOGRAMS = ("order_age", "handle", "tick_to_send")


class GatewayProcessSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`directory` is the folder of the run, `shared` its shared memory (run_files.py)."""

    run_id: str
    directory: str
    shared: str
    epoch: int
    spinners: int = 2  # processes of this run that would like to spin
    venue: Literal["binance", "paper"] = "binance"
    durability: Literal["ring", "disk"] = "ring"
    gateway: GatewaySettings = GatewaySettings()
    paper: FillModels = FillModels()


def main(settings: GatewayProcessSettings) -> None:
    """Runs until SIGTERM or SIGINT. Raises UserError, IntegrityError, SegmentError."""
    uvloop.run(_run(settings))


async def _run(settings: GatewayProcessSettings) -> None:
    files = RunFiles(settings.run_id, Path(settings.directory), Path(settings.shared))
    await Gateway(files, settings).run()


def make_venue(settings: GatewayProcessSettings, files: RunFiles, instruments: np.ndarray, report: ReportSink) -> Venue:
    """The venue asked for. `engine/gateway/paper.py` offers the same function for `paper`."""
    if settings.venue == "paper":
        paper: Any = importlib.import_module("engine.gateway.paper")
        venue: Venue = paper.make_venue(settings, files, instruments, report)
        return venue
    key = credentials.load(settings.gateway.credential_file)
    halt = HaltWord(files.halt, create=True)
    return BinanceSession(
        settings.gateway,
        key,
        instruments,
        settings.run_id,
        report,
        seed=os.getpid(),
        halted=lambda: halt.halted,
    )


class Gateway:
    """One gateway: its record of attempts, its venue, and both rings."""

    def __init__(self, files: RunFiles, settings: GatewayProcessSettings) -> None:
        self._settings = settings
        self._attempts = AttemptRecord(files.attempts, settings.gateway.attempts_capacity)
        self._halt = HaltWord(files.halt, create=True)
        path = files.counters("gateway")
        self._counters = (
            Counters.reopen(path)
            if path.exists()
            else Counters.create(path, epoch=settings.epoch, counters=COUNTERS, histograms=HISTOGRAMS)
        )
        self._publisher = ReportPublisher(Ring.attach(files.ring("reports")).producer(), self._attempts, self._counters)
        self._venue = make_venue(settings, files, np.load(files.instruments), self._publisher.publish)
        self._last_number = self._attempts.last_number()
        self._consumer = self._attach(files)
        if isinstance(self._venue, BinanceSession):
            self._venue.connection.between_texts = self._look_between_texts
        self._journal_path = files.journal_status
        self._journal: JournalStatus | None = None
        self._lane = self._make_lane(files)
        self._health = Publisher(files.health_socket)
        self._beats, self._next_beat_ns = 0, 0
        self._stopping_since: float | None = None
        self._failure: Exception | None = None
        self._strategy = waiting.choose(settings.spinners)
        self._bell = Doorbell(files.gateway_bell)

    def _attach(self, files: RunFiles) -> Consumer:
        """A held consumer after the last number attempted: number n lies at places 2 (n - 1) and 2 (n - 1) + 1."""
        ring = Ring.attach(files.ring("orders"))
        return ring.consumer(CONSUMER_NAME, max(ring.base, 2 * self._last_number), hold=True)

    def _make_lane(self, files: RunFiles) -> OrderLane:
        """A venue without a connection gets a lane that sends nothing."""
        gateway, venue = self._settings.gateway, self._venue
        text = OrderText(np.load(files.instruments), self._settings.run_id, gateway.receive_window_ms)
        session = venue if isinstance(venue, BinanceSession) else None
        limits = session.limits if session else RateLimits(gateway)
        open_orders = session.open_orders if session else {}
        connection = session.connection if session else None
        rings = [Ring.attach(files.ring(name)) for name in ("market", "reports") if files.ring(name).exists()]
        return OrderLane(self._consumer, self._attempts, self._halt, text, limits, connection, open_orders, rings)

    # -- the life of the process --

    async def run(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self.ask_to_stop())
        self._recover()
        await self._venue.start()
        await self._wait_for_venue()
        if self._strategy == waiting.SPIN:
            await self._poll()
        else:
            await self._sleep_and_wake()
        if self._failure is not None:
            raise self._failure
        await self._venue.stop()
        self._consumer.close()
        self._publisher.close()
        self._counters.close()

    async def _poll(self) -> None:
        """With a core of its own: the order ring, and between two looks the sockets."""
        while not self._may_leave():
            now_ns = clock.utc_ns()
            found = self._turn(now_ns)
            self._beat(now_ns)
            if not found:
                self._consumer.watch(self._strategy, self._settings.gateway.ring_watch_us / 1e6)
            await asyncio.sleep(0)

    async def _sleep_and_wake(self) -> None:
        """On shared cores: asleep until the feed rings, a socket speaks, or a millisecond is over.

        The lane waits, not the event loop, whose way to an order is five times as long; the loop has its turn after.
        """
        loop: Any = asyncio.get_running_loop()
        sockets = loop._get_backend_id()  # uvloop's own descriptor: readable when any of its sockets is
        while not self._may_leave():
            number, durable = self._lane.next(), self._durable_number()
            if number > durable:  # it waits for the journal, which rings
                self._lane.wait(self._bell, sockets, SLEEP_NS, self._last_number, durable)
            elif number == 0 and self._lane.wait(self._bell, sockets, SLEEP_NS, self._last_number, durable):
                self._remember_sent(self._lane.seen_ns)
            now_ns = clock.utc_ns()
            self._turn(now_ns)
            self._beat(now_ns)
            await asyncio.sleep(0)

    def ask_to_stop(self) -> None:
        """What lies in the order ring is still sent; then it leaves."""
        if self._stopping_since is None:
            self._stopping_since = time.monotonic()
            self._publisher.stopping = True

    def _may_leave(self) -> bool:
        if self._failure is not None:
            return True
        if self._stopping_since is None:
            return False
        idle = not self._lane.next() and not self._consumer.pending
        return idle or time.monotonic() - self._stopping_since > STOP_DRAIN_S

    async def _wait_for_venue(self) -> None:
        """Waits a while for a first connection: orders that lie in the ring already are better sent than refused."""
        session = self._venue
        deadline = time.monotonic() + self._settings.gateway.connect_timeout_ms / 1_000
        while isinstance(session, BinanceSession) and not session.takes_new and time.monotonic() < deadline:
            if self._stopping_since is not None:
                return
            self._beat(clock.utc_ns())
            self._venue.poll(clock.utc_ns())
            await asyncio.sleep(0.002)

    def _recover(self) -> None:
        """What the gateway before this one left without a final report."""
        attempted = []
        for attempt in self._attempts.unfinished():
            if attempt.state == State.REFUSED:
                self._publisher.publish_refusal(attempt, attempt.refusal)
            elif attempt.action in (Action.NEW, Action.REPLACE):
                attempted.append(attempt)
            else:  # a cancel or a query: its target is asked for, and the core asks again
                self._attempts.mark_finished(attempt.number)
        self._venue.recover(attempted)

    def _beat(self, now_ns: int) -> None:
        if now_ns < self._next_beat_ns:
            return
        self._next_beat_ns = now_ns + HEARTBEAT_INTERVAL_NS
        self._beats += 1
        if isinstance(self._venue, BinanceSession):
            self._counters.set("cuts", self._venue.connection.cuts)
            self._counters.set("malformed", self._venue.connection.malformed)
            self._counters.set("foreign", self._venue.foreign)
        self._health.publish(
            Heartbeat(
                process="gateway",
                pid=os.getpid(),
                epoch=self._settings.epoch,
                number=self._beats,
                time_ns=now_ns,
                state="running" if self._stopping_since is None else "stopping",
                progress=self._last_number + self._publisher.published,
            )
        )

    # -- orders --

    def _turn(self, now_ns: int) -> bool:
        """One look at the order ring and at the venue; True when an order was handled."""
        found = False
        while True:
            if self._lane.pass_on(self._last_number, self._durable_number(), now_ns):
                self._remember_sent(now_ns)
            elif (number := self._lane.next()) > 0 and self._handle(number, now_ns):
                self._lane.done()
            else:
                break
            found, now_ns = True, clock.utc_ns()  # a full reports ring may have held it up
        if self._lane.lost:
            self._counters.increase("lapped", self._lane.lost)
            self._lane.lost = 0
        self._venue.poll(now_ns)
        return found

    def _look_between_texts(self) -> None:
        """Of the connection, after each answer or event: no order waits for the others that were read with it."""
        if self._failure is not None:
            return  # the next gateway's turn
        try:
            now_ns = clock.utc_ns()
            if self._lane.pass_on(self._last_number, self._durable_number(), now_ns):
                self._remember_sent(now_ns)
        except Exception as error:  # picows would only note it and cut the connection; the process is to end by it
            self._failure = error

    def _remember_sent(self, now_ns: int) -> None:
        """What the lane has sent becomes known to the session: no answer can have been read before."""
        for records, request_id, called_ns in self._lane.sent():
            order = read_order(records)
            self._venue.submit(order, request_id)
            self._note_sent(order, called_ns, now_ns)
            self._last_number = order.order_id

    def _handle(self, number: int, now_ns: int) -> bool:
        """Sends or refuses one order that the lane left alone; False when it has to wait."""
        if number > self._last_number:
            if number > self._durable_number():
                return False
            if not self._attempts.make_room(number):
                raise UserError(
                    f"order {number}: the record of attempts is full of orders that are open and older than "
                    f"{self._attempts.capacity} numbers; cancel them at the venue, or raise gateway.attempts_capacity"
                )
            self._send(read_order(self._lane.records()), number, now_ns)
            self._last_number = number
        return True

    def _send(self, order: OrderMessage, number: int, now_ns: int) -> None:
        code = self._refusal(order)
        if code != Refusal.NONE:
            self._attempts.mark_refused(order, now_ns, code)
            attempt = self._attempts.attempt(number)
            assert attempt is not None
            self._publisher.publish_refusal(attempt, code)
            self._counters.increase("orders")
            self._counters.increase("refused")
            return
        self._attempts.mark(order, now_ns)
        self._venue.submit(order)
        self._note_sent(order, self._venue.send_called_ns, now_ns)

    def _note_sent(self, order: OrderMessage, called_ns: int, seen_ns: int) -> None:
        self._counters.increase("orders")
        self._counters.increase("sent")
        if called_ns >= seen_ns:  # else it waits for its target's fate and was not sent
            self._counters.observe("handle", called_ns - seen_ns)
            if order.cause_source == Source.MARKET:
                self._counters.observe("order_age", seen_ns - order.cause_receive_time_ns)
                self._counters.observe("tick_to_send", called_ns - order.cause_receive_time_ns)
        if order.action in (Action.CANCEL, Action.QUERY):
            self._attempts.mark_finished(order.order_id)

    def _refusal(self, order: OrderMessage) -> Refusal:
        if self._halt.halted and order.action in (Action.NEW, Action.REPLACE):
            return Refusal.GATEWAY_HALTED
        return self._venue.refusal(order)

    def _durable_number(self) -> int:
        """The last order that may be sent as far as the journal is concerned."""
        if self._settings.durability == "ring":
            return NO_LIMIT
        if self._journal is None:
            if not self._journal_path.exists():
                return 0
            self._journal = JournalStatus(self._journal_path)
            self._lane.follow(self._journal.counters)
        return self._journal.durable_order_number
