"""Regimes of a series of returns: hidden Markov model and mixture, published causally; changes detected online."""

from models.regimes.config import RegimeSettings
from models.regimes.health import Health
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
    "FitVersion",
    "Health",
    "HmmFit",
    "Published",
    "RegimeChange",
    "RegimeSettings",
    "RegimeStream",
    "changes",
    "fit_hmm",
    "fit_mixture",
    "joined",
    "publish",
]
