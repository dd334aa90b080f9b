from collections.abc import Sequence
from typing import Any

import numpy as np

from engine.execution.config import ExecutionSettings
from engine.stage import Stage

ORDER_VIEW: np.dtype[np.void]
DESK_VIEW: np.dtype[np.void]

class ExecutionStage(Stage):
    """Orders, positions and profit. Steps "reports", "orders"; views "instruments", "strategies" (ACCOUNT_VIEW),
    "owners" (OWNER_VIEW), "report" (REPORT_VIEW, one row), "orders" (ORDER_VIEW), "desk" (DESK_VIEW, one row)."""

    def __init__(
        self,
        instruments: np.ndarray[Any, Any],
        strategies: int,
        strategy_instruments: np.ndarray[Any, np.dtype[np.int64]] | Sequence[int],
        settings: ExecutionSettings | None = None,
    ) -> None: ...
