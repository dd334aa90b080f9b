from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

BOOK_DEPTH_LEVELS: int
BOOK_VIEW: np.dtype[np.void]
FEATURE_VIEW: np.dtype[np.void]
FORECAST_VIEW: np.dtype[np.void]
WORKING_ORDER: np.dtype[np.void]
ACCOUNT_VIEW: np.dtype[np.void]
OWNER_VIEW: np.dtype[np.void]
REPORT_VIEW: np.dtype[np.void]
RISK_VIEW: np.dtype[np.void]
RESULT_VIEW: np.dtype[np.void]
SIZING_VIEW: np.dtype[np.void]

class Stage:
    def step(self, name: str = ...) -> object: ...
    def view(self, name: str = ...) -> object: ...
    def rows(self, dtype: DTypeLike, name: str = ...) -> NDArray[Any]: ...
    def snapshot(self) -> dict[str, bytes]: ...
    def restore(self, blocks: dict[str, bytes]) -> None: ...
    def drive(self, records: NDArray[Any], name: str = ..., capacity: int = ...) -> NDArray[Any]: ...
