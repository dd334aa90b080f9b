"""`bot4 risk var --liquidity` with recorded books: recording, tape, run; the terms, the side hit, mistakes."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.cli import main
from engine.errors import Exit
from engine.feed.recorded import RecordedFeed, group, instrument_of
from engine.replay.data import import_files
from engine.verbs.risk import recorded_books
from engine.verbs.risk.recorded_books import books_of

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def recording(data: Path) -> Path:
    return data / "binance_ws" / "cm_btcusd_perp_20240808.gz"


@pytest.fixture(scope="module")
def spot(data: Path) -> Path:
    return data / "binance_ws" / "spot_btcusdt_20240808.gz"


def var(folder: Path, capsys: Capture, held: str, *more: str) -> tuple[int, str, str]:
    portfolio, data = folder / "held.csv", folder / "prices.csv"
    portfolio.write_text(held)
    random = np.random.default_rng(1)
    prices = 60_000.0 * np.exp(np.cumsum(0.02 * random.standard_normal((300, 2)), axis=0))
    days = np.datetime64("2024-01-01") + np.arange(300)
    lines = [f"{day},{a!r},{b!r}" for day, (a, b) in zip(days, prices.tolist(), strict=True)]
    data.write_text("\n".join(["date,BTCUSDT,BTCUSD_PERP", *lines]) + "\n")
    with pytest.raises(SystemExit) as left:
        main([
            "risk", "var", "--portfolio", str(portfolio), "--data", str(data), "--method", "historical", *more,
            "--report", str(folder / "r.html"), "--json",
        ])  # fmt: skip
    said = capsys.readouterr()
    return int(left.value.code or 0), said.out, said.err


def test_each_position_is_left_into_its_own_book(recording: Path, spot: Path, tmp_path: Path, capsys: Capture) -> None:
    held = "instrument,quantity\nBTCUSDT,400\nBTCUSD_PERP,-3\n"
    books = ("--liquidity", str(spot), "--liquidity", str(recording), "--depth-bps", "5")
    code, out, err = var(tmp_path, capsys, held, *books)
    assert code == 0, err
    result: dict[str, Any] = json.loads(out)
    found = result["liquidity"]
    large, small = found["books"]["BTCUSDT"], found["books"]["BTCUSD_PERP"]
    assert (large["book"], small["book"]) == ("BTCUSDT.BINANCE", "BTCUSD-PERP.BINANCE")
    assert large["samples"] > 300
    assert 1e-8 < large["spread"] < 1e-5
    assert 1e5 < large["depth"] < 1e8
    assert 0.0 < large["impact"] < 5e-4
    slices = np.ceil(abs(result["exposures"]["BTCUSDT"]) / (0.1 * large["depth"]))
    assert found["seconds_to_liquidate"]["BTCUSDT"] == pytest.approx(slices * large["refill_s"])
    assert found["total"] == pytest.approx(
        found["var"] * found["horizon_factor"] + found["spread_cost"] + found["depth_cost"]
    )
    assert large["at_once"]["cost_fraction"] > small["at_once"]["cost_fraction"] > 0.0
    assert sum(note.startswith("BOOK_LIQUIDITY") for note in result["notes"]) == 2
    page = (tmp_path / "r.html").read_text()
    assert "Books" in page
    assert "beyond the book" in page


def test_a_tape_gives_the_samples_of_its_recording(recording: Path, tmp_path: Path) -> None:
    import_files([recording], tmp_path / "one.tape")
    first, second = books_of(recording)[0], books_of(tmp_path / "one.tape")[0]
    assert len(first.moments) == len(second.moments) > 300
    for (time_a, bids_a, asks_a), (time_b, bids_b, asks_b) in zip(first.moments, second.moments, strict=True):
        assert time_a == time_b
        np.testing.assert_array_equal(bids_a.prices, bids_b.prices)
        np.testing.assert_array_equal(asks_a.quantities, asks_b.quantities)
        assert bids_a.prices[0] < asks_a.prices[0]


def test_a_run_gives_the_samples_of_what_its_core_was_given(
    recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    instruments = instrument_of(group([recording])[0])
    np.save(tmp_path / "instruments.npy", instruments)
    given = [chunk.copy() for chunk in RecordedFeed(group([recording])[0], instruments, 0).chunks()]
    monkeypatch.setattr(recorded_books, "inputs_of", lambda folder: iter(given))
    assert len(books_of(tmp_path)[0].moments) == len(books_of(recording)[0].moments) > 300


@pytest.mark.parametrize(
    ("held", "more", "code", "line"),
    [
        ("instrument,weight\nBTCUSDT,1\n", (), Exit.USAGE, "a book's depth is money; give quantities, or"),
        ("instrument,quantity\nBTCUSDT,1\nBTCUSD_PERP,1\n", (), Exit.INTEGRITY, "no book of BTCUSD_PERP"),
        ("instrument,quantity\nBTCUSDT,1\n", ("--depth-bps", "0"), Exit.USAGE, "--depth-bps is 0"),
        ("instrument,quantity\nBTCUSDT,1\n", ("--liquidity", "terms.csv"), Exit.USAGE, "give one CSV of terms, or"),
        ("instrument,quantity\nBTCUSDT,1\n", ("--liquidity", "X=b.gz"), Exit.USAGE, "b.gz: no such file"),
        ("instrument,quantity\nBTCUSDT,1\n", ("--liquidity", "runs/nothing"), Exit.USAGE, "runs/nothing: no such file"),
    ],
)
def test_mistakes_are_one_line(
    held: str, more: tuple[str, ...], code: int, line: str, spot: Path, tmp_path: Path, capsys: Capture
) -> None:
    found, out, err = var(tmp_path, capsys, held, "--liquidity", str(spot), *more)
    assert (found, out) == (code, "")
    assert line in err
    assert err.count("\n") == 1


def test_a_distance_without_a_book_is_refused(tmp_path: Path, capsys: Capture) -> None:
    code, _, err = var(tmp_path, capsys, "instrument,quantity\nBTCUSDT,1\n", "--depth-bps", "5")
    assert code == Exit.USAGE
    assert "--depth-bps has no meaning for no recorded book" in err
