"""Changes of what was fitted: found soon, seldom found where there are none, and not found in heavy tails."""

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.risk_models.changes import Changes

Array = NDArray[np.float64]
FALSE_ALARM_BARS = 3_600.0


def tailed(bars: int, seed: int, rho: float = 0.0, size: float = 1.0) -> Array:
    """Whitened returns of three instruments, Student-t(5), of another correlation and size than was believed."""
    random = np.random.default_rng(seed)
    shocks = np.sqrt(rho) * random.standard_normal((bars, 1))
    shocks = shocks + np.sqrt(1.0 - rho) * random.standard_normal((bars, 3))
    found: Array = size * np.sqrt(3.0 / random.chisquare(5.0, (bars, 1))) * shocks
    return found


def first_alarm(changes: Changes, rows: Array) -> int | None:
    return next((number for number, row in enumerate(rows, start=1) if changes.observe(row)), None)


def test_the_same_market_makes_few_alarms() -> None:
    changes = Changes(tailed(1_000, 1), FALSE_ALARM_BARS)
    alarms = sum(changes.observe(row) for row in tailed(7_200, 2))
    assert alarms <= 16  # two measures of four sides, at most two each by their bound


@pytest.mark.parametrize(("rho", "size"), [(0.0, 2.0), (0.0, 0.4), (0.8, 1.0)])
def test_another_volatility_or_correlation_is_found(rho: float, size: float) -> None:
    changes = Changes(tailed(1_000, 1), FALSE_ALARM_BARS)
    found = first_alarm(changes, tailed(400, 3, rho, size))
    assert found is not None
    assert found <= 120
