"""A run without a core: rings and files of a run, orders written by hand, a gateway process that can be killed."""

import asyncio
import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from engine.gateway.attempts import AttemptRecord
from engine.gateway.config import GatewaySettings
from engine.gateway.connection import Connection
from engine.gateway.lane import OrderLane
from engine.gateway.process import Gateway, GatewayProcessSettings, main
from engine.gateway.publisher import ReportPublisher
from engine.gateway.session import BinanceSession
from engine.run_files import RunFiles
from ipc.messages import MESSAGE, Action, Refusal, ReportKind
from ipc.ring import Ring
from tests.engine.gateway.trader import QUICK, RUN_ID, TABLE, Book, order_message

EPOCH = 7
CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["tests.engine.gateway.core_stand_in"])

# where a gateway may be killed -> (class, method, whether the method runs before it dies)
KILL_POINTS: dict[str, tuple[type, str, bool]] = {
    "after_the_send": (BinanceSession, "submit", True),
    "before_a_report": (ReportPublisher, "_send", False),
    "between_report_and_finish": (ReportPublisher, "_send", True),
    "between_refusal_and_its_report": (AttemptRecord, "mark_refused", True),
}


# where the order lane may be killed: it tells its witness
LANE_POINTS = ("before_the_mark", "between_mark_and_send")


def watch_lane(point: str, count: int) -> None:
    """The gateway dies when its lane comes to this point for the count-th time."""
    make_lane = Gateway._make_lane
    passes = 0

    def witness(place: str) -> None:
        nonlocal passes
        passes += place == point
        if passes == count:
            os.kill(os.getpid(), signal.SIGKILL)

    def watched(gateway: Gateway, files: RunFiles) -> OrderLane:
        lane = make_lane(gateway, files)
        lane.witness = witness
        return lane

    Gateway._make_lane = watched  # type: ignore[method-assign,assignment]


def step_clock_back(step_ns: int) -> None:
    """Somebody sets the host's clock back with the first order."""
    submit, time_ns = BinanceSession.submit, time.time_ns

    def stepped(*arguments: Any) -> Any:
        time.time_ns = lambda: time_ns() - step_ns
        return submit(*arguments)

    BinanceSession.submit = stepped  # type: ignore[method-assign,assignment]


def break_log_on() -> None:
    """An error of ours that nobody thought of, in the task that keeps the connection up."""

    async def broken(connection: Connection) -> None:
        raise ZeroDivisionError("nobody thought of it")

    Connection._log_on = broken  # type: ignore[method-assign,assignment]


def run_gateway(settings: GatewayProcessSettings, point: str, count: int) -> None:
    """A gateway that kills itself at the count-th pass of a point; "" for one that lives."""
    if point == "the_clock_is_set_back":
        step_clock_back(count)
    elif point == "the_log_on_breaks":
        break_log_on()
    elif point in LANE_POINTS:
        watch_lane(point, count)
    elif point:
        owner, name, runs_first = KILL_POINTS[point]
        real = getattr(owner, name)
        passes = 0

        def deadly(*arguments: Any) -> Any:
            nonlocal passes
            passes += 1
            if passes == count and not runs_first:
                os.kill(os.getpid(), signal.SIGKILL)
            result = real(*arguments)
            if passes == count:
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        setattr(owner, name, deadly)
    main(settings)


class CoreStandIn(Book):
    def __init__(
        self,
        folder: Path,
        address: str,
        credential_file: Path,
        gateway: dict[str, Any] | None = None,
        **settings: object,
    ) -> None:
        super().__init__()
        self.files = RunFiles(RUN_ID, folder / "run", folder / "shared")
        self.files.make()
        np.save(self.files.instruments, TABLE)
        orders = Ring.create(self.files.ring("orders"), 1 << 10, lossy=False, epoch=EPOCH, consumers=["gateway"])
        reports = Ring.create(self.files.ring("reports"), 1 << 12, lossy=False, epoch=EPOCH, consumers=["core"])
        self.producer = orders.producer()
        self.consumer = reports.consumer("core", 0)
        values: dict[str, Any] = {
            **QUICK,
            "address": f"ws://{address}/ws-api/v3",
            "credential_file": str(credential_file),
            **(gateway or {}),
        }
        self.settings = GatewayProcessSettings(
            run_id=RUN_ID,
            directory=str(self.files.directory),
            shared=str(self.files.shared),
            epoch=EPOCH,
            gateway=GatewaySettings(**values),
            **settings,  # type: ignore[arg-type]
        )
        self._records = np.zeros(256, dtype=MESSAGE)
        self._gateway: Any = None

    # -- COMMANDS --

    def start(self, point: str = "", count: int = 1) -> None:
        self._gateway = CONTEXT.Process(target=run_gateway, args=(self.settings, point, count))
        self._gateway.start()

    async def dies(self) -> None:
        await self.until(lambda: not self._gateway.is_alive())
        assert self._gateway.exitcode == -signal.SIGKILL

    def kill(self) -> None:
        self._gateway.kill()
        self._gateway.join(5)

    async def stop(self) -> None:
        """SIGTERM, and a clean end."""
        if self._gateway is None or not self._gateway.is_alive():
            return
        self._gateway.terminate()
        await self.until(lambda: not self._gateway.is_alive())
        assert self._gateway.exitcode == 0

    def read(self) -> None:
        while (count := self.consumer.receive(self._records)) > 0:
            for start in range(0, count, 2):
                self.take(self._records[start : start + 2])

    def send(self, **fields: object) -> int:
        self.number += 1
        message = order_message(self.number, **fields)  # type: ignore[arg-type]
        self.note(message)
        assert self.producer.send(message) == 2 * (self.number - 1)
        return self.number

    def cancel(self, number: int) -> int:
        return self.send(action=Action.CANCEL, target=number)

    async def reported(self, number: int, kind: ReportKind) -> None:
        await self.wait(lambda: kind in self.orders[number].kinds)

    async def wait(self, condition: Callable[[], bool], seconds: float = 8.0) -> None:
        def look() -> bool:
            self.read()
            return condition()

        await self.until(look, seconds)

    async def finish(self) -> None:
        """Cancels what is open until nothing is, as the core does on STOP."""
        for _ in range(40):
            self.read()
            for number in self.open_numbers():
                self.cancel(number)
            await asyncio.sleep(0.1)
            self.read()
            if not self.open_numbers():
                return
        raise AssertionError(f"still open: {[(n, self.orders[n]) for n in self.open_numbers()]}")

    def refused(self, number: int) -> Refusal:
        return self.orders[number].codes[-1]
