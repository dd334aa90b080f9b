"""The exchange's own record of every client order: what tests hold the engine's view against.

Append-only: one JSON line an event, written with O_APPEND in one write. It is the exchange's word, made before any
answer is sent and untouched by misbehaviour.
"""

import os
import time
from collections import deque
from pathlib import Path
from typing import Any

import msgspec


class Ledger:
    """Events in order, the state of every order by client id, and positions in lots."""

    def __init__(self, path: Path | None = None, remembered: int = 100_000) -> None:
        """Keeps the last `remembered` orders, and ten events for each, in memory; the file keeps all."""
        self.events: deque[dict[str, Any]] = deque(maxlen=10 * remembered)
        self._remembered = remembered
        self._count = 0
        self.orders: dict[str, dict[str, Any]] = {}
        self.positions: dict[str, int] = {}  # account/symbol -> lots bought less lots sold
        self.duplicates = 0
        self._descriptor = -1 if path is None else os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    # -- QUERIES --

    def summary(self) -> dict[str, Any]:
        """What `/bot4/ledger` serves."""
        return {
            "events": list(self.events),
            "orders": self.orders,
            "positions": self.positions,
            "duplicates": self.duplicates,
        }

    # -- COMMANDS --

    def write(self, event: str, account: str, symbol: str, client_id: str, **more: Any) -> None:
        """Events: received, duplicate, accepted, rejected, fill, cancelled, expired."""
        self._count += 1
        record = {
            "n": self._count,
            "time_ns": time.time_ns(),
            "event": event,
            "account": account,
            "symbol": symbol,
            "client_id": client_id,
            **more,
        }
        self.events.append(record)
        if self._descriptor >= 0:
            os.write(self._descriptor, msgspec.json.encode(record) + b"\n")
        if event == "duplicate":
            self.duplicates += 1
            return
        order = self._order(client_id)
        if event == "received":
            order["received"] += 1
        elif event == "fill":
            order["filled_lots"] += more["lots"]
            order["fills"] += 1
            if more["remaining_lots"] == 0:
                order["state"] = "filled"
            key = f"{account}/{symbol}"
            signed = more["lots"] if more["side"] == "BUY" else -more["lots"]
            self.positions[key] = self.positions.get(key, 0) + signed
        else:
            order["state"] = event

    def _order(self, client_id: str) -> dict[str, Any]:
        order = self.orders.get(client_id)
        if order is None:
            order = self.orders[client_id] = {"received": 0, "state": "received", "filled_lots": 0, "fills": 0}
            if len(self.orders) > self._remembered:
                self.orders.pop(next(iter(self.orders)))
        return order
