"""What the estimates of the risk process are worth on real prices: 99 % VaR of the next bar against what came.

A day stands for a bar. Instruments priced throughout; two books of them: all held alike, and every other one short.
Refits every 60 bars, and on a change, 20 bars apart. `joint` are the scenarios of the same estimator without DCC.

    python -m benchmarks.backtest_risk_process PRICES.csv [YEAR ...]
"""

import json
import sys
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.risk_models.changes import Changes
from engine.risk_models.config import RiskProcessConfig
from engine.risk_models.estimate import Estimator
from engine.risk_models.refit import Refit, refit
from kernels.exposure.reference import value_at_risk
from models.market_risk import christoffersen, kupiec
from models.panel import read_panel

Array = NDArray[np.float64]

LEVEL, SCENARIOS = 0.99, 1_000
REFIT_BARS, SPACING_BARS = 60, 20
SETTINGS = RiskProcessConfig(history_bars=2_000, horizon_s=1.0)


def exceptions(returns: Array, books: Array, dcc: bool) -> tuple[NDArray[np.bool_], list[int], int]:
    """(bar, book) from SCENARIOS bars on, the regime before each, and how many refits a change asked for."""
    estimator, last, early = Estimator(returns.shape[1], SCENARIOS, SETTINGS), 0, 0
    found: list[Array] = []
    regimes: list[int] = []
    for row in returns:
        if estimator.bars >= SCENARIOS:
            estimate = estimator.estimate(estimator.bars, 1.0)
            limits = np.array([value_at_risk(book @ estimate.losses, LEVEL) for book in books])
            found.append(-(books @ np.expm1(row)) > limits)
            regimes.append(estimate.regime)
        estimator.add(row)
        since = estimator.bars - last
        snapshot = estimator.snapshot()
        if snapshot is not None and (since >= REFIT_BARS or (estimator.changed and since >= SPACING_BARS)):
            last, early = estimator.bars, early + (since < REFIT_BARS)
            made = refit(snapshot, SETTINGS, SCENARIOS)
            estimator.adopt(made if dcc else without_dcc(made))
    return np.array(found), regimes, early


def without_dcc(made: Refit) -> Refit:
    """The same margins and regime, the joint history in the place of the DCC."""
    past = made.margins.standardised[-SCENARIOS:]
    changes = Changes(past, SETTINGS.change_false_alarm_bars)
    return replace(made, dependence=replace(made.dependence, dependence=None), whitened=past, changes=changes)


def judged(hits: NDArray[np.bool_]) -> dict[str, Any]:
    tests = christoffersen(hits, LEVEL)
    return {
        "observations": len(hits),
        "exceptions": int(hits.sum()),
        "kupiec_p": round(kupiec(len(hits), int(hits.sum()), LEVEL).p_value, 4),
        "independence_p": round(tests.independence.p_value, 4),
    }


def main() -> None:
    panel = read_panel(sys.argv[1])
    prices = panel.values[:, np.isfinite(panel.values).mean(axis=0) > 0.97]
    whole = np.isfinite(prices).all(axis=1)
    returns, dates = np.diff(np.log(prices[whole]), axis=0), panel.dates[whole][1:].astype("datetime64[Y]").astype(str)
    count = returns.shape[1]
    books = np.array([np.ones(count), np.where(np.arange(count) % 2 == 0, 1.0, -1.0)]) / count
    for dcc in (True, False):
        hits, regimes, early = exceptions(returns, books, dcc)
        line: dict[str, Any] = {"dependence": "dcc" if dcc else "joint", "instruments": count, "early_refits": early}
        line["regimes"] = np.bincount(regimes).tolist()
        line["regime_changes"] = int(np.count_nonzero(np.diff(regimes)))
        for number, book in enumerate(("long", "hedged")):
            line[book] = judged(hits[:, number])
            line[book] |= {year: int(hits[dates[-len(hits) :] == year, number].sum()) for year in sys.argv[2:]}
        print(json.dumps(line))


if __name__ == "__main__":
    main()
