"""Regimes of a series of returns: hidden Markov model and mixture, published causally; changes detected online."""

from models.health import Health
from models.regimes.config import RegimeSettings
from models.regimes.detection import (
    Alarm,
    BayesianChanges,
    BayesianSettings,
    Cusum,
    CusumSettings,
    bayesian_alarms,
    cusum_alarms,
)
from models.regimes.hidden_markov import HmmFit, fit_hmm, fit_mixture
from models.regimes.published import (
    FitVersion,
    Published,
    RegimeChange,
    RegimeStream,
    changes,
    joined,
    publish,
)

__all__ = [
    "Alarm",
    "BayesianChanges",
    "BayesianSettings",
    "Cusum",
    "CusumSettings",
    "FitVersion",
    "Health",
    "HmmFit",
    "Published",
    "RegimeChange",
    "RegimeSettings",
    "RegimeStream",
    "bayesian_alarms",
    "changes",
    "cusum_alarms",
    "fit_hmm",
    "fit_mixture",
    "joined",
    "publish",
]
