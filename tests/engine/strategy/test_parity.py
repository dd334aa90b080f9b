"""A strategy gives the same results compiled and not, to the last bit."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.strategy.loader import load
from tests.engine.strategy.rig import Rig, session

PARITY_BATCHES = 3_000

ARITHMETIC = """
    import numpy as np
    from engine.strategy.api import BID, place, round_down, round_up
    from kernels.elementary_reference import exp, log

    class Params:
        a: int = 0
        b: int = 0
        x: float = 0.0
        y: float = 0.0

    class State:
        sum_ints: int
        quotient: int
        remainder: int
        ratio: float
        product: float
        chain: float
        whole: int
        larger: int
        branch: int
        elementary: float
        truncated: int
        float_floor: float
        float_remainder: float

    def on_book(state, params, orders):
        state.sum_ints = params.a * params.b - params.a + abs(params.b)
        state.quotient = params.a // params.b
        state.remainder = params.a % params.b
        state.product = params.x * params.y + params.x
        state.chain = (params.x * params.y + params.x) * params.y - params.a * 0.1
        state.ratio = params.x / (params.y * params.y + 1.0) + params.a / 7 + np.sqrt(params.x * params.x + 2.0)
        state.whole = round_down(params.x) + round_up(params.y)
        state.larger = max(params.a, params.b) - min(params.a, params.b, 3)
        state.branch = params.a > params.b and params.x >= params.y
        state.branch += np.sqrt(params.y) > 1.0
        state.elementary = exp(params.x / 1e5) + log(abs(params.y) + 1.0)
        state.truncated = int(params.x) + np.floor(params.y) + np.ceil(params.x)
        state.float_floor = params.x // 3.0
        state.float_remainder = params.y % 3.0
        for i in range(params.a % 5):
            state.product += i * params.x
        place(orders, BID, params.x, params.y)
"""


@pytest.mark.parametrize("name", ["market_maker", "momentum", "hello"])
def test_a_session_is_identical_compiled_and_uncompiled(name: str, cache: Path) -> None:
    strategies = [(load(name), i % 2, {}) for i in range(3)]
    compiled = session(Rig(strategies, cache, 2), 7, PARITY_BATCHES)
    plain = session(Rig(strategies, None, 2), 7, PARITY_BATCHES)
    assert compiled["orders"] > 100
    assert compiled == plain


def test_a_session_differs_when_a_parameter_does(cache: Path) -> None:
    strategy = load("market_maker")
    first = session(Rig([(strategy, 0, {})], cache), 7, 300)
    second = session(Rig([(strategy, 0, {"quote_value": 700.0})], cache), 7, 300)
    assert first["said"] != second["said"]


whole = st.integers(-(2**40), 2**40) | st.integers(-3, 3)
real = st.floats(-1e6, 1e6) | st.integers(-5, 5).map(float)


def test_arithmetic_is_identical_compiled_and_uncompiled(cache: Path, strategy_of) -> None:
    strategy = strategy_of(ARITHMETIC)

    @settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow], database=None)
    @given(a=whole, b=whole, x=real, y=real)
    def same(a: int, b: int, x: float, y: float) -> None:
        params = {"a": a, "b": b, "x": x, "y": y}
        compiled, plain = Rig([(strategy, 0, params)], cache), Rig([(strategy, 0, params)], None)
        assert compiled.quote(100, 101).tobytes() == plain.quote(100, 101).tobytes()
        assert not compiled.stage.failed()
        assert compiled.stage.state(0).tobytes() == plain.stage.state(0).tobytes(), (
            compiled.stage.state(0), plain.stage.state(0), plain.stage.failed(),
        )  # fmt: skip

    same()
