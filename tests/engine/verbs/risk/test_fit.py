"""`bot4 risk fit` as a user runs it: keys, published values, every model, report, mistakes in one line."""

import json
from pathlib import Path
from typing import Any

import pytest

from engine.errors import Exit
from tests.engine.verbs.command import bot4, said
from tests.kernels.volatility.cases import simulated

KEYS = {
    "parameters", "standard_errors", "loglik", "converged", "persistence", "health", "start_variance", "mean", "n",
    "seconds",
}  # fmt: skip


def fitted(folder: Path, *arguments: str | Path) -> dict[str, Any]:
    report = folder / "report.html"
    finished = bot4("risk", "fit", *arguments, "--report", report, "--json")
    assert finished.returncode == 0, finished.stderr
    found: dict[str, Any] = json.loads(finished.stdout)
    assert found["report"] == str(report)
    page = report.read_text()
    assert "Parameters" in page
    assert "NaN" not in page.split("const figures = ")[-1].split("figures.forEach")[0]
    return found


@pytest.fixture(scope="module")
def returns(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two series of returns without a date column."""
    path = tmp_path_factory.mktemp("fit") / "returns.csv"
    columns = (simulated(seed, 400, 1, 1).tolist() for seed in (3, 4))
    path.write_text("A,B\n" + "".join(f"{a!r},{b!r}\n" for a, b in zip(*columns, strict=True)))
    return path


def test_garch_on_dmgbp_says_what_was_published(vectors: Path, tmp_path: Path) -> None:
    data = vectors / "dem2gbp.csv"
    found = fitted(tmp_path, "--model", "garch", "--data", data, "--returns", "--start-variance", "benchmark")
    assert set(found) >= KEYS
    assert found["loglik"] == pytest.approx(-1106.607881041288, abs=1e-6)
    assert found["parameters"]["beta"] == pytest.approx(0.805973670305, rel=1e-6)
    assert found["standard_errors"]["robust"]["alpha"] == pytest.approx(0.053531703, rel=1e-5)
    expected = found["standard_errors_expected"]["bollerslev_wooldridge"]
    assert expected["alpha"] == pytest.approx(0.027321934, rel=1e-5)
    assert (found["start_variance"], found["mean"], found["health"]["code"]) == ("benchmark", "constant", "OK")


def test_ccc_on_three_stocks_says_what_was_published(vectors: Path, tmp_path: Path) -> None:
    data = vectors / "stata_stocks.csv"
    found = fitted(
        tmp_path, "--model", "ccc", "--data", data, "--returns", "--mean", "honda=L.nissan",
        "--column", "toyota", "nissan", "honda",
    )  # fmt: skip
    assert set(found) >= KEYS
    assert found["loglik"] == pytest.approx(17439.87, abs=0.01)
    assert found["parameters"]["honda.L.nissan"] == pytest.approx(0.0186628, abs=2e-5)


@pytest.mark.parametrize("model", ["gjr", "egarch", "aparch"])
def test_every_process_with_skewed_errors(returns: Path, tmp_path: Path, model: str) -> None:
    found = fitted(tmp_path, "--model", model, "--data", returns, "--column", "B", "--returns", "--errors", "skewt")
    assert {"mu", "omega", "alpha", "gamma", "beta", "nu", "lambda"} <= set(found["parameters"])
    assert set(found["standard_errors"]) == {"hessian", "opg", "robust"}
    assert found["start_variance"] == "backcast"


def test_dcc_and_hmm_have_the_same_keys(returns: Path, tmp_path: Path) -> None:
    dcc = fitted(tmp_path, "--model", "dcc", "--data", returns, "--returns", "--estimator", "two-step")
    hmm = fitted(tmp_path, "--model", "hmm", "--data", returns, "--returns", "--column", "A")
    assert set(dcc) >= KEYS
    assert set(hmm) >= KEYS
    assert {"dcc.a", "dcc.b"} <= set(dcc["parameters"])


@pytest.mark.parametrize("model", ["ccc", "dcc"])
def test_margins_with_t_errors_are_those_of_each_series_alone(returns: Path, tmp_path: Path, model: str) -> None:
    found = fitted(tmp_path, "--model", model, "--data", returns, "--returns", "--errors", "t")
    assert (found["errors"], found["estimator"]) == ("t", "two-step")
    assert any(note.startswith("SECOND_STEP_NORMAL") for note in found["notes"])
    for name in ("A", "B"):
        alone = fitted(
            tmp_path, "--model", "garch", "--data", returns, "--returns", "--errors", "t", "--column", name,
            "--start-variance", "benchmark",
        )  # fmt: skip
        assert found["parameters"][f"{name}.nu"] == pytest.approx(alone["parameters"]["nu"], rel=1e-4)
        for kind in ("hessian", "opg", "robust"):
            errors = found["standard_errors"][kind]
            assert errors[f"{name}.nu"] == pytest.approx(alone["standard_errors"][kind]["nu"], rel=1e-2)


def test_an_equation_chooses_the_series_and_its_regressor(returns: Path, tmp_path: Path) -> None:
    found = fitted(tmp_path, "--model", "garch", "--data", returns, "--returns", "--mean", "A=L.B+constant")
    assert found["series"] == "A"
    assert {"L.B", "constant"} <= set(found["parameters"])
    assert found["n"] == 399


def test_people_see_a_table_and_the_path_of_the_report(returns: Path, tmp_path: Path) -> None:
    report = tmp_path / "page.html"
    finished = bot4(
        "risk", "fit", "--model", "garch", "--data", returns, "--column", "A", "--returns", "--report", report
    )
    assert finished.returncode == 0, finished.stderr
    assert "s.e. robust" in finished.stdout
    assert f"report: {report}" in finished.stdout


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("--model", "garch", "--returns"), "garch is a model of one series, and there are A, B"),
        (("--model", "garch", "--returns", "--column", "C"), "there is no series 'C'"),
        (("--model", "garch", "--returns", "--mean", "A=L.C"), "with series of A, B"),
        (("--model", "garch", "--returns", "--mean", "sometimes", "--column", "A"), "sometimes"),
        (("--model", "garch", "--returns", "--estimator", "joint"), "--estimator belongs to ccc and dcc"),
        (
            ("--model", "dcc", "--returns", "--errors", "t", "--estimator", "joint"),
            "the joint likelihood is a normal one",
        ),
        (("--model", "dcc", "--returns", "--start-variance", "ols"), "dcc knows benchmark only"),
        (("--model", "hmm", "--returns", "--mean", "zero"), "have no meaning for hmm"),
        (("--model", "garch", "--returns", "A"), "name series with --column A"),
    ],
)
def test_mistakes_are_said_in_one_line(returns: Path, arguments: tuple[str, ...], text: str) -> None:
    finished = bot4("risk", "fit", "--data", returns, *arguments)
    assert finished.returncode == Exit.USAGE
    assert text in said(finished)


def test_a_series_too_short_is_bad_data(tmp_path: Path) -> None:
    path = tmp_path / "short.csv"
    path.write_text("A\n" + "".join(f"{x}\n" for x in range(-5, 6)))
    for model, text in (("garch", "A: 11 returns are too few"), ("hmm", "A: 11 observations, 2 states need 100")):
        finished = bot4("risk", "fit", "--model", model, "--data", path, "--returns")
        assert finished.returncode == Exit.INTEGRITY
        assert finished.stdout == ""
        assert text in said(finished)
