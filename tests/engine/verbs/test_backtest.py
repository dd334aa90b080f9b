"""`bot4 backtest` as a user types it."""

import json
from pathlib import Path

from tests.engine.verbs.command import bot4


def test_backtest_says_whether_orders_were_judged_by_the_cvar(data: Path) -> None:
    recording = data / "binance_ws" / "spot_btcusdt_20240808.gz"
    plain = bot4("backtest", "--data", recording, "--strategy", "market_maker")
    assert "not judged by pre-trade CVaR" in plain.stdout
    judged = bot4("backtest", "--data", recording, "--strategy", "market_maker", "--risk", "--json")
    results = json.loads(judged.stdout)["risk_results"]
    assert (results["judged"], results["batches"] > 100) == (True, True)
