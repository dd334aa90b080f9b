"""Machine code that allocates, takes the GIL or calls libm is refused; the cache knows every source."""

import subprocess
import sys
from pathlib import Path

import pytest

from engine.errors import Exit
from engine.strategy.contract import StrategyError
from engine.strategy.loader import load
from engine.strategy.machine_code import cache_key, compile_strategy
from tests.engine.strategy.rig import Rig

OFFENDER = """
    import math
    import numpy as np
    class State:
        x: float
    def on_book(state, book):
        {body}
"""


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("state.x = np.zeros(book.trades + 1).sum()", "allocates memory (calls NRT_"),
        ("x = [book.trades]; x.append(1); state.x = len(x)", "allocates memory (calls NRT_"),
        ("print(book.trades)", "takes the GIL (calls"),
        ("state.x = math.exp(book.trades)", "calls a library function (calls"),
        ("state.x = book.trades ** 1.5", "calls a library function (calls"),
        ("state.x = math.sin(book.trades)", "calls a library function (calls"),
    ],
)
def test_planted_offender_is_refused_by_its_machine_code(
    body: str, reason: str, strategy_of, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.strategy.loader.check", lambda *_: None)  # past the reading of the text
    strategy = strategy_of(OFFENDER.format(body=body))
    for _ in range(2):  # and not found acceptable in the cache the second time
        with pytest.raises(StrategyError) as refused:
            compile_strategy(strategy, tmp_path / "cache")
        assert str(refused.value).startswith("mine.py:6 on_book: ")
        assert reason in str(refused.value)
        assert "\n" not in str(refused.value)


def test_a_typing_error_names_the_line_and_keeps_the_long_text_for_verbose(strategy_of, tmp_path: Path) -> None:
    strategy = strategy_of(OFFENDER.format(body="state.x = len(book.trades)"))
    with pytest.raises(StrategyError) as refused:
        compile_strategy(strategy, tmp_path)
    assert str(refused.value).startswith("mine.py:7 on_book: numba cannot compile this: ")
    assert "\n" not in str(refused.value)
    assert refused.value.exit_code == Exit.FAILED
    assert len(refused.value.details) > len(str(refused.value))


HELPED = """
    from helper import step
    class State:
        n: int
    def on_book(state):
        state.n += step()
"""


def run_once(path: Path, cache: Path) -> tuple[int, bool]:
    strategy = load(str(path))
    rig = Rig([(strategy, 0, {})], cache)
    rig.quote(100, 101)
    return int(rig.stage.state(0)["n"][0]), bool(rig.bound[0].compiled.from_cache)


def test_a_changed_helper_in_another_file_is_compiled_anew(write, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    write("from deeper import STEP\ndef step():\n    return STEP\n", "helper")
    write("STEP = 1\n", "deeper")
    path = write(HELPED)
    assert run_once(path, cache) == (1, False)
    assert run_once(path, cache) == (1, True)
    write("STEP = 2\n", "deeper")
    assert run_once(path, cache) == (2, False)
    write("from deeper import STEP\ndef step():\n    return STEP + 5\n", "helper")
    assert run_once(path, cache) == (7, False)


def test_a_constant_that_comes_from_a_data_file_is_part_of_the_key(write, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    number = tmp_path / "number.txt"
    write(
        f"from pathlib import Path\nSTEP = int(Path({str(number)!r}).read_text())\ndef step():\n    return STEP\n",
        "helper",
    )
    path = write(HELPED)
    number.write_text("3")
    assert run_once(path, cache) == (3, False)
    number.write_text("4")
    assert run_once(path, cache) == (4, False)
    number.write_text("3")
    assert run_once(path, cache) == (3, True)


def test_a_flipped_byte_in_the_cache_is_noticed(write, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    write("def step():\n    return 1\n", "helper")
    path = write(HELPED)
    run_once(path, cache)
    (code,) = cache.rglob("on_book.o")
    data = bytearray(code.read_bytes())
    data[len(data) // 2] ^= 1
    code.write_bytes(data)
    assert run_once(path, cache) == (1, False)
    assert run_once(path, cache) == (1, True)


def test_a_warm_start_does_not_import_numba(tmp_path: Path) -> None:
    programme = (
        "import sys; from pathlib import Path; from engine.strategy.loader import load;"
        "from engine.strategy.machine_code import cache_key, compile_strategy;"
        f"print(compile_strategy(load('hello'), Path({str(tmp_path)!r})).from_cache, 'numba' in sys.modules)"
    )
    said = [
        subprocess.run([sys.executable, "-c", programme], capture_output=True, text=True, check=True).stdout.split()
        for _ in range(2)
    ]
    assert said == [["False", "True"], ["True", "False"]]


@pytest.mark.parametrize(
    ("place", "told"),
    [
        ("llvmlite.binding.get_host_cpu_name", lambda: "another-cpu"),
        ("importlib.metadata.version", lambda _: "0.0"),
        ("engine.strategy.machine_code.llvmlite.__version__", "0.0"),
        ("engine.strategy.machine_code.WRAPPER_OPTIONS", {}),
    ],
)
def test_another_version_or_processor_is_another_key(place: str, told: object, monkeypatch: pytest.MonkeyPatch) -> None:
    strategy = load("hello")
    before = cache_key(strategy)
    assert cache_key(load("hello")) == before
    monkeypatch.setattr(place, told)
    assert cache_key(strategy) != before
