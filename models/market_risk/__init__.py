"""What a portfolio can lose: VaR and CVaR and who contributes what, stress, liquidity, margin, and backtests of it all.

VaR and CVaR are positive losses, in the unit of the exposures (a currency, or weights for fractions of the value).
"""

from models.market_risk.backtests import christoffersen, christoffersen_counts, kupiec, traffic_light
from models.market_risk.euler import Contributions, euler_elliptical, euler_volatility
from models.market_risk.forecast_comparison import diebold_mariano, tick_loss
from models.market_risk.historical import historical_var
from models.market_risk.order_statistics import empirical_cvar, empirical_var
from models.market_risk.parametric import parametric_var
from models.market_risk.scenario_risk import Measure, measure_scenarios

__all__ = [
    "Contributions",
    "Measure",
    "christoffersen",
    "christoffersen_counts",
    "diebold_mariano",
    "empirical_cvar",
    "empirical_var",
    "euler_elliptical",
    "euler_volatility",
    "historical_var",
    "kupiec",
    "measure_scenarios",
    "parametric_var",
    "tick_loss",
    "traffic_light",
]
