"""A window of rows against a plain list."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from engine.risk_models.window import Window


@given(most=st.integers(1, 5), steps=st.lists(st.one_of(st.floats(-9, 9), st.lists(st.floats(-9, 9))), max_size=40))
def test_a_window_holds_what_a_list_of_the_last_rows_holds(most: int, steps: list[float | list[float]]) -> None:
    window, plain = Window(most, 2), np.zeros((0, 2))
    for step in steps:
        if isinstance(step, list):
            plain = np.repeat(step, 2).reshape(-1, 2)
            window.replace(plain)
        else:
            plain = np.vstack([plain, [step, -step]])
            window.append(np.array([step, -step]))
        plain = plain[-most:]
        assert window.rows.tolist() == plain.tolist()
        assert len(window) == len(plain)
