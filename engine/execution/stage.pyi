from collections.abc import Sequence
from typing import Any

import numpy as np

from engine.execution.config import ExecutionSettings

ORDER_VIEW: np.dtype[np.void]
DESK_VIEW: np.dtype[np.void]

class ExecutionStage:
    """Orders, positions and profit. Steps "reports", "orders"; views "instruments", "strategies" (ACCOUNT_VIEW), "owners"
    (OWNER_VIEW), "report" (REPORT_VIEW, one row), "orders" (ORDER_VIEW), "desk" (DESK_VIEW, one row)."""

    def __init__(
        self,
        instruments: np.ndarray[Any, Any],
        strategies: int,
        strategy_instruments: np.ndarray[Any, np.dtype[np.int64]] | Sequence[int],
        settings: ExecutionSettings | None = None,
    ) -> None: ...
    def step(self, name: str = "step") -> object: ...
    def view(self, name: str = "view") -> object: ...
    def rows(self, dtype: Any, name: str = "view") -> np.ndarray[Any, Any]: ...
    def snapshot(self) -> dict[str, bytes]: ...
    def restore(self, blocks: dict[str, bytes]) -> None: ...
    def drive(self, records: np.ndarray[Any, Any], name: str = "step", capacity: int = 4096) -> np.ndarray[Any, Any]: ...
