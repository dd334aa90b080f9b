"""Sizing, slow and obvious: what engine/sizing/stage.pyx must say for every intent."""

import math
from dataclasses import dataclass

from engine.sizing.config import LOTS_BOUND, SCALE_ONE_E6, SizingSettings
from models.sizing.chain import Chain, chain


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


@dataclass(frozen=True, kw_only=True)
class Bet:
    """What Kelly's rule is given for an order at `now_ns`: side 1 to buy, -1 to sell; the forecast in bp over its
    horizon and how far it is believed; what risk and the risk process say; what all else may be worth at its worst."""

    side: int
    forecast_bp: float
    belief: float
    volatility: float  # of the log return over one second
    rest_lots: float  # of the instrument, that all else that is held amounts to; below 0 is short
    equity_atoms: int
    peak_equity_atoms: int
    soft_bp: int
    hard_bp: int
    quality: float
    lot_atoms: float
    gross_cap_atoms: int  # of risk
    venue_atoms: float = 0.0
    gross_atoms: float = 0.0
    funding_rate_e8: int = 0
    next_funding_ns: int = 0
    now_ns: int = 0


def kelly_chain(bet: Bet, settings: SizingSettings) -> Chain | None:
    """Raw, the terms of config.TERMS and the lots; None where a figure is no number or too large to be one.

    Kelly (1956); continuous: Thorp (2006), equation 7.
    """
    if not (bet.lot_atoms > 0.0 and bet.equity_atoms > 0 and bet.volatility >= 0.0 and abs(bet.rest_lots) < 1e18):
        return None
    edge, cost = bet.side * bet.forecast_bp * 1e-4, cost_of(bet, settings)
    variance = max(bet.volatility * bet.volatility, settings.minimum_variance_per_s)
    raw = edge / (variance * settings.kelly_horizon_s) * (bet.equity_atoms / bet.lot_atoms)
    surviving = (edge - cost) / edge if edge > cost else 0.0
    factors = [("estimation", bet.belief), ("fraction", settings.kelly_fraction)]
    factors += [
        ("correlation", beside(product(raw, factors) * surviving, bet.side * bet.rest_lots)),
        ("costs", surviving),
    ]
    lots = product(raw, factors)
    risk = math.sqrt(variance) * (lots * bet.lot_atoms)
    targeted = settings.target_risk_atoms > 0 and risk > 0.0
    factors += [
        ("volatility_target", min(1.0, settings.target_risk_atoms / risk) if targeted else 1.0),
        ("drawdown", drawdown_factor(bet)),
        ("data_quality", bet.quality),
    ]
    shares = (settings.kelly_venue_bp / 10_000, settings.kelly_gross_bp / 10_000, settings.kelly_capital_bp / 10_000)
    venue, gross, capital = (share * bet.equity_atoms for share in shares)
    for name, left_atoms in (
        ("venue_cap", venue - bet.venue_atoms),
        ("gross_cap", min(gross, float(bet.gross_cap_atoms)) - bet.gross_atoms),
        ("capital_cap", capital),
    ):
        factors.append((name, room(left_atoms, product(raw, factors), bet.lot_atoms)))
    try:
        return chain(raw, factors)
    except ValueError:
        return None


def product(raw: float, factors: list[tuple[str, float]]) -> float:
    """From left to right."""
    for _, factor in factors:
        raw *= factor
    return raw


def beside(alone_lots: float, rest_lots: float) -> float:
    """Joint over stand-alone Kelly, the rest of the book as it is; a rest that hedges makes it no larger.

    With f of one asset beside given holdings, f m - (f s)^2 / 2c - f s^2 rest / c is largest at c m / s^2 - rest.
    """
    if alone_lots <= 0.0:
        return 1.0
    return max(alone_lots - max(rest_lots, 0.0), 0.0) / alone_lots


def room(left_atoms: float, lots: float, lot_atoms: float) -> float:
    """Share of the lots that what is left of a cap allows."""
    if lots <= 0.0:
        return 1.0
    worth = lots * lot_atoms
    return max(min(left_atoms / worth, 1.0), 0.0) if worth > 0.0 else float(left_atoms > 0.0)


def cost_of(bet: Bet, settings: SizingSettings) -> float:
    """Of the position, with the funding it pays; what it would receive makes it cheaper but is no edge of its own."""
    paid = bet.funding_rate_e8 * 1e-8 * payments(bet, settings)
    return max(settings.kelly_cost_bp * 1e-4 + bet.side * paid, 0.0)


def payments(bet: Bet, settings: SizingSettings) -> int:
    """How often funding is paid while a position opened now is held for the horizon: counted one by one."""
    interval, end = round(settings.kelly_funding_interval_s * 1e9), bet.now_ns + round(settings.kelly_horizon_s * 1e9)
    due = max(bet.next_funding_ns, 0)
    due += max((bet.now_ns - due) // interval + 1, 0) * interval if due <= bet.now_ns else 0
    return len(range(due, end + 1, interval))


def drawdown_factor(bet: Bet) -> float:
    """1 up to the soft limit, falling to 0 at the hard one; 1 where either is off."""
    if not 0 < bet.soft_bp < bet.hard_bp:
        return 1.0
    lost = (bet.peak_equity_atoms - bet.equity_atoms) / bet.peak_equity_atoms * 10_000
    return min(1.0, max(0.0, (bet.hard_bp - lost) / (bet.hard_bp - bet.soft_bp)))
