"""The built-in strategies over recorded markets, with the simulated venue: the same outputs compiled and uncompiled."""

from pathlib import Path

import pytest

from engine.config import Config
from engine.replay.backtest import backtest

EAGER: dict[str, dict[str, int | float]] = {
    "hello": {"timer_interval_ms": 1_000},
    "market_maker": {"requote_interval_ms": 10},
    "momentum": {"margin_bp": -21.0, "maximum_holding_ms": 500},  # below its cost, so that it trades
}


@pytest.mark.parametrize("name", EAGER)
def test_outputs_are_identical_compiled_and_uncompiled(name: str, data: Path, tmp_path: Path) -> None:
    paths = [data / "binance_ws" / "spot_ethusdt_20240808.gz"]
    compiled, plain = (
        backtest(paths, name, Config(), compiled=compiled, params=EAGER[name], cache=tmp_path).result
        for compiled in (True, False)
    )
    assert compiled["orders"] > 10
    assert compiled["fills"] > 0
    assert not compiled["strategies_failed"]
    assert compiled["outputs_sha256"] == plain["outputs_sha256"]
