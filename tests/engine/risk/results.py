"""Results of a risk process as the tests want them, and a rig with two instruments that takes them."""

from typing import Any

import numpy as np

from engine.risk_models.batch import Estimate, Holdings, batch
from ipc.messages import RiskMethod
from tests.engine.execution import desk as make
from tests.engine.risk import market
from tests.engine.risk.rig import Rig

SCENARIOS = 200
LEVEL = 0.95
HALF_TICKS = 20_000  # mid of 10,000 ticks; a lot is worth 1e7 atoms there


def losses(seed: int = 1, count: int = 2, volatility: float = 0.02, rho: float = 0.6) -> np.ndarray:
    random = np.random.default_rng(seed)
    common, own = random.standard_t(4, SCENARIOS), random.standard_t(4, (count, SCENARIOS))
    return np.asarray(volatility * (np.sqrt(rho) * common + np.sqrt(1 - rho) * own))


def estimate(shares: np.ndarray, time_ns: int, **fields: Any) -> Estimate:
    correlation = np.atleast_2d(np.corrcoef(shares))
    return Estimate(
        **(
            {"method": RiskMethod.EWMA, "newest_time_ns": time_ns, "losses": shares, "correlation": correlation}
            | {"volatility": np.full(len(shares), 1e-4)}
            | fields
        )
    )


class ResultRig(Rig):
    """Two instruments; `publish` sends a batch for the positions held now."""

    def __init__(self, **limits: Any) -> None:
        limits = {"scenarios": SCENARIOS, "cvar_level_bp": 9_500, "results_expected": True} | limits
        super().__init__(make.table(("0.01", "0.001"), ("0.01", "0.001")), **limits)
        self.version = 0

    def holdings(self) -> Holdings:
        return Holdings(np.array(self.accounts["position_lots"]), np.full(2, HALF_TICKS))

    def records(self, shares: np.ndarray | None = None, **fields: Any) -> np.ndarray:
        self.version += 1
        made = estimate(losses() if shares is None else shares, fields.pop("time_ns", self.now_ns), **fields)
        return batch(self.version, made, self.holdings(), self.instruments, LEVEL, self.now_ns)

    def publish(self, shares: np.ndarray | None = None, **fields: Any) -> np.ndarray:
        return self.stage.drive(self.records(shares, **fields))

    def position(self, instrument: int, lots: int) -> None:
        for rows in (self.accounts, self.strategies):
            rows[instrument]["position_lots"] = lots
            rows[instrument]["cost_tick_lots"] = lots * 10_000

    def clock(self, milliseconds: int) -> np.ndarray:
        """Time goes on, the books with it."""
        self.now_ns += milliseconds * make.MILLISECOND
        self.books["receive_time_ns"] = self.now_ns
        return self.stage.drive(make.time(self.now_ns))


__all__ = ["HALF_TICKS", "LEVEL", "SCENARIOS", "ResultRig", "estimate", "losses", "market"]
