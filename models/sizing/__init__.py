"""How large to bet: Kelly's fractions, and the chain of factors from them to whole lots."""

from models.sizing.chain import Chain, Term, chain
from models.sizing.config import SizingPolicy
from models.sizing.estimation import adjusted_squared_sharpe, kan_zhou_factor
from models.sizing.kelly import binary_kelly, continuous_kelly, discrete_kelly, joint_kelly, log_growth
from models.sizing.size import TERMS, Account, Edges, Sizes, size

__all__ = [
    "TERMS",
    "Account",
    "Chain",
    "Edges",
    "Sizes",
    "SizingPolicy",
    "Term",
    "adjusted_squared_sharpe",
    "binary_kelly",
    "chain",
    "continuous_kelly",
    "discrete_kelly",
    "joint_kelly",
    "kan_zhou_factor",
    "log_growth",
    "size",
]
