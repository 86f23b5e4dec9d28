"""Every fault that Yahoo or yfinance is known to produce, as a function that puts one of it into clean raw prices.

An injector is pure: (raw, rng) -> (bad, Injected). `raw` is a clean snapshot with the columns of
core.schemas.RAW_PRICES; sizes and positions, the first and the last row among them, are drawn from what Yahoo really
produces. Where some instances leave no evidence anywhere, the injector leaves them out and its docstring says which.
`DEFECTS` lists all of them. The clean histories live in histories; what becomes of a defect, in outcomes.

Left out altogether, as no evidence in prices can show them: a provisional volume (half of the final one is a usual
volume), a provisional close within high and low, a history that begins later than the listing, all
volumes by one factor.
"""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from stock_assets.core import sessions
from stock_assets.core.adjusting import PRICES
from stock_assets.sources import base
from stock_assets_tests import histories

Rng = np.random.RandomState

ALL_PRICES = (*PRICES, "adj_close")


@dataclass(frozen=True)
class Injected:
    """What was done, to which sessions, with which numbers.

    `unit`: what all prices and payments of the history are right times, as the newest prices say what the unit is.
    """

    description: str
    sessions: tuple[dt.date, ...]
    parameters: dict[str, object] = field(default_factory=dict)
    unit: float = 1.0


Injector = Callable[[pd.DataFrame, Rng], tuple[pd.DataFrame, Injected]]
Applies = Callable[[pd.DataFrame], bool]


@dataclass(frozen=True)
class Defect:
    """An injector, the histories it can be used on, and whether only the session before can tell.

    `needs_previous`: nothing in the snapshot itself contradicts the defect, but the clean prices stored for the session
    before, made from the good history, do.
    """

    name: str
    inject: Injector
    applies: Applies
    needs_previous: bool


DEFECTS: dict[str, Defect] = {}


def _anything(raw: pd.DataFrame) -> bool:
    return True


def defect(*, on: Applies = _anything, needs_previous: bool = False) -> Callable[[Injector], Injector]:
    """Enters an injector into `DEFECTS` under its own name."""

    def enter(inject: Injector) -> Injector:
        DEFECTS[inject.__name__] = Defect(inject.__name__, inject, on, needs_previous)
        return inject

    return enter


# What histories have


def _rows(raw: pd.DataFrame, column: str) -> np.ndarray:
    """Rows after the first with an event in `column`."""
    found = np.flatnonzero(raw[column].to_numpy() != 0)
    return found[found >= 1]


def _split_rows(raw: pd.DataFrame, at_least: float = 1.5) -> np.ndarray:
    ratio = raw["stock_splits"].to_numpy()
    known = np.where(ratio > 0, ratio, 1.0)
    found = np.flatnonzero(np.abs(np.log(known)) >= np.log(at_least) - 1e-9)
    return found[found >= 1]


def _pays_dividends(raw: pd.DataFrame) -> bool:
    return len(_dividend_rows(raw)) > 0


def _dividend_rows(raw: pd.DataFrame) -> np.ndarray:
    """Rows whose dividend is at least 0.1 % of the close before: less than that is near to what rounding does."""
    found = _rows(raw, "dividends")
    close = raw["close"].to_numpy()
    return found[raw["dividends"].to_numpy()[found] >= 1e-3 * close[found - 1]]


def _has_split(raw: pd.DataFrame) -> bool:
    return len(_split_rows(raw)) > 0


def _dividends_before_splits(raw: pd.DataFrame, at_least: float) -> list[tuple[int, int]]:
    return [
        (int(paid), int(split)) for split in _split_rows(raw, at_least) for paid in _dividend_rows(raw) if paid < split
    ]


# Where to inject


def _row(rng: Rng, low: int, high: int) -> int:
    """A row of low..high, both included; each end in one case of ten."""
    draw = rng.uniform()
    if draw < 0.1:
        return low
    return high if draw < 0.2 else int(rng.randint(low, high + 1))


def _stretch(rng: Rng, low: int, high: int, longest: int) -> tuple[int, int]:
    """First row and the row after the last of a stretch of 1..longest rows within low..high."""
    length = int(rng.randint(1, min(longest, high - low + 1) + 1))
    first = _row(rng, low, high - length + 1)
    return first, first + length


def _log_uniform(rng: Rng, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def _told(raw: pd.DataFrame, what: str, first: int, end: int | None = None, /, **parameters: object) -> Injected:
    """`what` on the rows from `first` to before `end`."""
    rows = raw.index[first : first + 1 if end is None else end]
    return Injected(what, tuple(session.date() for session in rows), parameters)


def _changed(
    raw: pd.DataFrame, columns: str | tuple[str, ...], first: int, end: int, change: Callable[[np.ndarray], object]
) -> pd.DataFrame:
    """`raw` with `change` applied to the values (rows x columns) of the rows from `first` to before `end`."""
    names = [columns] if isinstance(columns, str) else list(columns)
    bad = raw.copy()
    at = bad.columns.get_indexer(names)
    bad.iloc[first:end, at] = change(bad.iloc[first:end, at].to_numpy())
    return bad


def _scaled(raw: pd.DataFrame, columns: str | tuple[str, ...], first: int, end: int, factor: float) -> pd.DataFrame:
    return _changed(raw, columns, first, end, lambda values: values * factor)


# Rows


@defect()
def rows_out_of_order(raw, rng):
    """Two rows swapped, a stretch reversed, or the newest first throughout."""
    order = np.arange(len(raw))
    kind = str(rng.choice(["swapped", "stretch reversed", "newest first"]))
    if kind == "swapped":
        first, second = sorted(int(row) for row in rng.choice(len(raw), 2, replace=False))
        order[[first, second]] = second, first
        rows = (first, second)
    else:
        first, end = (0, len(raw)) if kind == "newest first" else _stretch(rng, 0, len(raw) - 1, 250)
        if end - first < 2:
            first, end = 0, 2
        order[first:end] = order[first:end][::-1]
        rows = (first, end - 1)
    return raw.iloc[order], Injected(f"rows {kind}", tuple(raw.index[row].date() for row in rows))


@defect()
def row_repeated(raw, rng):
    """A row comes twice, or three times, with the same values."""
    row, times = _row(rng, 0, len(raw) - 1), int(rng.randint(1, 3))
    order = np.sort(np.append(np.arange(len(raw)), [row] * times))
    return raw.iloc[order], _told(raw, "row repeated", row, times=times)


@defect()
def row_repeated_with_other_values(raw, rng):
    """A row comes twice, the second time with a close that is 0.01 to 5 % away, and adj_close, high and low with it."""
    row = _row(rng, 0, len(raw) - 1)
    factor = 1 + float(rng.choice([-1, 1])) * _log_uniform(rng, 1e-4, 5e-2)
    bad = raw.iloc[np.sort(np.append(np.arange(len(raw)), row))].copy()
    close = bad["close"].iloc[row + 1] * factor
    values = {
        "close": close,
        "adj_close": bad["adj_close"].iloc[row + 1] * factor,
        "high": max(bad["high"].iloc[row + 1], close),
        "low": min(bad["low"].iloc[row + 1], close),
    }
    bad.iloc[row + 1, bad.columns.get_indexer(list(values))] = list(values.values())
    return bad, _told(raw, "row repeated with another close", row, factor=factor)


@defect()
def session_missing(raw, rng):
    """1 to 5 sessions in a row are missing, with their events; not the first, without which the history is whole."""
    first, end = _stretch(rng, 1, len(raw) - 2, 5)
    return raw.drop(raw.index[first:end]), _told(raw, "missing", first, end)


@defect()
def last_session_missing(raw, rng):
    """The last one to three rows are missing."""
    n = int(rng.randint(1, 4))
    return raw.iloc[:-n], _told(raw, "missing", len(raw) - n, len(raw))


@defect()
def row_in_the_future(raw, rng):
    """A bar, made up from the last one, on a date after the snapshot, a session or not."""
    date = raw.index[-1] + pd.Timedelta(int(rng.randint(1, 10)), "D")
    return _with_row(raw, date, _moved(raw.iloc[-1], rng)), Injected("future row", (date.date(),))


@defect()
def row_on_no_session(raw, rng):
    """A bar with trades, made up from a neighbour, on a weekend or a holiday before the last row."""
    dates = pd.date_range(raw.index[0] - pd.Timedelta(5, "D"), raw.index[-1])
    known = sessions.sessions_between(dates[0].date(), dates[-1].date())
    date = dates[~dates.isin(known)][_row(rng, 0, int((~dates.isin(known)).sum()) - 1)]
    neighbour = raw.iloc[max(raw.index.searchsorted(date) - 1, 0)]
    return _with_row(raw, date, _moved(neighbour, rng)), Injected("bar on no session", (date.date(),))


def _moved(bar: pd.Series, rng: Rng) -> pd.Series:
    """A bar like `bar`, by up to 3 % away, without events."""
    factor = 1 + float(rng.uniform(-0.03, 0.03))
    bar = bar.copy()
    bar[list(ALL_PRICES)] *= factor
    bar["volume"] = max(1.0, np.rint(bar["volume"] * rng.uniform(0.5, 2)))
    bar[["dividends", "capital_gains", "stock_splits"]] = 0.0
    return bar


def _with_row(raw: pd.DataFrame, date: pd.Timestamp, bar: pd.Series) -> pd.DataFrame:
    row = int(raw.index.searchsorted(date))
    index = raw.index[:row].append(pd.DatetimeIndex([date])).append(raw.index[row:])
    values = np.insert(raw.to_numpy(), row, bar.to_numpy(), axis=0)
    return base.raw_frame(index, dict(zip(raw.columns, values.T, strict=True)))


@defect()
def dates_shifted_by_a_calendar_day(raw, rng):
    """The dates of a stretch of at least two rows, up to all rows, one day too early or too late: a wrong time zone."""
    first, end = _stretch(rng, 0, len(raw) - 1, int(rng.choice([10, 100, len(raw)])))
    first, end = (first, end) if end - first >= 2 else (0, len(raw))
    days = int(rng.choice([-1, 1]))
    index = raw.index.to_numpy().copy()
    index[first:end] += np.timedelta64(days, "D")
    return raw.set_axis(pd.DatetimeIndex(index, name=raw.index.name)), _told(
        raw, "dates shifted", first, end, days=days
    )


@defect()
def dates_shifted_by_a_session(raw, rng):
    """The dates of a stretch, up to all rows, are those of the session before or after."""
    first, end = _stretch(rng, 0, len(raw) - 1, int(rng.choice([10, 100, len(raw)])))
    by = int(rng.choice([-1, 1]))
    ends = sessions.next_session(raw.index[0].date(), -1), sessions.next_session(raw.index[-1].date(), 1)
    known = sessions.sessions_between(*ends)
    index = raw.index.to_numpy().copy()
    index[first:end] = known[known.get_indexer(raw.index[first:end]) + by].to_numpy()
    bad = raw.set_axis(pd.DatetimeIndex(index, name=raw.index.name))
    return bad, _told(raw, "dates shifted by a session", first, end, by=by)


@defect()
def bars_shifted_by_a_session(raw, rng):
    """On a stretch of two rows or more each date has the bar of the session before or after; events stay.

    So the bar next to the stretch comes twice, and the one at its other end is lost.
    """
    by = int(rng.choice([-1, 1]))
    n = len(raw)
    first, end = _stretch(rng, max(0, -by), n - 1 - max(0, by), int(rng.choice([10, 100, n])))
    names = (*ALL_PRICES, "volume")
    at = raw.columns.get_indexer(list(names))
    bad = raw.copy()
    bad.iloc[first:end, at] = raw.iloc[first + by : end + by, at].to_numpy()
    return bad, _told(raw, "bars shifted by a session", first, end, by=by)


# Cells of a bar


@defect()
def row_without_prices(raw, rng):
    """All prices of one row missing, volume 0, as Yahoo has it for a bar it lost."""
    row = _row(rng, 0, len(raw) - 1)
    bad = _changed(raw, (*ALL_PRICES, "volume"), row, row + 1, lambda values: [np.nan] * 5 + [0.0])
    return bad, _told(raw, "without prices", row)


@defect()
def many_rows_without_prices(raw, rng):
    """All prices of 2 to 50 % of the rows missing, in one stretch or scattered."""
    share = float(rng.uniform(0.02, 0.5))
    n = int(np.ceil(share * len(raw)))
    if rng.uniform() < 0.5:
        first = _row(rng, 0, len(raw) - n)
        rows = np.arange(first, first + n)
    else:
        rows = np.sort(rng.choice(len(raw), n, replace=False))
    bad = raw.copy()
    bad.iloc[rows, bad.columns.get_indexer(list(ALL_PRICES))] = np.nan
    bad.iloc[rows, bad.columns.get_indexer(["volume"])] = 0.0
    return bad, _told(raw, f"{n} rows without prices, the first", int(rows[0]), share=share)


@defect()
def price_missing(raw, rng):
    """One of the four prices of one row missing."""
    return _one_price(raw, rng, np.nan)


@defect()
def price_zero(raw, rng):
    """One price of one row is zero."""
    return _one_price(raw, rng, 0.0)


@defect()
def prices_zero(raw, rng):
    """All prices of one to five rows are zero."""
    first, end = _stretch(rng, 0, len(raw) - 1, 5)
    return _scaled(raw, ALL_PRICES, first, end, 0.0), _told(raw, "prices zero", first, end)


@defect()
def price_infinite(raw, rng):
    """One price of one row is infinite."""
    return _one_price(raw, rng, np.inf)


def _one_price(raw: pd.DataFrame, rng: Rng, value: float) -> tuple[pd.DataFrame, Injected]:
    row, name = _row(rng, 0, len(raw) - 1), str(rng.choice(PRICES))
    return _changed(raw, name, row, row + 1, lambda values: value), _told(raw, f"{name} {value}", row)


@defect()
def price_negative(raw, rng):
    """One price of one row has the wrong sign."""
    row, name = _row(rng, 0, len(raw) - 1), str(rng.choice(PRICES))
    return _scaled(raw, name, row, row + 1, -1.0), _told(raw, f"{name} negative", row)


@defect()
def high_below_open_or_close(raw, rng):
    """The high of one row is 0.02 to 5 % below the higher of open and close."""
    row, by = _row(rng, 0, len(raw) - 1), _log_uniform(rng, 2e-4, 5e-2)
    top = raw[["open", "close"]].iloc[row].max()
    return _changed(raw, "high", row, row + 1, lambda values: top * (1 - by)), _told(raw, "high too low", row, by=by)


@defect()
def low_above_open_or_close(raw, rng):
    """The low of one row is 0.02 to 5 % above the lower of open and close."""
    row, by = _row(rng, 0, len(raw) - 1), _log_uniform(rng, 2e-4, 5e-2)
    bottom = raw[["open", "close"]].iloc[row].min()
    return _changed(raw, "low", row, row + 1, lambda values: bottom * (1 + by)), _told(raw, "low too high", row, by=by)


@defect()
def high_and_low_swapped(raw, rng):
    """High and low of one row, which differ by 0.02 % at least, have changed places."""
    spread = raw["high"].to_numpy() / raw["low"].to_numpy() - 1
    rows = np.flatnonzero(spread > 2e-4)
    row = int(rows[_row(rng, 0, len(rows) - 1)])
    return _changed(raw, ("high", "low"), row, row + 1, lambda values: values[:, ::-1]), _told(raw, "swapped", row)


@defect()
def price_spike(raw, rng):
    """One price of one row is 1.8 to 10 times what it was, or that part of it; the next one is right again.

    A high or low that is less far out is what a flash crash makes (PG on 2010-05-06: 0.65 of the close).
    """
    row, name = _row(rng, 0, len(raw) - 1), str(rng.choice(PRICES))
    factor = _log_uniform(rng, 1.8, 10) ** float(rng.choice([-1, 1]))
    return _scaled(raw, name, row, row + 1, factor), _told(raw, f"{name} spikes", row, factor=factor)


@defect()
def bar_spike(raw, rng):
    """All prices of one row, not the first or last, are 1.5 to 10 times what they were, or that part of it.

    Left out: at either end nothing shows that they come back; and by a recorded split's ratio, or up to a fifth off,
    they are what a bar in old shares looks like.
    """
    ratio = raw["stock_splits"].to_numpy()
    known = np.abs(np.log(ratio[ratio > 0]))
    row, factor = _row(rng, 1, len(raw) - 2), 1.0
    while abs(np.log(factor)) < np.log(1.5) or (np.abs(np.abs(np.log(factor)) - known) <= np.log(1.2)).any():
        factor = _log_uniform(rng, 1 / 10, 10)
    return _scaled(raw, ALL_PRICES, row, row + 1, factor), _told(raw, "bar spikes", row, factor=factor)


@defect()
def volume_zero(raw, rng):
    """1 to 20 sessions in a row, on which the price moved, have no volume: what yfinance makes of a missing one."""
    first, end = _stretch(rng, 0, len(raw) - 1, 20)
    return _scaled(raw, "volume", first, end, 0.0), _told(raw, "volume zero", first, end)


@defect()
def volume_negative(raw, rng):
    """1 to 5 volumes have the wrong sign."""
    first, end = _stretch(rng, 0, len(raw) - 1, 5)
    return _scaled(raw, "volume", first, end, -1.0), _told(raw, "volume negative", first, end)


@defect()
def bars_stale(raw, rng):
    """The bar of a session comes again on the next ones, 1 to 10, with its volume or flat at its close with none.

    With volumes of their own it takes 3 sessions or more.
    """
    kind = str(rng.choice(["the same bar", "flat at the close", "the same prices"]))
    first, end = _stretch(rng, 1, len(raw) - 1, 10)
    if kind == "the same prices" and end - first < 3:
        first = max(1, end - 3)
        end = first + 3
    before = raw.iloc[first - 1]
    bad = raw.copy()
    values = before[[*ALL_PRICES, "volume"]].copy()
    if kind == "flat at the close":
        values[list(PRICES)] = before["close"]
        values["volume"] = 0.0
    names = list(ALL_PRICES) if kind == "the same prices" else [*ALL_PRICES, "volume"]
    bad.iloc[first:end, bad.columns.get_indexer(names)] = values[names].to_numpy()
    return bad, _told(raw, f"{kind} again", first, end)


@defect()
def last_bar_stale(raw, rng):
    """The bar of the session before comes as that of the last: with its volume, with none, or with another one."""
    kind = str(rng.choice(["same", "no", "another"]))
    bad = raw.copy()
    bad.iloc[-1, bad.columns.get_indexer(list(ALL_PRICES))] = raw[list(ALL_PRICES)].iloc[-2].to_numpy()
    if kind != "another":
        bad.iloc[-1, bad.columns.get_indexer(["volume"])] = raw["volume"].iloc[-2] if kind == "same" else 0.0
    return bad, _told(raw, f"yesterday's prices with {kind} volume", len(raw) - 1)


@defect()
def last_bar_provisional(raw, rng):
    """The last bar lacks one or all of its prices, or its high or low lags behind its close by 0.01 to 1 %.

    Left out: a close or volume that is not final but fits, and a high or low that lags without an open or close
    beyond it.
    """
    row = len(raw) - 1
    kind = str(rng.choice(["all missing", "one missing", "high lags", "low lags"]))
    if kind == "all missing":
        return _changed(raw, ALL_PRICES, row, row + 1, lambda values: np.nan), _told(raw, kind, row)
    if kind == "one missing":
        name = str(rng.choice(PRICES))
        return _changed(raw, name, row, row + 1, lambda values: np.nan), _told(raw, f"{name} missing", row)
    by, ends = _log_uniform(rng, 1e-4, 1e-2), raw[["open", "close"]].iloc[row]
    name, value = ("high", ends.max() * (1 - by)) if kind == "high lags" else ("low", ends.min() * (1 + by))
    return _changed(raw, name, row, row + 1, lambda values: value), _told(raw, kind, row, by=by)


# Form


@defect()
def column_of_texts(raw, rng):
    """One column is text throughout, or has objects in it: numbers and one text, or numbers and None."""
    name, kind = str(rng.choice(base.RAW_COLUMNS)), str(rng.choice(["texts", "one text", "one None"]))
    values = raw[name].astype("object")
    if kind == "texts":
        values = raw[name].astype("str")
    else:
        values.iloc[_row(rng, 0, len(raw) - 1)] = "n/a" if kind == "one text" else None
    return raw.assign(**{name: values}), _told(raw, f"column {name}: {kind}", 0, len(raw))


@defect()
def column_missing(raw, rng):
    """One column is not there."""
    name = str(rng.choice(base.RAW_COLUMNS))
    return raw.drop(columns=name), _told(raw, f"no column {name}", 0, len(raw))


# Units: pence for pounds, cents for dollars. Volume is in shares and never takes part.


def _hundred(rng: Rng) -> float:
    return float(rng.choice([100.0, 0.01]))


@defect()
def cell_hundredfold(raw, rng):
    """One price of one row, or its adj_close, is 100 times, or a hundredth of, what it was."""
    row, name, factor = _row(rng, 0, len(raw) - 1), str(rng.choice(ALL_PRICES)), _hundred(rng)
    return _scaled(raw, name, row, row + 1, factor), _told(raw, f"{name} x{factor:g}", row, factor=factor)


@defect()
def row_hundredfold(raw, rng):
    """All prices of one row, adj_close among them or not, are 100 times, or a hundredth of, what they were."""
    row = _row(rng, 0, len(raw) - 1)
    return _hundredfold(raw, rng, row, row + 1)


@defect()
def block_hundredfold(raw, rng):
    """All prices of 2 rows up to a third of all, right before and after, are 100 times or a hundredth."""
    first, end = _stretch(rng, 1, len(raw) - 3, len(raw) // 3)
    return _hundredfold(raw, rng, first, end + 1)


@defect()
def last_prices_hundredfold(raw, rng):
    """All prices of the last one to five rows are 100 times or a hundredth of what they were."""
    return _hundredfold(raw, rng, len(raw) - int(rng.randint(1, 6)), len(raw))


@defect()
def unit_changed(raw, rng):
    """From some row on, 20 or more before the end, prices and adj_close are in another unit: right, but not one series.

    The unit of the newest prices is the right one. Dividends are all in it, or change with prices.
    """
    first, factor = _row(rng, 1, len(raw) - 20), _hundred(rng)
    bad = _scaled(raw, ALL_PRICES, first, len(raw), factor)
    at_once = bool(rng.uniform() < 0.5)
    bad = _scaled(bad, ("dividends", "capital_gains"), 0 if at_once else first, len(raw), factor)
    told = _told(raw, f"unit x{factor:g}", first, len(raw), dividends_at_once=at_once)
    return bad, replace(told, unit=factor)


@defect()
def prices_hundredfold_from_the_start(raw, rng):
    """All prices from the first to some row, two or more, are 100 times or a hundredth of what they were."""
    return _hundredfold(raw, rng, 0, _row(rng, 2, len(raw) - 1))


def _hundredfold(raw: pd.DataFrame, rng: Rng, first: int, end: int) -> tuple[pd.DataFrame, Injected]:
    """Dividends follow in half of the cases, adj_close in three of four."""
    factor = _hundred(rng)
    with_adj_close, with_dividends = rng.uniform() < 0.75, rng.uniform() < 0.5
    columns = (
        *PRICES,
        *(("adj_close",) if with_adj_close else ()),
        *(("dividends", "capital_gains") if with_dividends else ()),
    )
    injected = _told(
        raw, f"prices x{factor:g}", first, end, factor=factor, adj_close=with_adj_close, dividends=with_dividends
    )
    return _scaled(raw, columns, first, end, factor), injected


# Splits


def _unadjusted(
    raw: pd.DataFrame, rng: Rng, first: int, end: int, ratio: float
) -> tuple[pd.DataFrame, dict[str, object]]:
    """The rows of first..end in the shares before a split: prices and volume, in half of the cases what is paid."""
    bad = _scaled(raw, ALL_PRICES, first, end, ratio)
    bad = _changed(bad, "volume", first, end, lambda values: np.rint(values / ratio))
    with_dividends = bool(rng.uniform() < 0.5)
    if with_dividends:
        bad = _scaled(bad, ("dividends", "capital_gains"), first, end, ratio)
    return bad, {"ratio": ratio, "dividends": with_dividends}


def _split(raw: pd.DataFrame, rng: Rng) -> tuple[int, float]:
    rows = _split_rows(raw)
    row = int(rows[_row(rng, 0, len(rows) - 1)])
    return row, float(raw["stock_splits"].iloc[row])


@defect(on=_has_split)
def split_not_applied(raw, rng):
    """A split of at least 3:2 is recorded, but no price before it is in new shares."""
    row, ratio = _split(raw, rng)
    bad, parameters = _unadjusted(raw, rng, 0, row, ratio)
    return bad, _told(raw, "split not applied", row, **parameters)


@defect(on=_has_split)
def split_not_applied_to_a_stretch(raw, rng):
    """A split of at least 3:2 is recorded, but a stretch before it, right before or earlier, is not in new shares."""
    row, ratio = _split(raw, rng)
    first, end = _stretch(rng, 0, row - 1, row)
    bad, parameters = _unadjusted(raw, rng, first, end, ratio)
    return bad, _told(raw, "in old shares", first, end, split=f"{raw.index[row]:%Y-%m-%d}", **parameters)


TELLING_SPIN_OFF = 13.0
"""1.1 for 1 in a stock whose median move is 0.7 % a session, 1.4 for 1 where it is 2.6 %."""


def _has_spin_off(raw: pd.DataFrame) -> bool:
    return len(_spin_off_rows(raw)) > 0


def _spin_off_rows(raw: pd.DataFrame) -> np.ndarray:
    ratio = raw["stock_splits"].to_numpy()
    low, high = histories.SPIN_OFF_RATIOS
    rows = np.flatnonzero((ratio >= low) & (ratio <= high))
    rows = rows[rows >= 1]
    usual, own = _usual_moves(raw)[rows], np.diff(np.log(raw["close"].to_numpy()))[rows - 1]
    return rows[(np.log(ratio[rows]) - own >= TELLING_SPIN_OFF * usual) & (np.abs(own) <= 2 * usual)]


def _usual_moves(raw: pd.DataFrame) -> np.ndarray:
    """The median absolute return of the 60 sessions around each row."""
    moves = pd.Series(raw["close"].to_numpy()).pct_change().abs()
    return moves.rolling(60, min_periods=1, center=True).median().to_numpy()


@defect(on=_has_spin_off)
def spin_off_not_applied(raw, rng):
    """A split of 1.1 to 1.4, Yahoo's way to say that a part was spun off, is recorded but not applied before it.

    The jump it leaves is `TELLING_SPIN_OFF` usual moves or more, as smaller ones markets make on their own; and the
    market's own move on that session, which blurs the ratio, is at most two of them.
    """
    rows = _spin_off_rows(raw)
    row = int(rows[_row(rng, 0, len(rows) - 1)])
    bad, parameters = _unadjusted(raw, rng, 0, row, float(raw["stock_splits"].iloc[row]))
    return bad, _told(raw, "spin-off not applied", row, **parameters)


@defect(on=_has_split, needs_previous=True)
def split_not_applied_to_volumes(raw, rng):
    """The volumes of a stretch of up to 250 rows before a split are in old shares, as AAPL's of May 2020 were.

    Volumes move by factors on their own; only the snapshot of the session before tells.
    """
    row, ratio = _split(raw, rng)
    first, end = _stretch(rng, 0, row - 1, 250)
    bad = _changed(raw, "volume", first, end, lambda values: np.rint(values / ratio))
    return bad, _told(raw, "volumes in old shares", first, end, ratio=ratio)


@defect(on=_has_split, needs_previous=True)
def split_not_recorded(raw, rng):
    """A split is applied to all prices before it, but not recorded: within the snapshot all is well.

    The last session may be the split's; otherwise the snapshot of the session before had it recorded.
    """
    row, ratio = _split(raw, rng)
    return _changed(raw, "stock_splits", row, row + 1, lambda values: 0.0), _told(raw, "not recorded", row, ratio=ratio)


@defect(needs_previous=True)
def split_of_the_last_session_not_recorded(raw, rng):
    """All prices before the last session are in the new shares of a split on it that is not recorded.

    Given any clean history: with the split nowhere, the snapshot of the session before is simply in other shares.
    """
    ratio = float(rng.choice(histories.SPLIT_RATIOS))
    at = len(raw) - 1
    bad = _scaled(raw, (*ALL_PRICES, "dividends", "capital_gains"), 0, len(raw), 1 / ratio)
    bad = _changed(bad, "volume", 0, len(raw), lambda values: np.rint(values * ratio))
    return bad, _told(raw, "all in new shares", at, ratio=ratio)


@defect(on=lambda raw: len(_split_rows(raw, 2.0)) > 0)
def split_neither_recorded_nor_applied(raw, rng):
    """A split of at least 2:1 or 1:2 is nowhere: prices jump by its ratio. Smaller ones look like a bad session."""
    rows = _split_rows(raw, 2.0)
    row = int(rows[_row(rng, 0, len(rows) - 1)])
    ratio = float(raw["stock_splits"].iloc[row])
    bad = _scaled(raw, (*ALL_PRICES, "dividends", "capital_gains"), 0, row, ratio)
    bad = _changed(bad, "volume", 0, row, lambda values: np.rint(values / ratio))
    bad = _changed(bad, "stock_splits", row, row + 1, lambda values: 0.0)
    return bad, _told(raw, "split left out", row, ratio=ratio)


@defect(on=_has_split)
def split_recorded_twice(raw, rng):
    """A split is recorded again 1 to 5 sessions later, or earlier; prices are adjusted for one."""
    row, ratio = _split(raw, rng)
    other = _other_row(raw, row, rng, 5)
    return _changed(raw, "stock_splits", other, other + 1, lambda values: ratio), _told(
        raw, "again", other, ratio=ratio
    )


def _other_row(raw: pd.DataFrame, row: int, rng: Rng, within: int) -> int:
    """A row without a split, 1 to `within` rows away from `row`, not the first."""
    free = raw["stock_splits"].to_numpy() == 0
    others = [other for other in range(max(1, row - within), min(row + within + 1, len(raw))) if free[other]]
    return int(rng.choice(others))


@defect(on=_has_split)
def split_applied_twice(raw, rng):
    """A split is recorded twice, 1 to 5 sessions apart, and all prices before the later one are adjusted once more."""
    row, ratio = _split(raw, rng)
    other = _other_row(raw, row, rng, 5)
    bad = _scaled(raw, (*ALL_PRICES, "dividends", "capital_gains"), 0, other, 1 / ratio)
    bad = _changed(bad, "volume", 0, other, lambda values: np.rint(values * ratio))
    bad = _changed(bad, "stock_splits", other, other + 1, lambda values: ratio)
    return bad, _told(raw, "applied twice", other, ratio=ratio)


def _wrong_ratio(ratio: float, rng: Rng) -> float:
    others = (*histories.SPLIT_RATIOS, 1 / ratio)
    return float(rng.choice([other for other in others if abs(np.log(other / ratio)) >= np.log(1.5) - 1e-9]))


@defect(on=_has_split)
def split_applied_with_wrong_ratio(raw, rng):
    """A split is recorded and applied with another ratio, half as much again or more: prices jump by the quotient."""
    row, ratio = _split(raw, rng)
    wrong = _wrong_ratio(ratio, rng)
    bad = _scaled(raw, (*ALL_PRICES, "dividends", "capital_gains"), 0, row, ratio / wrong)
    bad = _changed(bad, "volume", 0, row, lambda values: np.rint(values * wrong / ratio))
    bad = _changed(bad, "stock_splits", row, row + 1, lambda values: wrong)
    return bad, _told(raw, "applied with a wrong ratio", row, ratio=ratio, wrong=wrong)


@defect(on=_has_split, needs_previous=True)
def split_recorded_with_wrong_ratio(raw, rng):
    """A split is recorded with another ratio than the one that prices are rightly adjusted by."""
    row, ratio = _split(raw, rng)
    wrong = _wrong_ratio(ratio, rng)
    bad = _changed(raw, "stock_splits", row, row + 1, lambda values: wrong)
    return bad, _told(raw, "recorded with a wrong ratio", row, ratio=ratio, wrong=wrong)


# What is paid out. A dividend on the first row has no effect on anything and is left alone throughout.


def _dividend(raw: pd.DataFrame, rng: Rng) -> int:
    rows = _dividend_rows(raw)
    return int(rows[_row(rng, 0, len(rows) - 1)])


def _paid(raw: pd.DataFrame, row: int, value: float) -> pd.DataFrame:
    return _changed(raw, "dividends", row, row + 1, lambda values: value)


def _adj_close_knows(raw: pd.DataFrame, row: int, *, instead_of: float, of: float) -> pd.DataFrame:
    """adj_close before `row` adjusted for a payment of `of` on it instead of one of `instead_of`."""
    before = float(raw["close"].iloc[row - 1])
    return _scaled(raw, "adj_close", 0, row, (1 - of / before) / (1 - instead_of / before))


@defect()
def dividend_phantom(raw, rng):
    """A dividend of 0.1 to 10 % of the close before is recorded that was never paid; adj_close does not know it."""
    row, share = _row(rng, 1, len(raw) - 1), _log_uniform(rng, 1e-3, 0.1)
    value = raw["dividends"].iloc[row] + share * raw["close"].iloc[row - 1]
    return _paid(raw, row, value), _told(raw, "phantom dividend", row, share=share)


def _pays_dividends_alone(raw: pd.DataFrame) -> bool:
    return len(_dividend_rows_alone(raw)) > 0


def _dividend_rows_alone(raw: pd.DataFrame) -> np.ndarray:
    rows = _dividend_rows(raw)
    return rows[(raw["capital_gains"].to_numpy()[rows] == 0) & (rows < len(raw) - 1)]


@defect(on=_pays_dividends_alone)
def dividend_repeated(raw, rng):
    """A dividend is recorded again 1 to 7 sessions later; adj_close does not know it, or does in half of the cases.

    One without capital gains on its session: funds pay those in the same weeks as dividends.
    """
    rows = _dividend_rows_alone(raw)
    row = int(rows[_row(rng, 0, len(rows) - 1)])
    again = min(row + int(rng.randint(1, 8)), len(raw) - 1)
    value, known = float(raw["dividends"].iloc[row]), bool(rng.uniform() < 0.5)
    old = float(raw["dividends"].iloc[again])
    bad = _adj_close_knows(raw, again, instead_of=0.0, of=value) if known else raw
    return _paid(bad, again, old + value), _told(raw, "dividend again", again, of=value, adj_close=known)


@defect(on=_pays_dividends)
def dividend_in_wrong_unit(raw, rng):
    """A dividend is 100 times, or a hundredth of, what was paid; adj_close is right."""
    row, factor = _dividend(raw, rng), _hundred(rng)
    value = raw["dividends"].iloc[row] * factor
    return _paid(raw, row, value), _told(raw, f"dividend x{factor:g}", row, factor=factor)


def _hundredfold_rows(raw: pd.DataFrame) -> np.ndarray:
    rows = _dividend_rows(raw)
    return rows[100 * raw["dividends"].to_numpy()[rows] < 0.95 * raw["close"].to_numpy()[rows - 1]]


@defect(on=lambda raw: len(_hundredfold_rows(raw)) > 0)
def dividend_hundredfold_in_adj_close_too(raw, rng):
    """A dividend is 100 times what was paid, and adj_close has the same error; the price did not fall by that."""
    rows = _hundredfold_rows(raw)
    row = int(rows[_row(rng, 0, len(rows) - 1)])
    value = float(raw["dividends"].iloc[row])
    bad = _adj_close_knows(raw, row, instead_of=value, of=100 * value)
    return _paid(bad, row, 100 * value), _told(raw, "dividend x100 everywhere", row, of=value)


@defect(on=lambda raw: bool((_dividend_rows(raw) < len(raw) - 1).any()), needs_previous=True)
def dividend_hundredth_in_adj_close_too(raw, rng):
    """A dividend is a hundredth of what was paid, and adj_close has the same error.

    No price contradicts it: what is missing is far less than what prices move in a session. Not on the last session,
    as then nobody has known better.
    """
    rows = _dividend_rows(raw)
    rows = rows[rows < len(raw) - 1]
    row = int(rows[_row(rng, 0, len(rows) - 1)])
    value = float(raw["dividends"].iloc[row])
    bad = _adj_close_knows(raw, row, instead_of=value, of=value / 100)
    return _paid(bad, row, value / 100), _told(raw, "dividend x0.01 everywhere", row, of=value)


@defect(on=lambda raw: len(_dividends_before_splits(raw, 1.5)) > 0)
def dividend_not_split_adjusted(raw, rng):
    """A dividend before a split is in old shares, as AAPL's of 2020-05-08 was: 0.82 for 0.205. adj_close is right."""
    pairs = _dividends_before_splits(raw, 1.5)
    row, split = pairs[_row(rng, 0, len(pairs) - 1)]
    ratio = float(raw["stock_splits"].iloc[split])
    value = float(raw["dividends"].iloc[row]) * ratio
    return _paid(raw, row, value), _told(raw, "dividend in old shares", row, ratio=ratio)


def _regular_dividends_before_splits(raw: pd.DataFrame) -> list[tuple[int, int]]:
    """Those before a split of 2:1 or more, or 1:2 or less, that are within a fifth of both neighbours."""
    rows = _dividend_rows(raw)
    paid = np.log(raw["dividends"].to_numpy()[rows])
    like_last = np.abs(np.diff(paid, prepend=np.inf)) <= np.log(1.2)
    like_next = np.abs(np.diff(paid, append=np.inf)) <= np.log(1.2)
    regular = set(rows[like_last & like_next].tolist())
    return [(row, split) for row, split in _dividends_before_splits(raw, 2.0) if row in regular]


@defect(on=lambda raw: len(_regular_dividends_before_splits(raw)) > 0)
def dividend_not_split_adjusted_in_adj_close_too(raw, rng):
    """A dividend is in the shares of before a later split of 2:1 or more, or 1:2 or less, and adj_close has it so too.

    The split's ratio and its neighbours, which are like what it was to a fifth, contradict it; the price does not. Left
    out: a dividend that the board raised or cut by more at the same time, after which twice as much may be one extra.
    """
    pairs = _regular_dividends_before_splits(raw)
    row, split = pairs[_row(rng, 0, len(pairs) - 1)]
    ratio, value = float(raw["stock_splits"].iloc[split]), float(raw["dividends"].iloc[row])
    bad = _adj_close_knows(raw, row, instead_of=value, of=value * ratio)
    return _paid(bad, row, value * ratio), _told(raw, "dividend in old shares everywhere", row, ratio=ratio)


@defect(on=_pays_dividends)
def dividend_missing(raw, rng):
    """A dividend is in adj_close but not recorded."""
    row = _dividend(raw, rng)
    return _paid(raw, row, 0.0), _told(raw, "dividend not recorded", row)


@defect(on=_pays_dividends)
def adj_close_lacks_a_dividend(raw, rng):
    """adj_close is not adjusted for a dividend that is recorded, on all rows before it or only on a stretch of them."""
    return _dividend_in_adj_close(raw, rng, -1)


@defect(on=_pays_dividends)
def adj_close_has_a_dividend_twice(raw, rng):
    """adj_close is adjusted twice for a dividend, on all rows before it or only on a stretch of them."""
    return _dividend_in_adj_close(raw, rng, 1)


def _dividend_in_adj_close(raw: pd.DataFrame, rng: Rng, power: int) -> tuple[pd.DataFrame, Injected]:
    row = _dividend(raw, rng)
    first, end = (0, row) if rng.uniform() < 0.5 else _stretch(rng, 0, row - 1, row)
    step = 1 - raw["dividends"].iloc[row] / raw["close"].iloc[row - 1]
    injected = _told(raw, f"adj_close x{step**power:.6g}", first, end, dividend=f"{raw.index[row]:%Y-%m-%d}")
    return _scaled(raw, "adj_close", first, end, step**power), injected


@defect()
def adj_close_impossible(raw, rng):
    """adj_close of one to five rows, or of all, is negative, infinite or zero."""
    kind = str(rng.choice(["negative", "infinite", "zero"]))
    first, end = (0, len(raw)) if rng.uniform() < 0.1 else _stretch(rng, 0, len(raw) - 1, 5)
    factor = {"negative": -1.0, "infinite": np.inf, "zero": 0.0}[kind]
    return _scaled(raw, "adj_close", first, end, factor), _told(raw, f"adj_close {kind}", first, end)


@defect()
def adj_close_missing(raw, rng):
    """adj_close of one to five rows, or of all, is missing."""
    first, end = (0, len(raw)) if rng.uniform() < 0.1 else _stretch(rng, 0, len(raw) - 1, 5)
    return _scaled(raw, "adj_close", first, end, np.nan), _told(raw, "adj_close missing", first, end)


@defect(on=lambda raw: len(_rows(raw, "capital_gains")) > 0)
def capital_gains_counted_twice(raw, rng):
    """All dividends of a fund already contain the capital gains of their session; adj_close is right."""
    bad, rows = _with_gains_in_dividends(raw)
    return bad, _told(raw, "gains in the dividends too, first", int(rows[0]), times=len(rows))


@defect(on=lambda raw: _gains_in_usual_moves(raw) >= LEAST_USUAL_MOVES)
def capital_gains_counted_twice_in_adj_close_too(raw, rng):
    """All dividends of a fund already contain the capital gains of their session, and adj_close is lowered by both.

    Only the price tells, by falling less; so the gains together are `LEAST_USUAL_MOVES` usual returns or more.
    """
    bad, rows = _with_gains_in_dividends(raw)
    return histories.with_adjusted_close(bad), _told(raw, "gains counted twice, first", int(rows[0]), times=len(rows))


LEAST_USUAL_MOVES = 20.0


def _with_gains_in_dividends(raw: pd.DataFrame) -> tuple[pd.DataFrame, np.ndarray]:
    return raw.assign(dividends=raw["dividends"] + raw["capital_gains"]), np.flatnonzero(raw["capital_gains"] > 0)


def _gains_in_usual_moves(raw: pd.DataFrame) -> float:
    """All capital gains as multiples of the usual move, at most 10 each."""
    close, gains = raw["close"].to_numpy(), raw["capital_gains"].to_numpy()
    rows = _rows(raw, "capital_gains")
    return float(np.minimum(gains[rows] / close[rows - 1] / _usual_moves(raw)[rows], 10.0).sum())
