"""The table of closures against exchange_calendars, from whose rules it is generated (run this module to print it)."""

import subprocess
import sys
import warnings
from datetime import date
from functools import cache
from itertools import groupby

import pandas as pd
import pytest

from stock_assets.core import closures, sessions

START, END = pd.Timestamp("1960-01-01"), pd.Timestamp("2050-12-30")


@cache
def exchange_calendar():
    with warnings.catch_warnings():
        # exchange_calendars 4.13 takes `Series.values` of aware times, which pandas 3.1 deprecates.
        warnings.simplefilter("ignore", DeprecationWarning)
        import exchange_calendars

        return exchange_calendars.get_calendar("XNYS", start="1960-01-04", end="2050-12-30")


def generated_closures() -> list[date]:
    """Closed weekdays by the rules of exchange_calendars, asked for the whole range explicitly."""
    calendar = exchange_calendar()
    dates = calendar.regular_holidays.holidays(START, END).union(pd.DatetimeIndex(calendar.adhoc_holidays))
    return sorted({day.date() for day in dates if START <= day <= END and day.weekday() < 5})


def generated_early_closes() -> list[date]:
    return [day.date() for day in exchange_calendar().early_closes]


def as_table(dates: list[date]) -> str:
    """The text of `closures._CLOSED` and `closures._CLOSED_EARLY`."""
    lines = []
    for year, of_year in groupby(dates, lambda day: day.year):
        month_days = [f"{day:%m-%d}" for day in of_year]
        lines += [" ".join([str(year), *month_days[i : i + 16]]) for i in range(0, len(month_days), 16)]
    return "\n".join(lines) + "\n"


def test_the_tables_are_what_exchange_calendars_says():
    assert as_table(generated_closures()) == closures._CLOSED
    assert as_table(generated_early_closes()) == closures._CLOSED_EARLY
    assert closures.closed_weekdays(START.date(), END.date()) == generated_closures()


def test_the_remaining_weekdays_are_the_sessions_of_exchange_calendars():
    """From 1970 on; before, its sessions contain Christmas and the like (see closures)."""
    weekdays = pd.bdate_range("1970-01-01", END)
    remaining = set(weekdays) - set(pd.to_datetime(closures.closed_weekdays(START.date(), END.date())))
    expected = exchange_calendar().sessions
    assert remaining == set(expected[expected >= "1970"])


def test_closing_times_are_those_of_exchange_calendars():
    closes = exchange_calendar().closes
    sample = closes[closes.index.map(lambda day: closures.is_early_close(day.date()) or day.day == 11)]
    assert len(sample) > 500
    for day, close in sample.items():
        if sessions.is_session(day.date()):
            assert sessions.close_time(day.date()) == close, day


@pytest.mark.parametrize(
    "closed",
    [
        "1961-05-29",  # the day before Decoration Day
        "1963-11-25",  # funeral of John F. Kennedy
        "1964-11-03",  # Election Day
        "1968-06-12",  # first Wednesday of the paperwork crisis
        "1969-07-21",  # the Moon landing
        "1977-07-14",  # New York blackout
        "2001-09-11",
        "2001-09-14",
        "2007-01-02",  # mourning for Gerald Ford
        "2012-10-29",  # Hurricane Sandy
        "2012-10-30",
        "2018-12-05",  # mourning for George H. W. Bush
        "2022-06-20",  # first Juneteenth, observed on Monday
        "2024-03-29",  # Good Friday
        "2025-01-09",  # mourning for Jimmy Carter
        "2026-07-03",  # Independence Day on a Saturday
    ],
)
def test_closed(closed):
    day = date.fromisoformat(closed)
    assert closures.closed_weekdays(day, day) == [day]


@pytest.mark.parametrize(
    "opened",
    [
        "2001-09-17",  # first session after the attacks
        "2010-12-31",  # New Year's Day on a Saturday is not observed on Friday
        "2021-06-18",  # Juneteenth was no holiday of the exchange yet
        "2024-11-29",  # half-session after Thanksgiving
    ],
)
def test_open(opened):
    day = date.fromisoformat(opened)
    assert closures.closed_weekdays(day, day) == []


def test_both_ends_are_included():
    first, last = date(2012, 10, 29), date(2012, 10, 30)
    assert closures.closed_weekdays(first, last) == [first, last]


def test_early_closes():
    assert closures.is_early_close(date(2024, 11, 29))  # after Thanksgiving
    assert closures.is_early_close(date(1999, 12, 31))
    assert not closures.is_early_close(date(2014, 12, 26))


def test_reading_it_imports_nothing_heavy():
    """Definitions import it: pandas alone would take longer than everything else here."""
    code = (
        "import sys\n"
        "from stock_assets.core import closures\n"
        "closures.closed_weekdays(closures.FIRST_WEEKDAY, closures.LAST_WEEKDAY)\n"
        "print({'pandas', 'numpy', 'exchange_calendars', 'dagster'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


if __name__ == "__main__":
    sys.stdout.write(as_table(generated_closures()) + "\n" + as_table(generated_early_closes()))
