"""The promise of a snapshot on real prices: a fetch of 2024, cut and re-based, is what was served in 2020."""

from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from stock_assets.core import adjusting, checks, cleaning, features, schemas, validation
from stock_assets.sources import base

THEN, NOW = date(2020, 12, 11), date(2024, 3, 8)
TICKERS = ["AAPL", "JPM", "KO", "MSFT", "NVDA", "STX", "TSLA", "XOM"]
OHLC = ["open", "high", "low", "close"]


def served(folder: Path, ticker: str, as_of: date) -> pd.DataFrame:
    """Bars as Yahoo served them on `as_of`, under the raw column names."""
    table = pd.read_csv(folder / f"as_of_{as_of}" / f"{ticker}.csv", parse_dates=["Date"], index_col="Date")
    table.index = table.index.as_unit("ns").rename("session")
    return base.raw_frame(table.index, table.rename(columns=base.YAHOO_HEADINGS).to_dict("series"))


def disagreement(frame: pd.DataFrame, other: pd.DataFrame) -> float:
    return float(np.abs(frame.to_numpy() / other.to_numpy() - 1).max())


@pytest.mark.parametrize("ticker", TICKERS)
def test_prices_fetched_later_are_those_served_then(real_prices_dir, ticker):
    """Split since: TSLA 3:1 in 2022, NVDA 4:1 in 2021. The rest is the rounding of six decimals."""
    then, later = served(real_prices_dir, ticker, THEN), served(real_prices_dir, ticker, NOW)
    snapshot = adjusting.as_served_on(later, THEN)
    assert snapshot.index.equals(then.index)
    assert disagreement(snapshot[OHLC], then[OHLC]) < 1e-6


def test_without_rebasing_they_are_not(real_prices_dir):
    then, later = served(real_prices_dir, "TSLA", THEN), served(real_prices_dir, "TSLA", NOW)
    assert then.loc["2020-12-11", "close"] == pytest.approx(609.99)
    assert later.loc["2020-12-11", "close"] == pytest.approx(609.99 / 3)


@pytest.mark.parametrize("ticker", ["MSFT", "NVDA", "TSLA", "XOM"])
def test_adjusted_closes_are_those_served_then(real_prices_dir, ticker):
    """Dividends paid between 2020 and 2024 are out again. (The other four: see the corrections below.)"""
    then, later = served(real_prices_dir, ticker, THEN), served(real_prices_dir, ticker, NOW)
    snapshot = adjusting.as_served_on(later, THEN)
    assert disagreement(snapshot[["adj_close"]], then[["adj_close"]]) < 2e-6
    assert snapshot["adj_close"].iloc[-1] == snapshot["close"].iloc[-1]


@pytest.mark.parametrize(
    ("ticker", "session", "then", "now"),
    [
        ("STX", "2014-11-07", 0.54, 0.0),  # a dividend that was never paid
        ("JPM", "2017-04-05", 0.50, 0.0),  # another
        ("AAPL", "2020-05-08", 0.82, 0.205),  # not adjusted for the 4:1 of August 2020
        ("KO", "2012-06-13", 0.51, 0.255),  # not adjusted for the 2:1 of August 2012
    ],
)
def test_yahoo_corrects_history(real_prices_dir, ticker, session, then, now):
    """No re-basing can foresee it: a corrected dividend makes a new snapshot of an old session differ."""
    assert served(real_prices_dir, ticker, THEN).loc[session, "dividends"] == pytest.approx(then)
    snapshot = adjusting.as_served_on(served(real_prices_dir, ticker, NOW), THEN)
    assert snapshot.loc[session, "dividends"] == pytest.approx(now)


REPAIRED = {
    ("AAPL", THEN): {"dividend_split_adjusted": ["2020-05-08"]},  # stood in the shares of before the 4:1 of 2020
    ("JPM", THEN): {"repeated_dividend_dropped": ["2017-04-05"]},  # never paid
    ("STX", THEN): {"repeated_dividend_dropped": ["2014-11-07"]},  # never paid
    ("KO", THEN): {  # stood in the shares of before the 2:1 of 2012
        "dividend_split_adjusted": [
            *["2010-03-11", "2010-06-11", "2010-09-13", "2010-11-29", "2011-03-11"],
            *["2011-06-13", "2011-09-13", "2011-11-29", "2012-03-13", "2012-06-13"],
        ]
    },
}
"""All that is repaired in the sixteen files: by 2024 Yahoo had corrected each of these, and to the same amounts."""


def failed(asked, *frames, ticker: str, as_of: date) -> set[str]:
    found = validation.ask(asked, *frames, ticker=ticker, as_of=as_of)
    return {check.name for check, finding in found if not finding.passed}


@pytest.mark.parametrize("as_of", [THEN, NOW], ids=str)
@pytest.mark.parametrize("ticker", TICKERS)
def test_real_prices_pass_every_check_but_for_true_faults(real_prices_dir, ticker, as_of):
    """Bars of eight large stocks need no repair at all: a rule or check that finds anything else is too strict."""
    about = {"ticker": ticker, "as_of": as_of}
    raw = served(real_prices_dir, ticker, as_of)
    assert failed(checks.RAW, raw, **about) == set()

    clean = cleaning.clean_prices(raw, **about)
    assert len(clean) == len(raw)
    flagged = clean.loc[clean["repairs"] != "", "repairs"]
    found = {repair: [f"{session:%Y-%m-%d}" for session in group.index] for repair, group in flagged.groupby(flagged)}
    repaired = REPAIRED.get((ticker, as_of), {})
    assert found == repaired
    assert failed(checks.CLEAN, clean, **about) == ({"no_bar_is_repaired"} if repaired else set())
    # The source's own adjusted close still has the dividends that were wrong.
    beside = failed(checks.CLEAN_BESIDE_RAW, clean, raw, **about)
    assert beside == ({"adjusted_close_agrees_with_source"} if repaired else set())
    if not repaired:
        assert validation.adjusted_close_agrees_with_source(clean, raw, **about).observed < 1e-4
    assert failed(checks.FEATURES, features.build_features(clean, **about), **about) == set()


@pytest.mark.parametrize(("ticker", "as_of"), REPAIRED)
def test_repairs_say_what_yahoo_said_in_the_end(real_prices_dir, ticker, as_of):
    corrected = adjusting.as_served_on(served(real_prices_dir, ticker, NOW), as_of)
    repaired, right = (
        cleaning.clean_prices(raw, ticker=ticker, as_of=as_of)
        for raw in (served(real_prices_dir, ticker, as_of), corrected)
    )
    for sessions in REPAIRED[ticker, as_of].values():
        pd.testing.assert_series_equal(
            repaired.loc[pd.DatetimeIndex(sessions), "dividend"], right.loc[pd.DatetimeIndex(sessions), "dividend"]
        )
    assert disagreement(repaired[["adjusted_close"]], right[["adjusted_close"]]) < 1e-6


@pytest.mark.parametrize(
    ("ticker", "session", "ratio"),
    [("AAPL", "2014-06-09", 7), ("AAPL", "2020-08-31", 4), ("KO", "2012-08-13", 2), ("TSLA", "2022-08-25", 3)],
)
def test_a_real_split_that_was_not_applied_is_applied(real_prices_dir, ticker, session, ratio):
    raw = served(real_prices_dir, ticker, NOW)
    right = cleaning.clean_prices(raw, ticker=ticker, as_of=NOW)
    before = raw.index < session
    raw.loc[before, [*OHLC, "adj_close"]] *= ratio
    raw.loc[before, "volume"] /= ratio
    repaired = cleaning.clean_prices(raw, ticker=ticker, as_of=NOW)
    assert ((repaired["repairs"] == "split_applied") == before).all()
    assert disagreement(repaired[OHLC], right[OHLC]) < 1e-12
    assert (repaired["volume"] == right["volume"]).all()


def test_no_later_value_reaches_a_clean_table(real_prices_dir):
    """Everything after the snapshot but the splits is replaced by noise, in disorder: not a bit changes."""
    later = served(real_prices_dir, "TSLA", NOW)
    session = date(2022, 8, 24)  # the evening before the 3:1
    expected = cleaning.clean_prices(adjusting.as_served_on(later, session), ticker="TSLA", as_of=session)
    assert expected["close"].iloc[-1] == pytest.approx(891.29, abs=0.01)

    noise = np.random.default_rng(7)
    after = later.index > pd.Timestamp(session)
    scrambled = later.copy()
    scrambled.loc[after, scrambled.columns[:-1]] = noise.normal(size=(after.sum(), 8)) * 1e6
    order = np.concatenate([np.flatnonzero(~after), noise.permutation(np.flatnonzero(after))])
    snapshot = adjusting.as_served_on(scrambled.iloc[order], session)
    table = cleaning.clean_prices(snapshot, ticker="TSLA", as_of=session)
    pd.testing.assert_frame_equal(table, expected, check_exact=True)
    assert table.index.freq is expected.index.freq is None
    schemas.validate(snapshot, schemas.RAW_PRICES, ticker="TSLA", as_of=session)
