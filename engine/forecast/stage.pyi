from collections.abc import Sequence
from typing import Any

from engine.forecast.config import ForecastSettings
from engine.stage import Stage
from models.registry.prepared import PreparedModel

SLOTS: int

class ForecastStage(Stage):
    """Forecasts from feature rows.

    instruments: rows of the instrument table. features: capsule of the feature stage's view. models: the slots, at
    most 8; the first whose role is "active" is active at the start. A slot of kind "onnx" waits for FORECAST messages.
    feature_names: names of the feature row in order; None means that a model's features are the row's first ones.

    Step "step" takes market kinds once per batch, and FORECAST, MODEL and TIME. View "view": FORECAST_VIEW, a row for
    each instrument. Emits REFUSAL FORECAST_MISSING when a MODEL message names a model that is not in its slot.
    Raises ValueError for too many models or one whose features are not in `feature_names`.
    """

    def __init__(
        self,
        instruments: int,
        features: object,
        models: PreparedModel | Sequence[PreparedModel] | None = None,
        settings: ForecastSettings | None = None,
        feature_names: Sequence[str] | None = None,
    ) -> None: ...
    def counters(self) -> dict[str, Any]:
        """computed, expired, results_taken, results_ignored, models_changed, models_refused, and the active slot."""
