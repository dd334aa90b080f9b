"""What moves together and how much: covariance, conditional correlation, copulas; always positive definite."""

from models.dependence.copula import CopulaFit, copula_logliks, fit_copula, pseudo_observations, tail_dependence
from models.dependence.correlation import nearest_correlation, positive_definite
from models.dependence.covariance import Covariance, ewma_covariance, ledoit_wolf
from models.dependence.fit import fit_ccc, fit_dcc
from models.dependence.online import OnlineDependence
from models.dependence.result import DependenceFit, Dynamics
from models.dependence.second_step import CorrelationFit, fit_correlation

__all__ = [
    "CopulaFit",
    "CorrelationFit",
    "Covariance",
    "DependenceFit",
    "Dynamics",
    "OnlineDependence",
    "copula_logliks",
    "ewma_covariance",
    "fit_ccc",
    "fit_copula",
    "fit_correlation",
    "fit_dcc",
    "ledoit_wolf",
    "nearest_correlation",
    "positive_definite",
    "pseudo_observations",
    "tail_dependence",
]
