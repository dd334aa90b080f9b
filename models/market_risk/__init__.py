"""What a portfolio can lose: VaR and CVaR and who contributes what, stress, liquidity, margin, and backtests of it all.

VaR and CVaR are positive losses, in the unit of the exposures (a currency, or weights for fractions of the value).
"""

from models.market_risk.backtests import christoffersen, christoffersen_counts, kupiec, traffic_light
from models.market_risk.conditional import filtered_var, fit_conditional, fit_jumps, monte_carlo_var
from models.market_risk.euler import Contributions, euler_elliptical, euler_volatility
from models.market_risk.forecast_comparison import diebold_mariano, tick_loss
from models.market_risk.historical import historical_var
from models.market_risk.order_statistics import empirical_cvar, empirical_var
from models.market_risk.parametric import parametric_var
from models.market_risk.rolling import Forecasts, forecasts
from models.market_risk.scenario_risk import Measure, measure_scenarios, stand_alone_cvar
from models.market_risk.shortfall_backtests import acerbi_szekely
from models.market_risk.simulation import Jumps, Scenarios, elliptical_scenarios, measure_simulated

__all__ = [
    "Contributions",
    "Forecasts",
    "Jumps",
    "Measure",
    "Scenarios",
    "acerbi_szekely",
    "christoffersen",
    "christoffersen_counts",
    "diebold_mariano",
    "elliptical_scenarios",
    "empirical_cvar",
    "empirical_var",
    "euler_elliptical",
    "euler_volatility",
    "filtered_var",
    "fit_conditional",
    "fit_jumps",
    "forecasts",
    "historical_var",
    "kupiec",
    "measure_scenarios",
    "measure_simulated",
    "monte_carlo_var",
    "parametric_var",
    "stand_alone_cvar",
    "tick_loss",
    "traffic_light",
]
