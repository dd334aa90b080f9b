"""What to hold: Markowitz, Black-Litterman, risk parity, hierarchical risk parity, mean-CVaR, each by a deadline."""

from models.construction.answer import Answer, Problem, optimise
from models.construction.black_litterman import Posterior, View, black_litterman
from models.construction.constraints import Constraints, Row, box
from models.construction.critical_line import Frontier, critical_line
from models.construction.markowitz import Objective
from models.construction.moments import Moments, moments_of, usable_covariance

__all__ = [
    "Answer",
    "Constraints",
    "Frontier",
    "Moments",
    "Objective",
    "Posterior",
    "Problem",
    "Row",
    "View",
    "black_litterman",
    "box",
    "critical_line",
    "moments_of",
    "optimise",
    "usable_covariance",
]
