"""Every row of `bot4 bench`, in the order of the journey: what measures it, and whether its allocations are counted.

BOT4_BENCH_ROWS names a module whose own ROWS are taken besides: the tests plant rows that must turn red.
"""

import importlib
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Row:
    """`function` of `module` gives the row; `alone` are arguments that leave the peers out, for the counting pass."""

    module: str
    function: str
    hot: bool = True  # allocations are counted, and must be 0
    alone: dict[str, Any] = field(default_factory=dict)

    def measure(self) -> dict[str, Any]:
        return self._call()()

    def measure_alone(self) -> dict[str, Any]:
        return self._call()(**self.alone)

    def _call(self) -> Callable[..., dict[str, Any]]:
        function: Callable[..., dict[str, Any]] = getattr(importlib.import_module(self.module), self.function)
        return function


ROWS = {
    "ring_hop": Row("benchmarks.bench_ipc", "ring_hop", alone={"seconds": 1.0, "peers": False}),
    "book_update": Row("benchmarks.bench_book", "book_update"),
    "feature_row": Row("benchmarks.bench_features", "feature_row"),
    "forecast_linear": Row("benchmarks.bench_forecast", "forecast_linear", alone={"peers": False}),
    "forecast_gbdt": Row("benchmarks.bench_forecast", "forecast_gbdt", alone={"peers": False}),
    "forecast_mlp": Row("benchmarks.bench_forecast", "forecast_mlp", alone={"peers": False}),
    "pretrade_risk": Row("benchmarks.bench_risk", "pretrade_risk"),
    "tick_to_order": Row("benchmarks.bench_core", "tick_to_order"),
    "strategies_1000": Row("benchmarks.bench_strategies", "strategies_1000"),
    "loopback": Row("benchmarks.bench_loopback", "loopback", hot=False),
    "backtest": Row("benchmarks.bench_core", "backtest"),
    "journal": Row("benchmarks.bench_journal", "journal", hot=False, alone={"seconds": 1.0, "peers": False}),
    # -- the risk suite
    "garch_step": Row("benchmarks.bench_volatility", "garch_step", hot=False),
    "garch_batch_fit": Row("benchmarks.bench_volatility", "garch_batch_fit", hot=False),
    "garch_batch_fit_gjr_t": Row("benchmarks.bench_volatility", "garch_batch_fit_gjr_t", hot=False),
    "dcc_fit": Row("benchmarks.bench_dependence", "dcc_fit", hot=False),
    "dcc_fit_100": Row("benchmarks.bench_dependence", "dcc_fit_100", hot=False),
    "regime_fit": Row("benchmarks.bench_regimes", "regime_fit", hot=False),
    "var_mc": Row("benchmarks.bench_scenarios", "var_mc", hot=False),
    "var_mc_copula": Row("benchmarks.bench_scenarios", "var_mc_copula", hot=False),
    "portfolio_min_variance": Row("benchmarks.bench_construction", "portfolio_min_variance", hot=False),
    "portfolio_deadline": Row("benchmarks.bench_construction", "portfolio_deadline", hot=False),
    "pretrade_cvar_bounds": Row("benchmarks.bench_exposure", "pretrade_cvar_bounds"),
    "pretrade_cvar_exact": Row("benchmarks.bench_exposure", "pretrade_cvar_exact"),
}
if module := os.environ.get("BOT4_BENCH_ROWS"):
    ROWS |= importlib.import_module(module).ROWS
