"""Jumps: realised measures and their tests within a day, Merton's diffusion, GARCH with Poisson jumps."""

from models.jumps.garch_jump import Forecast, JumpGarchFit, JumpSpec, fit_jump_garch
from models.jumps.merton import MertonFit, call, density, fit_merton, moments
from models.jumps.realised import (
    JumpSettings,
    JumpTest,
    bipower_variation,
    critical_value,
    daily_returns,
    jump_variation,
    lee_mykland,
    ratio_test,
    realised_variance,
    tripower_quarticity,
)

__all__ = [
    "Forecast",
    "JumpGarchFit",
    "JumpSettings",
    "JumpSpec",
    "JumpTest",
    "MertonFit",
    "bipower_variation",
    "call",
    "critical_value",
    "daily_returns",
    "density",
    "fit_jump_garch",
    "fit_merton",
    "jump_variation",
    "lee_mykland",
    "moments",
    "ratio_test",
    "realised_variance",
    "tripower_quarticity",
]
