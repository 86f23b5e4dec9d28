import datetime as dt
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stock_assets.core import adjusting, errors, schemas
from stock_assets.sources import csv_files

HEADER = "Date,Open,High,Low,Close,Adj Close,Volume,Dividends,Stock Splits"
# NVDA around its 4:1 split of 2021-07-20, which Yahoo had taken out of the earlier rows already.
ROWS = [
    "2021-07-16,189.25,189.25,181.25,181.5,181.5,373000000,0,0",
    "2021-07-19,185.0,190.5,184.0,187.75,187.75,749000000,0,0",
    "2021-07-20,187.25,188.5,181.5,186.0,186.0,435000000,0,4",
    "2021-07-21,189.5,195.5,189.25,194.0,194.0,399000000,0.04,0",
]
MONDAY = dt.date(2021, 7, 19)


def written(folder: Path, *rows: str, header: str = HEADER, ticker: str = "NVDA") -> csv_files.CsvSource:
    (folder / f"{ticker}.csv").write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return csv_files.CsvSource(folder)


def test_the_whole_file_comes_with_later_rows(tmp_path: Path) -> None:
    history = written(tmp_path, *ROWS).fetch("nvda", MONDAY)

    assert (history.ticker, history.source, history.currency) == ("NVDA", "csv", None)
    schemas.validate(history.bars, schemas.RAW_PRICES, ticker="NVDA", as_of=MONDAY)
    assert history.bars["stock_splits"].tolist() == [0.0, 0.0, 4.0, 0.0]
    assert history.bars.loc["2021-07-21"].tolist() == [189.5, 195.5, 189.25, 194.0, 194.0, 399e6, 0.04, 0.0, 0.0]
    # Before the split a share was four times as dear: 4 x 187.75.
    assert adjusting.as_served_on(history.bars, MONDAY)["close"].iloc[-1] == 751.0


def test_dividends_and_splits_may_be_absent(tmp_path: Path) -> None:
    rows = [row.rsplit(",", 2)[0] for row in ROWS]

    bars = written(tmp_path, *rows, header=HEADER.rsplit(",", 2)[0]).fetch("NVDA", MONDAY).bars

    assert (bars[["dividends", "stock_splits"]] == 0.0).all(axis=None)


def test_empty_cells_are_missing_numbers_and_no_events(tmp_path: Path) -> None:
    bars = written(tmp_path, "2021-07-16,,null,NaN,181.5,181.5,,,").fetch("NVDA", MONDAY).bars

    missing = np.nan
    expected = [missing, missing, missing, 181.5, 181.5, missing, 0.0, 0.0, 0.0]
    np.testing.assert_array_equal(bars.iloc[0].tolist(), expected)


def test_a_byte_order_mark_windows_line_ends_and_blank_lines_are_fine(tmp_path: Path) -> None:
    text = "\r\n".join([HEADER, ROWS[0], "", ",,", ROWS[1], ""])
    (tmp_path / "NVDA.csv").write_bytes(b"\xef\xbb\xbf" + text.encode())

    assert len(csv_files.CsvSource(tmp_path).fetch("NVDA", MONDAY).bars) == 2


def test_dates_as_yfinance_saves_them_are_sessions(tmp_path: Path) -> None:
    row = ROWS[0].replace("2021-07-16", "2021-07-16 00:00:00-04:00")

    assert written(tmp_path, row).fetch("NVDA", MONDAY).bars.index[0] == pd.Timestamp("2021-07-16")


def test_newest_first_is_put_in_order_and_repeated_sessions_stay(tmp_path: Path) -> None:
    other = ROWS[1].replace("187.75", "187.80")

    bars = written(tmp_path, *reversed(ROWS), other).fetch("NVDA", MONDAY).bars

    assert [f"{session:%d}" for session in bars.index] == ["16", "19", "19", "20", "21"]
    assert bars.loc["2021-07-19", "close"].tolist() == [187.75, 187.80]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("2021-07-19,185,190,184,abc,187,749,0,0", "line 3: column Close: came 'abc'; expected a number"),
        ("2021-07-19,185,190,184,187,inf,749,0,0", "line 3: column Adj Close: came 'inf'"),
        ("2021-07-19,185,190,184,187,187,1e999,0,0", "line 3: column Volume: came '1e999'"),
        ("2021-07-19,1_85,190,184,187,187,749,0,0", "line 3: column Open: came '1_85'"),
        ('2021-07-19,"1,185",190,184,187,187,749,0,0', "line 3: column Open: came '1,185'"),
        ("2021-07-19,185,190,184,187,187,749,$1,0", "line 3: column Dividends: came '\\$1'"),
        ("2021-07-19,185,190,184,187,187,749,0,4:1", "line 3: column Stock Splits: came '4:1'; expected a ratio"),
        ("2021-07-19,185,190,184,187,187,749,0,-4", "line 3: column Stock Splits: came '-4'; expected a ratio"),
        ("19/07/2021,185,190,184,187,187,749,0,0", "line 3: column Date: came '19/07/2021'; expected a date"),
        ("2021-02-30,185,190,184,187,187,749,0,0", "line 3: column Date: came '2021-02-30'"),
        (",185,190,184,187,187,749,0,0", "line 3: column Date: came ''"),
        ("2021-07-19,185,190", "line 3: came 3 cells; expected 9"),
        ("2021-07-19,185,190,184,187,187,749,0,0,7", "line 3: came 10 cells; expected 9"),
        ('2021-07-19,"185"x,190,184,187,187,749,0,0', "line 3: .*expected comma-separated cells"),
    ],
)
def test_what_cannot_be_read_is_named_with_its_place(tmp_path: Path, row: str, message: str) -> None:
    source = written(tmp_path, ROWS[0], row)

    with pytest.raises(errors.MalformedPricesError, match=rf"^NVDA 2021-07-19: .*NVDA\.csv, {message}"):
        source.fetch("NVDA", MONDAY)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty; expected the columns Date, Open"),
        (b"Date,Open,High,Low,Close,Volume\n", "line 1: the header lacks Adj Close; came: Date, Open"),
        (HEADER.replace("Low", "Close").encode(), "line 1: the header repeats 'Close'"),
        (HEADER.replace(",", ";").encode(), "line 1: the header lacks Date"),
        (HEADER.encode("utf-16"), "byte 0 is not UTF-8"),
        (HEADER.encode() + b"\n2021-07-16,\xa3185,1,1,1,1,1,0,0\n", "byte 76 is not UTF-8"),
    ],
)
def test_a_file_that_is_no_table_of_prices_is_malformed(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "NVDA.csv").write_bytes(content)

    with pytest.raises(errors.MalformedPricesError, match=message):
        csv_files.CsvSource(tmp_path).fetch("NVDA", MONDAY)


def test_before_the_listing_there_are_no_prices(tmp_path: Path) -> None:
    with pytest.raises(errors.NoPricesError, match=r"NVDA 2021-07-15: .*first session in .* is 2021-07-16"):
        written(tmp_path, *ROWS).fetch("NVDA", dt.date(2021, 7, 15))


def test_a_header_alone_has_no_prices(tmp_path: Path) -> None:
    with pytest.raises(errors.NoPricesError, match="has no rows"):
        written(tmp_path).fetch("NVDA", MONDAY)


def test_a_missing_file_names_the_tickers_that_are_there(tmp_path: Path) -> None:
    source = written(tmp_path, *ROWS)

    with pytest.raises(errors.NoPricesError, match=r"no file .*KO\.csv; tickers in that folder: NVDA$"):
        source.fetch("KO", MONDAY)


@pytest.mark.parametrize("folder", [None, Path("does/not/exist")])
def test_a_missing_folder_names_the_setting(folder: Path | None) -> None:
    with pytest.raises(errors.SettingsError, match="STOCK_ASSETS_PRICES_DIR"):
        csv_files.CsvSource(folder).fetch("KO", MONDAY)


def test_a_ticker_cannot_leave_the_folder(tmp_path: Path) -> None:
    with pytest.raises(errors.InvalidTickerError):
        csv_files.CsvSource(tmp_path / "prices").fetch("../NVDA", MONDAY)


@pytest.mark.parametrize("column", ["Date", "Stock Splits"])
def test_dates_and_splits_after_the_session_must_be_right(tmp_path: Path, column: str) -> None:
    cells = ROWS[3].split(",")
    cells[HEADER.split(",").index(column)] = "?"

    with pytest.raises(errors.MalformedPricesError, match=f"line 5: column {column}: came '\\?'"):
        written(tmp_path, *ROWS[:3], ",".join(cells)).fetch("NVDA", MONDAY)


def test_a_later_row_cut_short_does_not_count_as_no_split(tmp_path: Path) -> None:
    with pytest.raises(errors.MalformedPricesError, match="line 5: column Stock Splits: came no cell"):
        written(tmp_path, *ROWS[:3], "2021-07-21,189.5").fetch("NVDA", MONDAY)


@given(cells=st.lists(st.text(st.characters(codec="ascii", exclude_characters='\r\n",\0')), min_size=7, max_size=7))
def test_other_cells_after_the_session_do_not_matter(
    tmp_path_factory: pytest.TempPathFactory, cells: list[str]
) -> None:
    folder = tmp_path_factory.mktemp("scrambled")
    right = adjusting.as_served_on(written(folder, *ROWS).fetch("NVDA", MONDAY).bars, MONDAY)

    scrambled = written(folder, *ROWS[:2], ",".join(["2021-07-20", *cells, "4"]), ROWS[3]).fetch("NVDA", MONDAY)

    pd.testing.assert_frame_equal(adjusting.as_served_on(scrambled.bars, MONDAY), right, check_exact=True)


def test_real_files_are_read_as_they_are(real_prices_dir: Path) -> None:
    session = dt.date(2020, 12, 11)
    bars = csv_files.CsvSource(real_prices_dir / "as_of_2020-12-11").fetch("TSLA", session).bars

    table = pd.read_csv(real_prices_dir / "as_of_2020-12-11" / "TSLA.csv")
    assert bars.index[0] == pd.Timestamp("2010-06-29")  # first trade after the listing
    assert bars["stock_splits"][bars["stock_splits"] > 0].to_dict() == {pd.Timestamp("2020-08-31"): 5.0}
    came = bars.drop(columns="capital_gains").to_numpy()
    np.testing.assert_array_equal(came, table.drop(columns="Date").to_numpy(dtype="float64"))
