"""Sizing, slow and obvious: what engine/sizing/stage.pyx must say for every intent."""

import math

from engine.sizing.config import SCALE_ONE_E6, SizingSettings

LOTS_BOUND = 1 << 53  # as far as doubles count one by one


def scaled_lots(asked_lots: int, scale_e6: int) -> int:
    """The wish times the scale, rounded toward zero; never below zero."""
    return min(max(asked_lots, 0) * scale_e6 // SCALE_ONE_E6, LOTS_BOUND)


def risk_lots(variance: float, price_ticks: int, atoms_per_tick_lot: float, settings: SizingSettings) -> int:
    """Lots whose profit and loss over one second has a standard deviation of target_risk_atoms, rounded toward zero.

    lots = target / (sqrt(variance per second) * price * atoms per tick and lot); variance as the feature tells it.
    """
    if not math.isfinite(variance) or variance < 0.0 or price_ticks <= 0:
        return 0
    variance_per_s = variance * settings.variance_unit / settings.variance_horizon_s
    variance_per_s = max(variance_per_s, settings.minimum_variance_per_s)
    risk_per_lot_atoms = math.sqrt(variance_per_s) * (price_ticks * atoms_per_tick_lot)
    lots = settings.target_risk_atoms / risk_per_lot_atoms
    return int(lots) if lots < LOTS_BOUND else LOTS_BOUND


def whole_steps(lots: int, step_lots: int) -> int:
    """The largest whole number of the venue's quantity steps in a quantity; nothing where there is nothing to round."""
    return max(lots, 0) // max(step_lots, 1) * max(step_lots, 1)


def sized_lots(
    asked_lots: int,
    price_ticks: int,
    variance: float,
    ready: bool,
    atoms_per_tick_lot: float,
    step_lots: int,
    settings: SizingSettings,
) -> int:
    """Quantity of a new or replacing order in whole steps of the venue; 0 is refused SIZE_ROUNDED_TO_ZERO.

    Without a ready feature a volatility target allows nothing.
    """
    lots = scaled_lots(asked_lots, settings.scale_e6)
    if settings.method == "volatility_targeted":
        most = risk_lots(variance, price_ticks, atoms_per_tick_lot, settings) if ready else 0
        lots = min(lots, most)
    return whole_steps(lots, step_lots)
