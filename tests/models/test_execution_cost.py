import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize

from models.execution_cost import Liquidation, optimal_liquidation
from models.faults import Fault


def paper(risk_aversion: float, **changed: Any) -> Liquidation:
    given_values: dict[str, Any] = {
        "units": 1e6, "horizon": 5.0, "intervals": 5, "volatility": 0.95, "half_spread": 0.0625,
        "permanent_impact": 2.5e-7, "temporary_impact": 2.5e-6, "risk_aversion": risk_aversion,
    }  # fmt: skip
    return optimal_liquidation(**(given_values | changed))


def test_the_example_of_almgren_and_chriss(vectors: Path) -> None:
    listed = json.loads((vectors / "vectors.json").read_text())["vectors"]
    vector = next(row for row in listed if row["id"] == "almgren_chriss_2000")
    for row in vector["expected"]:
        found = paper(row["lam"])
        for key, value, tolerance in (
            ("E", found.expected_cost, 1e-9), ("V", found.cost_variance, 1e-8),
            ("inv_kappa_days", found.half_life, 5e-4),
        ):  # fmt: skip
            if key in row:
                assert value == pytest.approx(row[key], rel=tolerance), (row["lam"], key)
        if "kappa" in row:
            assert found.kappa == pytest.approx(row["kappa"], rel=1e-12, abs=5e-8)  # printed to 7 places
        if "x" in row:
            assert found.holdings == pytest.approx(row["x"], abs=0.051)  # printed to one place


@given(st.floats(0, 1e-4), st.integers(1, 40))
def test_a_schedule_sells_everything_and_never_buys(risk_aversion: float, intervals: int) -> None:
    found = paper(risk_aversion, intervals=intervals)
    assert found.holdings[0] == 1e6
    assert found.holdings[-1] == 0.0
    assert (found.trades >= 0).all()
    assert found.trades.sum() == pytest.approx(1e6)


@pytest.mark.parametrize("risk_aversion", [0.0, 1e-7, 1e-6, 1e-5])
def test_no_schedule_found_by_a_solver_is_better(risk_aversion: float) -> None:
    found = paper(risk_aversion)
    eta = 2.5e-6 - 0.5 * 2.5e-7

    def criterion(inner: np.ndarray) -> float:
        holdings = np.concatenate([[1.0], inner, [0.0]]) * 1e6
        trades = -np.diff(holdings)
        return float(eta * trades @ trades + risk_aversion * 0.95**2 * holdings[1:] @ holdings[1:]) / 1e6

    best = minimize(criterion, np.linspace(1, 0, 6)[1:-1], method="BFGS", options={"gtol": 1e-9})
    assert found.holdings[1:-1] / 1e6 == pytest.approx(best.x, abs=1e-5)


def test_urgent_without_limit_sells_at_once_and_stays_finite() -> None:
    found = paper(1e6)
    assert found.holdings[1] < 1e-3
    assert np.isfinite([found.expected_cost, found.cost_variance]).all()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"units": float("nan")}, "units must be above 0 and finite, is nan"),
        ({"intervals": 0}, "intervals must be above 0"),
        ({"risk_aversion": -1.0}, "risk_aversion must be at least 0"),
        ({"temporary_impact": 1e-7}, "must exceed permanent_impact x tau / 2"),
    ],
)
def test_an_argument_out_of_range_is_named(changed: dict[str, float], message: str) -> None:
    with pytest.raises(Fault, match=message):
        paper(changed.pop("risk_aversion", 1e-6), **changed)
