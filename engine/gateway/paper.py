"""The paper venue: orders meet the live book with assumed latency, queue position and fees (`fill_models.py`)."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from engine import clock
from engine.gateway.attempts import Attempt
from engine.gateway.fill_models import FillModels
from engine.gateway.order_message import OrderMessage, records_of
from engine.gateway.paper_market import PaperMarket
from engine.gateway.venue import ReportSink
from engine.run_files import RunFiles
from ipc.messages import MESSAGE, REPORT_DETAIL, Action, Flag, Kind, Refusal, ReportKind
from ipc.ring import Consumer, Ring

if TYPE_CHECKING:
    from engine.gateway.process import GatewayProcessSettings

REPORT_RECORDS = 512
CONSUMER_NAME = "paper"


def make_venue(
    settings: "GatewayProcessSettings", files: RunFiles, instruments: np.ndarray[Any, Any], report: ReportSink
) -> "PaperVenue":
    """The paper venue of a gateway process, reading the run's market ring from its head on."""
    market = Ring.attach(files.ring("market")).consumer(CONSUMER_NAME)
    return PaperVenue(instruments, market, settings.paper, report)


class PaperVenue:
    """Satisfies `Venue` without a network. What it held dies with its process: recovered orders are NOT_FOUND."""

    def __init__(
        self, instruments: np.ndarray[Any, Any], market: Consumer, models: FillModels, sink: ReportSink
    ) -> None:
        self._market = PaperMarket(instruments, market, models)
        self._sink = sink
        self._reports = np.zeros(REPORT_RECORDS, dtype=MESSAGE)
        self.send_called_ns = 0

    # -- QUERIES --

    def refusal(self, order: OrderMessage) -> Refusal:
        """Paper takes every order."""
        return Refusal.NONE

    # -- COMMANDS --

    async def start(self) -> None:
        """Nothing to connect to."""

    async def stop(self) -> None:
        """Nothing to close."""

    def recover(self, attempts: Sequence[Attempt]) -> None:
        """The simulated venue of a dead process is gone with its orders: each is reported as never found."""
        for attempt in attempts:
            self._sink(not_found(attempt))

    def submit(self, order: OrderMessage, sent_id: int = 0) -> None:
        self.send_called_ns = clock.utc_ns()
        self._market.submit(records_of(order), self.send_called_ns)

    def poll(self, now_ns: int) -> None:
        """Takes the market up to now and hands over the reports that are due."""
        while count := self._market.advance(now_ns, self._reports):
            for at in range(0, count, 2):
                self._sink(self._reports[at : at + 2])
            if count < REPORT_RECORDS:
                return


def not_found(attempt: Attempt) -> np.ndarray[Any, Any]:
    """The report that an attempted order is not at the venue, shape (2,) MESSAGE."""
    report = np.zeros(2, dtype=MESSAGE)
    cancels = attempt.action == Action.CANCEL
    kind = ReportKind.CANCEL_REJECTED if cancels else ReportKind.NOT_FOUND
    report["instrument"], report["side"] = attempt.instrument, attempt.side
    report["event_time_ns"] = report["receive_time_ns"] = clock.utc_ns()
    report["kind"] = (Kind.REPORT, Kind.DETAIL)
    report["flags"] = (Flag.MORE | Flag.LAST, Flag.LAST)
    report[0]["order_id"] = attempt.target_order_id if cancels else attempt.number
    report[0]["extra"] = kind | Refusal.VENUE_UNKNOWN_ORDER << 8
    report[1:2].view(REPORT_DETAIL)["cumulative_lots"] = attempt.cumulative_lots
    return report
