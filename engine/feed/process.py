"""The feed process: market data from the venue into the market ring, which never waits for anybody."""

import asyncio
import contextlib
import os
import signal
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import uvloop

from engine import clock
from engine.feed.binance import MARKETS
from engine.feed.config import FeedConfig
from engine.feed.frames import FeedLane
from engine.feed.session import FeedSession
from engine.feed.sync import FeedHandler
from engine.run_files import RunFiles
from ipc.bus import Heartbeat, Publisher
from ipc.counters import Counters
from ipc.doorbell import BellRope
from ipc.instruments import Contract
from ipc.ring import Ring
from ipc.segment import SegmentError

COUNTERS = ("frames", "records", "connections", "cuts", "snapshots", "snapshots_failed", "gaps", "refusals")
HISTOGRAMS = ("accept",)  # from the frame's receipt to its records in the ring
HEARTBEAT_S = 0.25


class FeedProcessSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`address` is host:port of the built-in exchange; empty for Binance itself."""

    run_id: str
    directory: str
    shared: str
    epoch: int
    address: str = ""
    feed: FeedConfig = FeedConfig()


def main(settings: FeedProcessSettings) -> None:
    """Runs until SIGTERM or SIGINT. Raises SegmentError."""
    uvloop.run(FeedProcess(settings).run())


class FeedProcess:
    """One producer of the market ring, one session for each market that the instruments need."""

    def __init__(self, settings: FeedProcessSettings) -> None:
        files = RunFiles(settings.run_id, Path(settings.directory), Path(settings.shared))
        self._settings = settings
        self._producer = Ring.attach(files.ring("market")).producer()
        path = files.counters("feed")
        self._counters = (
            Counters.reopen(path)
            if path.exists()
            else Counters.create(path, epoch=settings.epoch, counters=COUNTERS, histograms=HISTOGRAMS)
        )
        self._health = Publisher(files.health_socket)
        self._core_counters = files.counters("core")
        self._lapped = 0
        self._gateway_bell = files.gateway_bell
        self._rope: BellRope | None = None
        self._sessions: list[FeedSession] = []
        self._lanes: list[FeedLane] = []
        self._handlers: list[FeedHandler] = []
        instruments = np.load(files.instruments)
        for contract in np.unique(instruments["contract"]):
            self._add_session(instruments, int(contract))

    def _add_session(self, instruments: np.ndarray[Any, Any], contract: int) -> None:
        """A handler sees the whole table, so that its rows are the run's; its session subscribes to its market only."""
        settings = self._settings
        handler = FeedHandler(instruments, contract, settings.feed)
        lane = FeedLane(handler, self._producer, self._counters)
        symbols = {row["symbol"].decode(): i for i, row in enumerate(instruments) if row["contract"] == contract}
        market = MARKETS[Contract.SPOT if settings.address else contract]
        stream_url = f"ws://{settings.address}" if settings.address else market.stream_url
        rest_url = f"http://{settings.address}" if settings.address else market.rest_url
        self._handlers.append(handler)
        self._sessions.append(
            FeedSession(
                handler,
                symbols,
                stream_url,
                rest_url + market.depth_path,
                settings.feed,
                self._publish,
                os.getpid(),
                lane,
            )
        )
        self._lanes.append(lane)

    def _publish(self, records: np.ndarray[Any, Any], received_ns: int) -> None:
        """Snapshots, and what the session itself says: frames of the stream go through the lanes."""
        self._producer.send(records)
        self._counters.increase("records", len(records))
        self._counters.observe("accept", clock.utc_ns() - received_ns)

    def _find_bell(self) -> None:
        """On shared cores the gateway sleeps until market data comes: an order may follow; the core wakes nobody."""
        if self._rope is None:
            with contextlib.suppress(OSError):
                self._rope = BellRope(self._gateway_bell)
                for lane in self._lanes:
                    lane.rope = self._rope

    async def run(self) -> None:
        """Until SIGTERM or SIGINT. Raises what ended a task of a session: the process is to end by it."""
        stopping = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopping.set)
        for session in self._sessions:
            await session.start()
        try:
            await self._serve(stopping)
        finally:
            for session in self._sessions:
                await session.stop()
            self._producer.close()
            self._counters.close()
            self._health.close()

    async def _serve(self, stopping: asyncio.Event) -> None:
        beats = 0
        while not stopping.is_set():
            beats += 1
            self._beat(beats)
            for session in self._sessions:
                if session.failure is not None:
                    raise session.failure
            self._find_bell()
            if self._core_was_lapped():
                for session in self._sessions:
                    session.resynchronise()
            try:
                await asyncio.wait_for(stopping.wait(), HEARTBEAT_S)
            except TimeoutError:
                continue

    def _core_was_lapped(self) -> bool:
        """Whether the core has lost records of the market ring since the last look: its books wait for snapshots."""
        try:
            lapped = Counters.attach(self._core_counters).value("lapped_records")
        except SegmentError:
            return False  # there is no core yet
        before, self._lapped = self._lapped, lapped
        return lapped > before

    def _beat(self, number: int) -> None:
        counts = {
            name: sum(int(getattr(session, name)) for session in self._sessions)
            for name in ("frames", "connections", "cuts", "snapshots", "snapshots_failed")
        }
        counts["gaps"] = sum(handler.counts(row)["gaps"] for handler in self._handlers for row in range(handler.rows))
        counts["refusals"] = sum(int(handler.refusal_counts.sum()) for handler in self._handlers)
        for name, value in counts.items():
            self._counters.set(name, value)
        connected = all(session.connected for session in self._sessions)
        self._health.publish(
            Heartbeat(
                process="feed",
                pid=os.getpid(),
                epoch=self._settings.epoch,
                number=number,
                time_ns=clock.utc_ns(),
                state="running" if connected else "connecting",
                progress=counts["frames"],
            )
        )
