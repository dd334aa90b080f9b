"""Risk and execution together under a CVaR limit: whatever risk let through and however it fills, it holds."""

from typing import Any

import msgspec
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.execution.config import ExecutionSettings
from engine.execution.stage import ORDER_VIEW, ExecutionStage
from engine.risk.stage import RiskStage
from engine.risk_models.batch import Holdings, batch
from engine.stage import ACCOUNT_VIEW, RISK_VIEW
from kernels.exposure import reference
from tests.engine.execution import desk as make
from tests.engine.risk import market
from tests.engine.risk.results import HALF_TICKS, LEVEL, SCENARIOS, estimate, losses
from tests.engine.risk.test_worst_case import HISTORIES, SETTINGS, Core

LIMIT_QUOTE = 3
CVAR_SETTINGS = msgspec.structs.replace(
    SETTINGS, cvar_quote=LIMIT_QUOTE, cvar_level_bp=9_500, scenarios=SCENARIOS, results_expected=True
)


class CvarCore(Core):
    """As its parent, with results of a risk process before the first order and, for positions of then, later on."""

    def __init__(self, seed: int, rho: float, between: Any) -> None:
        self.table = make.table(("0.01", "0.001"), ("0.01", "0.001"))
        self.execution = ExecutionStage(self.table, 2, [0, 1], ExecutionSettings(order_capacity=64))
        accounts, strategies = self.execution.view("instruments"), self.execution.view("strategies")
        chosen = msgspec.structs.replace(CVAR_SETTINGS, cvar_between=between)
        self.risk = RiskStage(self.table, market.capsule(market.books(2)), accounts, strategies, chosen)
        self.losses, self.trades, self.version = losses(seed, rho=rho), 0, 0
        self.lap()

    def lap(self) -> None:
        """In place of a lap: the risk process refreshes its results for what is held now."""
        self.version += 1
        held = Holdings(self.lots(), np.full(2, HALF_TICKS))
        said = self.risk.drive(batch(self.version, estimate(self.losses, 0), held, self.table, LEVEL, 0))
        assert len(said) == 0
        assert self.risk.rows(RISK_VIEW)["results_version"][0] == self.version

    def lots(self) -> np.ndarray:
        return np.array(self.execution.rows(ACCOUNT_VIEW, "instruments")["position_lots"])

    def check(self) -> None:
        truth = reference.cvar((self.lots() * 1e7) @ np.float32(self.losses).astype(float), LEVEL)
        assert truth <= LIMIT_QUOTE * 1e8 * (1 + 1e-9)


@settings(max_examples=150, deadline=None)
@given(
    HISTORIES,
    st.integers(0, 99),
    st.sampled_from([0.0, 0.6, 0.99]),
    st.sampled_from(["exact", "refuse"]),
    st.randoms(use_true_random=False),
)
def test_no_accepted_sequence_ends_with_a_cvar_above_the_limit_however_it_fills(
    history: list, seed: int, rho: float, between: str, random: Any
) -> None:
    core = CvarCore(seed, rho, between)
    for name, *arguments in history:
        getattr(core, name)(*arguments)
        core.check()
    rows = core.execution.rows(ORDER_VIEW, "orders")
    open_now = [int(order_id) for order_id in rows["order_id"][rows["is_open"] == 1]]
    random.shuffle(open_now)
    for order_id in open_now:
        core.fill(order_id, 1 << 40)
        core.check()
