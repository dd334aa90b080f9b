"""Historical VaR: the past as it was, every day as likely as any other."""

from typing import Any

import numpy as np

from models.faults import DataFault, Fault
from models.market_risk.order_statistics import Floats
from models.market_risk.scenario_risk import Measure, checked, measure_scenarios


def historical_var(returns: Any, exposures: Any, *, level: float = 0.99, horizon: int = 1) -> Measure:
    """VaR of exposures (assets,) on simple returns (n, assets), or (n,) for one; at rank (n + 1) p.

    A horizon of h takes the n - h + 1 overlapping windows of h days, compounded; they are not independent, so the
    standard error counts only every h-th as an observation, and a note says so.
    """
    matrix, held = checked(returns, exposures)
    measure = measure_scenarios(compounded(matrix, horizon), held, level=level, method="historical", horizon=horizon)
    if horizon == 1:
        return measure
    note = f"OVERLAPPING_WINDOWS: {measure.observations:,} windows of {horizon} steps, about "
    note += f"{measure.observations // horizon:,} of them independent; the standard errors are widened for it"
    factor = float(np.sqrt(horizon))
    return Measure(
        **(measure.__dict__ | {
            "standard_error": factor * measure.standard_error,
            "standard_error_cvar": factor * measure.standard_error_cvar,
            "notes": (*measure.notes, note),
        })
    )  # fmt: skip


def compounded(returns: Floats, horizon: int) -> Floats:
    """Simple returns over all windows of `horizon` rows: (n - horizon + 1, assets)."""
    if horizon < 1:
        raise Fault(f"horizon is {horizon}: at least one step")
    if horizon == 1:
        return returns
    if len(returns) < 2 * horizon:
        raise DataFault(
            f"{len(returns):,} returns hold no two separate windows of {horizon} steps: shorten the horizon"
        )
    growth = np.ones((len(returns) - horizon + 1, returns.shape[1]))
    for shift in range(horizon):
        growth *= 1.0 + returns[shift : shift + len(growth)]
    found: Floats = growth - 1.0
    return found
