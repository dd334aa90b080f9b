"""What is wrong with a file as a whole, with its parameters, or with its types: one line and an exit code each."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from engine.cli import make_group
from engine.errors import UserError
from engine.strategy.contract import StrategyError
from engine.strategy.loader import Strategy, load
from engine.strategy.machine_code import compile_strategy

FILES = {
    "x = 1\nraise RuntimeError('no\\nluck')\n": ("mine.py:2: RuntimeError: no luck", 1),
    "import sys\nsys.exit(3)\n": ("mine.py:2: SystemExit: 3", 1),
    "def on_book(state\n    pass\n": ("mine.py:1: '(' was never closed", 1),
    "def on_book(state):\n    state.n += 1\n": (
        "mine.py:2 on_book: 'state.n' is not a field of State (the file has no class State; give it n: int or float)",
        1,
    ),
    "def on_book(sate):\n    pass\n": ("mine.py:1 on_book: it cannot be given 'sate' (did you mean state?)", 1),
    "def on_book(zzz):\n    pass\n": (
        "mine.py:1 on_book: it cannot be given 'zzz' (there are: state, params, book, features, forecast, account, "
        "instrument, orders, now_ns)",
        1,
    ),
    "class State:\n    n: int\ndef on_book(state):\n    state.n = helpr(1)\ndef helper(a):\n    return a\n": (
        "mine.py:4 on_book: 'helpr' is not defined; did you mean helper?",
        1,
    ),
    "class State:\n    x: float\ndef on_book(state, features):\n    state.x = features.values.sum()\n": (
        "mine.py:4: features.values.sum() is a method, which adds in another order when compiled; write a loop",
        2,
    ),
}


@pytest.mark.parametrize(("text", "told"), FILES.items(), ids=[message for message, _ in FILES.values()])
def test_a_file_that_cannot_be_loaded_is_told_in_one_line(text: str, told: tuple[str, int], write) -> None:
    with pytest.raises(StrategyError) as refused:
        load(str(write(text)))
    assert (str(refused.value), int(refused.value.exit_code)) == told


def test_a_failed_import_leaves_nothing_behind(write) -> None:
    before = list(sys.path), set(sys.modules)
    write("import time\n", "beside")
    with pytest.raises(StrategyError):
        load(str(write("import beside\nraise ValueError\n")))
    assert (list(sys.path), set(sys.modules)) == before


TYPES = {
    "state.n = len(book)": "len(record) is not possible",
    "state.n = book + 1": "add(record, 1) is not possible",
    "state.n = helper(1)": "helper(1): missing a required argument: 'b'",
    "state.n = state.n.bar": "Unknown attribute 'bar' of type int64",
    "x = 1 if state.n else 'a'": "one name stands for both 1 and a",
    "state.n = max(1, 'b')": "max(1, b) is not possible",
}
TYPED = "class State:\n    n: int\ndef helper(a, b):\n    return a + b\ndef on_book(state, book):\n    {body}\n"


@pytest.mark.parametrize("body", TYPES)
def test_a_typing_error_is_the_deepest_call_in_one_line(
    body: str, strategy_of: Callable[..., Strategy], tmp_path: Path
) -> None:
    with pytest.raises(StrategyError) as refused:
        compile_strategy(strategy_of(TYPED.format(body=body)), tmp_path / "cache")
    said = str(refused.value)
    assert said.startswith("mine.py:6 on_book: numba cannot compile this: ")
    assert said.partition("this: ")[2] == TYPES[body]
    assert "\n" not in said
    assert ">>>" in refused.value.details or "Failed in nopython" in refused.value.details


PARAMETERS = """
    class Params:
        ticks: int = 2
        timer_interval_ms: int = 5
    def on_timer():
        pass
"""


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("nonsense", 1, "mine: 'nonsense' is not a parameter (there are: ticks, timer_interval_ms)"),
        ("tick", 1, "mine: 'tick' is not a parameter (did you mean ticks?)"),
        ("ticks", 1.5, "mine: parameter ticks must be a whole number, not 1.5"),
        ("ticks", float("inf"), "mine: parameter ticks must be a finite number, not inf"),
        ("ticks", 1 << 70, f"mine: parameter ticks must be below 2^63, not {1 << 70}"),
        ("timer_interval_ms", 0, "mine: the timer interval must be at least 1 ms"),
    ],
)
def test_a_parameter_that_cannot_be_is_told_in_one_line(
    name: str, value: float, message: str, strategy_of: Callable[..., Strategy]
) -> None:
    with pytest.raises(StrategyError) as refused:
        strategy_of(PARAMETERS).params_row({name: value})
    assert str(refused.value) == message


def test_a_strategy_without_parameters_takes_none(strategy_of: Callable[..., Strategy]) -> None:
    strategy = strategy_of("def on_book():\n    pass\n")
    for name in ("unused", "x"):
        with pytest.raises(StrategyError, match=rf"'{name}' is not a parameter \(there are: none\)"):
            strategy.params_row({name: 1})


def test_an_unknown_parameter_of_a_backtest_is_told_in_one_line(data: Path) -> None:
    recording = data / "binance_ws" / "spot_ethusdt_20240808.gz"
    told = CliRunner().invoke(
        make_group(), ["backtest", "--data", str(recording), "--strategy", "hello", "--param", "nonsense=1"]
    )
    assert isinstance(told.exception, UserError)
    assert str(told.exception) == "hello: 'nonsense' is not a parameter (there are: order_value, timer_interval_ms)"
    assert told.exception.exit_code == 2
