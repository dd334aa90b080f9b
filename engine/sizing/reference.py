"""Sizing, slow and obvious: what engine/sizing/stage.pyx must say for every intent."""

import math
from dataclasses import dataclass

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


@dataclass(frozen=True)
class Beliefs:
    """What Kelly's rule is given: a forecast in bp over its horizon, and what risk and the risk process say."""

    forecast_bp: float
    volatility: float  # of the log return over one second
    correlation: float  # with all else that is held
    equity_atoms: int
    peak_equity_atoms: int
    soft_bp: int
    hard_bp: int
    quality: float
    fresh: bool


def kelly_terms(side: int, beliefs: Beliefs, lot_atoms: float, settings: SizingSettings) -> dict[str, float]:
    """Each factor by name, in order; their product is the position in lots. Empty without an edge that pays.

    side: 1 to buy, -1 to sell. Kelly (1956); continuous: Thorp (2006), equation 7.
    """
    edge, cost = side * beliefs.forecast_bp * 1e-4, settings.kelly_cost_bp * 1e-4
    if not edge > cost or not beliefs.fresh or beliefs.equity_atoms <= 0 or not lot_atoms > 0.0:
        return {}
    variance = max(beliefs.volatility**2, settings.minimum_variance_per_s)
    terms = {
        "raw": edge / (variance * settings.kelly_horizon_s) * (beliefs.equity_atoms / lot_atoms),
        "fraction": settings.kelly_fraction,
        "correlation": 1.0 - max(side * beliefs.correlation, 0.0),
        "costs": (edge - cost) / edge,
    }
    risk = math.sqrt(variance) * math.prod(terms.values()) * lot_atoms
    targeted = settings.target_risk_atoms > 0 and risk > 0.0
    terms["volatility_target"] = min(1.0, settings.target_risk_atoms / risk) if targeted else 1.0
    terms["drawdown"] = drawdown_factor(beliefs)
    terms["data_quality"] = beliefs.quality
    lots = math.prod(terms.values())
    cap = settings.kelly_capital_bp / 10_000 * beliefs.equity_atoms / lot_atoms
    terms["capital_cap"] = min(1.0, cap / lots) if lots > 0.0 else 1.0
    return terms


def drawdown_factor(beliefs: Beliefs) -> float:
    """1 up to the soft limit, falling to 0 at the hard one; 1 where either is off."""
    if not 0 < beliefs.soft_bp < beliefs.hard_bp:
        return 1.0
    lost = (beliefs.peak_equity_atoms - beliefs.equity_atoms) / beliefs.peak_equity_atoms * 10_000
    return min(1.0, max(0.0, (beliefs.hard_bp - lost) / (beliefs.hard_bp - beliefs.soft_bp)))
