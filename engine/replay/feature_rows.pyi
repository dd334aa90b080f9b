from typing import Any

import numpy as np

FEATURE_ROW: np.dtype[np.void]

class FeatureRowCollector:
    """Drives a book stage and a feature stage over recorded messages and keeps a row of features now and then.

    instruments: INSTRUMENT rows. interval_ns: at least so long between two rows of one instrument; 0 keeps every batch.
    """

    def __init__(self, instruments: np.ndarray[Any, Any], interval_ns: int) -> None: ...
    def take(self, records: np.ndarray[Any, Any], rows: np.ndarray[Any, Any]) -> tuple[int, int]:
        """Takes whole messages (MESSAGE) and writes FEATURE_ROW rows until either array ends.

        Returns (records taken, rows written). Raises RuntimeError when a stage faults.
        """
