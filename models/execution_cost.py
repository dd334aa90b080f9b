"""What a liquidation costs and how to spread it: Almgren and Chriss (2000), linear impact, in closed form."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from models.faults import Fault

Array = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class Liquidation:
    """A schedule: `holdings` (N + 1,) are units left at 0, tau, ..., T; `trades` (N,) units sold in each interval.

    `expected_cost` and `cost_variance` are in money and money squared; `half_life` is 1 / kappa, in the unit of T
    (inf when risk costs nothing and the schedule is a straight line).
    """

    kappa: float
    half_life: float
    holdings: Array
    trades: Array
    expected_cost: float
    cost_variance: float


def optimal_liquidation(
    *,
    units: float,
    horizon: float,
    intervals: int,
    volatility: float,
    permanent_impact: float,
    temporary_impact: float,
    half_spread: float = 0.0,
    risk_aversion: float = 0.0,
) -> Liquidation:
    """The schedule that makes E + risk_aversion * V smallest; Almgren and Chriss (2000), equations 15 to 20.

    units: to be sold, above 0; volatility: of the price, money per unit and square root of time (sigma);
    permanent_impact: gamma, money per unit squared; temporary_impact: eta, money x time per unit squared;
    half_spread: epsilon, money per unit; risk_aversion: lambda, per money. Raises Fault when an argument is out of
    range or when impact is such that waiting within an interval would pay (eta <= gamma tau / 2).
    """
    for name, value in (("units", units), ("horizon", horizon), ("intervals", intervals)):
        if not (np.isfinite(value) and value > 0):
            raise Fault(f"{name} must be above 0 and finite, is {value}")
    for name, value in (
        ("volatility", volatility), ("permanent_impact", permanent_impact), ("temporary_impact", temporary_impact),
        ("half_spread", half_spread), ("risk_aversion", risk_aversion),
    ):  # fmt: skip
        if not (np.isfinite(value) and value >= 0):
            raise Fault(f"{name} must be at least 0 and finite, is {value}")
    tau = horizon / intervals
    eta = temporary_impact - 0.5 * permanent_impact * tau
    if eta <= 0:
        raise Fault(
            f"temporary_impact {temporary_impact} must exceed permanent_impact x tau / 2 = "
            f"{0.5 * permanent_impact * tau}: use shorter intervals"
        )
    kappa = urgency(risk_aversion, volatility, eta, tau)
    holdings = units * remaining_share(kappa, horizon, intervals)
    trades = holdings[:-1] - holdings[1:]
    cost = 0.5 * permanent_impact * units**2 + half_spread * units + eta / tau * float(trades @ trades)
    variance = volatility**2 * tau * float(holdings[1:] @ holdings[1:])
    return Liquidation(kappa, 1.0 / kappa if kappa > 0 else np.inf, holdings, trades, cost, variance)


def urgency(risk_aversion: float, volatility: float, eta: float, tau: float) -> float:
    """kappa of cosh(kappa tau) = 1 + lambda sigma^2 tau^2 / (2 eta): through arsinh, exact for a small lambda too."""
    return float(2.0 / tau * np.arcsinh(0.5 * tau * volatility * np.sqrt(risk_aversion / eta)))


def remaining_share(kappa: float, horizon: float, intervals: int) -> Array:
    """sinh(kappa (T - t)) / sinh(kappa T) at the N + 1 times; exponentials of negative numbers only, so never inf."""
    left = horizon * (1.0 - np.arange(intervals + 1) / intervals)
    if kappa * horizon < 1e-8:  # the limit; the next term is of order (kappa T)^2
        return left / horizon
    share: Array = np.exp(kappa * (left - horizon)) * np.expm1(-2.0 * kappa * left) / np.expm1(-2.0 * kappa * horizon)
    return share
