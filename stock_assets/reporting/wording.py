"""How a number or a session is written for a person. No HTML and no computing here.

Every function takes a value that may be None (not defined) and gives text. A number that is not finite is an error:
results are null when they are not defined, so NaN here means a fault further up.
"""

import datetime
import math
from collections.abc import Callable

from stock_assets.core import errors

UNDEFINED = "–"
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip

Number = float | int | None
Writer = Callable[[Number], str]


def _write(value: Number, pattern: str) -> str:
    if value is None:
        return UNDEFINED
    if not math.isfinite(value):
        raise errors.DataError(f"a report can't show {value!r}; expected a finite number, or null when not defined")
    text = format(value, pattern)
    if not any(digit in text for digit in "123456789"):
        text = text.lstrip("+-")
    # A hyphen is skipped by screen readers and breaks lines; the minus sign does neither.
    return text.replace("-", "−")


def percent(value: Number) -> str:
    """0.1234 as "12.3%"."""
    return _write(value, ".1%")


def short_percent(value: Number) -> str:
    """0.9 as "90%", 0.975 as "97.5%": a level chosen by people, with no more digits than it has."""
    return UNDEFINED if value is None else f"{_write(100 * value, '.4g')}%"


def fine_percent(value: Number) -> str:
    """0.01234 as "1.23%": for quantities of a single session, which one decimal would blur."""
    return _write(value, ".2%")


def finest_percent(value: Number) -> str:
    """0.012345 as "1.234%": for errors of models that differ by less than a hundredth of a percent."""
    return _write(value, ".3%")


def change(value: Number) -> str:
    """0.1234 as "+12.3%": a return or a distance, with its sign."""
    return _write(value, "+,.1%")


def fine_change(value: Number) -> str:
    """0.01234 as "+1.23%"."""
    return _write(value, "+,.2%")


def price(value: Number) -> str:
    """1234.5 as "1,234.50"."""
    return _write(value, ",.2f")


def count(value: Number) -> str:
    """1234567 as "1,234,567"."""
    return _write(value, ",.0f")


def ratio(value: Number) -> str:
    """0.876 as "0.88"."""
    return _write(value, ",.2f")


def score(value: Number) -> str:
    """0.24991 as "0.2499": scores of daily forecasts differ in the third decimal."""
    return _write(value, ".4f")


def p_value(value: Number) -> str:
    """0.0432 as "0.043"; anything below a thousandth as "< 0.001"."""
    if value is not None and 0 <= value < 0.001:
        return "< 0.001"
    return _write(value, ".3f")


def plain(value: Number) -> str:
    """A year or a number of basis points as it stands, at most two decimals."""
    if value is not None and value == int(value):
        return _write(int(value), "d")
    return _write(value, ".2f")


def fine_score(value: Number) -> str:
    """0.001234 as "0.00123": what a single feature adds to a score."""
    return _write(value, ".5f")


def exact(value: Number) -> str:
    """A setting with all its digits: 20200102 as "20200102", 0.05 as "0.05"."""
    return _write(value, "d" if isinstance(value, int) else ".10g")


def amount(value: Number) -> str:
    """A price or a volume with all its digits: 41000000.0 as "41,000,000", 61.25 as "61.25"."""
    return _write(value, ",.10g")


def session(value: datetime.date | str | None) -> str:
    """2024-03-08 as "2024-03-08"; the year comes first in every table so that columns sort by eye."""
    return UNDEFINED if value is None else _date(value).isoformat()


def long_session(value: datetime.date | str) -> str:
    """2024-03-08 as "Friday 8 March 2024". Not strftime: that follows the machine's language."""
    day = _date(value)
    return f"{WEEKDAYS[day.weekday()]} {day.day} {MONTHS[day.month - 1]} {day.year}"


def _date(value: datetime.date | str) -> datetime.date:
    if isinstance(value, datetime.datetime):
        return value.date()
    return datetime.date.fromisoformat(value) if isinstance(value, str) else value
