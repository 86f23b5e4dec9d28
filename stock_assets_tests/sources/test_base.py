import datetime as dt

import numpy as np
import pandas as pd
import pytest

from stock_assets.core import errors, schemas
from stock_assets.sources import base, csv_files, simulated, yahoo


@pytest.mark.parametrize(
    ("text", "ticker"),
    [
        (" tsla\n", "TSLA"),
        ("brk-b", "BRK-B"),
        ("^GSPC", "^GSPC"),
        ("005930.KS", "005930.KS"),  # Samsung in Seoul
        ("DX-Y.NYB", "DX-Y.NYB"),  # dollar index
        ("EURUSD=X", "EURUSD=X"),
    ],
)
def test_tickers_of_yahoo_are_tickers(text: str, ticker: str) -> None:
    assert base.check_ticker(text) == ticker


@pytest.mark.parametrize(
    "text",
    [
        "",
        "  ",
        "..",
        "../../etc",
        "A/B",
        "A\\B",
        "A..B",
        ".A",
        "A.",
        "TS LA",
        "TSLA|STX",
        "A\0B",
        "A" * 16,
        "ÄÖ",
        None,
        5,
        True,
    ],
)
def test_what_could_leave_a_folder_or_a_key_is_no_ticker(text: object) -> None:
    with pytest.raises(errors.InvalidTickerError, match="expected"):
        base.check_ticker(text)


def test_raw_frame_has_the_form_of_raw_prices() -> None:
    columns = {name: [1, 2] for name in reversed(base.RAW_COLUMNS)}

    frame = base.raw_frame([dt.date(2024, 3, 7), dt.date(2024, 3, 8)], columns)

    schemas.validate(frame, schemas.RAW_PRICES, ticker="TSLA", as_of="2024-03-08")
    assert frame.loc["2024-03-08", "volume"] == 2.0


def test_raw_frame_copies_and_drops_the_frequency() -> None:
    opens = np.array([1.0, 2.0])
    sessions = pd.date_range("2024-03-07", periods=2, unit="s")

    frame = base.raw_frame(sessions, dict.fromkeys(base.RAW_COLUMNS, opens))
    opens[0] = 99.0

    assert frame.iloc[0].eq(1.0).all()
    assert isinstance(frame.index, pd.DatetimeIndex)
    assert frame.index.freq is None


def test_all_sources_follow_the_protocol(tmp_path) -> None:
    sources: list[base.PriceSource] = [
        csv_files.CsvSource(tmp_path),
        simulated.SimulatedSource(),
        yahoo.YahooSource(None, tmp_path),
    ]

    assert [source.name for source in sources] == ["csv", "simulated", "yahoo"]
