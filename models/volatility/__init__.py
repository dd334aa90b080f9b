"""Univariate volatility: GARCH, GJR, EGARCH and APARCH with normal, Student t and skewed t errors."""

from kernels.volatility.steps import aparch_step, egarch_step, ewma_step, garch_step, gjr_step
from models.health import Health
from models.volatility.batch import VolatilityBatch, fit_batch
from models.volatility.filter import filter_batch
from models.volatility.fit import VolatilityFit, fit
from models.volatility.health import CODES
from models.volatility.information import expected_errors
from models.volatility.spec import Spec
from models.volatility.step import step

__all__ = [
    "CODES",
    "Health",
    "Spec",
    "VolatilityBatch",
    "VolatilityFit",
    "aparch_step",
    "egarch_step",
    "ewma_step",
    "expected_errors",
    "filter_batch",
    "fit",
    "fit_batch",
    "garch_step",
    "gjr_step",
    "step",
]
