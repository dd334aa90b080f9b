"""`bot4 risk regime` as a user runs it: keys, causality through the command, report, mistakes in one line."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.cli import main
from engine.errors import Exit
from tests.engine.verbs.command import bot4
from tests.models.regimes.series import switching


def prices(folder: Path, n: int, name: str = "prices.csv") -> Path:
    """A dated CSV of prices whose volatility switches; a shorter one is the beginning of a longer one."""
    returns = switching(3, 700, stay=0.95)[0][:n]
    dates = np.datetime64("2015-01-01") + np.arange(n + 1)
    levels = 100.0 * np.exp(np.cumsum(np.append(0.0, returns)))
    path = folder / name
    path.write_text("date,AAA\n" + "".join(f"{d},{p!r}\n" for d, p in zip(dates, levels.tolist(), strict=True)))
    return path


def regimes(path: Path, *more: str) -> dict[str, Any]:
    report = path.parent / "report.html"
    finished = bot4("risk", "regime", "--data", path, "--report", report, "--json", *more)
    assert finished.returncode == 0, finished.stderr
    found: dict[str, Any] = json.loads(finished.stdout)
    return found


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return regimes(prices(tmp_path_factory.mktemp("whole"), 600), "--window", "300")


def test_keys_and_their_meaning(whole: dict[str, Any]) -> None:
    assert {"states", "transition", "changes", "fit_versions", "published", "label_jumps", "report"} <= set(whole)
    calm, wild = whole["states"]
    assert calm["volatility"] < wild["volatility"]
    np.testing.assert_allclose(np.sum(whole["transition"], axis=1), 1.0)
    assert calm["probability"] + wild["probability"] == pytest.approx(1.0)
    versions = whole["fit_versions"]
    assert [row["version"] for row in versions] == list(range(len(versions)))
    assert versions[0]["fitted_to"] == "2015-09-08"  # the 250th return
    assert {"code", "used", "loglik", "volatilities", "label_jumps"} <= set(versions[0])
    published = whole["published"]
    assert len(published["date"]) == len(published["state"]) == len(published["probabilities"]) == 350
    switches = np.flatnonzero(np.diff(published["state"])) + 1
    assert [change["date"] for change in whole["changes"]] == [published["date"][t] for t in switches]
    assert all(change["from"] != change["to"] for change in whole["changes"])


def test_appended_prices_change_nothing_already_published(whole: dict[str, Any], tmp_path: Path) -> None:
    early = regimes(prices(tmp_path, 455), "--window", "300")
    count = len(early["published"]["date"])
    assert count == 205
    for name, values in early["published"].items():
        assert whole["published"][name][:count] == values
    assert whole["changes"][: len(early["changes"])] == early["changes"]
    assert whole["fit_versions"][: len(early["fit_versions"])] == early["fit_versions"]
    assert [row for row in whole["alarms"] if row["index"] < 455] == early["alarms"]


def test_report_shows_timeline_probabilities_changes_and_versions(tmp_path: Path) -> None:
    found = regimes(prices(tmp_path, 400), "--states", "3", "--refit", "50", "--model", "mixture")
    assert len(found["states"]) == 3
    page = Path(found["report"]).read_text()
    for heading in (
        "Regime timeline", "Filtered probabilities", "Changes of regime", "Versions of the fit", "Transition",
    ):  # fmt: skip
        assert heading in page


def test_returns_without_dates_are_taken_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "returns.csv"
    path.write_text("r\n" + "\n".join(repr(x) for x in switching(3, 320, stay=0.95)[0].tolist()))
    finished = bot4("risk", "regime", "--data", path, "--returns", "--report", tmp_path / "page.html")
    assert finished.returncode == 0, finished.stderr
    assert "320 returns, row 1 to row 320" in finished.stdout
    assert "report: " in finished.stdout


def mistake(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, str]:
    """(exit code, the one line) of a command run in this process."""
    with pytest.raises(SystemExit) as stopped:
        main(["risk", "regime", *map(str, arguments)])
    lines = capsys.readouterr().err.splitlines()
    assert sum(line.startswith("bot4: ") for line in lines) == 1
    assert isinstance(stopped.value.code, int)
    return stopped.value.code, lines[-1].removeprefix("bot4: ")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--states", "9"), "states is 9: 1 to 8"),
        (("--refit", "0"), "refit is 0: at least 1 observation"),
        (("--window", "60"), "window is 60: 2 states need 100 observations"),
        (("--column", "AAB"), "there is no series 'AAB'; did you mean AAA?"),
    ],
)
def test_mistakes_are_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], expected: str
) -> None:
    code, line = mistake(capsys, "--data", prices(tmp_path, 300), *arguments)
    assert code == Exit.USAGE
    assert expected in line


def test_series_that_is_too_short_says_what_it_needs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    expected = (
        "AAA: no regime could be published: 120 returns, the first fit needs 250: give more, or a lower --minimum "
        "(AAA: 120 rows, 2015-01-02 to 2015-05-01)"
    )
    assert mistake(capsys, "--data", prices(tmp_path, 120)) == (3, expected)


def test_several_series_ask_for_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "two.csv"
    path.write_text("date,AAA,BBB\n2015-01-01,1,2\n2015-01-02,2,3\n")
    code, line = mistake(capsys, "--data", path)
    assert code == Exit.USAGE
    assert "holds 2 series (AAA, BBB): choose one with --column NAME" in line
