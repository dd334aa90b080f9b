"""The operator's verbs against a living run, and the configuration that is shown and read again."""

import json
import os
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.config import Config, StrategyChoice, as_toml, convert
from engine.risk.config import InstrumentLimits, RiskSettings
from engine.stage import RISK_VIEW
from engine.verbs.living import limits
from engine.verbs.operate import status_text
from engine.verbs.risk.limits import risk_text
from tests.architecture.tree import PROJECT
from tests.engine.verbs.command import bot4, config, said

# -- configuration ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "shown",
    [
        Config(),
        Config(
            instruments=("BTCUSDT.BINANCE", "ETHUSDT.BINANCE"),
            strategies=(
                StrategyChoice(name="momentum", instrument="ETHUSDT.BINANCE", params={"margin_bp": 0.25}, copies=3),
                StrategyChoice(name='with "quotes" \\ and ü.py'),
            ),
            risk=RiskSettings(instruments={"BTCUSDT.BINANCE": InstrumentLimits(position_lots=7)}),
            models=("linear",),
        ),
    ],
)
def test_the_configuration_that_is_shown_is_the_one_that_is_read(shown: Config) -> None:
    assert convert(tomllib.loads(as_toml(shown)), "shown") == shown


def test_config_prints_toml_that_validate_takes(tmp_path: Path) -> None:
    printed = bot4("config", "--config", config(tmp_path, "[risk]\nopen_orders = 7\n"))
    assert (printed.returncode, printed.stderr) == (0, "")
    assert tomllib.loads(printed.stdout)["risk"]["open_orders"] == 7
    (tmp_path / "again.toml").write_text(printed.stdout)
    assert bot4("validate", "--config", tmp_path / "again.toml").returncode == 0


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[[strategies]]\nname = 'market_maker'\nparams = {spread = 3}\n", "market_maker: 'spread' is not a parameter"),
        ("models = ['nope']\n", "no model at "),
        (
            "instruments = ['BTCUSDT.BINANCE', 'ETHBTC.BINANCE']\n[[exchange.symbols]]\nsymbol = 'BTCUSDT'\n"
            "[[exchange.symbols]]\nsymbol = 'ETHBTC'\nbase_asset = 'ETH'\nquote_asset = 'BTC'\n",
            "instruments: BTCUSDT.BINANCE is quoted in USDT, ETHBTC.BINANCE in BTC: limits and CVaR are sums in one ",
        ),
        (
            "[risk.instruments.'FOO.BINANCE']\nposition_lots = 5\n",
            "risk.instruments.FOO.BINANCE: it is not among the instruments here: BTCUSDT.BINANCE",
        ),
        (
            "[risk]\nresults_age_ms = 500\n[risk_process]\nrefresh_s = 60.0\n",
            "risk_process.refresh_s (60) must be below risk.results_age_ms (500): ",
        ),
        ("models = []\n[[strategies]]\nsizing = { method = 'kelly' }\n", "sizing: the method kelly needs a forecast: "),
        (
            "models = ['linear']\n[[strategies]]\nsizing = { method = 'kelly', kelly_horizon_s = 5.0 }\n",
            "sizing: kelly_horizon_s is 5.0, but model linear looks 1.0 s ahead",
        ),
        ("instruments = ['XYZ.BINANCE']\nstrategies = []\n", "XYZ.BINANCE does not exist on the built-in exchange"),
    ],
)
def test_validate_looks_at_parameters_models_and_instruments(text: str, line: str, tmp_path: Path) -> None:
    path = tmp_path / "bot4.toml"
    path.write_text(text)
    finished = bot4("validate", "--config", path)
    assert finished.returncode == 2
    assert said(finished).startswith(line)


@pytest.mark.parametrize(
    ("version", "stale", "not_judged"),
    [
        (0, 0, {"cvar_quote", "correlation_bp", "results_age_ms"}),  # no risk process
        (0, 1, {"cvar_quote"}),  # one that says nothing yet: the conservative rule
        (5, 0, set()),
        (5, 1, {"cvar_quote"}),
    ],
)
def test_a_limit_on_results_that_there_are_not_is_not_shown_as_free(
    version: int, stale: int, not_judged: set[str]
) -> None:
    row = np.zeros(1, RISK_VIEW)[0]
    row["results_version"], row["results_stale"] = version, stale
    row["limit"] = row["headroom"] = 10
    shown = limits(row)
    assert {limit["name"] for limit in shown if not limit["judged"]} == not_judged
    result = {"run": "r", "passed": 0, "refused": 0, "limits": shown, "sizing": [], "halted": None}
    assert risk_text(result).count("no results: not judged") == len(not_judged)
    row["limit"] = row["headroom"] = 0
    off = {limit["name"] for limit in limits(row) if not limit["judged"]}
    assert {"cvar_quote", "drawdown_hard_bp", "order_value_minimum_quote"} < off
    assert not {"position_lots", "daily_loss_quote"} & off  # nothing is allowed, which is not off


# -- without a run ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["status", "risk", "halt", "resume", "flatten"])
def test_a_verb_without_a_living_run_says_so(verb: str, tmp_path: Path) -> None:
    finished = bot4(verb, "--config", config(tmp_path))
    assert finished.returncode == 1
    assert said(finished) == f"no living run of instance test in {tmp_path / 'runs'}: `bot4 run` starts one"


# -- with one --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The configuration of a living run."""
    folder = tmp_path_factory.mktemp("living")
    path = config(folder)
    process = subprocess.Popen(
        [sys.executable, "-m", "engine", "run", "--json", "--no-replay", "--config", str(path)],
        cwd=PROJECT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        until(path, lambda found: found["instruments"][0]["book_state"] == "VALID")
        yield path
    finally:
        process.terminate()
        assert process.wait(120) == 0


def until(path: Path, condition: Any) -> dict[str, Any]:
    """The status once it satisfies the condition."""
    deadline = time.monotonic() + 100
    while time.monotonic() < deadline:
        finished = bot4("status", "--json", "--config", path)
        if finished.returncode == 0 and condition(found := json.loads(finished.stdout)):
            return dict(found)
        time.sleep(0.1)
    raise AssertionError(finished.stdout + finished.stderr)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_status_shows_every_process_alive_and_the_book_valid(run: Path) -> None:
    found = until(run, lambda found: found["orders"] > 0)
    assert [row["name"] for row in found["processes"]] == [
        "exchange", "journal", "gateway", "core", "feed", "risk", "follower",
    ]  # fmt: skip
    assert all(row["alive"] for row in found["processes"])
    assert found["halted"] is None
    assert found["journal"]["state"] == "RUNNING"
    assert found["latencies"]["core book"]["count"] > 0
    text = status_text(found)
    assert text.startswith(f"run {found['run']}  PAPER  instance test")
    assert "\ntrading\n" in text


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_halt_stops_orders_resume_lets_them_through_and_flatten_leaves_nothing(run: Path) -> None:
    halted = bot4("halt", "--json", "--config", run)
    assert (halted.returncode, json.loads(halted.stdout)["core_confirmed"]) == (0, True)
    found = until(run, lambda found: True)
    assert (found["halted"]["risk"], found["halted"]["halt_word"]) == (True, True)
    assert until(run, lambda found: "KILL_SWITCH" in found["refusals"])["orders"] >= found["orders"]
    assert bot4("resume", "--config", run).returncode == 0
    until(run, lambda now: now["halted"] is None and now["orders"] > found["orders"])
    flattened = bot4("flatten", "--json", "--config", run)
    assert flattened.returncode == 0
    assert json.loads(flattened.stdout)["open_orders"] == 0
    found = until(run, lambda found: True)
    assert float(found["instruments"][0]["position"]) == 0
    assert (found["halted"]["risk"], found["halted"]["halt_word"]) == (True, False)
    assert bot4("resume", "--config", run).returncode == 0


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_risk_shows_every_limit_with_what_is_left(run: Path) -> None:
    finished = bot4("risk", "--config", run)
    assert finished.returncode == 0
    line = next(line for line in finished.stdout.splitlines() if line.startswith("daily_loss_quote"))
    assert line.endswith("100% left")
    assert "of 10,000 " in line


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_halt_works_with_a_core_that_hangs_and_says_so(run: Path) -> None:
    core = next(row["pid"] for row in until(run, lambda found: True)["processes"] if row["name"] == "core")
    os.kill(core, signal.SIGSTOP)
    try:
        finished = bot4("halt", "--config", run)
        assert finished.returncode == 5
        assert said(finished).startswith("the gateway is halted, but the core does not know it: run ")
        assert json.loads(bot4("status", "--json", "--config", run).stdout)["halted"]["halt_word"]
        assert bot4("resume", "--config", run).returncode == 5  # it stays shut
    finally:
        os.kill(core, signal.SIGCONT)
    assert bot4("resume", "--config", run).returncode == 0
