"""Forecasts outside the core: feature rows in, FORECAST messages out. The newest row wins."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ipc.messages import Flag, Kind, messages
from models.inference.session import Session

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class ExternalModel:
    """A slot of the forecast stage without a compiled evaluator. columns: where its inputs lie in a feature row."""

    slot: int
    session: Session
    columns: Array


def forecast_messages(row: Array, instrument: int, slot: int, values: Array) -> Array:
    """One FORECAST record for each horizon, the last with LAST, with the times of the row, shape (horizons,)."""
    records = messages(len(values))
    records["kind"], records["instrument"], records["quantity_lots"] = Kind.FORECAST, instrument, slot
    records["event_time_ns"], records["receive_time_ns"] = row["event_time_ns"], row["receive_time_ns"]
    records["order_id"] = np.arange(len(values))
    records["extra"] = np.ascontiguousarray(values, dtype=np.float64).view(np.int64)
    records["flags"][-1] = Flag.LAST
    return records


class Inference:
    """Evaluates every external model on the newest feature row of each instrument.

    rows: live FEATURE_VIEW rows, shape (instruments,). `overtaken` counts rows that a newer one replaced unseen.
    """

    def __init__(self, rows: Array, models: Sequence[ExternalModel]) -> None:
        self._rows = rows
        self._models = models
        self._seen_time_ns = np.zeros(len(rows), dtype=np.int64)
        self._seen_rows = np.zeros(len(rows), dtype=np.int64)
        self.evaluated = 0
        self.overtaken = 0

    def forecasts(self) -> Array:
        """FORECAST messages for the instruments whose row is ready and new since the last call, shape (n,)."""
        said = [messages(0)]
        for instrument in range(len(self._rows)):
            row = self._rows[instrument]
            count = int(row["rows"])
            if not row["ready"]:
                self._seen_rows[instrument] = count
                continue
            if row["receive_time_ns"] == self._seen_time_ns[instrument] and count == self._seen_rows[instrument]:
                continue
            self.overtaken += max(0, count - int(self._seen_rows[instrument]) - 1)
            self._seen_time_ns[instrument], self._seen_rows[instrument] = row["receive_time_ns"], count
            for model in self._models:
                values = model.session.evaluate(row["values"][model.columns][None, :])[0]
                said.append(forecast_messages(row, instrument, model.slot, values))
                self.evaluated += 1
        return np.concatenate(said)
