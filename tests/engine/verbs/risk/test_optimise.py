"""`bot4 risk optimise` as a user runs it, in this process."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.cli import main

Run = Callable[..., tuple[int, str, str]]

METHODS = ["markowitz", "black-litterman", "risk-parity", "hrp", "mean-cvar"]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    def called(*arguments: str | Path) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as left:
            main(["risk", "optimise", *map(str, arguments), "--report", str(tmp_path / "optimise.html")])
        out, err = capsys.readouterr()
        return int(left.value.code or 0), out, err

    return called


@pytest.fixture(scope="module")
def returns(tmp_path_factory: pytest.TempPathFactory) -> Path:
    draws = np.random.default_rng(5)
    table = draws.normal([9e-4, 7e-4, 5e-4, 3e-4, 1e-4], [0.02, 0.015, 0.01, 0.012, 0.008], (500, 5))
    table += draws.normal(0, 0.004, (500, 1))
    path = tmp_path_factory.mktemp("optimise") / "returns.csv"
    path.write_text("A,B,C,D,E\n" + "\n".join(",".join(map(repr, row.tolist())) for row in table) + "\n")
    return path


def built(run: Run, *arguments: str | Path) -> dict[str, Any]:
    code, out, err = run(*arguments, "--returns", "--json")
    assert (code, err) == (0, "")
    found: dict[str, Any] = json.loads(out)
    return found


@pytest.mark.parametrize("method", METHODS)
def test_every_method_answers_within_its_bounds_and_writes_its_report(
    run: Run, returns: Path, method: str, tmp_path: Path
) -> None:
    found = built(run, "--data", returns, "--method", method, "--max-weight", "0.3", "--time-limit-ms", "5000")
    assert set(found) >= {"weights", "objective", "status", "gap", "seconds", "constraints_active"}
    assert found["status"] == "optimal"
    weights = np.array(list(found["weights"].values()))
    assert weights.sum() == pytest.approx(1.0, abs=1e-9)
    assert weights.min() >= -1e-12
    assert weights.max() <= 0.3 + 1e-12
    assert 0 < found["seconds"] < 5
    page = (tmp_path / "optimise.html").read_text()
    assert "Efficient frontier" in page
    assert "Weights and contributions to risk" in page
    assert ("After the views" in page) == (method == "black-litterman")


def test_groups_gross_and_targets_are_kept_and_named(run: Run, returns: Path) -> None:
    found = built(
        run, "--data", returns, "--bounds", "-0.3", "0.8", "--group", "ab=A,B:0.1:0.25", "--gross-cap", "1.2",
        "--objective", "target-return", "--target-return", "0.19", "--periods-per-year", "252",
    )  # fmt: skip
    weights = found["weights"]
    assert weights["A"] + weights["B"] <= 0.25 + 1e-7
    assert sum(map(abs, weights.values())) <= 1.2 + 1e-7
    assert found["mean_per_year"] >= 0.19 - 1e-6
    assert any(note.startswith("FRONTIER_NOT_DRAWN") for note in found["notes"]) is False
    assert "return target" in found["constraints_active"]


def test_a_view_moves_the_weight_its_way(run: Run, returns: Path) -> None:
    plain = built(run, "--data", returns, "--method", "black-litterman", "--objective", "utility")
    moved = built(
        run, "--data", returns, "--method", "black-litterman", "--objective", "utility", "--view", "E-A=0.1",
        "--market", "A=1", "--market", "B=1", "--market", "C=1", "--market", "D=1", "--market", "E=1",
    )  # fmt: skip
    assert moved["weights"]["E"] > plain["weights"]["E"]
    assert moved["weights"]["A"] < plain["weights"]["A"]


def test_people_see_weights_status_and_what_binds(run: Run, returns: Path) -> None:
    code, out, _ = run("--data", returns, "--returns", "--method", "hrp")
    assert code == 0
    assert "hrp: optimal in" in out
    assert "gap unknown" in out
    assert "binding:" in out


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (
            ["--max-weight", "0.1"],
            "no portfolio satisfies all constraints: budget 1 against the upper bounds of 5 names",
        ),
        (["--min-weight", "A=0.5", "--max-weight", "A=0.4"], "no portfolio satisfies all constraints: A: lower bound"),
        (
            ["--group", "x=A,B:0.6:", "--group", "y=C,D:0.6:"],
            "no portfolio satisfies all constraints: budget 1; group x",
        ),
        (["--group", "x=A"], "--group: 'x=A' is not LABEL=NAME,NAME:LOW:HIGH"),
        (["--group", "x=A:0.5:0.1"], "--group x: its lower limit 0.5 lies above its upper limit 0.1"),
        (["--objective", "target-return"], "--objective target-return needs --target-return"),
        (["--objective", "target-return", "--target-return", "9"], "no portfolio satisfies all constraints: "),
        (["--view", "A=0.1"], "--view has no meaning for --method markowitz: it belongs to --method black-litterman"),
        (["--method", "black-litterman", "--view", "A>B"], "--view: 'A>B' is not NAME=r or NAME-OTHER=r"),
        (["--method", "black-litterman", "--view", "Q=0.1"], "--view: there is no 'Q'; there are A, B, C, D, E"),
        (["--method", "mean-cvar", "--objective", "max-sharpe"], "mean-cvar has no max-sharpe"),
        (["--method", "mean-cvar", "--level", "1.5"], "the CVaR level must lie between 0 and 1"),
        (["--rate", "5"], "NO_EXCESS_RETURN: no feasible portfolio earns more than cash"),
        (["--rate", "inf"], "--rate must be finite, is inf"),
        (["--objective", "target-return", "--target-return", "nan"], "--target-return must be finite, is nan"),
        (["--time-limit-ms", "0"], "the time limit must be above 0"),
        (["--column", "Z"], "there is no series 'Z'"),
    ],
)
def test_a_mistake_is_one_line(run: Run, returns: Path, arguments: list[str], line: str) -> None:
    code, out, err = run("--data", returns, "--returns", *arguments, "--json")
    assert (code, out) == (2, "")
    assert err.startswith(f"bot4: {line}")
    assert err.count("\n") == 1


def test_a_return_target_out_of_reach_tells_what_can_be_had(run: Run, returns: Path) -> None:
    arguments = ("--objective", "target-return", "--target-return", "9")
    _, _, err = run("--data", returns, "--returns", *arguments, "--json")
    assert "return target at least" in err
    assert "the other constraints allow a mean of" in err


def test_a_series_given_twice_is_mended_and_said(run: Run, tmp_path: Path) -> None:
    column = np.random.default_rng(1).normal(5e-4, 0.01, 100)
    other = np.random.default_rng(2).normal(5e-4, 0.01, 100)
    path = tmp_path / "twice.csv"
    path.write_text(
        "A,B,C\n" + "\n".join(f"{a!r},{b!r},{a!r}" for a, b in zip(column.tolist(), other.tolist(), strict=True))
    )
    found = built(run, "--data", path, "--covariance", "sample", "--objective", "min-variance")
    assert any(note.startswith("COVARIANCE_REPAIRED: 1 of 3") and "A and C" in note for note in found["notes"])
    assert found["weights"]["A"] == pytest.approx(found["weights"]["C"], abs=1e-3)


def test_fewer_observations_than_needed_are_refused(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "short.csv"
    draws = np.random.default_rng(1).normal(0, 0.01, (15, 2)).tolist()
    path.write_text("A,B\n" + "\n".join(f"{a!r},{b!r}" for a, b in draws))
    code, _, err = run("--data", path, "--returns")
    assert code == 3
    assert "15 observations of 2 series are too few: at least 20 are needed" in err


def test_twenty_stocks_of_thirty_years(run: Run, data: Path) -> None:
    code, out, err = run("--data", data / "panels" / "stocks20_daily_1989-2018.csv.gz", "--max-weight", "0.2", "--json")
    assert (code, err) == (0, "")
    found = json.loads(out)
    assert found["status"] == "optimal"
    assert found["notes"][0].startswith("ROWS_INCOMPLETE: 6,230 of 7,126")
    assert max(found["weights"].values()) <= 0.2 + 1e-12
