"""Reports into the reports ring, in order, and the mark that a final one leaves in the record of attempts."""

import time

import numpy as np

from engine import clock
from engine.gateway.attempts import Attempt, AttemptRecord
from engine.gateway.reports import Report, fields_of, is_final
from ipc.counters import Counters
from ipc.messages import Action, Refusal, ReportKind
from ipc.ring import Producer, RingFull

FULL_SLEEP_S = 200e-6


class ReportPublisher:
    """The reports ring is gated: a full one stops the gateway until the core has read on."""

    def __init__(self, producer: Producer, attempts: AttemptRecord, counters: Counters) -> None:
        self._producer, self._attempts, self._counters = producer, attempts, counters
        self.published = 0
        self.stopping = False  # then a full ring is given up: the next gateway asks the venue again

    def publish(self, records: np.ndarray) -> None:
        """Takes a report of a venue, shape (2,) MESSAGE; the receive time is now. The `ReportSink` of the venues."""
        self._publish(records)

    def _publish(self, records: np.ndarray) -> bool:
        records["receive_time_ns"] = clock.utc_ns()
        if not self._send(records):
            return False
        self.published += 1
        self._counters.increase("reports")
        fields = fields_of(records)
        if fields.kind == ReportKind.FILL:
            self._attempts.note_filled(fields.order_id, fields.cumulative_lots)
        quantity_lots = self._attempts.quantity_lots(fields.order_id)
        if quantity_lots is not None and is_final(fields, quantity_lots):
            self._attempts.mark_finished(fields.order_id)
        return True

    def publish_refusal(self, attempt: Attempt, code: Refusal) -> None:
        """An order that is never sent: a rejection of it, or of the cancel; nothing for a query but UNKNOWN."""
        kind = ReportKind.REJECTED
        if attempt.action == Action.CANCEL:
            kind = ReportKind.CANCEL_REJECTED
        elif attempt.action == Action.QUERY:
            kind = ReportKind.UNKNOWN
        new = attempt.action in (Action.NEW, Action.REPLACE)
        report = Report(
            kind=kind,
            order_id=attempt.number if new else attempt.target_order_id,
            instrument=attempt.instrument,
            side=attempt.side,
            event_time_ns=clock.utc_ns(),
            code=code,
        )
        if self._publish(report.records()):
            self._attempts.mark_finished(attempt.number)

    def close(self) -> None:
        self._producer.close()

    def _send(self, records: np.ndarray) -> bool:
        waited = False
        while True:
            try:
                self._producer.send(records)
            except RingFull:
                if self.stopping:
                    return False
                if not waited:
                    self._counters.increase("reports_ring_full")
                waited = True
                time.sleep(FULL_SLEEP_S)
            else:
                return True
