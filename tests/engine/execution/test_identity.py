"""Client order ids are what the venue takes, and are read back as the numbers they were made of."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.execution.identity import MAXIMUM_LENGTH, client_order_id, order_number

RUN_IDS = st.text("ABCxyz019._:/-", min_size=1, max_size=16)


@given(RUN_IDS, st.integers(1, (1 << 62) - 1))
def test_id_is_read_back_as_its_number_and_the_venue_takes_it(run_id: str, number: int) -> None:
    text = client_order_id(run_id, number)
    assert re.fullmatch(r"[.A-Z:/a-z0-9_-]{1,36}", text)
    assert order_number(run_id, text) == number


@given(RUN_IDS, RUN_IDS, st.integers(1, 1 << 40))
def test_id_of_another_run_is_not_ours(ours: str, theirs: str, number: int) -> None:
    read = order_number(ours, client_order_id(theirs, number))
    assert read is None or (ours == theirs and read == number)


def test_run_whose_id_holds_a_number_is_not_taken_for_another() -> None:
    assert order_number("run", "run-1-2") is None
    assert order_number("run-1", "run-1-2") == 2


@pytest.mark.parametrize("text", ["", "run", "run-", "run-0", "run-01", "run--1", "x-web-order", "run-" + "9" * 30])
def test_foreign_text_is_no_order_of_ours(text: str) -> None:
    assert order_number("run", text) is None


@pytest.mark.parametrize(
    ("run_id", "number", "message"),
    [
        ("r n", 1, "may hold only"),
        ("", 1, "may hold only"),
        ("run", 0, "from 1"),
        ("run", 1 << 62, "from 1"),
        ("r" * MAXIMUM_LENGTH, 1, "36"),
    ],
)
def test_id_that_the_venue_would_refuse_is_an_error(run_id: str, number: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        client_order_id(run_id, number)
