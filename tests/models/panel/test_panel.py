"""What a panel takes, what it mends and says so, and what it refuses with the series and the date."""

import re
import zipfile
from datetime import date
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from models.faults import DataFault, Fault
from models.panel import read_panel, returns_of


def written(folder: Path, text: str, name: str = "prices.csv") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def days(prices: list[str], column: str = "A") -> str:
    first = np.datetime64("2020-01-01")
    return f"date,{column}\n" + "".join(f"{first + i},{price}\n" for i, price in enumerate(prices))


def wandering(count: int = 60, seed: int = 1) -> np.ndarray:
    return 100.0 * np.exp(np.cumsum(0.01 * np.random.default_rng(seed).standard_normal(count)))


def test_prices_become_log_or_simple_returns(tmp_path: Path) -> None:
    panel = read_panel(written(tmp_path, days(["100", "110", "99"])))
    assert returns_of(panel, are_returns=False, kind="simple").values[:, 0] == pytest.approx([0.1, -0.1])
    assert returns_of(panel, are_returns=False).values[:, 0] == pytest.approx(np.log([1.1, 0.9]))
    assert list(returns_of(panel, are_returns=False).dates.astype(str)) == [
        "2020-01-02T00:00:00.000000000",
        "2020-01-03T00:00:00.000000000",
    ]


def test_without_a_date_column_rows_are_numbered(tmp_path: Path) -> None:
    panel = read_panel(written(tmp_path, "A,B\n1,2\n2,3\n"))
    assert (panel.dated, panel.names, panel.place(1)) == (False, ("A", "B"), "row 2")


def test_semicolons_a_remark_and_a_byte_order_mark_are_read(tmp_path: Path) -> None:
    panel = read_panel(written(tmp_path, "\ufeff# made by hand\ntime;A\n2020-01-01;1\n2020-01-02;2\n"))
    assert panel.values[:, 0].tolist() == [1.0, 2.0]


def test_the_only_column_of_dates_holds_them_whatever_its_name(tmp_path: Path) -> None:
    text = "A,Trade Date,Broker\n2,2020-01-03,x\n1,2020-01-02,y\n"
    panel = read_panel(written(tmp_path, text))
    assert panel.values[:, 0].tolist() == [1.0, 2.0]
    assert [panel.place(row) for row in (0, 1)] == ["2020-01-02", "2020-01-03"]
    two = read_panel(written(tmp_path, "A,traded,settled\n1,2020-01-02,2020-01-04\n2,2020-01-03,2020-01-05\n"))
    assert not two.dated
    assert two.notes == ("COLUMN_NOT_NUMBERS: traded, settled left out",)


def test_a_data_frames_index_without_a_name_holds_the_dates(tmp_path: Path) -> None:
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    days = np.array(["2020-01-02", "2020-01-03"], "datetime64[ns]")
    parquet.write_table(pyarrow.table({"A": [1.0, 2.0], "__index_level_0__": days}), tmp_path / "frame.parquet")
    panel = read_panel(tmp_path / "frame.parquet")
    assert panel.dated
    assert panel.place(1) == "2020-01-03"


def test_newest_first_is_turned_round_and_said(tmp_path: Path) -> None:
    panel = read_panel(written(tmp_path, "date,A\n2020-01-03,3\n2020-01-02,2\n2020-01-01,1\n"))
    assert panel.values[:, 0].tolist() == [1.0, 2.0, 3.0]
    assert panel.notes[0].startswith("NEWEST_FIRST")


@pytest.mark.parametrize(
    ("written_date", "iso"),
    [
        ("1/31/2008", "2008-01-31"),
        ("31/1/2008", "2008-01-31"),
        ("20080131", "2008-01-31"),
        ("1201737600", "2008-01-31"),
        ("1201737600000", "2008-01-31"),
        ("2008-01-31 12-AM", "2008-01-31"),
        ("2008-01-31T00:00:00Z", "2008-01-31"),
        ("2008-01-30 19:00:00-05:00", "2008-01-31"),
        ("2008-01-31T05:30:00.000+0530", "2008-01-31"),
    ],
)
@pytest.mark.filterwarnings("error")
def test_dates_are_read_as_files_write_them(tmp_path: Path, written_date: str, iso: str) -> None:
    panel = read_panel(written(tmp_path, f"date,A\n{written_date},1\n"))
    assert panel.dates[0] == np.datetime64(iso, "ns")


@pytest.mark.parametrize(
    "number", ["39478", "200801", "1577836", "20080131093000", "9999-12-31", "9300000000", "1e19", "0001-01-01"]
)
def test_a_number_or_year_that_is_no_date_is_refused_not_wrapped_round(tmp_path: Path, number: str) -> None:
    with pytest.raises(DataFault, match="is no date; write it like 2008-01-31"):
        read_panel(written(tmp_path, f"date,A\n{number},1\n"))


@pytest.mark.parametrize("cell", ["98,765.43", "98.765,43", "-0.28%", "$1.50", "(1.5)", "1 234"])
def test_a_series_asked_for_that_is_written_for_people_is_named(tmp_path: Path, cell: str) -> None:
    text = f"date;A;B\n2015-01-01;{cell};1\n2015-01-02;{cell};2\n"
    with pytest.raises(DataFault, match=f"A is '{re.escape(cell)}' on 2015-01-01, no number; write it like 1234.5"):
        read_panel(written(tmp_path, text), columns=("a",))
    assert read_panel(written(tmp_path, text)).notes == ("COLUMN_NOT_NUMBERS: A left out",)
    with pytest.raises(DataFault, match=f"no column of numbers.*not '{re.escape(cell)}'"):
        read_panel(written(tmp_path, text.replace(";1\n", "\n").replace(";2\n", "\n").replace(";B", "")))


def test_epoch_units_that_change_within_a_file_are_told_apart(tmp_path: Path) -> None:
    panel = read_panel(written(tmp_path, "unix,A\n1513468800.0,1\n1513555200000,2\n"))
    assert panel.dates.astype("datetime64[D]").astype(str).tolist() == ["2017-12-17", "2017-12-18"]


def test_a_date_that_may_be_two_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataFault, match="may be day/month or month/day"):
        read_panel(written(tmp_path, "date,A\n1/2/2008,1\n"))


def test_a_repeated_date_with_the_same_value_is_left_out_and_counted(tmp_path: Path) -> None:
    panel = read_panel(written(tmp_path, "date,A,V\n2020-01-01,1,5\n2020-01-02,2,6\n2020-01-02,2,7\n"), columns=["A"])
    assert panel.values[:, 0].tolist() == [1.0, 2.0]
    assert panel.notes == ("DATE_REPEATED: 1 rows left out that repeat a date with the same values",)


def test_a_repeated_date_with_another_value_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataFault, match=r"2020-01-02 stands twice with different values"):
        read_panel(written(tmp_path, "date,A\n2020-01-01,1\n2020-01-02,2\n2020-01-02,3\n"))


def test_rows_out_of_order_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataFault, match="2020-01-02 comes after 2020-01-03"):
        read_panel(written(tmp_path, "date,A\n2020-01-01,1\n2020-01-03,2\n2020-01-02,3\n2020-01-04,4\n"))


def test_incomplete_rows_are_left_out_and_counted(tmp_path: Path) -> None:
    panel = read_panel(written(tmp_path, "date,A,B\n2020-01-01,1,2\n2020-01-02,,3\n2020-01-03,2,3\n2020-01-04,3,5\n"))
    found = returns_of(panel, are_returns=False, kind="simple")
    assert found.values[:, 0].tolist() == [1.0, 0.5]
    assert found.notes[0].startswith("ROWS_INCOMPLETE: 1 of 4 rows left out, most for want of A")


def test_holes_in_the_dates_are_noted(tmp_path: Path) -> None:
    prices = wandering()
    first = np.datetime64("2020-01-01")
    lines = [f"{first + i + (21 if i > 30 else 0)},{price}" for i, price in enumerate(prices)]
    panel = read_panel(written(tmp_path, "date,A\n" + "\n".join(lines)))
    assert returns_of(panel, are_returns=False).notes[0].startswith("HOLES: 1 in the dates, the longest of 22 days")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (days(["1", "0", "2"]), "A is 0 on 2020-01-02: a price must be above 0"),
        (days(["1", "-1", "2"]), "A is -1 on 2020-01-02"),
        (days(["1", "inf", "2"]), "A is infinite on 2020-01-02"),
        (days(["5", "5", "5"]), "A is constant"),
        (days(["5", "5.1"][:1]), "A has 0 returns"),
    ],
)
def test_prices_that_cannot_be_used_are_named_with_their_date(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(DataFault, match=says):
        returns_of(read_panel(written(tmp_path, text)), are_returns=False)


@pytest.mark.parametrize("ratio", [0.5, 2.0, 1 / 7, 10.0])
def test_an_unadjusted_split_is_named(tmp_path: Path, ratio: float) -> None:
    prices = wandering()
    prices[30:] *= ratio
    panel = read_panel(written(tmp_path, days([str(price) for price in prices])))
    with pytest.raises(DataFault, match=r"A: unadjusted split on 2020-01-31"):
        returns_of(panel, are_returns=False)


def test_a_crash_by_half_in_a_wild_series_is_no_split(tmp_path: Path) -> None:
    moves = 0.08 * np.random.default_rng(2).standard_normal(200)
    moves[100] = np.log(0.5)
    panel = read_panel(written(tmp_path, days([str(price) for price in np.exp(np.cumsum(moves))])))
    assert len(returns_of(panel, are_returns=False).values) == 199


def test_recorded_panels_pass_and_the_known_split_is_found(data: Path) -> None:
    stocks = read_panel(data / "panels" / "stocks20_daily_1989-2018.csv.gz")
    assert returns_of(stocks, are_returns=False, complete=False).values.shape == (7125, 20)
    bitcoin = read_panel(data / "candles" / "binance_BTCUSDT_d.csv.gz", columns=["close"])
    codes = ["COLUMN_NOT_NUMBERS", "DATES_TWICE", "NEWEST_FIRST", "DATE_REPEATED"]
    assert [note.split(":")[0] for note in bitcoin.notes] == codes
    with pytest.raises(DataFault, match="2,649 dates stand twice"):
        read_panel(data / "candles" / "binance_BTCUSDT_1h.csv.gz", columns=["close"])


def test_an_unadjusted_stock_is_refused_at_its_split(data: Path, tmp_path: Path) -> None:
    text = zipfile.ZipFile(data / "panels" / "lean_daily" / "aapl.zip").read("aapl.csv").decode()
    lines = [f"{line.split(',')[0]},{line.split(',')[4]}" for line in text.splitlines()]
    path = written(tmp_path, "date,AAPL\n" + "\n".join(line.replace(" 00:00", "") for line in lines))
    with pytest.raises(DataFault, match=r"unadjusted split on .*2014-06-09"):
        returns_of(read_panel(path), are_returns=False)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "the file is empty"),
        ("date,A\n2020-01-01,1,2\n", "line 2 has 3 cells, the header 2"),
        ("date,A\nyesterday,1\n", "'yesterday' in row 1 is no date"),
        ("A,A\n1,2\n", "two columns are called 'A'"),
        ("date,A\n2020-01-01,x\n", "no column of numbers"),
    ],
)
def test_a_file_that_is_no_table_is_named(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(DataFault, match=says):
        read_panel(written(tmp_path, text))


def test_half_a_gzip_is_named(tmp_path: Path, data: Path) -> None:
    whole = (data / "panels" / "arch_vix.csv.gz").read_bytes()
    path = tmp_path / "half.csv.gz"
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataFault, match="the gzip file is damaged"):
        read_panel(path)


def test_a_column_that_does_not_exist_gets_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(Fault, match=r"there is no series 'closs'; did you mean close\?"):
        read_panel(written(tmp_path, days(["1", "2"], column="close")), columns=["closs"])


def test_two_files_are_joined_by_date(tmp_path: Path) -> None:
    one = written(tmp_path, "date,close\n2020-01-01,1\n2020-01-02,2\n", "one.csv")
    two = written(tmp_path, "date,close\n2020-01-02,5\n2020-01-03,6\n", "two.csv")
    panel = read_panel([one, two])
    assert panel.names == ("one.close", "two.close")
    assert np.isnan(panel.values).sum() == 2


def test_parquet_and_csv_give_the_same_panel(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    prices = wandering()
    dates = np.datetime64("2020-01-01") + np.arange(len(prices))
    parquet.write_table(pyarrow.table({"date": dates, "A": prices}), tmp_path / "p.parquet")
    from_csv = read_panel(written(tmp_path, days([repr(float(price)) for price in prices])))
    from_parquet = read_panel(tmp_path / "p.parquet")
    assert np.array_equal(from_csv.values, from_parquet.values)
    assert np.array_equal(from_csv.dates, from_parquet.dates)


def test_prices_called_returns_are_refused(tmp_path: Path) -> None:
    levels = written(tmp_path, "A\n" + "".join(f"{100 + row % 7}\n" for row in range(30)))
    with pytest.raises(DataFault, match=r"all 30 returns are above 0 .* these look like prices; leave out --returns"):
        returns_of(read_panel(levels), are_returns=True)


def test_a_simple_return_below_minus_one_is_refused_and_a_log_return_in_per_cent_is_not(tmp_path: Path) -> None:
    panel = read_panel(written(tmp_path, "date,A\n2015-01-01,0.5\n2015-01-02,-1.2\n2015-01-03,0.1\n"))
    with pytest.raises(DataFault, match=r"A is -1.2 on 2015-01-02: a simple return is a fraction"):
        returns_of(panel, are_returns=True, kind="simple")
    assert returns_of(panel, are_returns=True).values[1, 0] == -1.2


def test_a_second_column_of_dates_is_left_out_and_said(tmp_path: Path) -> None:
    panel = read_panel(written(tmp_path, "unix,date,A\n1420070400,2015-01-01,1\n1420156800,2015-01-02,2\n"))
    assert panel.names == ("A",)
    assert panel.notes == ("DATES_TWICE: unix left out, the dates are those of date",)


def test_one_cell_that_is_no_number_is_named_and_the_column_not_left_out(tmp_path: Path) -> None:
    text = "date,A,B\n2015-01-01,1,x\n2015-01-02,1x,y\n2015-01-03,2,z\n"
    with pytest.raises(DataFault, match="A is '1x' on 2015-01-02, no number"):
        read_panel(written(tmp_path, text))


@pytest.mark.parametrize("text", ["2015-01-01,1.5,1.5\n2015-01-02,1.6,2.6\n", "0.1\n0.2\n"])
def test_values_where_the_names_should_be_are_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(DataFault, match="the first line holds values"):
        read_panel(written(tmp_path, text))


def test_names_that_are_numbers_pass_beside_a_date(tmp_path: Path) -> None:
    assert read_panel(written(tmp_path, "date,2330,2317\n2015-01-01,1,2\n")).names == ("2330", "2317")


def test_a_comma_at_the_end_of_every_line_is_no_series(tmp_path: Path) -> None:
    panel = read_panel(written(tmp_path, "date,A,\n2015-01-01,1,\n2015-01-02,2,\n"))
    assert panel.names == ("A",)
    assert panel.notes == ("COLUMN_NOT_NUMBERS: column 3, which has no name left out",)


def test_a_series_is_named_once_and_found_by_its_exact_name_first(tmp_path: Path) -> None:
    path = written(tmp_path, "date,AB,ab\n2015-01-01,1,2\n2015-01-02,3,4\n")
    assert read_panel(path, columns=["AB"]).values[0, 0] == 1.0
    with pytest.raises(Fault, match="AB is named twice"):
        read_panel(path, columns=["AB", "AB"])


def test_the_same_file_given_twice_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, "date,A\n2015-01-01,1\n2015-01-02,3\n")
    with pytest.raises(Fault, match=r"two files hold a series .*\.A"):
        read_panel([path, path])


def test_a_file_that_is_not_there_is_a_mistake_of_usage(tmp_path: Path) -> None:
    with pytest.raises(Fault, match=r"none\.csv: cannot be read: No such file"):
        read_panel(tmp_path / "none.csv")


def test_a_gzip_of_rubbish_is_named(tmp_path: Path) -> None:
    path = tmp_path / "prices.csv.gz"
    path.write_bytes(b"\x1f\x8b\x08" + bytes(6) + b"\x03" + b"rubbish" * 3)
    with pytest.raises(DataFault, match="the gzip file is damaged"):
        read_panel(path)


def test_arrow_decimals_are_numbers_and_a_date_that_is_absent_is_named(tmp_path: Path) -> None:
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "prices.parquet"
    values = [Decimal("1.25"), None, Decimal("2.5")]
    parquet.write_table(arrow.table({"date": [date(2015, 1, day) for day in (1, 2, 3)], "A": values}), path)
    np.testing.assert_array_equal(read_panel(path).values[:, 0], [1.25, np.nan, 2.5])
    parquet.write_table(arrow.table({"date": [date(2015, 1, 1), None], "A": [1.0, 2.0]}), path)
    with pytest.raises(DataFault, match="row 2 has no date"):
        read_panel(path)
