"""benchmarks/budgets.toml holds: allocations and instructions, which a busy machine cannot change. Never wall time."""

import tomllib
from pathlib import Path

import pytest

from benchmarks import instructions
from benchmarks.allocations import count, shim
from benchmarks.bench_core import DataAbsent, recording
from benchmarks.rows import ROWS

BUDGETS = tomllib.loads((Path(instructions.__file__).parent / "budgets.toml").read_text())
COUNTED_HERE = ("book_update", "pretrade_risk")  # the others take longer: `bot4 bench` counts them all


def test_every_row_has_an_aim_and_every_hot_row_a_budget_of_no_allocation() -> None:
    assert set(BUDGETS["aims"]) <= set(ROWS)
    assert BUDGETS["allocations"] == dict.fromkeys((name for name, row in ROWS.items() if row.hot), 0)
    assert set(BUDGETS["instructions"]) == {"tolerance", *instructions.ROWS}


@pytest.mark.slow
@pytest.mark.skipif(shim() is None, reason="no C compiler: allocations cannot be counted")
def test_hot_rows_allocate_what_their_budget_says() -> None:
    counted = count(list(COUNTED_HERE))
    assert {name: counted[name]["allocations"] for name in COUNTED_HERE} == dict.fromkeys(COUNTED_HERE, 0)


@pytest.mark.slow
@pytest.mark.parametrize("row", list(instructions.ROWS))
def test_instructions_per_operation_stay_within_their_budget(row: str) -> None:
    why = instructions.absent()
    if why is not None:
        pytest.skip(f"instructions not counted: {why}")
    if row == "core_take":
        try:
            recording()
        except DataAbsent as error:
            pytest.skip(str(error))
    budget, tolerance = BUDGETS["instructions"][row], BUDGETS["instructions"]["tolerance"]
    assert instructions.count(row) <= budget * (1 + tolerance)
