"""Reports: what they open with, that nothing is drawn that was not there, and that no text becomes markup."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.replay import report
from engine.replay.backtest import Backtest
from engine.replay.backtest_loop import FILL, SAMPLE
from engine.replay.report_charts import POINTS, charts, thin
from engine.replay.report_page import Page, Table, render, write_page
from engine.replay.sampling import fills_of, without_duplicates
from ipc.instruments import instrument
from ipc.messages import Flag, Kind, Liquidity, ReportKind, Side, messages

INSTRUMENTS = instrument("BTCUSDT.BINANCE", "BTCUSDT", "0.01", "0.00001")


def samples(count: int) -> np.ndarray[Any, Any]:
    rows = np.zeros(count, SAMPLE)
    rows["time_ns"] = 1_700_000_000_000_000_000 + np.arange(count) * 1_000_000
    rows["bid_ticks"], rows["ask_ticks"] = 6_000_000, 6_000_001
    return rows


def fills(count: int, liquidity: int = Liquidity.MAKER) -> np.ndarray[Any, Any]:
    rows = np.zeros(count, FILL)
    rows["time_ns"] = 1_700_000_000_000_000_000 + np.arange(count) * 1_000_000
    rows["side"] = np.where(np.arange(count) % 2, Side.ASK, Side.BID)
    rows["price_ticks"], rows["quantity_lots"], rows["liquidity"] = 6_000_000, 100, liquidity
    return rows


def outcome(filled: np.ndarray[Any, Any], refusals: dict[str, int]) -> Backtest:
    result: dict[str, Any] = {
        "messages": 10, "messages_per_s": 1.0, "orders": 3, "fills": len(filled), "pnl": 1.5, "fees": 0.5,
        "max_drawdown": 0.0, "refusals": refusals, "outputs_sha256": "ab" * 32, "strategy": "<b>mine</b>",
        "risk_results": {"judged": False, "sentence": "orders were not judged by pre-trade CVaR"},
        "strategies_failed": {}, "instruments": {"BTCUSDT.BINANCE": {"gaps": 2}},
    }  # fmt: skip
    coverage = [{"name": "BTCUSDT.BINANCE", "kinds": {"LEVEL": 10}, "first_ns": 10**18, "last_ns": 10**18 + 10**9}]
    return Backtest(result, INSTRUMENTS, samples(50), filled, "orders reach the venue after 0 us", coverage)


def written(made: Backtest, folder: Path) -> str:
    report.write_backtest_report(made, folder / "report.html")
    assert [path.name for path in folder.iterdir()] == ["report.html"]
    return (folder / "report.html").read_text()


def test_a_backtest_that_never_traded_opens_with_why(tmp_path: Path) -> None:
    text = written(outcome(fills(0), {"PRICE_COLLAR": 7, "BOOK_NOT_VALID": 41_203}), tmp_path)
    opening = text[: text.index('class="figures"')]
    assert opening.index("Orders reach the venue after 0 us") < opening.index("It never traded")
    assert opening.index("41,203 refusals BOOK_NOT_VALID: The book is SYNCING") < opening.index(
        "7 refusals PRICE_COLLAR"
    )


def test_a_backtest_that_looks_too_good_is_to_be_read_with_care(tmp_path: Path) -> None:
    text = written(outcome(fills(20), {}), tmp_path)
    for caution in (
        "It covers 1.0 seconds: too short",
        "Only 20 fills",
        "Every fill rested at the venue",
        "2 gaps in the book",
    ):
        assert caution in text


def test_texts_are_escaped_and_plotly_stands_there_once(tmp_path: Path) -> None:
    text = written(outcome(fills(5), {}), tmp_path)
    assert "Backtest: &lt;b&gt;mine&lt;/b&gt;" in text
    assert "<b>mine</b>" not in text
    assert len(re.findall(r"<script>", text)) == 2
    assert 'src="http' not in text[:20_000] + text[-200_000:]


def test_data_cannot_end_the_script_early() -> None:
    page = Page("t", "s", "BACKTEST", charts=charts(INSTRUMENTS, samples(3), fills(1)))
    page.charts[0].figure["data"][0]["name"] = "</script><script>alert(1)</script>"
    assert "</script><script>alert" not in render(page)


def test_no_trace_has_more_points_than_a_browser_likes() -> None:
    drawn = charts(INSTRUMENTS, samples(20_000), fills(30_000))
    lengths = [len(trace["x"]) for chart in drawn for trace in chart.figure["data"]]
    assert max(lengths) == POINTS
    assert "of which at most 5,000 of each sort are drawn" in drawn[0].note
    assert list(thin(10, 4)) == [0, 3, 6, 9]


def test_without_a_chart_the_page_needs_no_plotly(tmp_path: Path) -> None:
    table = Table("Refusals", ["code", "count"], [["A&B", "1"]])
    write_page(Page("t", "s", "PAPER", tables=[table]), tmp_path / "page.html")
    text = (tmp_path / "page.html").read_text()
    assert "<script" not in text
    assert "A&amp;B" in text


def test_value_traded_is_summed_exactly() -> None:
    # 20 fills of 0.001 BTC at 60,000.00
    assert report.value_traded(INSTRUMENTS, fills(20)) == 1_200.0


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        (950, "950 ns"),
        (9_999, "9,999 ns"),
        (12_345, "12.3 µs"),
        (4_500_000, "4.5 ms"),
        (2 * 10**9, "2.0 s"),
    ],
)
def test_times_are_read_with_three_digits(value: int | None, text: str) -> None:
    assert report.nanoseconds(value) == text


def test_a_fill_told_twice_counts_once() -> None:
    records = messages(6)
    for place, trade_id in ((0, 7), (2, 7), (4, 8)):
        records[place]["kind"], records[place]["flags"] = Kind.REPORT, Flag.MORE
        records[place]["extra"], records[place]["order_id"] = ReportKind.FILL, 3
        records[place]["quantity_lots"] = 5
        records[place + 1]["kind"] = Kind.DETAIL
        records[place + 1]["quantity_lots"] = trade_id  # ReportDetail.trade_id
    found = fills_of(records)
    assert found["trade_id"].tolist() == [7, 7, 8]
    assert len(without_duplicates(found)) == 2


def test_a_report_is_valid_json_inside(tmp_path: Path) -> None:
    text = written(outcome(fills(5), {}), tmp_path)
    figures = text[text.rindex("const figures = ") + len("const figures = ") :].partition(";\n")[0]
    names = [trace["name"] for trace in json.loads(figures)[0]["data"]]
    assert names == ["best bid", "best ask", "bought as maker", "sold as maker"]
