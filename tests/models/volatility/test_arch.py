"""arch as the oracle of the `backcast` convention: simulated series of every model, and real ones."""

import csv
import gzip
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.volatility import Spec, fit, fit_batch
from tests.kernels.volatility.cases import simulated

PROCESS_WORDS: dict[str, dict[str, Any]] = {
    "garch": {"vol": "GARCH"},
    "gjr": {"vol": "GARCH", "o": 1},
    "egarch": {"vol": "EGARCH", "o": 1},
    "aparch": {"vol": "APARCH", "o": 1},
}
ERRORS = ("normal", "t", "skewt")


def arch_fit(returns: Any, process: str, errors: str, mean: str = "constant") -> Any:
    """A result of arch in the unit given, its warnings left out."""
    from arch import arch_model

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = arch_model(returns, mean=mean.capitalize(), dist=errors, rescale=False, **PROCESS_WORDS[process])
        return model.fit(disp="off", tol=1e-9, options={"maxiter": 500})


@pytest.mark.parametrize("errors", range(3))
@pytest.mark.parametrize("process", range(4))
def test_never_below_arch_and_the_same_where_arch_arrives(process: int, errors: int) -> None:
    words: dict[str, Any] = {"process": list(PROCESS_WORDS)[process], "errors": ERRORS[errors]}
    for seed in range(3):
        returns = simulated(seed, 900, process, errors)
        ours, theirs = fit(returns, Spec(**words)), arch_fit(returns, words["process"], words["errors"])
        assert ours.converged
        assert ours.loglik >= theirs.loglikelihood - 1e-4
        if ours.loglik > theirs.loglikelihood + 1e-3:
            continue  # another optimum
        for value, other, error in zip(
            ours.parameters.values(), theirs.params.values, ours.standard_errors["robust"].values(), strict=True
        ):
            assert abs(value - other) < 0.02 * error or not np.isfinite(error) or abs(value - other) < 1e-3


@pytest.mark.parametrize("name", ["sp500", "nasdaq", "btc"])
def test_real_series_reach_the_likelihood_of_arch(data: Path, name: str) -> None:
    path = data / ("candles/binance_BTCUSDT_d.csv.gz" if name == "btc" else f"panels/arch_{name}.csv.gz")
    returns = 100.0 * closes(path)
    for process, errors, mean in (("garch", "normal", "constant"), ("gjr", "t", "zero"), ("egarch", "t", "constant")):
        ours = fit(returns, Spec(process=process, errors=errors, mean=mean))  # type: ignore[arg-type]
        theirs = arch_fit(returns, process, errors, mean)
        assert ours.loglik == pytest.approx(theirs.loglikelihood, abs=1e-5)
        found = np.array(list(ours.standard_errors["robust"].values()))
        np.testing.assert_allclose(found, theirs.std_err.values, rtol=2e-3, err_msg=f"{process} {errors}")


def closes(path: Path) -> Any:
    """Log returns of the closes, oldest first, straight from the file: one date of the BTC file stands twice."""
    text = gzip.decompress(path.read_bytes()).decode()
    rows = list(csv.DictReader(line for line in text.splitlines() if "," in line))
    column = next(name for name in ("Adj Close", "close") if name in rows[0])
    prices = np.array([float(row[column]) for row in rows])
    return np.diff(np.log(prices[::-1] if column == "close" else prices))


def test_batch_of_simulated_series_is_never_below_arch() -> None:
    returns = np.stack([simulated(seed, 1_000, 1, 1) for seed in range(12)])
    batch = fit_batch(returns, Spec(process="gjr", errors="t"))
    assert batch.converged.all()
    for row, loglik in zip(returns, batch.logliks, strict=True):
        assert loglik >= arch_fit(row, "gjr", "t").loglikelihood - 1e-4


def test_variances_and_the_next_one_equal_those_of_arch() -> None:
    returns = simulated(5, 600, 1, 1)
    ours, theirs = fit(returns, Spec(process="gjr", errors="t")), arch_fit(returns, "gjr", "t")
    np.testing.assert_allclose(ours.variances, theirs.conditional_volatility**2, rtol=1e-3)
    forecast = float(theirs.forecast(horizon=1).variance.iloc[-1, 0])
    assert ours.next_variance == pytest.approx(forecast, rel=1e-3)
