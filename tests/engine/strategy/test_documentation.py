"""docs/STRATEGIES.md says what the code does: its example trades, and no field or function is missing from it."""

import inspect
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.stage import WORKING_ORDER
from engine.strategy import api
from engine.strategy.api import LIMIT
from engine.strategy.contract import ARGUMENTS, CALLBACKS, EVENT_NAMES, REQUESTS_PER_CALL, VIEWS
from engine.strategy.loader import Strategy
from engine.strategy.machine_code import compile_strategy
from engine.strategy.rehearsal import MESSAGES, rehearse

TEXT = (Path(__file__).resolve().parents[3] / "docs" / "STRATEGIES.md").read_text()
NAMES = set(re.findall(r"\w+", TEXT))
RECORDS = {**VIEWS, **EVENT_NAMES, "working": WORKING_ORDER}


def test_the_example_loads_compiles_and_asks_for_orders(strategy_of: Callable[..., Strategy], cache: Path) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    strategy = strategy_of(example)
    assert rehearse(strategy, compile_strategy(strategy, cache))["intents"] > 0


@pytest.mark.parametrize("record", RECORDS)
def test_every_field_is_explained(record: str) -> None:
    missing = [name for name in RECORDS[record].names or () if name not in NAMES and name != "instrument"]
    assert not missing


def test_every_callback_argument_and_function_is_explained() -> None:
    functions = [name for name, value in vars(api).items() if inspect.isfunction(value) and name[0] != "_"]
    constants = [name for name, value in vars(api).items() if isinstance(value, int) and name[0] != "_"]
    wanted = {*CALLBACKS, *ARGUMENTS, *functions, *constants} - {"ATOMS_PER_UNIT", "REQUESTS_PER_CALL"}
    assert wanted - NAMES == set()
    for name in functions:
        known = [parameter.name for parameter in inspect.signature(getattr(api, name)).parameters.values()]
        told = re.search(rf"`{name}\(([^`]*)\)`", TEXT)
        assert told is not None, name
        if name not in {"round_down", "round_up"}:
            assert re.findall(r"(\w+)(?:=\w+)?(?:, |$)", told[1]) == known


def test_every_number_told_is_the_number_in_the_code() -> None:
    assert f"At most {REQUESTS_PER_CALL} requests a call" in TEXT
    assert f"rehearses {MESSAGES:,} messages" in TEXT
    assert inspect.signature(api.place).parameters["order_type"].default == LIMIT


def test_arrays_are_fields_of_state(strategy_of: Callable[..., Strategy], cache: Path) -> None:
    text = """
    import numpy as np
    State = np.dtype([("seen", "<i8", 100), ("n", "<i8")])
    def on_book(state, book):
        state.seen[state.n % 100] += book.bid_price_ticks[0]
        state.n += 1
    """
    strategy = strategy_of(text)
    rehearse(strategy, compile_strategy(strategy, cache), 400)
