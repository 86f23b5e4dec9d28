"""Invented prices for any ticker: no network, no files, and the same on every machine.

For trying the project out, and for tests and benchmarks. The prices have what real ones have: volatility in spells, fat
tails, jumps, splits, dividends, volume that follows volatility, whole cents. They have nothing that a forecast of the
return could find: each return is a new symmetric draw around a constant, scaled by a volatility that ignores direction.
Whoever reports skill on them has a leak.
"""

import dataclasses
import datetime as dt
import functools
import hashlib

import numpy as np
import numpy.typing as npt
import pandas as pd

from stock_assets.core import errors, sessions
from stock_assets.sources import base

FIRST_SESSION = dt.date(2010, 1, 4)

# Part of the seed. Raise it when the recipe changes, so that old artefacts can be told from new ones.
_RECIPE = 1

_SESSIONS_A_YEAR = 252
_TAIL_DEGREES_OF_FREEDOM = 5.0

# Calm, usual, stressed: multiples of the ticker's own volatility, and chances of moving on after a session. Mean spells
# are 100, 67 and 20 sessions.
_REGIME_VOLATILITY = (0.65, 1.1, 2.6)
_REGIME_CHANGES = ((0.990, 0.009, 0.001), (0.010, 0.985, 0.005), (0.005, 0.045, 0.950))
_JUMP_CHANCE = 1 / 250
_JUMP_SCALE = 3.0

# Limits of one session's return. Symmetric, or the cut would move the mean when volatility is high.
_LARGEST_RETURN = 0.40

# A split follows when a close leaves this range, as boards like prices that a small investor can pay.
_HIGHEST_CLOSE_CENTS = 40_000
_LOWEST_CLOSE_CENTS = 200
_SESSIONS_TO_SPLIT = 20
_REVERSE_SPLIT = (1, 10)

_SESSIONS_A_QUARTER = 63


@dataclasses.dataclass(frozen=True)
class _Tape:
    """What was printed on each session, before any adjustment: integers, in cents and shares of that session."""

    index: pd.DatetimeIndex
    open: npt.NDArray[np.int64]
    high: npt.NDArray[np.int64]
    low: npt.NDArray[np.int64]
    close: npt.NDArray[np.int64]
    volume: npt.NDArray[np.int64]
    dividend: npt.NDArray[np.int64]
    new_shares: npt.NDArray[np.int64]
    old_shares: npt.NDArray[np.int64]


class SimulatedSource:
    """Prices drawn at random from the ticker's name, on the sessions of XNYS from 2010-01-04 to 2050-12-30.

    A ticker has one tape of unadjusted prices, the same whatever session is asked for; `fetch` cuts it at the session
    and adjusts it for the splits up to there. So nothing later can be in it.
    """

    name = "simulated"

    def fetch(self, ticker: str, session: dt.date) -> base.PriceHistory:
        """Bars from 2010-01-04 to `session`, in the basis of `session`.

        Raises `NoPricesError` for a session before 2010-01-04 or after the calendar's end.
        """
        ticker = base.check_ticker(ticker)
        if not FIRST_SESSION <= session <= sessions.LAST_SESSION:
            raise errors.NoPricesError(
                f"{ticker} {session}: simulated prices run from {FIRST_SESSION} to {sessions.LAST_SESSION}"
            )
        return base.PriceHistory(ticker, _adjusted(_tape(ticker), session), self.name, "USD")


def _adjusted(tape: _Tape, session: dt.date) -> pd.DataFrame:
    """The tape up to `session` as Yahoo would serve it that evening."""
    n = int(np.searchsorted(tape.index.to_numpy(), np.datetime64(session, "ns"), side="right"))
    # Shares at the end for `old` shares of each session: products of the later splits. Every price is then one division
    # of two whole numbers, so no rounding error piles up and none depends on the order of factors.
    new, old = (_product_of_later(ratio[:n]) for ratio in (tape.new_shares, tape.old_shares))

    def price(cents: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        return (cents[:n] * old) / (100 * new)

    close, dividends = price(tape.close), price(tape.dividend)
    # Yahoo's factor: each dividend lowers what came before by its share of the close before it went ex.
    kept = np.ones(n)
    kept[:-1] = 1 - dividends[1:] / close[:-1]
    factor = np.cumprod(kept[::-1])[::-1]
    is_split = tape.new_shares[:n] != tape.old_shares[:n]
    return base.raw_frame(
        tape.index[:n],
        {
            "open": price(tape.open),
            "high": price(tape.high),
            "low": price(tape.low),
            "close": close,
            "adj_close": close * factor,
            "volume": np.round(tape.volume[:n] * new / old),
            "dividends": dividends,
            "stock_splits": np.where(is_split, tape.new_shares[:n] / tape.old_shares[:n], 0.0),
        },
    )


def _product_of_later(ratio: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    return np.append(np.cumprod(ratio[:0:-1])[::-1], 1)


@functools.lru_cache(maxsize=128)
def _tape(ticker: str) -> _Tape:
    """The whole tape of `ticker`, to the end of the calendar.

    Always the whole: an array function may round differently on arrays of another length, and then one session's price
    would depend on how far ahead somebody looked.
    """
    index = sessions.sessions_between(FIRST_SESSION, sessions.LAST_SESSION)
    n = len(index)
    seed = hashlib.sha256(f"{_RECIPE} {ticker}".encode()).digest()
    # RandomState, not Generator: its streams are frozen, so a new numpy gives the same prices.
    random = np.random.RandomState(np.frombuffer(seed, dtype="<u4"))

    yearly_volatility = random.uniform(0.18, 0.45)
    mean_return = random.uniform(0.08, 0.20) / _SESSIONS_A_YEAR
    first_close = int(random.uniform(1_500, 15_000))
    dividend_yield = random.choice([0.0, 0.0, 0.01, 0.02, 0.035])
    first_ex_session = int(random.randint(_SESSIONS_A_QUARTER))
    split_ratio = (int(random.choice([2, 3, 4])), 1)
    usual_volume = random.uniform(2e6, 4e7)

    volatility = yearly_volatility / np.sqrt(_SESSIONS_A_YEAR) * _regimes(random, n)
    innovation = random.standard_t(_TAIL_DEGREES_OF_FREEDOM, n)
    innovation /= np.sqrt(_TAIL_DEGREES_OF_FREEDOM / (_TAIL_DEGREES_OF_FREEDOM - 2))
    jump = np.where(random.uniform(size=n) < _JUMP_CHANCE, random.normal(0, _JUMP_SCALE, n), 0.0)
    surprise = np.clip(volatility * (innovation + jump), -_LARGEST_RETURN, _LARGEST_RETURN)

    overnight = 0.4 * surprise + 0.3 * volatility * random.normal(size=n)
    above, below = 0.5 * volatility * np.abs(random.normal(size=(2, n)))
    # In shares of the first session: follows the size of the surprise and drifts slowly around its usual level.
    attention = _autoregressive(random.normal(0, 0.12, n), 0.95)
    traded = usual_volume * np.exp(attention + 0.35 * np.abs(surprise) / volatility.mean())
    return _print(
        index,
        returns=(mean_return + surprise).tolist(),
        overnight=overnight.tolist(),
        above=above.tolist(),
        below=below.tolist(),
        traded=traded.tolist(),
        first_close=first_close,
        dividend_yield=float(dividend_yield),
        first_ex_session=first_ex_session,
        split_ratio=split_ratio,
    )


def _regimes(random: np.random.RandomState, n: int) -> npt.NDArray[np.float64]:
    """A Markov chain through the volatility regimes, as multiples of the ticker's volatility."""
    thresholds = np.cumsum(_REGIME_CHANGES, axis=1).tolist()
    state, states = 1, []
    for draw in random.uniform(size=n).tolist():
        state = next(i for i, threshold in enumerate(thresholds[state]) if draw < threshold or i == 2)
        states.append(state)
    return np.array(_REGIME_VOLATILITY)[states]


def _autoregressive(noise: npt.NDArray[np.float64], persistence: float) -> npt.NDArray[np.float64]:
    level, levels = 0.0, []
    for step in noise.tolist():
        level = persistence * level + step
        levels.append(level)
    return np.array(levels)


def _print(
    index: pd.DatetimeIndex,
    *,
    returns: list[float],
    overnight: list[float],
    above: list[float],
    below: list[float],
    traded: list[float],
    first_close: int,
    dividend_yield: float,
    first_ex_session: int,
    split_ratio: tuple[int, int],
) -> _Tape:
    """Session by session: what the returns make of the last printed close, in whole cents and shares.

    Each return starts from the printed close, rounding included: from an exact one, the rounding would be taken back on
    the next session, and that could be forecast. Splits and dividends follow from earlier prices; hence the loop.
    """
    rows = []
    close, dividend, shares, split_in = first_close, 0, 1.0, None
    for i in range(len(index)):
        new, old = 1, 1
        ex = dividend_yield > 0 and i > 0 and i % _SESSIONS_A_QUARTER == first_ex_session
        if split_in is None and not _LOWEST_CLOSE_CENTS <= close <= _HIGHEST_CLOSE_CENTS:
            split_in = _SESSIONS_TO_SPLIT
        elif split_in is not None:
            split_in -= 1
            # Never on the session that goes ex, as no board does that to its shareholders.
            if split_in <= 0 and not ex:
                new, old = split_ratio if close > _HIGHEST_CLOSE_CENTS / 2 else _REVERSE_SPLIT
                split_in = None
        before = close * old / new
        dividend = dividend * old // new
        if ex and (dividend == 0 or (i // _SESSIONS_A_QUARTER) % 4 == 0):
            # The board sets the yearly rate once a year, from the price of the session before.
            dividend = max(1, round(dividend_yield / 4 * before))
        paid = dividend if ex and dividend < before / 4 else 0

        # The total return is the draw; the price goes without the dividend.
        close = max(1, round(before * (1 + returns[i]) - paid))
        opening = max(1, round(before * (1 + overnight[i]) - paid))
        high = round(max(opening, close) * (1 + above[i]))
        low = max(1, round(min(opening, close) * max(0.5, 1 - below[i])))
        shares *= new / old
        volume = max(100, round(traded[i] * shares / 100) * 100)
        rows.append((opening, high, low, close, volume, paid, new, old))
    columns = np.array(rows, dtype="int64").T
    return _Tape(index, *columns)
