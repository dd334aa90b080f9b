"""Backtests with the risk process's results: repeatable, judged as a run judges, and told when they are not."""

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from engine.config import Config
from engine.errors import UserError
from engine.replay import backtest as module
from engine.replay.backtest import Backtest, backtest
from engine.replay.backtest_loop import BacktestLoop
from engine.replay.backtest_risk import BacktestRisk
from engine.risk_models.config import RiskProcessConfig
from engine.verbs.research import backtest_text
from ipc.messages import MESSAGE

PATHS = ("usdm_btcusdt_20240808.gz", "usdm_ethusdt_20240808.gz")
RELAXED = {"correlation_bp": 0}


def run(data: Path, cache: Path, risk: dict[str, Any] | None = None, process: dict[str, Any] | None = None) -> Backtest:
    config = msgspec.structs.replace(
        Config(),
        risk=msgspec.structs.replace(Config().risk, **(risk or {})),
        risk_process=RiskProcessConfig(**(process or {})),
    )
    paths = [data / "binance_ws" / name for name in PATHS]
    return backtest(paths, "market_maker", config, cache=cache, risk=True)


class Recorded:
    """The messages of a backtest's risk process in place of one: nothing is estimated."""

    def __init__(self, told: list[tuple[int, np.ndarray]]) -> None:
        self._told = dict(told)

    def look(self, loop: BacktestLoop, make_room: Any) -> None:
        records = self._told.get(loop.now_ns)
        if records is not None:
            if loop.nearly_full:
                make_room()
            loop.tell(records.copy())
        loop.pause_at_ns = loop.now_ns + 100_000_000

    def told(self) -> dict[str, Any]:
        return {"judged": True, "sentence": ""}


def test_results_are_messages_and_the_same_messages_give_the_same_outputs_without_an_estimate(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[int, np.ndarray]] = []
    take = BacktestRisk._take

    def noted(self: BacktestRisk, now_ns: int) -> Any:
        records = take(self, now_ns)
        if records is not None:
            told.append((now_ns, records.copy()))
        return records

    monkeypatch.setattr(BacktestRisk, "_take", noted)
    first = run(data, tmp_path).result
    monkeypatch.setattr(BacktestRisk, "_take", take)
    second = run(data, tmp_path).result
    monkeypatch.setattr(module, "BacktestRisk", lambda *_: Recorded(told))
    third = run(data, tmp_path).result
    assert first["risk_results"] == second["risk_results"]
    assert first["risk_results"]["batches"] == len(told) > 300
    assert first["outputs_sha256"] == second["outputs_sha256"] == third["outputs_sha256"]
    assert first["refusals"] == third["refusals"]


def test_order_beyond_the_cvar_limit_is_refused_and_without_results_by_the_conservative_rule(
    data: Path, tmp_path: Path
) -> None:
    judged = run(data, tmp_path, RELAXED | {"cvar_quote": 200}).result
    assert judged["refusals"]["CVAR_LIMIT"] > 1_000
    assert "RISK_STALE" not in judged["refusals"] or judged["refusals"]["RISK_STALE"] < 100  # before the first batch
    assert judged["fills"] > 0
    rare = run(
        data, tmp_path, RELAXED | {"cvar_quote": 200, "results_age_ms": 1_000}, {"refresh_s": 5.0, "change_s": 5.0}
    )
    assert rare.result["refusals"]["RISK_STALE"] > 1_000


def test_wide_limits_judge_and_change_nothing(data: Path, tmp_path: Path) -> None:
    """Only messages are added: with limits that none of the orders reaches, the orders are those without them."""
    paths = [data / "binance_ws" / name for name in PATHS]
    wide = RELAXED | {"cvar_quote": 10_000_000, "regime_scale_bp": (10_000,), "volatility_ratio_limit_bp": 1_000_000}
    plain = backtest(paths, "market_maker", Config(), cache=tmp_path)
    judged = run(data, tmp_path, wide)
    assert judged.result["risk_results"]["batches"] > 300
    assert judged.fills.tobytes() == plain.fills.tobytes()
    for key in ("orders", "fills", "refusals", "pnl"):
        assert judged.result[key] == plain.result[key]


def test_refits_follow_the_time_of_the_tape(data: Path, tmp_path: Path) -> None:
    told = run(
        data, tmp_path, RELAXED, {"fit_bars": 200, "minimum_bars": 30, "refit_s": 60.0, "refit_on_change": False}
    )
    result = told.result["risk_results"]
    assert result["refits"] == 3  # of 343 s: at 200 bars, and every minute from there
    assert result["bars"] == 344
    assert result["method"] in ("GARCH", "MIXED", "EWMA")


def test_refit_that_fails_is_counted_and_told_and_the_last_parameters_stay(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> Any:
        raise ArithmeticError("no fit at all")

    monkeypatch.setattr("engine.risk_models.refit.refit", broken)
    told = run(data, tmp_path, RELAXED, {"fit_bars": 200, "minimum_bars": 30, "refit_s": 60.0}).result["risk_results"]
    assert (told["refits"], told["failed_refits"], told["method"]) == (0, 3, "EWMA")
    assert "REFIT_FAILED: ArithmeticError: no fit at all" in told["notes"]


def test_result_says_that_orders_were_not_judged(data: Path, tmp_path: Path) -> None:
    outcome = backtest([data / "binance_ws" / PATHS[0]], "market_maker", Config(), cache=tmp_path)
    assert outcome.result["risk_results"]["judged"] is False
    assert "not judged by pre-trade CVaR" in backtest_text(outcome.result)
    assert not {"CVAR_LIMIT", "RISK_STALE"} & set(outcome.result["refusals"])


def test_risk_with_the_risk_process_switched_off_is_a_mistake_told_in_one_line(data: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^--risk: the configuration switches the risk process off[^\n]*$"):
        run(data, tmp_path, process={"enabled": False})


def test_pause_comes_before_the_first_record_that_is_not_earlier_and_costs_none(data: Path, tmp_path: Path) -> None:
    """Paused every 7 ms and told nothing, a backtest is the one that paused once."""
    pauses: dict[int, int] = {}

    def paused_every(step_ns: int) -> dict[str, Any]:
        class Silent:
            def look(self, loop: BacktestLoop, make_room: Any) -> None:
                pauses[step_ns] = pauses.get(step_ns, 0) + 1
                loop.pause_at_ns = loop.now_ns + step_ns

            def told(self) -> dict[str, Any]:
                return {}

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module, "BacktestRisk", lambda *_: Silent())
            paths = [data / "binance_ws" / PATHS[0]]
            return backtest(paths, "market_maker", Config(), cache=tmp_path, risk=True).result

    often, once = paused_every(7_000_000), paused_every(1 << 61)
    assert (pauses[7_000_000] > 40_000, pauses[1 << 61]) == (True, 1)
    assert often["messages"] == once["messages"]
    assert often["outputs_sha256"] == once["outputs_sha256"]


def test_what_is_no_message_is_not_told_to_the_core(data: Path, tmp_path: Path) -> None:
    refused: list[int] = []

    class Wrong:
        def look(self, loop: BacktestLoop, make_room: Any) -> None:
            fixed = np.zeros(1, MESSAGE)
            fixed.flags.writeable = False
            for records in (np.zeros(8), np.zeros(4, MESSAGE)[::2], fixed):
                with pytest.raises(ValueError, match="contiguous, writeable array of MESSAGE"):
                    loop.tell(records)
                refused.append(len(records))
            loop.pause_at_ns = 1 << 62

        def told(self) -> dict[str, Any]:
            return {}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "BacktestRisk", lambda *_: Wrong())
        backtest([data / "binance_ws" / PATHS[0]], "market_maker", Config(), cache=tmp_path, risk=True)
    assert refused == [8, 2, 1]
