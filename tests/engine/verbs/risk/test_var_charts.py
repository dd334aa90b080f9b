"""The charts of market risk stay readable, and their page small, however many instruments there are."""

import numpy as np
from numpy.typing import NDArray

from engine.verbs.risk.var_charts import SHOWN, contribution_chart, correlation_chart, position_chart

COUNT = 300
NAMES = tuple(f"S{i}" for i in range(COUNT))
SIZES: NDArray[np.float64] = np.random.default_rng(1).permutation(COUNT).astype(np.float64) - 120.25
FOREMOST = [f"S{i}" for i in range(COUNT) if abs(SIZES[i]) >= np.sort(np.abs(SIZES))[-SHOWN]]


def test_of_many_instruments_the_correlations_of_the_foremost_are_shown_and_it_is_said() -> None:
    values = np.random.default_rng(2).standard_normal((50, COUNT))
    chart = correlation_chart(NAMES, values, SIZES)
    cells = chart.figure["data"][0]
    assert cells["x"] == cells["y"] == FOREMOST
    pair = values[:, [NAMES.index(FOREMOST[3]), NAMES.index(FOREMOST[7])]]
    assert cells["z"][3][7] == round(float(np.asarray(np.corrcoef(pair.T))[0, 1]), 6)
    assert chart.note.endswith(f"The {SHOWN} foremost of {COUNT}.")
    assert chart.height_px < 2_000


def test_of_many_instruments_the_largest_contributions_are_shown_largest_on_top() -> None:
    chart = contribution_chart("Contributions", NAMES, {"VaR": SIZES, "CVaR": 2.0 * SIZES}, "fraction")
    bars = chart.figure["data"][0]
    assert sorted(bars["y"]) == sorted(FOREMOST)
    assert abs(bars["x"][-1]) == np.abs(SIZES).max()
    assert "foremost of 300" in chart.note
    assert position_chart(NAMES, {"of VaR": SIZES}).figure["data"][0]["y"] == FOREMOST


def test_few_instruments_are_all_shown_and_nothing_is_said() -> None:
    chart = contribution_chart("Contributions", NAMES[:5], {"VaR": SIZES[:5]}, "fraction")
    assert len(chart.figure["data"][0]["y"]) == 5
    assert "foremost" not in chart.note
