import datetime as dt
import hashlib
import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stock_assets.core import adjusting, errors, schemas, sessions
from stock_assets.sources import simulated

SOURCE = simulated.SimulatedSource()
LAST = dt.date(2026, 11, 20)
TICKERS = [f"T{number}" for number in range(40)]


def bars_of(ticker: str, session: dt.date = LAST) -> pd.DataFrame:
    return SOURCE.fetch(ticker, session).bars


def digest(bars: pd.DataFrame) -> str:
    return hashlib.sha256(bars.to_numpy().tobytes()).hexdigest()


def test_the_sessions_are_those_of_the_exchange() -> None:
    history = SOURCE.fetch("tsla", LAST)

    assert (history.ticker, history.source, history.currency) == ("TSLA", "simulated", "USD")
    schemas.validate(history.bars, schemas.RAW_PRICES, ticker="TSLA", as_of=LAST)
    expected = sessions.sessions_between(dt.date(2010, 1, 4), LAST)
    pd.testing.assert_index_equal(history.bars.index, expected, exact="equiv", check_names=True)
    assert not history.bars.isna().any(axis=None)


def test_the_recipe_has_not_changed_by_accident() -> None:
    bar = bars_of("TSLA", dt.date(2010, 1, 4)).iloc[0]

    # Prints of the first session. A change here means: raise _RECIPE, and old simulated artefacts are no longer redone.
    assert bar[["open", "high", "low", "close", "volume"]].tolist() == [131.25, 136.57, 128.73, 133.01, 33_866_900.0]


def test_another_process_makes_the_same_bytes() -> None:
    code = (
        "import datetime, hashlib; from stock_assets.sources import simulated; "
        "bars = simulated.SimulatedSource().fetch('STX', datetime.date(2026, 11, 20)).bars; "
        "print(hashlib.sha256(bars.to_numpy().tobytes()).hexdigest())"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "12345", "TZ": "Asia/Tokyo"}

    other = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)

    assert other.stdout.strip() == digest(bars_of("STX"))


def test_tickers_differ() -> None:
    assert len({digest(bars_of(ticker)) for ticker in TICKERS}) == len(TICKERS)


@settings(max_examples=40)
@given(
    ticker=st.sampled_from(TICKERS),
    positions=st.tuples(st.integers(0, 10_299), st.integers(0, 10_299)).map(sorted),
)
def test_what_was_served_on_an_evening_follows_from_any_later_history(ticker: str, positions: list[int]) -> None:
    calendar = sessions.sessions_between(simulated.FIRST_SESSION, sessions.LAST_SESSION)
    earlier, later = (calendar[position].date() for position in positions)

    rebased = adjusting.as_served_on(bars_of(ticker, later), earlier)

    pd.testing.assert_frame_equal(rebased, bars_of(ticker, earlier), rtol=1e-12)


def test_a_history_of_its_own_session_needs_no_change() -> None:
    bars = bars_of("T1", dt.date(2024, 3, 8))

    served = adjusting.as_served_on(bars, dt.date(2024, 3, 8))

    pd.testing.assert_frame_equal(served.drop(columns="adj_close"), bars.drop(columns="adj_close"), check_exact=True)


def printed(bars: pd.DataFrame) -> pd.DataFrame:
    """Undo the splits: what was on the screen on each session."""
    ratio = bars["stock_splits"].where(bars["stock_splits"] > 0, 1.0)
    later = ratio[::-1].cumprod()[::-1] / ratio
    return bars[["open", "high", "low", "close"]].mul(later, axis=0)


@pytest.mark.parametrize("ticker", TICKERS[:10])
def test_bars_hang_together_in_whole_cents(ticker: str) -> None:
    bars = bars_of(ticker, sessions.LAST_SESSION)

    assert (bars["high"] >= bars[["open", "close"]].max(axis=1)).all()
    assert (bars["low"] <= bars[["open", "close"]].min(axis=1)).all()
    assert (bars[["low", "volume"]] > 0).all(axis=None)
    assert (bars["volume"] % 1 == 0).all()
    cents = printed(bars) * 100
    assert ((cents - cents.round()).abs() < 1e-6).all(axis=None)


def test_dividends_are_taken_out_of_the_adjusted_close_as_yahoo_does() -> None:
    payers = [bars for bars in map(bars_of, TICKERS) if (bars["dividends"] > 0).any()]
    assert len(payers) >= 10
    for bars in payers:
        factors = adjusting.dividend_factors(bars["close"], bars["dividends"])
        pd.testing.assert_series_equal(bars["adj_close"], bars["close"] * factors, rtol=1e-12, check_names=False)
        # 4,248 sessions are 67 quarters of 63.
        assert (bars["dividends"] > 0).sum() in {67, 68}


def test_dear_shares_are_split_and_cheap_ones_joined() -> None:
    ratios = {ratio for ticker in TICKERS for ratio in bars_of(ticker, sessions.LAST_SESSION)["stock_splits"]}

    assert ratios == {0.0, 2.0, 3.0, 4.0, 0.1}
    for ticker in TICKERS:
        closes = printed(bars_of(ticker, sessions.LAST_SESSION))["close"]
        assert closes.between(0.5, 1_500).all()


def test_volatility_can_be_forecast_and_returns_cannot() -> None:
    after_itself, size_after_itself, size_after_direction, tails, with_volume = [], [], [], [], []
    for ticker in TICKERS:
        bars = bars_of(ticker, sessions.LAST_SESSION)
        returns = bars["adj_close"].pct_change().dropna()
        after_itself.append(returns.autocorr())
        size_after_itself.append(returns.abs().autocorr())
        size_after_direction.append(returns.abs().corr(returns.shift()))
        tails.append(returns.kurt())
        with_volume.append(np.log(bars["volume"]).corr(returns.abs()))

    def standard_errors_from_zero(values: list[float]) -> float:
        return abs(np.mean(values)) / (np.std(values, ddof=1) / np.sqrt(len(values)))

    assert standard_errors_from_zero(after_itself) < 3
    assert standard_errors_from_zero(size_after_direction) < 3
    assert abs(np.mean(after_itself)) < 0.01
    assert np.mean(size_after_itself) > 0.1
    assert np.mean(tails) > 3
    assert np.mean(with_volume) > 0.3


@pytest.mark.parametrize("session", [dt.date(2009, 12, 31), dt.date(2051, 1, 3)])
def test_outside_the_calendar_there_are_no_prices(session: dt.date) -> None:
    with pytest.raises(
        errors.NoPricesError, match=f"TSLA {session}: simulated prices run from 2010-01-04 to 2050-12-30"
    ):
        SOURCE.fetch("TSLA", session)


def test_a_frame_belongs_to_whoever_asked() -> None:
    mine = bars_of("TSLA")
    mine[:] = 0.0

    assert (bars_of("TSLA")["close"] > 0).all()
