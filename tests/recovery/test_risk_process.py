"""The risk process killed, frozen, returning NaN: trading goes on by the conservative rule, visibly; it recovers."""

import os
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from engine import run as run_module
from engine import supervisor
from engine.config import Config
from engine.exchange.config import SymbolSettings
from engine.replay.replay import replay
from engine.risk_models.config import RiskProcessConfig
from engine.risk_models.estimate import Estimator
from engine.verbs.living import LivingRun as Shown
from engine.verbs.living import status
from engine.verbs.operate import status_text
from ipc.counters import Counters
from ipc.messages import Refusal, RiskMethod
from tests.recovery import nan_risk_process
from tests.recovery.living_run import LivingRun, eager_config, shared_memory

pytestmark = pytest.mark.recovery
AGE_MS = 1_500
Popen = subprocess.Popen


def config(folder: Path, shared: Path, seed: int) -> Config:
    chosen = eager_config(folder, shared, seed=seed)
    return msgspec.structs.replace(chosen, risk=msgspec.structs.replace(chosen.risk, results_age_ms=AGE_MS))


def risk(run: LivingRun) -> Any:
    row = run.views()
    return None if row is None else row["risk"]


def fresh(run: LivingRun, beyond: int = 0) -> bool:
    row = risk(run)
    return row is not None and row["results_version"] > beyond and not row["results_stale"]


def stale(run: LivingRun) -> bool:
    row = risk(run)
    return row is not None and bool(row["results_stale"]) and row["refused"][Refusal.RISK_STALE] > 0


def shown(run: LivingRun) -> dict[str, Any]:
    """What `bot4 status` says."""
    note = msgspec.json.decode(run.files.processes.read_bytes())
    result = status(Shown(run.files, run_module.read_manifest(run.files.directory), note))
    assert "risk results" in status_text(result)
    return result


def with_nan(command: Sequence[str], **words: Any) -> subprocess.Popen[bytes]:
    """What the supervisor starts, but for the risk process, whose place is taken by the one that publishes NaN."""
    name = nan_risk_process.__name__ if "risk" in command else "engine.child"
    return Popen([name if word == "engine.child" else word for word in command], **words)


def trades_on_while_stale(run: LivingRun) -> None:
    run.watch_until(lambda: stale(run))
    before = run.orders()
    result = shown(run)
    assert result["risk_results"]["stale"]
    assert result["risk_results"]["age_ms"] > AGE_MS
    assert result["refusals"]["RISK_STALE"] >= 1
    run.watch_until(lambda: run.orders() >= before + 10)
    assert result["halted"] is None


def recovers(run: LivingRun, beyond: int) -> None:
    run.watch_until(lambda: fresh(run, beyond))
    run.await_orders(10)
    assert not shown(run)["risk_results"]["stale"]


def replays(run: LivingRun) -> None:
    run.settle()
    assert replay(run.finish())["identical"]


def counted(run: LivingRun, name: str) -> int:
    counters = Counters.attach(run.files.counters("risk"))
    try:
        return counters.value(name)
    finally:
        counters.close()


def of_two_instruments(chosen: Config) -> Config:
    symbols = tuple(SymbolSettings(symbol=name) for name in ("BTCUSDT", "ETHUSDT"))
    return msgspec.structs.replace(
        chosen,
        exchange=msgspec.structs.replace(chosen.exchange, symbols=symbols),
        instruments=tuple(f"{symbol.symbol}.BINANCE" for symbol in symbols),
    )


def fitted_before(settings: RiskProcessConfig) -> None:
    """Compiles here what a refit needs, so that the run finds it in the cache and its first refit is soon made."""
    estimator = Estimator(2, 80, settings)
    for row in 1e-4 * np.random.default_rng(1).standard_normal((settings.fit_bars, 2)):
        estimator.add(row)
    assert estimator.refit()


@pytest.mark.timeout(300)  # of which the run takes 20 s; the rest is compiling where the cache is empty
def test_refits_are_made_aside_and_one_that_is_started_again_goes_on_with_the_bars_of_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bars of a tenth of a second: the shortest that the views, copied ten times a second, can show."""
    settings = RiskProcessConfig(
        bar_s=0.1, minimum_bars=60, fit_bars=60, history_bars=200, refit_s=1.0, refit_spacing_s=0.5, refresh_s=0.2
    )
    fitted_before(settings)
    with shared_memory() as shared:
        chosen = of_two_instruments(msgspec.structs.replace(config(tmp_path, shared, 24), risk_process=settings))
        with LivingRun.started(chosen, monkeypatch) as run:
            run.watch_until(lambda: fresh(run) and counted(run, "refits") >= 2)
            run.watch_until(lambda: counted(run, "dependence_fitted") == 1)  # published correlation is DCC's
            version = int(risk(run)["results_version"])
            assert version >= counted(run, "refits") + 10  # it published before, between and during them
            assert counted(run, "failed_refits") == 0
            assert counted(run, "method") in (RiskMethod.EWMA, RiskMethod.GARCH, RiskMethod.MIXED)
            run.watch_until(lambda: fresh(run, version))
            run.kill("risk")
            version = counted(run, "version")
            run.watch_until(lambda: counted(run, "version") > version)
            assert counted(run, "method") != RiskMethod.PRIOR  # which six seconds of new bars alone would be
            run.watch_until(lambda: fresh(run, version))
            replays(run)


def test_killed_it_is_started_again_and_meanwhile_trading_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "FIRST_BACK_OFF_S", 3.0)  # longer than results live
    with shared_memory() as shared, LivingRun.started(config(tmp_path, shared, 21), monkeypatch) as run:
        run.watch_until(lambda: fresh(run))
        version = int(risk(run)["results_version"])
        run.kill("risk")
        trades_on_while_stale(run)
        recovers(run, version)
        assert run.run.supervisor.child("risk").restarts == 1
        assert any(event.startswith("risk killed by signal 9; started again") for event in run.run.supervisor.events)
        replays(run)


def test_frozen_its_results_grow_too_old_and_thawed_they_count_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with shared_memory() as shared, LivingRun.started(config(tmp_path, shared, 22), monkeypatch) as run:
        run.watch_until(lambda: fresh(run))
        version = int(risk(run)["results_version"])
        os.kill(run.pid("risk"), signal.SIGSTOP)
        trades_on_while_stale(run)
        os.kill(run.pid("risk"), signal.SIGCONT)
        recovers(run, version)
        replays(run)


def test_returning_nan_every_batch_is_refused_until_a_good_one_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subprocess, "Popen", with_nan)
    with shared_memory() as shared, LivingRun.started(config(tmp_path, shared, 23), monkeypatch) as run:
        run.watch_until(lambda: fresh(run))
        trades_on_while_stale(run)
        assert shown(run)["refusals"]["RISK_RESULT_INVALID"] >= 1
        assert shown(run)["risk_results"]["version"] == nan_risk_process.FIRST - 1
        recovers(run, nan_risk_process.BEYOND - 1)
        replays(run)
