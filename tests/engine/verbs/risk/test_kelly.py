"""`bot4 risk kelly` as a user runs it, in this process: exit code, JSON, the one line of an error, the report."""

import json
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.cli import main

Run = Callable[..., tuple[int, str, str]]

TERMS = [
    "estimation", "fraction", "correlation", "costs", "volatility_target", "drawdown", "data_quality", "venue_cap",
    "gross_cap", "capital_cap", "rounding",
]  # fmt: skip


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    def called(*arguments: str | Path) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as left:
            main(["risk", "kelly", *map(str, arguments), "--report", str(tmp_path / "kelly.html")])
        out, err = capsys.readouterr()
        return int(left.value.code or 0), out, err

    return called


@pytest.fixture(scope="module")
def prices(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four series of 600 days; D falls."""
    draws = np.random.default_rng(3)
    moves = draws.normal([8e-4, 6e-4, 5e-4, -8e-4], 0.01, (600, 4)) + draws.normal(0, 0.004, (600, 1))
    moves += np.array([8e-4, 6e-4, 5e-4, -8e-4]) - moves.mean(axis=0)  # the means seen are the means meant
    table = 50.0 * np.exp(np.cumsum(moves, axis=0))
    days = np.datetime64("2020-01-01") + np.arange(600)
    lines = ["date,A.X,B.X,C.Y,D.Y", *(f"{d}," + ",".join(map(repr, row.tolist())) for d, row in zip(days, table))]  # noqa: B905
    path = tmp_path_factory.mktemp("kelly") / "prices.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def sized(run: Run, *arguments: str | Path) -> dict[str, Any]:
    code, out, err = run(*arguments, "--json")
    assert (code, err) == (0, "")
    found: dict[str, Any] = json.loads(out)
    return found


def check_products(found: dict[str, Any]) -> None:
    """As a reader would: in doubles from left to right, and exactly with the ratios."""
    for name, terms in found["terms"].items():
        assert list(terms) == TERMS
        running = found["raw"][name]
        for factor in terms.values():
            running *= factor
        assert running == found["final"][name]
        exact = Fraction(found["raw"][name])
        for ratio in found["exact"][name].values():
            exact *= Fraction(ratio)
        assert exact == found["final"][name]
        assert isinstance(found["final"][name], int)


def test_the_terms_of_a_panel_multiply_to_its_lots(run: Run, prices: Path, tmp_path: Path) -> None:
    found = sized(run, "--data", prices)
    check_products(found)
    assert set(found) >= {"raw", "terms", "final", "caps_hit", "notes", "report"}
    assert found["final"]["D.Y"] < 0 < found["final"]["A.X"]
    assert 0 < found["terms"]["A.X"]["estimation"] < 1
    page = (tmp_path / "kelly.html").read_text()
    assert "From raw Kelly to lots" in page
    for name in ("A.X", "D.Y"):
        assert f"{found['final'][name]:,}" in page


def test_every_limit_that_binds_is_listed_and_kept(run: Run, prices: Path) -> None:
    found = sized(
        run, "--data", prices, "--volatility-target", "0.15", "--drawdown", "0.14", "--quality", "C.Y=0.5",
        "--venue-cap", "X=0.2", "--gross-cap", "0.3", "--capital-cap", "100000", "--fraction", "0.5",
        "--lot-size", "0.01",
    )  # fmt: skip
    check_products(found)
    assert found["caps_hit"] == [
        "volatility_target", "drawdown", "data_quality:C.Y", "venue_cap:X", "gross_cap", "capital_cap"
    ]  # fmt: skip
    assert sum(abs(weight) for weight in found["weights"].values()) <= 0.1
    assert found["terms"]["A.X"]["drawdown"] == pytest.approx(0.6)


def test_bounds_of_the_programme_are_named(run: Run, prices: Path) -> None:
    found = sized(run, "--data", prices, "--long-only", "--max-weight", "0.05", "--max-weight", "B.X=0.02")
    check_products(found)
    assert found["final"]["D.Y"] == 0
    assert abs(found["weights"]["B.X"]) <= 0.02
    assert "constraint:max B.X" in found["caps_hit"]


def test_a_cost_above_every_edge_leaves_nothing(run: Run, prices: Path) -> None:
    found = sized(run, "--data", prices, "--cost-bps", "5000")
    check_products(found)
    assert not any(found["final"].values())
    assert found["caps_hit"] == [f"edge_below_cost:{name}" for name in ("A.X", "B.X", "C.Y", "D.Y")]


@pytest.mark.parametrize("model", ["continuous", "discrete"])
def test_an_edge_given_by_hand_takes_the_place_of_the_mean(run: Run, prices: Path, model: str) -> None:
    found = sized(run, "--data", prices, "--edge", "d.y=0.001", "--model", model, "--no-shrink")
    check_products(found)
    assert found["raw"]["D.Y"] > 0
    assert any(note.startswith("EDGE_GIVEN") for note in found["notes"])
    assert found["terms"]["D.Y"]["estimation"] == 1


@pytest.mark.parametrize(
    ("probability", "gain", "expected"), [("0.6", "1", 0.2), ("0.55", "2", 0.325), ("0.4", "1", 0.0)]
)
def test_a_single_bet_has_the_closed_form(run: Run, probability: str, gain: str, expected: float) -> None:
    found = sized(run, "--probability", probability, "--gain", gain, "--capital", "1000000")
    check_products(found)
    assert found["raw"]["bet"] == pytest.approx(expected * 1e6)
    assert found["final"]["bet"] == pytest.approx(expected * 0.25 * 1e6, abs=1)


def test_people_see_a_column_of_factors(run: Run, prices: Path) -> None:
    code, out, _ = run("--data", prices, "--column", "A.X")
    assert code == 0
    assert "x estimation" in out
    assert "= lots" in out
    assert "no limit was hit" in out or "limits hit:" in out


@pytest.mark.parametrize(
    ("arguments", "code", "line"),
    [
        (["--probability", "0.6", "--fraction", "0.1"], 2, "--fraction must be 0.25 to 0.5 of Kelly, is 0.1; less"),
        (["--probability", "0.6", "--fraction", "0.6"], 2, "kelly_fraction must be 0.25 to 0.5, is 0.6"),
        (["--probability", "1.5"], 2, "probability must lie in 0 .. 1"),
        ([], 2, "give either --data FILE"),
        (["--probability", "0.6", "--cost-bps", "five"], 2, "--cost-bps: 'five' is not a number"),
        (["--probability", "0.6", "--cost-bps", "bat=5"], 2, "--cost-bps: there is no 'bat'; did you mean bet?"),
        (["--probability", "0.6", "--venue-cap", "0.5"], 2, "--venue-cap: write VENUE=share"),
        (["--probability", "0.6", "--venue-cap", "Q=1"], 2, "--venue-cap: nothing trades at 'Q'; there are -"),
        (["--probability", "0.6", "--drawdown", "2"], 2, "drawdown must lie in 0 .. 1"),
        (["--probability", "0.6", "--soft-drawdown", "0.3"], 2, "soft_drawdown must be at least 0 and below"),
        (["--probability", "0.6", "--capital", "-1"], 2, "capital must be above 0"),
        (["--probability", "0.6", "--holding-periods", "0"], 2, "--holding-periods must be above 0"),
        (["--probability", "0.6", "--trials", "0"], 2, "0 observations are too few to size 1 instruments"),
        (["--probability", "0.6", "--trials", "1"], 2, "1 observations are too few to size 1 instruments"),
        (["--probability", "0.6", "--capital", "1e300"], 2, "bet: 4.999999999999999e+298 lots are more than"),
        (["--probability", "0.6", "--trials", "3"], 2, "3 observations are too few to size 1 instruments"),
    ],
)
def test_a_mistake_is_one_line(run: Run, arguments: list[str], code: int, line: str) -> None:
    found, out, err = run(*arguments)
    assert (found, out) == (code, "")
    assert err.startswith(f"bot4: {line}")
    assert err.count("\n") == 1


@pytest.mark.parametrize("arguments", [("--rate", "inf"), ("--rate", "nan"), ("--edge", "A.X=1e300")])
def test_a_return_that_cannot_be_one_is_refused_without_a_warning(
    run: Run, prices: Path, arguments: tuple[str, str]
) -> None:
    code, out, err = run("--data", prices, *arguments, "--json")
    assert (code, out) == (2, "")
    assert err == f"bot4: {arguments[0]}: a return is a fraction of at most 100, like 0.001\n"


def test_a_constant_series_and_too_short_ones_are_named(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "bad.csv"
    path.write_text("date,A,B\n" + "".join(f"2020-01-{d:02d},{50 + d},7\n" for d in range(1, 28)))
    code, _, err = run("--data", path)
    assert code == 3
    assert "B is constant" in err
    path.write_text("date,A\n" + "".join(f"2020-01-{d:02d},{50 + d % 3}\n" for d in range(1, 12)))
    code, _, err = run("--data", path)
    assert code == 3
    assert "10 observations of 1 series are too few: at least 20" in err
