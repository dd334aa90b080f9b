"""`bot4 strategy new | ls | check` without the terminal."""

from pathlib import Path

import pytest

from engine.errors import UserError
from engine.strategy import commands


def test_a_new_strategy_passes_the_check_as_it_is(tmp_path: Path, cache: Path) -> None:
    made = commands.new("my_first", tmp_path)
    checked = commands.check(made["file"], cache)
    assert checked["name"] == "my_first"
    assert checked["about"].startswith("My first: the smallest strategy that trades")
    assert "on_book" in checked["callbacks"]
    assert checked["state_bytes"] == 16
    assert checked["rehearsal"]["intents"] > 100


def test_a_new_strategy_never_overwrites_a_file(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("precious")
    with pytest.raises(UserError, match="is there already"):
        commands.new("mine", tmp_path)
    assert (tmp_path / "mine.py").read_text() == "precious"


@pytest.mark.parametrize("name", ["My", "a-b", "class", "../x", "", "momentum"])
def test_a_bad_name_is_refused_in_one_line(name: str, tmp_path: Path) -> None:
    with pytest.raises(UserError) as refused:
        commands.new(name, tmp_path)
    assert "\n" not in str(refused.value)


def test_ls_shows_the_built_in_ones_and_a_broken_file_with_its_error(tmp_path: Path) -> None:
    broken = tmp_path / "broken.py"
    broken.write_text("def on_book(state:\n")
    rows = {row["name"]: row for row in commands.ls([broken])["strategies"]}
    assert {"hello", "market_maker", "momentum", "broken"} <= set(rows)
    assert rows["broken"]["error"].startswith("broken.py:1:")
    assert rows["momentum"]["params"]["horizon"] == 0


def test_a_second_check_comes_from_the_cache(tmp_path: Path) -> None:
    assert not commands.check("hello", tmp_path)["from_cache"]
    assert commands.check("hello", tmp_path)["from_cache"]


def test_compile_all_fills_the_cache(tmp_path: Path) -> None:
    first, second = (commands.compile_all(tmp_path)["strategies"] for _ in range(2))
    assert [row["name"] for row in first] == ["hello", "market_maker", "momentum"]
    assert [row["from_cache"] for row in (*first, *second)] == [False] * 3 + [True] * 3
