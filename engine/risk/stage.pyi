from typing import Any

import numpy as np

from engine.risk.config import RiskSettings
from engine.stage import Stage

INSTRUMENT_RISK_VIEW: np.dtype[np.void]

class RiskStage(Stage):
    """Pre-trade risk. Step "step"; views "view" (RISK_VIEW, one row) and "instruments" (INSTRUMENT_RISK_VIEW)."""

    def __init__(
        self,
        instruments: np.ndarray[Any, Any],
        book_view: object,
        account_view: object,
        strategy_account_view: object,
        settings: RiskSettings | None = None,
    ) -> None: ...
