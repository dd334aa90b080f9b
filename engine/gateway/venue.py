"""What a venue is to the gateway: the paper venue and the Binance session both satisfy `Venue`.

The gateway process hands over each order exactly once, after it has marked it as attempted (`attempts.py`), and puts
every report that comes back into the reports ring. All calls are made on the gateway's one event loop; none blocks.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np

from engine.gateway.attempts import Attempt
from engine.gateway.order_message import OrderMessage
from ipc.messages import Refusal

# Takes one report: records of shape (2,), dtype MESSAGE: REPORT (MORE) and its REPORT_DETAIL. It is copied.
ReportSink = Callable[[np.ndarray], None]


class Venue(Protocol):
    # -- QUERIES --

    @property
    def send_called_ns(self) -> int:
        """When the last order began to leave, ns UTC; the last `submit` sent nothing if this lies before it."""
        ...

    def refusal(self, order: OrderMessage) -> Refusal:
        """Why this order would not be sent now (disconnected, rate limit), or Refusal.NONE."""
        ...

    # -- COMMANDS --

    async def start(self) -> None:
        """Connects, or begins to try; returns without waiting for a far side that is down."""
        ...

    async def stop(self) -> None:
        """Closes the session; sends nothing more and reports nothing more."""
        ...

    def recover(self, attempts: Sequence[Attempt]) -> None:
        """After a restart, before the first submit: what was attempted and has no final report yet.

        Each is reported UNKNOWN, queried by client id, and then reported as the venue says.
        """
        ...

    def submit(self, order: OrderMessage, sent_id: int = 0) -> None:
        """Sends an order, cancel or replace; one with a `sent_id` was sent by the order lane and is only remembered.

        Every submitted number is answered: by reports through the sink, at last by a final one.
        """
        ...

    def poll(self, now_ns: int) -> None:
        """Called at every turn of the gateway's loop: time-outs, and for a simulated venue the market itself.

        What it raises ends the process.
        """
        ...
