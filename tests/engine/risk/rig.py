"""Risk beside one or more instruments whose books and accounts the tests write."""

from typing import Any

import numpy as np

from engine.risk.config import RiskSettings
from ipc.messages import Kind
from tests.engine.execution import desk as make
from tests.engine.risk import market

START_NS = 1_000 * make.SECOND
QUOTE = 100_000_000  # atoms


class Rig:
    """One instrument whose tick times lot is 1,000 atoms, mid 10,000 ticks; generous limits unless given."""

    def __init__(self, instruments: np.ndarray | None = None, **limits: Any) -> None:
        self.instruments = make.table() if instruments is None else instruments
        count = len(self.instruments)
        self.books = market.books(count, time_ns=START_NS)
        self.accounts = market.accounts(list(range(count)))
        self.strategies = market.accounts(list(range(count)))
        generous = {"order_rate_per_s": 1_000, "order_burst": 1_000, "repeated_orders": 100, "repeat_memory": 2_048}
        generous |= {"gross_notional_quote": 10**9, "position_value_quote": 10**9}
        generous |= {"order_value_quote": 10**8, "daily_loss_quote": 10**6, "capital_quote": 10**9}
        self.stage = market.risk(
            self.instruments, self.books, self.accounts, self.strategies, RiskSettings(**(generous | limits))
        )
        self.view = market.risk_view(self.stage)
        self.now_ns = START_NS
        self.stage.drive(make.time(START_NS))

    def hold(self, **fields: int) -> None:
        for rows in (self.accounts, self.strategies):
            for name, value in fields.items():
                rows[0][name] = value

    def send(self, **fields: int) -> tuple[int, int, int]:
        """(code, observed, limit) of what risk says; (0, 0, 0) when it approves."""
        fields = {"price_ticks": 10_000, "quantity_lots": 1_000, "time_ns": self.now_ns} | fields
        said = self.stage.drive(make.order(Kind.SIZED, **fields))
        assert len(said) == 2
        if said["kind"][0] == Kind.APPROVED:
            return (0, 0, 0)
        assert said["kind"][0] == Kind.REFUSAL
        assert said["order_id"][0] == fields.get("tag", 0)
        return int(said["extra"][0]), int(said["quantity_lots"][0]), int(said["price_ticks"][0])

    def limit(self, number: int, value: int, instrument: int = 0) -> np.ndarray:
        record = make.single(Kind.LIMIT, extra=number, price_ticks=value, instrument=instrument, time_ns=self.now_ns)
        return self.stage.drive(record)


PASSED = (0, 0, 0)
