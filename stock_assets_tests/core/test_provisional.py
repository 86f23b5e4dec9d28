"""Which last bars are taken for final, and when."""

import datetime as dt

import hypothesis
import numpy as np
import pandas as pd
import pytest
from hypothesis import strategies as st

from stock_assets.core import errors, provisional, sessions
from stock_assets.sources import base

THURSDAY, FRIDAY, MONDAY = dt.date(2024, 3, 7), dt.date(2024, 3, 8), dt.date(2024, 3, 11)
CLOSE = dt.datetime(2024, 3, 8, 21, 0, tzinfo=dt.UTC)  # 16:00 in New York, two days before summer time
EVENING = dt.datetime(2024, 3, 8, 22, 5, tzinfo=dt.UTC)
NEXT_MORNING = dt.datetime(2024, 3, 9, 9, 0, tzinfo=dt.UTC)
SUNDAY = dt.datetime(2024, 3, 10, 12, 0, tzinfo=dt.UTC)
MONDAY_EVENING = dt.datetime(2024, 3, 11, 22, 0, tzinfo=dt.UTC)


def bars(*rows: tuple[dt.date, float, float, float, float, float]) -> pd.DataFrame:
    days, *numbers = zip(*rows, strict=True)
    columns = dict(zip(("open", "high", "low", "close", "volume"), numbers, strict=True))
    zeros = [0.0] * len(rows)
    events = {"dividends": zeros, "stock_splits": zeros}
    return base.raw_frame(list(days), {**columns, "adj_close": columns["close"], **events})


BEFORE = (THURSDAY, 174.35, 180.04, 173.7, 178.65, 102129000.0)  # TSLA
BAR = (FRIDAY, 181.5, 182.73, 174.7, 175.34, 85315300.0)


def ask(
    came: pd.DataFrame, *, now: dt.datetime = EVENING, last_trade: dt.datetime | None = CLOSE, session=FRIDAY
) -> None:
    provisional.require_final(came, ticker="TSLA", session=session, last_trade=last_trade, now=now)


@pytest.mark.parametrize("now", [EVENING, NEXT_MORNING, SUNDAY, MONDAY_EVENING])
@pytest.mark.parametrize("last_trade", [CLOSE, CLOSE + dt.timedelta(seconds=1), None])
def test_a_bar_with_trades_up_to_the_close_is_final(now: dt.datetime, last_trade: dt.datetime | None) -> None:
    ask(bars(BEFORE, BAR), now=now, last_trade=last_trade)


@pytest.mark.parametrize("now", [EVENING, SUNDAY, MONDAY_EVENING - dt.timedelta(seconds=1)])
def test_a_bar_that_is_not_there_may_come_until_the_next_sessions_prices(now: dt.datetime) -> None:
    with pytest.raises(
        errors.ProvisionalPricesError, match="TSLA 2024-03-08: prices end on 2024-03-07; expected the bar of this sess"
    ):
        ask(bars(BEFORE), now=now)


def test_after_that_the_ticker_is_delisted() -> None:
    with pytest.raises(errors.NoPricesError, match=r"TSLA 2024-03-08: prices end on 2024-03-07; .*delisted"):
        ask(bars(BEFORE), now=MONDAY_EVENING)


def test_no_bars_at_all() -> None:
    with pytest.raises(errors.ProvisionalPricesError, match="there are none"):
        ask(bars(BEFORE).iloc[:0])


@pytest.mark.parametrize("missing", range(1, 6), ids=["open", "high", "low", "close", "volume"])
def test_a_missing_number_may_come(missing: int) -> None:
    came = bars(BEFORE, (*BAR[:missing], np.nan, *BAR[missing + 1 :]))

    with pytest.raises(errors.ProvisionalPricesError, match=r"nan.*; expected no number missing"):
        ask(came)
    ask(came, now=MONDAY_EVENING)  # for cleaning to judge


def test_yesterday_served_as_today() -> None:
    came = bars(BEFORE, (FRIDAY, *BEFORE[1:]))

    with pytest.raises(errors.ProvisionalPricesError, match=r"close 178\.65.*the bar of 2024-03-07 again"):
        ask(came)
    ask(came, now=MONDAY_EVENING)


def test_a_bar_in_which_one_number_is_new_is_not_yesterdays() -> None:
    ask(bars(BEFORE, (FRIDAY, *BEFORE[1:5], BEFORE[5] + 1)))


def test_two_sessions_without_a_trade_are_alike() -> None:
    idle = (10.0, 10.0, 10.0, 10.0, 0.0)

    ask(bars((THURSDAY, *idle), (FRIDAY, *idle)))


def test_the_first_bar_of_all_has_none_before() -> None:
    ask(bars(BAR))


def test_a_last_trade_before_the_close_is_waited_for_until_the_next_morning() -> None:
    early = CLOSE - dt.timedelta(seconds=1)

    with pytest.raises(
        errors.ProvisionalPricesError,
        match="the last trade came from 2024-03-08 20:59:59 UTC, before the close at 21:00 UTC; expected",
    ):
        ask(bars(BEFORE, BAR), last_trade=early)
    ask(bars(BEFORE, BAR), last_trade=early, now=NEXT_MORNING)


def test_a_last_trade_told_in_another_time_zone_is_the_same_moment() -> None:
    ask(bars(BEFORE, BAR), last_trade=CLOSE.astimezone(sessions.NEW_YORK))


def test_a_half_session_closes_early() -> None:
    day_before, half = dt.date(2023, 11, 22), dt.date(2023, 11, 24)  # after Thanksgiving
    came = bars((day_before, *BEFORE[1:]), (half, *BAR[1:]))
    evening = dt.datetime(2023, 11, 24, 22, 5, tzinfo=dt.UTC)
    one_o_clock = dt.datetime(2023, 11, 24, 18, 0, tzinfo=dt.UTC)

    ask(came, session=half, now=evening, last_trade=one_o_clock)
    with pytest.raises(errors.ProvisionalPricesError, match="close at 18:00 UTC"):
        ask(came, session=half, now=evening, last_trade=one_o_clock - dt.timedelta(minutes=1))


def test_a_hole_with_later_bars_is_left_to_the_checks() -> None:
    came = bars(BEFORE, (MONDAY, *BAR[1:]))

    ask(came, now=MONDAY_EVENING)


@hypothesis.given(
    hours=st.floats(0, 60), early=st.integers(0, 86_400), same=st.booleans(), missing=st.sampled_from([None, 3, 5])
)
def test_waiting_never_makes_a_final_bar_provisional(hours: float, early: int, same: bool, missing: int | None) -> None:
    bar = (FRIDAY, *(BEFORE if same else BAR)[1:])
    if missing is not None:
        bar = (*bar[:missing], np.nan, *bar[missing + 1 :])
    came, last_trade = bars(BEFORE, bar), CLOSE - dt.timedelta(seconds=early)

    def is_final(now: dt.datetime) -> bool:
        try:
            ask(came, now=now, last_trade=last_trade)
        except errors.ProvisionalPricesError:
            return False
        return True

    now = EVENING + dt.timedelta(hours=hours)
    if is_final(now):
        assert is_final(now + dt.timedelta(hours=1))
    assert is_final(MONDAY_EVENING)
