"""`bot4 risk var`, `backtest` and `stress` as a user runs them: keys, sums, reports, mistakes in one line."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.cli import main
from engine.errors import Exit
from engine.verbs.risk.var_inputs import money
from tests.engine.verbs.command import bot4
from tests.engine.verbs.risk.market import NAMES, ROWS, portfolio, prices, simulated

VAR_KEYS = {
    "method", "level", "horizon", "observations", "var", "cvar", "standard_error", "marginal", "component",
    "incremental", "excluded", "repairs",
}  # fmt: skip
BACKTEST_KEYS = {
    "observations", "exceptions", "exception_dates", "expected", "kupiec", "independence", "conditional",
    "traffic_light", "tick_loss",
}  # fmt: skip
STRESS_KEYS = {"name", "kind", "from", "to", "loss", "contributions"}
METHODS = ["historical", "parametric", "parametric-t", "cornish-fisher", "filtered", "monte-carlo"]

Capture = pytest.CaptureFixture[str]


def run(capsys: Capture, *arguments: str | Path) -> Any:
    """The JSON of a verb run in this process."""
    with pytest.raises(SystemExit) as stopped:
        main(["risk", *map(str, arguments), "--json"])
    said = capsys.readouterr()
    assert stopped.value.code in (0, None), said.err
    return json.loads(said.out)


def mistake(capsys: Capture, *arguments: str | Path) -> tuple[int, str]:
    """(exit code, the one line) of a command run in this process."""
    with pytest.raises(SystemExit) as stopped:
        main(["risk", *map(str, arguments)])
    lines = capsys.readouterr().err.splitlines()
    assert sum(line.startswith("bot4: ") for line in lines) == 1
    assert isinstance(stopped.value.code, int)
    return stopped.value.code, lines[-1].removeprefix("bot4: ")


def var(capsys: Capture, folder: Path, *more: str | Path) -> dict[str, Any]:
    files = ("--portfolio", portfolio(folder), "--data", prices(folder), "--report", folder / "report.html")
    found: dict[str, Any] = run(capsys, "var", *files, *more)
    return found


def few_paths(method: str) -> tuple[str, ...]:
    """So few that a test is quick; only a simulation has paths."""
    return ("--paths", "5000") if method in ("filtered", "monte-carlo") else ()


@pytest.mark.parametrize("method", METHODS)
def test_var_has_the_promised_keys_and_its_components_sum(method: str, tmp_path: Path, capsys: Capture) -> None:
    found = var(capsys, tmp_path, "--method", method, *few_paths(method))
    assert set(found) >= VAR_KEYS
    assert found["method"].endswith(method)
    assert set(found["component"]) == set(found["marginal"]) == set(found["incremental"]) == set(NAMES)
    assert sum(found["component"].values()) == pytest.approx(found["var"], abs=1e-10)
    assert sum(found["component_cvar"].values()) == pytest.approx(found["cvar"], abs=1e-10)
    for name, exposure in zip(NAMES, (0.5, 0.4, 0.3, -0.2), strict=True):
        assert found["exposures"][name] == exposure
        assert found["component"][name] == pytest.approx(exposure * found["marginal"][name], abs=1e-12)
    assert found["cvar"] > found["var"] > found["standard_error"] > 0.0
    page = (tmp_path / "report.html").read_text()
    for heading in ("Contributions", "Profit and loss against VaR", "Correlation of the returns", "Positions"):
        assert heading in page


def test_historical_var_of_the_command_is_the_quantile_of_the_file(tmp_path: Path, capsys: Capture) -> None:
    found = var(capsys, tmp_path, "--method", "historical", "--level", "0.975")
    losses = -simulated() @ np.array([0.5, 0.4, 0.3, -0.2])
    assert found["var"] == pytest.approx(np.quantile(losses, 0.975, method="weibull"), abs=1e-12)
    assert (found["from"], found["to"]) == ("2015-01-02", "2016-12-01")
    assert (found["observations"], found["unit"]) == (ROWS, "fraction")


def test_quantities_are_worth_their_last_price_and_value_scales_weights(tmp_path: Path, capsys: Capture) -> None:
    data = prices(tmp_path)
    last = [float(cell) for cell in data.read_text().split()[-1].split(",")[1:]]
    held = portfolio(tmp_path, "instrument,quantity\nAAA,10\nDDD,-5\n")
    arguments = ("var", "--portfolio", held, "--data", data, "--method", "parametric", "--report", tmp_path / "r.html")
    found = run(capsys, *arguments)
    assert found["unit"] == "currency"
    assert found["exposures"] == {"AAA": pytest.approx(10 * last[0]), "DDD": pytest.approx(-5 * last[3])}
    one = var(capsys, tmp_path, "--method", "parametric")
    many = var(capsys, tmp_path, "--method", "parametric", "--value", "1e6")
    assert many["var"] == pytest.approx(1e6 * one["var"])


def test_amounts_in_one_table_have_the_same_decimals() -> None:
    assert [money(value, "currency", 131_131.0) for value in (131_131.02, 43.54)] == ["131,131", "44"]
    assert [money(value, "currency", 9_000.0) for value in (9_000.0, 43.54)] == ["9,000.00", "43.54"]
    assert money(131_131.02, "currency") == "131,131"
    assert money(float("nan"), "currency") == "unknown"


def test_a_simulation_is_the_same_when_it_is_run_again_and_another_with_another_seed(
    tmp_path: Path, capsys: Capture
) -> None:
    options = ("--method", "monte-carlo", "--paths", "5000", "--horizon", "5")
    first, second = var(capsys, tmp_path, *options), var(capsys, tmp_path, *options)
    other = var(capsys, tmp_path, *options, "--seed", "2")
    assert (first["var"], first["component"]) == (second["var"], second["component"])
    assert first["horizon"] == 5
    assert abs(other["var"] - first["var"]) < 6.0 * first["standard_error"]
    assert other["var"] != first["var"]


def test_jumps_margins_and_copula_can_be_chosen(tmp_path: Path, capsys: Capture) -> None:
    base = var(capsys, tmp_path, "--method", "monte-carlo", "--paths", "5000")
    for options in (("--jumps",), ("--margins", "empirical"), ("--copula", "gaussian")):
        found = var(capsys, tmp_path, "--method", "monte-carlo", "--paths", "5000", *options)
        assert found["var"] != base["var"]
        assert found["var"] == pytest.approx(base["var"], rel=0.4)


def test_rows_left_out_are_counted(tmp_path: Path, capsys: Capture) -> None:
    data, held = prices(tmp_path, late=100), portfolio(tmp_path)
    found = run(capsys, "var", "--portfolio", held, "--data", data, "--report", tmp_path / "r.html")
    assert found["excluded"][0].startswith("ROWS_INCOMPLETE: 100 of 701 rows left out, most for want of DDD")
    assert found["returns"] == 600


def test_positions_that_cancel_have_no_risk_and_a_report(tmp_path: Path, capsys: Capture) -> None:
    data = tmp_path / "twins.csv"
    lines = prices(tmp_path).read_text().splitlines()
    data.write_text("\n".join([f"{lines[0]},TWIN", *(f"{line},{line.split(',')[1]}" for line in lines[1:])]) + "\n")
    held = portfolio(tmp_path, "instrument,weight\nAAA,0.5\nTWIN,-0.5\n")
    found = run(capsys, "var", "--portfolio", held, "--data", data, "--report", tmp_path / "r.html")
    assert found["var"] == pytest.approx(0.0, abs=1e-15)
    assert found["report"] == str(tmp_path / "r.html")
    code, said = mistake(capsys, "backtest", "--portfolio", held, "--data", data, "--report", tmp_path / "r.html")
    assert code == 3
    assert "do not move (all 0)" in said


def test_a_position_without_any_depth_is_named(tmp_path: Path, capsys: Capture) -> None:
    terms = tmp_path / "liquidity.csv"
    lines = "\n".join(f"{name},0.002,{0 if name == 'BBB' else 0.05},10,0.01" for name in NAMES)
    terms.write_text(f"instrument,spread,depth,refill_s,impact\n{lines}\n")
    found = var(capsys, tmp_path, "--method", "historical", "--liquidity", terms)
    assert found["liquidity"]["seconds_to_liquidate"]["BBB"] is None
    assert "never" in (tmp_path / "report.html").read_text()
    assert found["notes"][-1].startswith("NO_DEPTH: BBB cannot be left")


def test_liquidity_adds_the_cost_of_leaving(tmp_path: Path, capsys: Capture) -> None:
    terms = tmp_path / "liquidity.csv"
    lines = "\n".join(f"{name},0.002,0.0005,0.05,10,0.01" for name in NAMES)
    terms.write_text(f"instrument,spread,spread_deviation,depth,refill_s,impact\n{lines}\n")
    found = var(capsys, tmp_path, "--method", "historical", "--liquidity", terms)
    adjusted = found["liquidity"]
    assert adjusted["spread_cost"] == pytest.approx(0.5 * 1.4 * (0.002 + 3 * 0.0005))
    assert adjusted["total"] == pytest.approx(found["var"] + adjusted["spread_cost"] + adjusted["depth_cost"])
    assert adjusted["seconds_to_liquidate"]["AAA"] == 1_000.0
    assert "Time to leave" in (tmp_path / "report.html").read_text()


def test_backtest_has_the_promised_keys_for_every_method(tmp_path: Path, capsys: Capture) -> None:
    data = prices(tmp_path)
    report = tmp_path / "backtest.html"
    arguments = ("backtest", "--data", data, "--window", "250", "--level", "0.95", "--report", report)
    found = run(capsys, *arguments, "--period", "2016-01-01:2016-06-30")
    assert list(found["methods"]) == ["historical", "parametric", "filtered", "monte-carlo"]
    for name, row in found["methods"].items():
        assert set(row) >= BACKTEST_KEYS
        assert row["method"] == name
        assert (row["observations"], row["expected"]) == (450, pytest.approx(22.5))
        assert len(row["exception_dates"]) == row["exceptions"]
        assert row["periods"]["2016-01-01:2016-06-30"]["observations"] == 182
        inside = [date for date in row["exception_dates"] if "2016-01-01" <= date <= "2016-06-30"]
        assert row["periods"]["2016-01-01:2016-06-30"]["exceptions"] == len(inside)
        assert set(row["kupiec"]) == {"statistic", "p_value", "passes"}
    assert [row["against"] for row in found["comparisons"]] == ["historical"] * 3
    assert found["notes"][0].startswith("EQUAL_WEIGHTS")
    page = report.read_text()
    for heading in ("Profit and loss against VaR", "Exceptions by year", "Methods over the whole span", "by period"):
        assert heading in page


def test_backtest_shares_out_days_on_which_a_position_has_no_price(tmp_path: Path, capsys: Capture) -> None:
    data = prices(tmp_path, late=100)
    found = run(
        capsys, "backtest", "--data", data, "--window", "250", "--method", "historical", "--level", "0.95",
        "--report", tmp_path / "r.html",
    )  # fmt: skip
    assert found["repairs"][0].startswith("SHARED_OUT: on 100 of 700 days")


def test_backtest_from_a_date_reads_the_window_before_it(tmp_path: Path, capsys: Capture) -> None:
    arguments = ("backtest", "--data", prices(tmp_path), "--window", "250", "--method", "historical", "--level", "0.95")
    whole = run(capsys, *arguments, "--report", tmp_path / "r.html")
    late = run(capsys, *arguments, "--report", tmp_path / "r.html", "--from", "2016-01-01", "--to", "2016-03-31")
    assert (late["from"], late["to"]) == ("2016-01-01", "2016-03-31")
    dates = [date for date in whole["methods"]["historical"]["exception_dates"] if "2016-01-01" <= date <= "2016-03-31"]
    assert late["methods"]["historical"]["exception_dates"] == dates


def test_stress_is_a_list_of_scenarios_whose_contributions_sum(tmp_path: Path, capsys: Capture) -> None:
    margin = tmp_path / "margin.csv"
    margin.write_text("instrument,contract,quantity,entry_price,margin,tiers\nAAA,linear,0.01,100,0.1,0:0.004\n")
    found = run(
        capsys, "stress", "--portfolio", portfolio(tmp_path), "--data", prices(tmp_path, late=100), "--shock",
        "AAA=-0.3,DDD=0.1", "--margin", margin, "--report", tmp_path / "stress.html",
    )  # fmt: skip
    assert all(set(row) >= STRESS_KEYS for row in found)
    for row in found:
        assert sum(row["contributions"].values()) == pytest.approx(row["loss"], abs=1e-12)
    kinds = {row["kind"] for row in found}
    assert kinds == {"episode", "drawdown", "shock", "correlation", "volatility", "liquidation"}
    asked = next(row for row in found if row["name"].startswith("AAA -30%, DDD +10%"))
    assert asked["contributions"]["AAA"] == pytest.approx(0.15)
    assert asked["contributions"]["DDD"] == pytest.approx(0.02)
    page = (tmp_path / "stress.html").read_text()
    for heading in ("Losses", "Where the episodes lie", "Which positions each scenario hits", "The five worst"):
        assert heading in page


def test_the_figures_of_the_reports_are_ones_that_plotly_draws(tmp_path: Path, capsys: Capture) -> None:
    from plotly.graph_objects import Figure

    var(capsys, tmp_path, "--method", "filtered")
    run(capsys, "backtest", "--data", prices(tmp_path), "--window", "250", "--level", "0.95", "--report",
        tmp_path / "backtest.html")  # fmt: skip
    run(capsys, "stress", "--portfolio", portfolio(tmp_path), "--data", prices(tmp_path), "--report",
        tmp_path / "stress.html")  # fmt: skip
    for name, charts in (("report", 4), ("backtest", 3), ("stress", 4)):
        page = (tmp_path / f"{name}.html").read_text()
        figures = json.loads(page.split("const figures = ", 1)[1].split(";\n", 1)[0])
        assert len(figures) == charts
        for figure in figures:
            Figure(figure)  # raises ValueError on a property that does not exist


@pytest.mark.parametrize(
    ("text", "expected", "code"),
    [
        ("name,weight\nAAA,1\n", "the first line must be instrument,quantity or instrument,weight", Exit.USAGE),
        ("instrument,weight\nAAA,much\n", "line 2, AAA: 'much' is no number", Exit.INTEGRITY),
        ("instrument,weight\nAAA,1\nAAA,2\n", "AAA stands in two lines; add them up", Exit.INTEGRITY),
        ("instrument,weight\nAAA,0\n", "no position that is not zero", Exit.INTEGRITY),
        ("instrument,weight\nAAA,1\naaa,1\n", "AAA is named twice", Exit.USAGE),
        ("instrument,weight\nAAA,1,2\n", "line 2 has 3 cells, the header 2", Exit.INTEGRITY),
        ("instrument,weight\nAAA,1e308\nBBB,1e308\n", "the positions are worth", Exit.USAGE),
        ("instrument,weight\nAAX,1\n", "there is no series 'AAX'; did you mean AAA?", Exit.USAGE),
    ],
)
def test_mistakes_in_a_portfolio_are_one_line(
    text: str, expected: str, code: int, tmp_path: Path, capsys: Capture
) -> None:
    said = mistake(capsys, "var", "--portfolio", portfolio(tmp_path, text), "--data", prices(tmp_path))
    assert said[0] == code
    assert expected in said[1]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("var", "--level", "99"), "level is 99: a confidence level lies between 0.5 and 1, like 0.99"),
        (("var", "--horizon", "0"), "horizon is 0"),
        (("var", "--window", "1"), "--window is 1: at least 2 returns"),
        (("var", "--method", "monte-carlo", "--paths", "5"), "--paths is 5: 1,000 to 10,000,000"),
        (("var", "--paths", "5000", "--level", "0.9999"), "--paths is 5,000: a loss at level 0.9999 needs 9,999"),
        (("var", "--method", "historical", "--window", "50"), "a loss at level 0.99 needs 99 returns to show"),
        (("var", "--value", "-1"), "--value is -1: the portfolio's value must be positive"),
        (("var", "--value", "inf"), "--value is inf: the portfolio's value must be positive"),
        (("stress", "--level", "1"), "level is 1: a confidence level lies between 0.5 and 1, like 0.99"),
        (("stress", "--shock", "AAA=1e300"), "shock 1e+300 of AAA: a return from -1 to 100"),
        (("stress", "--shock", "AAA=-0.1,AAA=-0.3"), "AAA stands twice"),
        (("stress", "--shock", "AAA"), "--shock 'AAA': written NAME=RETURN"),
        (("stress", "--shock", "AAX=-0.1"), "'AAX' is not in the portfolio"),
        (("backtest", "--period", "2016"), "--period '2016': written FROM:TO"),
        (("backtest", "--column", "AAA"), "--column and --portfolio both name the series"),
    ],
)
def test_mistakes_in_options_are_one_line(
    arguments: tuple[str, ...], expected: str, tmp_path: Path, capsys: Capture
) -> None:
    verb, *options = arguments
    files = ("--portfolio", portfolio(tmp_path), "--data", prices(tmp_path))
    code, line = mistake(capsys, verb, *files, *options)
    assert code == Exit.USAGE
    assert expected in line


def test_quantities_of_returns_are_refused(tmp_path: Path, capsys: Capture) -> None:
    held = portfolio(tmp_path, "instrument,quantity\nAAA,10\n")
    code, line = mistake(capsys, "var", "--portfolio", held, "--data", prices(tmp_path), "--returns")
    assert code == Exit.USAGE
    assert "quantities need prices" in line


@pytest.mark.parametrize(
    ("verb", "option"), [("var", "--portfolio"), ("var", "--liquidity"), ("stress", "--margin"), ("var", "--data")]
)
def test_bytes_that_are_no_text_are_bad_data(verb: str, option: str, tmp_path: Path, capsys: Capture) -> None:
    broken = tmp_path / "broken.csv"
    broken.write_bytes(bytes(range(256)))
    files = {"--portfolio": portfolio(tmp_path), "--data": prices(tmp_path), option: broken}
    chosen = [word for pair in files.items() for word in pair]
    code, line = mistake(capsys, verb, *chosen, *(("--method", "historical") if verb == "var" else ()))
    assert code == Exit.INTEGRITY
    assert "broken.csv: byte 128 is no text" in line


def test_the_exceptions_of_a_period_are_dated(tmp_path: Path, capsys: Capture) -> None:
    result = run(capsys, "backtest", "--data", prices(tmp_path), "--method", "historical", "--window", "250", "--level",
                 "0.95", "--period", "2016-01-01:2016-06-30")  # fmt: skip
    whole = result["methods"]["historical"]
    part = whole["periods"]["2016-01-01:2016-06-30"]
    assert part["exceptions"] == len(part["exception_dates"]) > 0
    assert part["exception_dates"] == [
        date for date in whole["exception_dates"] if "2016-01-01" <= date <= "2016-06-30"
    ]


def test_a_file_that_is_not_there_is_named(tmp_path: Path, capsys: Capture) -> None:
    code, line = mistake(capsys, "var", "--portfolio", tmp_path / "none.csv", "--data", prices(tmp_path))
    assert code == Exit.USAGE
    assert "none.csv: cannot be read" in line


def test_people_get_tables_and_the_path_of_the_report(tmp_path: Path) -> None:
    files = ("--portfolio", portfolio(tmp_path), "--data", prices(tmp_path))
    finished = bot4("risk", "var", *files, "--method", "historical", "--report", tmp_path / "var.html")
    assert finished.returncode == 0, finished.stderr
    assert "VaR " in finished.stdout
    assert f"report: {tmp_path / 'var.html'}" in finished.stdout


@pytest.mark.parametrize("method", ["historical", "parametric", "filtered", "monte-carlo"])
def test_a_series_given_twice_is_measured_and_a_repair_of_its_correlation_is_said(
    method: str, tmp_path: Path, capsys: Capture
) -> None:
    data = prices(tmp_path)
    lines = [line.split(",") for line in data.read_text().split()]
    data.write_text("\n".join(",".join([*cells[:3], "EEE" if cells[1] == "AAA" else cells[1]]) for cells in lines))
    held = portfolio(tmp_path, "instrument,weight\nAAA,0.5\nEEE,0.5\nBBB,0.2\n")
    found = run(
        capsys, "var", "--portfolio", held, "--data", data, "--method", method, *few_paths(method), "--report",
        tmp_path / "r.html",
    )  # fmt: skip
    assert found["component"]["AAA"] == pytest.approx(found["component"]["EEE"], rel=2e-2)
    assert sum(found["component"].values()) == pytest.approx(found["var"], abs=1e-10)
    if method == "monte-carlo":
        assert any(note.startswith("PSD_REPAIRED") for note in found["repairs"])


def test_too_few_returns_are_named(tmp_path: Path, capsys: Capture) -> None:
    files = ("--portfolio", portfolio(tmp_path), "--data", prices(tmp_path, 60))
    assert "60 returns: at least 100 are needed" in mistake(capsys, "var", *files, "--method", "filtered")[1]
    assert "no day is left to forecast" in mistake(capsys, "backtest", *files)[1]
    data = prices(tmp_path)
    early = ("--window", "650", "--from", "2015-06-01")
    code, line = mistake(capsys, "backtest", "--portfolio", portfolio(tmp_path), "--data", data, *early)
    assert (code, "only 150 returns lie before --from 2015-06-01" in line) == (Exit.INTEGRITY, True)
    code, line = mistake(capsys, "var", "--portfolio", portfolio(tmp_path), "--data", data, "--window", "5000")
    assert (code, "too few returns to fill --window: 5,000 are needed" in line) == (Exit.INTEGRITY, True)


def test_positions_that_cancel_have_no_risk_to_measure(tmp_path: Path, capsys: Capture) -> None:
    data = prices(tmp_path)
    lines = [line.split(",") for line in data.read_text().split()]
    data.write_text(
        "\n".join(",".join([cells[0], cells[1], "EEE" if cells[1] == "AAA" else cells[1]]) for cells in lines)
    )
    held = portfolio(tmp_path, "instrument,weight\nAAA,0.5\nEEE,-0.5\n")
    code, line = mistake(capsys, "var", "--portfolio", held, "--data", data, "--method", "parametric")
    assert (code, "its positions cancel on every row" in line) == (Exit.INTEGRITY, True)
    found = run(
        capsys, "var", "--portfolio", held, "--data", data, "--method", "historical", "--report", tmp_path / "r.html"
    )
    assert (found["var"], found["cvar"]) == (0.0, 0.0)
