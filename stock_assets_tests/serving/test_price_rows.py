"""A price history in the lines of a CSV: its bars, and the rows that are none."""

import datetime as dt
import io
import math

import pandas as pd
import pytest

from stock_assets.core.errors import QuestionsError, TooManyRowsError
from stock_assets.serving import batch, csv_lines, price_rows

HEADER = "Date,Open,High,Low,Close,Volume"


def read(table: str, ticker: str | None = "TSLA") -> price_rows.PriceRows:
    lines = csv_lines.read(csv_lines.utf8(io.BytesIO(table.encode())))
    return price_rows.read(lines, batch.header_of(next(lines)).columns, ticker)


def test_bars_in_order_with_everything_that_was_not_told() -> None:
    history = read(f"{HEADER}\n2024-03-08,4,6,3,5,100\n\n2024-03-07 00:00:00-05:00,1,3,0.5,2,1e3\n")
    expected = pd.DataFrame(
        {
            "open": [1.0, 4.0],
            "high": [3.0, 6.0],
            "low": [0.5, 3.0],
            "close": [2.0, 5.0],
            "adj_close": [math.nan, math.nan],
            "volume": [1000.0, 100.0],
            "dividends": [0.0, 0.0],
            "capital_gains": [0.0, 0.0],
            "stock_splits": [0.0, 0.0],
        },
        index=pd.DatetimeIndex(["2024-03-07", "2024-03-08"], name="session").as_unit("ns"),
    )
    pd.testing.assert_frame_equal(history.bars[list(expected.columns)], expected)
    assert set(history.bars.columns) == set(expected.columns)
    assert history.rows == {dt.date(2024, 3, 7): 4, dt.date(2024, 3, 8): 2}
    assert (history.ticker, history.unusable) == ("TSLA", [])


def test_columns_beyond_the_required_ones_are_taken_where_they_are() -> None:
    history = read(f"{HEADER},Adj Close,Dividends,Stock Splits,Note\n2024-03-08,4,6,3,5,100,4.5,0.25,3,=x\n")
    assert list(history.bars.loc["2024-03-08", ["adj_close", "dividends", "stock_splits"]]) == [4.5, 0.25, 3.0]


@pytest.mark.parametrize(
    ("row", "as_of", "error"),
    [
        ("08.03.2024,4,6,3,5,100", "08.03.2024", "Date: came 08.03.2024; expected a date like 2024-03-08"),
        ("2024-02-30,4,6,3,5,100", "2024-02-30", "Date: came 2024-02-30; expected a date like 2024-03-08"),
        (",4,6,3,5,100", "", "Date: came nothing; expected a date like 2024-03-08"),
        ("=1+1,4,6,3,5,100", "'=1+1", "Date: came '=1+1; expected a date like 2024-03-08"),
        ("2024-03-08,4,6,3,=5,100", "2024-03-08", "Close: came '=5; expected a number, or nothing"),
        ('2024-03-08,4,6,3,"5,5",100', "2024-03-08", r"Close: came 5\x2c5; expected a number, or nothing"),
        ("2024-03-08,4,6,3,5,many", "2024-03-08", "Volume: came many; expected a number, or nothing"),
        ("2024-03-08,4,6,3,inf,100", "2024-03-08", "Close: came inf; expected a number, or nothing"),
        ("2024-03-08,4,6,3,5", "", r"5 cells: came 2024-03-08\x2c4\x2c6\x2c3\x2c5; expected 6, as in the header"),
    ],
)
def test_a_row_that_is_no_bar_says_why(row: str, as_of: str, error: str) -> None:
    history = read(f"{HEADER}\n2024-03-06,1,3,1,2,10\n{row}\n2024-03-07,1,3,1,2,10\n")
    assert history.unusable == [price_rows.Unusable(3, as_of, error)]
    assert list(history.bars.index.strftime("%Y-%m-%d")) == ["2024-03-06", "2024-03-07"]


def test_what_happened_on_a_bar_that_cannot_be_used_is_kept_for_cleaning() -> None:
    header = f"{HEADER},Dividends,Stock Splits"
    history = read(f"{header}\n2024-03-06,1,3,1,2,10,0,\n2024-03-07,1,3,1,x,10,,2\n2024-03-08,1,2,1,1,20,,0\n")
    assert [(row.row, row.as_of) for row in history.unusable] == [(3, "2024-03-07")]
    kept = history.bars.loc["2024-03-07"]
    assert kept["stock_splits"] == 2.0
    assert kept[["open", "high", "low", "close", "volume"]].isna().all()


@pytest.mark.parametrize(
    ("table", "ticker", "told"),
    [
        ("Date,Close\n2024-03-08,5\n", "TSLA", "the history lacks open, high, low, volume; expected the columns Date"),
        (f"{HEADER}\n2024-03-08,4,6,3,5,100\n", None, "whose prices are these"),
        (f"{HEADER}\n", "TSLA", "no row of the history can be used$"),
        (f"{HEADER}\nx,4,6,3,5,100\n", "TSLA", "no row of the history can be used; the first of them, 2: Date: came x"),
        (
            f"{HEADER},Stock Splits\n2024-03-08,4,6,3,5,100,3:1\n",
            "TSLA",
            "TSLA 2024-03-08, line 2: Stock splits: came 3:1; expected a ratio of at least 0, or nothing",
        ),
        (f"{HEADER},Stock Splits\n2024-03-08,4,6,3,5,100,-3\n", "TSLA", "line 2: Stock splits: came '-3; expected a"),
        (f"{HEADER},Ticker\n2024-03-08,4,6,3,5,100,STX\n", "TSLA", "line 2: a bar of STX in a history of TSLA"),
        (
            f"{HEADER},ticker\n2024-03-07,4,6,3,5,100,STX\n2024-03-08,4,6,3,5,100,TSLA\n",
            None,
            "line 3: a bar of TSLA in a history of STX; expected one ticker",
        ),
    ],
)
def test_a_history_that_cannot_be_used_as_a_whole(table: str, ticker: str | None, told: str) -> None:
    with pytest.raises(QuestionsError, match=told):
        read(table, ticker)


def test_the_ticker_may_stand_in_the_table_and_a_row_without_one_is_no_bar() -> None:
    history = read(f"{HEADER},ticker\n2024-03-07,4,6,3,5,100,stx\n2024-03-08,4,6,3,5,100,\n", None)
    assert history.ticker == "STX"
    assert [(row.row, row.as_of) for row in history.unusable] == [(3, "2024-03-08")]


def test_a_file_that_is_no_ones_history_is_not_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(price_rows, "MOST_ROWS", 3)
    row = "2024-03-08,4,6,3,5,100\n"
    assert len(read(f"{HEADER}\n{row * 3}").bars) == 3
    with pytest.raises(TooManyRowsError, match="a history of more than 3 rows"):
        read(f"{HEADER}\n{row * 4}")
