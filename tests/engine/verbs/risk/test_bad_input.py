"""Every verb on every kind of bad data: refused in one line that names series and date, or handled and counted."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from engine.cli import main
from engine.errors import Exit
from tests.engine.verbs.risk.market import simulated

ROWS = 700
NAMES = ("AAA", "BBB", "CCC")
DAY = "2015-10-28"  # of row 300
SPAN = "2015-01-02 to "
Table = list[list[str]]
Capture = pytest.CaptureFixture[str]

VERBS: dict[str, tuple[str, ...]] = {
    "fit garch": ("fit", "--model", "garch", "--column", "BBB"),
    "fit hmm": ("fit", "--model", "hmm", "--column", "BBB"),
    "fit ccc": ("fit", "--model", "ccc"),
    "fit dcc": ("fit", "--model", "dcc"),
    "var historical": ("var", "--method", "historical"),
    "var parametric": ("var", "--method", "parametric"),
    "var filtered": ("var", "--method", "filtered", "--paths", "2000"),
    "var monte-carlo": ("var", "--method", "monte-carlo", "--paths", "2000"),
    "backtest": ("backtest", "--method", "historical", "--window", "250"),
    "stress": ("stress",),
    "regime": ("regime", "--column", "BBB", "--window", "300", "--refit", "100"),
    "kelly": ("kelly",),
    "optimise": ("optimise", "--objective", "min-variance"),
    "optimise hrp": ("optimise", "--method", "hrp"),
}
OF_A_PORTFOLIO = ("var", "stress")


def table(rows: int = ROWS) -> Table:
    """Cells of a CSV: date and three prices."""
    levels = 100.0 * np.cumprod(1.0 + np.vstack([np.zeros(3), simulated(rows)[:, :3]]), axis=0)
    dates = np.datetime64("2015-01-01") + np.arange(rows + 1)
    return [[str(date), *map(repr, row)] for date, row in zip(dates, levels.tolist(), strict=True)]


def cell(value: str) -> Callable[[], Table]:
    """A table whose BBB of 2015-10-28 is that text."""

    def made() -> Table:
        found = table()
        found[300][2] = value
        return found

    return made


def constant() -> Table:
    return [[date, a, "7.0", c] for date, a, _, c in table()]


def duplicate() -> Table:
    found = table()
    found[301][0] = found[300][0]
    return found


def backwards() -> Table:
    found = table()
    found[300], found[301] = found[301], found[300]
    return found


def split() -> Table:
    return [[date, a, repr(float(b) / 3.0) if row >= 300 else b, c] for row, (date, a, b, c) in enumerate(table())]


def few() -> Table:
    return table(11)


def nothing() -> Table:
    return []


def combination() -> Table:
    return [[date, a, b, repr(2.0 * float(a))] for date, a, b, _ in table()]


def gap() -> Table:
    whole = table()
    return whole[:200] + whole[300:]


def repeated() -> Table:
    whole = table()
    return [*whole[:301], whole[300], *whole[301:]]


REFUSED: dict[str, tuple[Callable[[], Table], tuple[str, ...]]] = {
    "infinite": (cell("inf"), ("BBB", DAY)),
    "no number": (cell("x"), ("BBB", DAY)),
    "a price of zero": (cell("0"), ("BBB", DAY)),
    "a negative price": (cell("-3"), ("BBB", DAY)),
    "constant": (constant, ("BBB", SPAN)),
    "duplicate date": (duplicate, (DAY, "twice")),
    "out of order": (backwards, (DAY,)),
    "split": (split, ("BBB", DAY, "split")),
    "too few": (few, ("BBB", "2015-01-02 to 2015-01-12")),
    "empty": (nothing, ("data.csv",)),
}
COUNTED: dict[str, tuple[Callable[[], Table], str]] = {
    "an empty cell": (cell(""), f"ROWS_INCOMPLETE: 1 of 701 rows left out, most for want of BBB (1, first on {DAY})"),
    "nan": (cell("NaN"), f"ROWS_INCOMPLETE: 1 of 701 rows left out, most for want of BBB (1, first on {DAY})"),
    "a gap": (gap, f"HOLES: 1 in the dates, the longest of 101 days from 2015-07-19 to {DAY}"),
    "a date repeated": (repeated, "DATE_REPEATED: 1 rows left out that repeat a date with the same values"),
}


def run(verb: str, data: Table, folder: Path, capsys: Capture, report: str = "report.html") -> tuple[int, str, str]:
    """Exit code, standard output and error of `bot4 risk VERB` on a file of these cells."""
    path, held = folder / "data.csv", folder / "held.csv"
    path.write_text("\n".join(",".join(row) for row in [["date", *NAMES], *data]) + "\n")
    held.write_text("instrument,weight\nAAA,0.5\nBBB,0.4\nCCC,0.3\n")
    words = VERBS[verb]
    more = ("--portfolio", str(held)) if words[0] in OF_A_PORTFOLIO else ()
    with pytest.raises(SystemExit) as left:
        main(["risk", *words, "--data", str(path), *more, "--report", str(folder / report), "--json"])
    said = capsys.readouterr()
    return int(left.value.code or 0), said.out, said.err


@pytest.mark.parametrize("fault", REFUSED)
@pytest.mark.parametrize("verb", VERBS)
def test_bad_data_is_refused_in_one_line_by_every_verb(verb: str, fault: str, tmp_path: Path, capsys: Capture) -> None:
    made, named = REFUSED[fault]
    code, out, err = run(verb, made(), tmp_path, capsys)
    assert (code, out) == (Exit.INTEGRITY, "")
    assert err.startswith("bot4: ")
    assert err.count("\n") == 1
    for text in named:
        assert text in err
    assert not (tmp_path / "report.html").exists()
    assert {path.name for path in tmp_path.iterdir()} == {"data.csv", "held.csv"}


@pytest.mark.parametrize("fault", COUNTED)
@pytest.mark.parametrize("verb", VERBS)
def test_what_a_rule_handles_is_counted_in_the_output(verb: str, fault: str, tmp_path: Path, capsys: Capture) -> None:
    made, note = COUNTED[fault]
    code, out, err = run(verb, made(), tmp_path, capsys)
    assert code == 0, err
    found = json.loads(out)
    rows = found if isinstance(found, list) else [found]
    notes = {each for row in rows for key in ("excluded", "repairs", "notes") for each in row.get(key, ())}
    if verb == "backtest" and note.startswith("ROWS_INCOMPLETE"):
        note = "SHARED_OUT: on 2 of 700 days some positions have no return; the others took their share"
    assert note in notes
    assert (tmp_path / "report.html").exists()


@pytest.mark.parametrize("verb", VERBS)
def test_a_series_that_others_imply_is_refused_or_its_repair_is_said(
    verb: str, tmp_path: Path, capsys: Capture
) -> None:
    code, out, err = run(verb, combination(), tmp_path, capsys)
    if verb in ("fit ccc", "fit dcc"):
        assert code == Exit.INTEGRITY
        assert "AAA, CCC: linearly dependent" in err
        assert "2015-01-02 to 2016-12-01" in err
        assert err.count("\n") == 1
        return
    assert code == 0, err
    code_of = {"var monte-carlo": "PSD_REPAIRED", "kelly": "COVARIANCE_REPAIRED"}.get(verb)
    if code_of:  # the others never invert the covariance, or shrink it first
        assert code_of in out


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("optimise", "--min-weight", "0.5"), "no portfolio satisfies all constraints"),
        (("optimise", "--objective", "target-return", "--target-return", "9"), "no portfolio satisfies all"),
        (("optimise", "--min-weight", "BBB=0.9", "--max-weight", "BBB=0.1"), "BBB"),
        (("kelly", "--max-weight", "-1"), "--max-weight of AAA is below 0"),
    ],
)
def test_constraints_that_contradict_each_other_are_the_users_mistake(
    arguments: tuple[str, ...], named: str, tmp_path: Path, capsys: Capture
) -> None:
    path = tmp_path / "data.csv"
    path.write_text("\n".join(",".join(row) for row in [["date", *NAMES], *table()]) + "\n")
    with pytest.raises(SystemExit) as left:
        main(["risk", *arguments, "--data", str(path), "--report", str(tmp_path / "report.html"), "--json"])
    said = capsys.readouterr()
    assert (left.value.code, said.out) == (Exit.USAGE, "")
    assert named in said.err
    assert said.err.count("\n") == 1
    assert not (tmp_path / "report.html").exists()


@pytest.mark.parametrize("verb", ["fit garch", "var parametric", "backtest", "stress", "regime", "kelly", "optimise"])
def test_a_report_that_cannot_be_written_costs_no_result(verb: str, tmp_path: Path, capsys: Capture) -> None:
    report = "held.csv/report.html"  # a file stands where its folder should
    code, out, err = run(verb, table(), tmp_path, capsys, report)
    assert code == Exit.FAILED
    assert err.startswith(f"bot4: {tmp_path / report}: the report cannot be written: ")
    assert err.count("\n") == 1
    found = json.loads(out)
    if verb != "stress":
        assert found["report"] is None
        assert found["notes"][-1] == f"REPORT_NOT_WRITTEN: {tmp_path / report}"
    assert {path.name for path in tmp_path.iterdir()} == {"data.csv", "held.csv"}


def test_people_read_before_the_work_that_the_report_cannot_be_written(tmp_path: Path, capsys: Capture) -> None:
    path, held = tmp_path / "data.csv", tmp_path / "held.csv"
    path.write_text("\n".join(",".join(row) for row in [["date", *NAMES], *table()]) + "\n")
    held.write_text("instrument,weight\nAAA,1\n")
    words = ("var", "--method", "parametric", "--data", str(path), "--portfolio", str(held))
    with pytest.raises(SystemExit) as left:
        main(["risk", *words, "--report", str(held / "deeper" / "report.html")])
    said = capsys.readouterr()
    assert left.value.code == Exit.FAILED
    assert said.err.splitlines()[0].endswith(f"({held} is no folder); the result will be shown without it")
    assert said.err.splitlines()[-1].startswith("bot4: ")
    assert "VaR " in said.out


IDLE = [
    (("var", "--method", "historical", "--paths", "5000"), "--paths has no meaning for --method historical"),
    (("var", "--method", "parametric", "--seed", "3"), "--seed has no meaning for --method parametric"),
    (("var", "--method", "filtered", "--copula", "t"), "--copula has no meaning for --method filtered"),
    (("var", "--method", "filtered", "--margins", "t"), "--margins has no meaning for --method filtered"),
    (("var", "--method", "historical", "--jumps"), "--jumps has no meaning for --method historical"),
    (("stress", "--alone"), "--alone has no meaning for no --shock"),
    (("backtest", "--method", "historical", "--refit", "5"), "--refit has no meaning for --method historical"),
    (("fit", "--model", "garch", "--column", "BBB", "--states", "3"), "--states has no meaning for --model garch"),
    (("optimise", "--level", "0.9"), "--level has no meaning for --method markowitz"),
    (("optimise", "--tau", "0.1"), "--tau has no meaning for --method markowitz"),
    (("optimise", "--market", "AAA=1"), "--market has no meaning for --method markowitz"),
    (("optimise", "--target-return", "0.1"), "--target-return has no meaning for --objective max-sharpe"),
    (("optimise", "--risk-aversion", "3"), "--risk-aversion has no meaning for --objective max-sharpe"),
    (("optimise", "--method", "hrp", "--objective", "utility"), "--objective has no meaning for --method hrp"),
    (("optimise", "--method", "risk-parity", "--risk-aversion", "3"), "--risk-aversion has no meaning for --method"),
    (("optimise", "--method", "black-litterman", "--rate", "0.01"), "--rate has no meaning for --method black"),
    (("kelly", "--trials", "30"), "--trials has no meaning for data"),
    (("kelly", "--gain", "2"), "--gain has no meaning for data"),
    (("kelly", "--periods-per-year", "365"), "--periods-per-year has no meaning for returns a period"),
    (("kelly", "--venue", "AAA=X"), "--venue has no meaning for no cap of a venue"),
]


@pytest.mark.parametrize(("arguments", "line"), IDLE)
def test_an_option_that_would_do_nothing_is_refused(
    arguments: tuple[str, ...], line: str, tmp_path: Path, capsys: Capture
) -> None:
    path, held = tmp_path / "data.csv", tmp_path / "held.csv"
    path.write_text("\n".join(",".join(row) for row in [["date", *NAMES], *table()]) + "\n")
    held.write_text("instrument,weight\nAAA,0.5\nBBB,0.4\n")
    more = ("--portfolio", str(held)) if arguments[0] in OF_A_PORTFOLIO else ()
    with pytest.raises(SystemExit) as left:
        main(["risk", *arguments, "--data", str(path), *more, "--report", str(tmp_path / "r.html"), "--json"])
    said = capsys.readouterr()
    assert (left.value.code, said.out) == (Exit.USAGE, "")
    assert said.err.startswith(f"bot4: {line}")
    assert said.err.count("\n") == 1


@pytest.mark.parametrize("option", [("--column", "AAA"), ("--edge", "0.01"), ("--rate", "0.01"), ("--no-shrink",)])
def test_a_single_bet_has_no_use_for_what_belongs_to_data(option: tuple[str, ...], capsys: Capture) -> None:
    with pytest.raises(SystemExit) as left:
        main(["risk", "kelly", "--probability", "0.6", *option, "--json"])
    assert left.value.code == Exit.USAGE
    assert f"{option[0]} has no meaning for a " in capsys.readouterr().err


def test_the_value_of_quantities_is_their_price(tmp_path: Path, capsys: Capture) -> None:
    path, held = tmp_path / "data.csv", tmp_path / "held.csv"
    path.write_text("\n".join(",".join(row) for row in [["date", *NAMES], *table()]) + "\n")
    held.write_text("instrument,quantity\nAAA,5\n")
    with pytest.raises(SystemExit) as left:
        main(["risk", "var", "--data", str(path), "--portfolio", str(held), "--value", "1000", "--json"])
    assert left.value.code == Exit.USAGE
    assert "--value has no meaning for a portfolio of quantities" in capsys.readouterr().err


def rising(rows: int) -> Table:
    """Prices that only rise, each by another step."""
    moves = np.abs(0.01 * np.random.default_rng(1).standard_normal((rows, 3))) + 1e-4
    levels = 100.0 * np.cumprod(1.0 + np.vstack([np.zeros(3), moves]), axis=0)
    dates = np.datetime64("2015-01-01") + np.arange(rows + 1)
    return [[str(date), *map(repr, row)] for date, row in zip(dates, levels.tolist(), strict=True)]


def test_a_series_that_never_loses_is_backtested_and_its_shortfall_is_not_judged(
    tmp_path: Path, capsys: Capture
) -> None:
    code, out, err = run("backtest", rising(ROWS), tmp_path, capsys)
    assert code == 0, err
    found = json.loads(out)
    assert found["methods"]["historical"]["shortfall"]["z1"] is None
    assert found["notes"][-1].startswith("SHORTFALL_NOT_JUDGED: the CVaR of historical is a gain on ")


def test_discrete_kelly_of_a_series_that_never_loses_names_it(tmp_path: Path, capsys: Capture) -> None:
    path = tmp_path / "data.csv"
    path.write_text("\n".join(",".join(row) for row in [["date", *NAMES], *rising(100)]) + "\n")
    with pytest.raises(SystemExit) as left:
        main(["risk", "kelly", "--data", str(path), "--model", "discrete", "--json"])
    err = capsys.readouterr().err
    assert left.value.code == Exit.INTEGRITY
    assert "AAA: no outcome loses" in err
    assert "2015-01-02 to 2015-04-11" in err
    assert err.count("\n") == 1


def test_too_few_forecasts_to_test_are_the_datas_fault(tmp_path: Path, capsys: Capture) -> None:
    code, out, err = run("backtest", table(255), tmp_path, capsys)
    assert (code, out) == (Exit.INTEGRITY, "")
    assert "too few returns to test forecasts from a window of 250: 260 are needed (AAA, BBB, CCC: 255 rows" in err


def test_a_method_named_twice_is_refused(tmp_path: Path, capsys: Capture) -> None:
    path = tmp_path / "data.csv"
    path.write_text("\n".join(",".join(row) for row in [["date", *NAMES], *table()]) + "\n")
    with pytest.raises(SystemExit) as left:
        main(["risk", "backtest", "--data", str(path), "--method", "ewma", "--method", "ewma"])
    assert left.value.code == Exit.USAGE
    assert "--method ewma is named twice" in capsys.readouterr().err
