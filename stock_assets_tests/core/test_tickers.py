"""What counts as a ticker."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stock_assets.core.errors import InvalidTickerError
from stock_assets.core.tickers import check_ticker


@pytest.mark.parametrize(
    ("text", "ticker"),
    [
        ("TSLA", "TSLA"),
        (" stx ", "STX"),
        ("brk-b", "BRK-B"),  # Berkshire Hathaway, class B
        ("^GSPC", "^GSPC"),  # S&P 500
        ("EURUSD=X", "EURUSD=X"),
        ("0700.HK", "0700.HK"),  # Tencent
    ],
)
def test_tickers(text, ticker):
    assert check_ticker(text) == ticker


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "../../etc",
        "TSLA;rm",
        "..",
        ".",
        "A..B",
        "-A",
        "A-",
        "TS LA",
        "TSLA|STX",
        "a/b",
        "ＴＳＬＡ",
        "ß",
        "X" * 16,
        None,
        5,
    ],
)
def test_everything_else_is_refused_with_what_came(text):
    with pytest.raises(InvalidTickerError, match="is not a ticker; expected"):
        check_ticker(text)


@given(st.text())
def test_what_passes_is_safe_in_a_path_and_in_a_partition_key(text):
    try:
        ticker = check_ticker(text)
    except InvalidTickerError:
        return
    assert not set(ticker) & set("/\\|,:; \0")
    assert not ticker.startswith(".")
    assert ".." not in ticker
