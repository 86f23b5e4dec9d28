"""Clean price histories to inject defects into: simulated ones by number, and the real files by number.

A history is a raw snapshot as served on its session. Numbers are seeds: the same number is the same history everywhere.
The defects live in defects, what becomes of them in outcomes.
"""

import datetime as dt
import functools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from stock_assets.core import adjusting, sessions
from stock_assets.core.adjusting import PRICES
from stock_assets.sources.csv_files import CsvSource
from stock_assets.sources.simulated import SimulatedSource

SHORTEST, LONGEST = 300, 4_000
N_TICKERS = 40
"""Few enough that their tapes, the costly part, stay in memory; each is cut in many places."""

SPLIT_RATIOS = (1.5, 2.0, 3.0, 4.0, 5.0, 7.0, 10.0, 20.0, 0.5, 0.2, 0.1, 0.05)
SPIN_OFF_RATIOS = (1.1, 1.4)
LARGEST_GAIN = 0.10

_RANDOM = np.random.RandomState  # its streams are frozen, so a new numpy gives the same histories


@dataclass(frozen=True, eq=False)
class History:
    """One ticker's raw prices (core.schemas.RAW_PRICES) as served on `as_of`, and how to make it again."""

    name: str
    ticker: str
    as_of: dt.date
    raw: pd.DataFrame


@functools.lru_cache(maxsize=64)
def simulated(number: int) -> History:
    """Between 300 and 4,000 bars of one of 40 simulated tickers, up to any session from 2011 to 2049.

    Half of them are rounded as Yahoo rounds (prices to float32, dividends to six decimals). Some have up to two more
    splits, also fractional ones as spin-offs have, and one in four is a fund that pays out capital gains.
    """
    rng = _RANDOM(number)
    ticker = f"SIM{rng.randint(N_TICKERS)}"
    known = sessions.sessions_between(dt.date(2010, 1, 4), dt.date(2049, 12, 30))
    n = int(rng.randint(SHORTEST, LONGEST + 1))
    end = int(rng.randint(n - 1, len(known)))
    later = known[min(end + int(rng.randint(0, 500)), len(known) - 1)].date()
    as_of = known[end].date()
    raw = adjusting.as_served_on(SimulatedSource().fetch(ticker, later).bars, as_of).tail(n).copy()
    if rng.uniform() < 0.25:
        raw = with_capital_gains(raw, rng)
    for _ in range(rng.randint(3)):
        raw = with_recorded_split(raw, rng)
    if rng.uniform() < 0.5:
        raw = rounded_like_yahoo(raw)
    return History(f"simulated {number}", ticker, as_of, raw)


@functools.lru_cache(maxsize=64)
def real(folder: Path, number: int) -> History:
    """One of the files under `folder`, as served on its last session, or three times in four on one drawn at random."""
    rng = _RANDOM(number)
    files = sorted(folder.glob("*/*.csv"))
    path = files[number % len(files)]
    bars = _bars(path)
    end = len(bars) - 1 if rng.uniform() < 0.25 else int(rng.randint(SHORTEST, len(bars)))
    return _served(path, bars.index[end].date(), f"real {number}")


def whole_file(path: Path) -> History:
    """A file `<folder>/<TICKER>.csv` as served on its last session."""
    return _served(path, _bars(path).index[-1].date(), "whole")


def _served(path: Path, as_of: dt.date, name: str) -> History:
    raw = adjusting.as_served_on(_bars(path), as_of)
    return History(f"{name} ({path.parent.name}/{path.stem})", path.stem, as_of, raw)


@functools.lru_cache(maxsize=16)
def _bars(path: Path) -> pd.DataFrame:
    return CsvSource(path.parent).fetch(path.stem, sessions.LAST_SESSION).bars


def with_recorded_split(raw: pd.DataFrame, rng: np.random.RandomState) -> pd.DataFrame:
    """A split recorded on a session without events: in a served snapshot the prices before it are in new shares.

    None where the price moves by half of the split's ratio or more just the way it would: from a split that was not
    applied nothing could tell it.
    """
    free = np.flatnonzero(~raw[["dividends", "capital_gains", "stock_splits"]].to_numpy().any(axis=1))
    row = int(rng.choice(free[free >= 1]))
    spin_off = rng.uniform() < 0.3
    ratio = round(float(rng.uniform(*SPIN_OFF_RATIOS)), 3) if spin_off else float(rng.choice(SPLIT_RATIOS))
    move = np.log(raw["close"].iloc[row] / raw["close"].iloc[row - 1])
    if -move / np.log(ratio) >= 0.5:
        return raw
    splits = raw["stock_splits"].to_numpy().copy()
    splits[row] = ratio
    return raw.assign(stock_splits=splits)


def with_capital_gains(raw: pd.DataFrame, rng: np.random.RandomState) -> pd.DataFrame:
    """A fund: once a year it pays out 1 to 10 % as capital gains, by which every later price and dividend is lower."""
    fund = raw.copy()
    for row in range(int(rng.randint(1, 252)), len(raw), 252):
        if raw["stock_splits"].iloc[row] != 0:
            continue
        share = float(rng.uniform(0.01, LARGEST_GAIN))
        before = float(fund["close"].iloc[row - 1])
        labels = [*PRICES, "dividends", "capital_gains"]
        fund.iloc[row:, fund.columns.get_indexer(labels)] *= 1 - share
        fund.iloc[row, fund.columns.get_indexer(["capital_gains"])] = share * before
    return with_adjusted_close(fund)


def with_adjusted_close(raw: pd.DataFrame) -> pd.DataFrame:
    """adj_close as the source would make it of close, dividends and capital gains."""
    factors = adjusting.dividend_factors(raw["close"], raw["dividends"] + raw["capital_gains"])
    return raw.assign(adj_close=raw["close"] * factors)


def rounded_like_yahoo(raw: pd.DataFrame) -> pd.DataFrame:
    """Prices in float32, what is paid out in six decimals."""
    prices = {name: raw[name].astype("float32").astype("float64") for name in (*PRICES, "adj_close")}
    paid = {name: raw[name].round(6) for name in ("dividends", "capital_gains")}
    return raw.assign(**prices, **paid)
