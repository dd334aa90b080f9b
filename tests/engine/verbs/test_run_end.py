"""What `bot4 run` says and returns at its end."""

from typing import Any

import pytest

from engine.config import RunSettings
from engine.errors import Exit
from engine.verbs.run import exit_code, left_open


def result(**more: Any) -> dict[str, Any]:
    return {"run": "261121-083516-5fe8", "open_orders": 0, "replay": {"identical": True}} | more


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"orders": "binance", "market": "binance"}, True),
        ({"orders": "exchange", "exchange_address": "127.0.0.1:9000"}, True),
        ({"orders": "exchange"}, False),  # it died with the run
        ({"orders": "paper"}, False),
    ],
)
def test_orders_that_a_venue_still_has_when_the_run_ends_are_told_with_the_way_to_find_them(
    settings: dict[str, Any], told: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    ended = result(open_orders=2)
    left = left_open(ended, RunSettings(**settings))
    assert (left is not None) == told
    assert exit_code(ended, None, None, left) == (Exit.VENUE if told else Exit.DONE)
    assert ("bot4: 2 orders were open when the run ended" in capsys.readouterr().err) == told
    assert left is None or "261121-083516-5fe8-" in left


def test_what_is_worse_than_an_open_order_keeps_its_exit_code_and_both_are_told(
    capsys: pytest.CaptureFixture[str],
) -> None:
    left = "2 orders were open"
    assert exit_code(result(), "the journal is full", None, left) == Exit.STOPPED
    assert exit_code(result(replay={"identical": False}), None, None, left) == Exit.INTEGRITY
    assert capsys.readouterr().err.count(left) == 2


def test_run_without_open_orders_ends_well() -> None:
    assert exit_code(result(), None, None, left_open(result(), RunSettings(orders="binance"))) == Exit.DONE
