"""How far a forecast is believed: Kan and Zhou's factor of the bet that follows it, before the run begins.

A position in proportion to a forecast whose correlation with the return is rho earns, per period, a squared Sharpe
ratio of rho^2 / (1 + rho^2) when both are normal: the mean of their product is rho, its variance 1 + rho^2. The
model's card has rho out of sample and its standard error, by blocks that outlast the overlap of neighbouring returns,
so the independent observations behind it are ((1 - rho^2) / error)^2: the large-sample error of a correlation, solved.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from engine.sizing.config import LEAST_OBSERVATIONS, SizingSettings

if TYPE_CHECKING:
    from models.registry.prepared import PreparedModel


def beliefs(settings: Sequence[SizingSettings], models: Sequence["PreparedModel"]) -> NDArray[np.float64]:
    """Factors in [0, 1), shape (strategies, models); 0 where a strategy is not sized by Kelly.

    Raises ValueError for a model that does not fit the settings, and where there is none.
    """
    if not models and any(chosen.method == "kelly" for chosen in settings):
        raise ValueError("the method kelly needs a forecast: name a model in `models`")
    rows = [[belief(chosen, model) if chosen.method == "kelly" else 0.0 for model in models] for chosen in settings]
    return np.array(rows, dtype=np.float64).reshape(len(settings), len(models))


def belief(chosen: SizingSettings, model: "PreparedModel") -> float:
    """0 where the card says that the model has no edge, or nothing of it."""
    from models.sizing.estimation import kan_zhou_factor  # brings scipy: only a core that bets by Kelly needs it

    if chosen.kelly_horizon >= len(model.horizons_ms):
        raise ValueError(
            f"kelly_horizon {chosen.kelly_horizon}: model {model.name} has {len(model.horizons_ms)} horizons"
        )
    horizon_s = model.horizons_ms[chosen.kelly_horizon] / 1e3
    if horizon_s != chosen.kelly_horizon_s:
        raise ValueError(
            f"kelly_horizon_s is {chosen.kelly_horizon_s}, but model {model.name} looks {horizon_s} s ahead"
        )
    coefficient, observations = chosen.kelly_information_coefficient, chosen.kelly_observations
    if observations == 0:
        if chosen.kelly_horizon > 0:
            raise ValueError(
                f"kelly_horizon {chosen.kelly_horizon}: the card of model {model.name} scores only the first horizon; "
                "set kelly_information_coefficient and kelly_observations"
            )
        coefficient, observations = evidence(model.score)
    if observations < LEAST_OBSERVATIONS or coefficient <= 0.0:
        return 0.0
    return kan_zhou_factor(coefficient**2 / (1.0 + coefficient**2), 1, observations)


def evidence(score: dict[str, Any]) -> tuple[float, int]:
    """(correlation, independent observations) of a card; (0, 0) where it does not say."""
    coefficient, error = score.get("correlation"), score.get("correlation_error")
    if coefficient is None or not error or not -1.0 < coefficient < 1.0:
        return 0.0, 0
    return float(coefficient), int(((1.0 - coefficient**2) / error) ** 2)
