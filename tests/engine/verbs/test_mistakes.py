"""A user's first hour: every mistake gets one line that says what, where and how to mend it, the right exit code, and
leaves nothing half-written. The commands run as a user runs them, in processes of their own."""

import gzip
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.architecture.tree import PROJECT
from tests.engine.verbs.command import bot4, config, said

KEYS = ("BOT4_API_KEY", "BOT4_API_SECRET", "BOT4_CREDENTIAL_FILE")
RECORDING = "spot_ethusdt_20240808.gz"
HOUR_TWO = "spot_ethusdt_20240809.gz"  # of the same recording: it has no snapshot


@pytest.fixture(autouse=True)
def no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in KEYS:
        monkeypatch.delenv(name, raising=False)


def files_in(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


# -- 0: impossible arguments -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("run", "--seconds", "-3"), "--seconds: seconds must be a number and not negative, is -3.0"),
        (("run", "--seconds", "nan"), "--seconds: seconds must be a number and not negative, is nan"),
        (("record", "--output", "x.tape", "--seconds", "-1"), "--seconds: must be a number above 0, is -1.0"),
        (("validate", "--config", "binary.toml"), "binary.toml: not UTF-8 text, at byte 0: name a TOML file with"),
        (("data", "check", "nowhere.gz"), "nowhere.gz: no such file"),
    ],
)
def test_an_impossible_argument_is_one_line(tmp_path: Path, arguments: tuple[str, ...], line: str) -> None:
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe")
    finished = bot4(*arguments, cwd=tmp_path)
    assert finished.returncode == 2
    assert said(finished).startswith(line)
    assert files_in(tmp_path) == {"binary.toml"}


# -- 1: a foreign package --------------------------------------------------------------------------------------------


def test_a_foreign_package_beside_the_user_is_named(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "__init__.py").touch()
    finished = bot4("run", cwd=tmp_path)
    assert finished.returncode == 2
    assert finished.stderr == (
        f"bot4: 'models' comes from {tmp_path / 'models'}, not from Bot4: {PROJECT / 'models'}. "
        "Leave that folder or unset PYTHONPATH.\n"
    )
    assert files_in(tmp_path) == {"models", "models/__init__.py"}


# -- 2 to 4: mistakes in a strategy ----------------------------------------------------------------------------------

STATE = "class State:\n    position: int\n\n\n"
MISTAKES = {
    "typo": (
        "def on_book(state, book):\n    state.positon = 1\n",
        "mine.py:6 on_book: 'state.positon' is not a field of State (did you mean position?)",
        1,
    ),
    "clock": (
        "import time\n\n\ndef on_book(state, book):\n    state.position = int(time.time())\n",
        "mine.py:9: the clock reaches a strategy as on_timer; time.time() is not allowed",
        2,
    ),
    "random": (
        "import random\n\n\ndef on_book(state, book):\n    state.position = random.randint(0, 3)\n",
        "mine.py:9: the same inputs must give the same orders; random.randint() is not allowed",
        2,
    ),
    "print": (
        "def on_book(state, book):\n    print(state.position)\n",
        "mine.py:6: a strategy prints nothing; keep it as a field of State; print() is not allowed",
        2,
    ),
    "list": (
        "def on_book(state, book):\n    prices = []\n",
        "mine.py:6: a strategy allocates nothing; a list is not allowed; keep it in State",
        2,
    ),
    "float price": (
        "from engine.strategy.api import BID, place\n\n\n"
        "def on_book(book, orders):\n    place(orders, BID, 61800.2, 1)\n",
        "mine.py:9: price 61800.2 is not a tick; use whole ticks, as in book.bid_price_ticks[0], or round_down(...)",
        2,
    ),
    "unknown callback": (
        "def on_boook(state, book):\n    pass\n\n\ndef on_book(state, book):\n    pass\n",
        "mine.py: on_boook is no callback; there are on_start, on_book, on_trade, on_bar, on_timer, on_fill, on_order, "
        "on_regime, on_risk, on_stop",
        1,
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_in_a_strategy_is_named_with_its_line(mistake: str, tmp_path: Path) -> None:
    text, line, code = MISTAKES[mistake]
    (tmp_path / "mine.py").write_text(STATE + text)
    finished = bot4("strategy", "check", tmp_path / "mine.py", cwd=tmp_path)
    assert (said(finished), finished.returncode) == (line, code)
    assert files_in(tmp_path) == {"mine.py"}


def test_a_run_with_a_mistaken_strategy_starts_nothing(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(STATE + MISTAKES["typo"][0])
    path = config(tmp_path)
    finished = bot4("run", "--strategy", tmp_path / "mine.py", "--config", path)
    assert (said(finished), finished.returncode) == MISTAKES["typo"][1:]
    assert not list((tmp_path / "runs").glob("[!.]*"))


def test_a_backtest_tells_the_mistake_before_it_reads_the_data(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(STATE + MISTAKES["clock"][0])
    finished = bot4("backtest", "--data", tmp_path / "absent.gz", "--strategy", tmp_path / "mine.py")
    assert (said(finished), finished.returncode) == MISTAKES["clock"][1:]


def test_a_price_between_two_ticks_is_refused_at_run_time_and_the_report_says_so(data: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "from engine.strategy.api import BID, place\n\n\nclass Params:\n    price_ticks: float = 260000.5\n\n\n"
        "def on_book(params, book, orders):\n    place(orders, BID, params.price_ticks, 100)\n"
    )
    report = tmp_path / "report.html"
    finished = bot4(
        "backtest", "--json", "--data", data / "binance_ws" / RECORDING, "--strategy", tmp_path / "mine.py",
        "--report", report,
    )  # fmt: skip
    result = json.loads(finished.stdout)
    assert (finished.returncode, finished.stderr) == (0, "")
    assert set(result["refusals"]) == {"PRICE_NOT_TICK"}
    text = report.read_text()
    assert f"{result['refusals']['PRICE_NOT_TICK']:,} refusals PRICE_NOT_TICK: The strategy gave a price" in text


# -- 5: configuration ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[risk]\nmax_loss = 3\n", "risk.max_loss is unknown; did you mean risk.daily_loss_quote?"),
        ("[risc]\n", "risc is unknown; did you mean risk?"),
        ("[risk]\nprice_collar_bp = 0\n", "risk: price_collar_bp must be from 1 to 10000, is 0"),
        ("instruments = []\n", "strategies: market_maker trades BTCUSDT.BINANCE, which is not in instruments ()"),
        ("instruments = []\nstrategies = []\n", "instruments must name at least one"),
        (
            "instruments = ['BTCUSDT.BINANCE', 'BTCUSDT.BINANCE']\n",
            "instruments names BTCUSDT.BINANCE twice: its limits would count for each by itself",
        ),
        (
            "[risk_process]\nbar_s = 1e-12\n",
            "risk_process: bar_s must be at least 0.1, is 1e-12: the books are seen so often",
        ),
        ("[risk_process]\nseed = -1\n", "risk_process: seed must not be negative, is -1"),
        ("[run]\nseconds = 'ten'\n", "run.seconds: Expected `float`, got `str`"),
        ("[run\n", "not TOML: Expected ']' at the end of a table declaration (at line 1, column 5)"),
    ],
)
def test_a_mistake_in_the_configuration_is_named_with_its_key(text: str, line: str, tmp_path: Path) -> None:
    path = tmp_path / "bot4.toml"
    path.write_text(text)
    for verb in ("run", "validate"):
        finished = bot4(verb, "--config", path, cwd=tmp_path)
        assert (said(finished), finished.returncode) == (f"{path}: {line}", 2)
    assert files_in(tmp_path) == {"bot4.toml"}


# -- 6: real money ---------------------------------------------------------------------------------------------------


def test_a_live_run_without_keys_names_the_variables_and_the_credential(tmp_path: Path) -> None:
    finished = bot4("run", "--live", "--config", config(tmp_path))
    assert finished.returncode == 2
    assert said(finished) == (
        "no credentials: BOT4_API_KEY and BOT4_API_SECRET missing in the environment; set BOT4_API_KEY and "
        "BOT4_API_SECRET, or name a credential file in gateway.credential_file"
    )
    assert files_in(tmp_path) == {"bot4.toml"}


def test_keys_in_the_configuration_are_refused_and_not_repeated(tmp_path: Path) -> None:
    path = config(tmp_path, '[gateway]\napi_key = "hunter2"\n')
    finished = bot4("run", "--config", path)
    assert finished.returncode == 2
    assert said(finished) == (
        f"{path}: gateway.api_key holds a secret: remove it and set BOT4_API_KEY and BOT4_API_SECRET in the "
        "environment, or name a credential file in gateway.credential_file"
    )
    assert "hunter2" not in finished.stderr + finished.stdout


# -- 7: two runs -----------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_second_run_is_told_who_holds_the_instance_and_a_killed_one_makes_room(tmp_path: Path) -> None:
    path = config(tmp_path)
    first = subprocess.Popen(
        [sys.executable, "-m", "engine", "run", "--json", "--no-replay", "--config", str(path)],
        cwd=PROJECT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        run = living(path)
        finished = bot4("run", "--config", path)
        assert finished.returncode == 2
        assert said(finished) == (
            f"run {run} (pid {first.pid}) holds this instance: stop it (Ctrl-C there, or kill its pid), or choose "
            "another run.instance"
        )
        assert len(list((tmp_path / "runs").glob("*/manifest.json"))) == 1
    finally:
        first.send_signal(signal.SIGKILL)
        first.wait()
    finished = bot4("status", "--config", path)
    assert finished.returncode == 1
    assert said(finished) == (
        f"no living run of instance test: {run} was killed, and its built-in exchange with it: `bot4 replay {run}` "
        "shows it, the next `bot4 run` buries it"
    )
    finished = bot4("run", "--resume", run, "--config", path)
    assert "its built-in exchange died with it" in said(finished)
    again = bot4("run", "--json", "--seconds", "1", "--config", path)
    assert again.returncode == 0
    assert json.loads(again.stdout)["replay"]["identical"]
    assert json.loads(bot4("replay", run, "--json", "--config", path).stdout)["identical"]


def living(path: Path) -> str:
    """Id of the run, once it shows itself."""
    for _ in range(100):
        finished = bot4("status", "--json", "--config", path)
        if finished.returncode == 0:
            return str(json.loads(finished.stdout)["run"])
        time.sleep(0.1)
    raise AssertionError(finished.stderr)


# -- 8: data that is not what it says --------------------------------------------------------------------------------


def half_a_gzip(source: Path, target: Path) -> str:
    target.write_bytes(source.read_bytes()[:200_000])
    return "the gzip file is cut or damaged"


def seconds_for_nanoseconds(source: Path, target: Path) -> str:
    with gzip.open(source, "rt") as lines, gzip.open(target, "wt") as out:
        for _, line in zip(range(2_000), lines, strict=False):
            stamp, _, frame = line.partition(" ")
            out.write(f"{stamp[:10]} {frame}")
    return "is in seconds, nanoseconds are wanted; no good message before it; multiply the first column by 1000000000"


def without_a_snapshot(source: Path, target: Path) -> str:
    shutil.copyfile(source.with_name(HOUR_TWO), target)
    return "no depth snapshot up to the end, so its book is never known"


@pytest.mark.parametrize("damage", [half_a_gzip, seconds_for_nanoseconds, without_a_snapshot])
def test_damaged_data_is_named_with_file_byte_last_good_message_and_mend(
    damage: Callable[[Path, Path], str], data: Path, tmp_path: Path
) -> None:
    target = tmp_path / RECORDING
    what = damage(data / "binance_ws" / RECORDING, target)
    (tmp_path / "out").mkdir()
    finished = bot4("data", "import", target, "--output", tmp_path / "out" / "tape.tape")
    line = said(finished)
    assert finished.returncode == 3
    assert line.startswith(f"{RECORDING}: byte ")
    assert what in line
    assert "good message" in line
    assert files_in(tmp_path / "out") == set()


# -- 9: what a backtest says of itself -------------------------------------------------------------------------------


def test_a_report_opens_with_its_assumptions_and_with_why_it_never_traded(data: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.html"
    path = config(tmp_path, "[risk]\norder_value_quote = 1\n")
    finished = bot4(
        "backtest", "--data", data / "binance_ws" / RECORDING, "--strategy", "market_maker", "--config", path,
        "--report", report,
    )  # fmt: skip
    assert finished.returncode == 0
    never = next(line for line in finished.stdout.splitlines() if line.startswith("it never traded: "))
    count, _, code = never.removeprefix("it never traded: ").partition(" refusals ")
    text = report.read_text()
    opening = text[: text.index('<div class="figures">')]
    assert "Orders reach the venue after 500 us, reports come back after 500 us, queue model trades_only" in opening
    assert f"{count} refusals {code}: " in opening
    assert code == "ORDER_VALUE"
    assert files_in(tmp_path) == {"bot4.toml", "report.html"}


# -- 10: a machine that is too small ---------------------------------------------------------------------------------


@pytest.fixture
def small_tmpfs(tmp_path: Path) -> Path:
    """A tmpfs of 1 MiB, mounted in a namespace of the test's own; the command that enters it."""
    folder = tmp_path / "shm"
    folder.mkdir()
    probe = ["unshare", "--mount", "--map-root-user", "mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if shutil.which("unshare") is None or subprocess.run(probe, capture_output=True, check=False).returncode:
        pytest.skip("this machine lets nobody mount a tmpfs of his own (unshare --mount --map-root-user)")
    return folder


def test_a_run_that_does_not_fit_into_shared_memory_says_what_it_needs(small_tmpfs: Path, tmp_path: Path) -> None:
    path = config(tmp_path, f'shared_memory_directory = "{small_tmpfs}"\n')
    script = (
        f'mount -t tmpfs -o size=1m tmpfs {small_tmpfs} && "{sys.executable}" -m engine run --config {path}; echo $?'
    )
    finished = subprocess.run(
        ["unshare", "--mount", "--map-root-user", "sh", "-c", script],
        cwd=PROJECT, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert finished.stdout == "2\n"
    assert said(finished) == (
        f"{small_tmpfs} has 1 MiB free, a run needs 31: enlarge it (mount -o remount,size=63M {small_tmpfs}; "
        "docker run --shm-size), or name another tmpfs in run.shared_memory_directory"
    )
    assert not list((tmp_path / "runs").glob("[!.]*"))


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_on_one_core_a_run_goes_on_and_says_that_latencies_will_be_poor(tmp_path: Path) -> None:
    core = min(os.sched_getaffinity(0))
    finished = subprocess.run(
        ["taskset", "-c", str(core), sys.executable, "-m", "engine", "run", "--seconds", "2", "--no-replay",
         "--config", str(config(tmp_path))],
        cwd=PROJECT, capture_output=True, text=True, check=False, timeout=110,
    )  # fmt: skip
    assert finished.returncode == 0, finished.stderr
    assert "1 core: every process shares it, so latencies will be poor" in finished.stderr
