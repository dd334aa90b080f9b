"""The risk process, some of whose batches hold a NaN in place of a volatility: what a broken estimate would publish.

Started in its place: `python -m tests.recovery.nan_risk_process risk SETTINGS.json`.
"""

from typing import Any

import numpy as np

from engine import child, risk_process
from engine.risk_models.batch import batch
from ipc.messages import Kind

FIRST, BEYOND = 4, 24  # versions: from, and up to but not including


def spoiled(version: int, *rest: Any) -> np.ndarray[Any, Any]:
    records = batch(version, *rest)
    if FIRST <= version < BEYOND:
        at = int(np.flatnonzero(records["kind"] == Kind.RISK_ROW)[0])
        records["extra"][at] = np.array([np.nan]).view(np.int64)[0]
    return records


if __name__ == "__main__":
    vars(risk_process)["batch"] = spoiled
    child.main()
