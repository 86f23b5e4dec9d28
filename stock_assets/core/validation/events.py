"""Do dividends and splits agree with the prices around them?"""

# ruff: noqa: ARG001  (all predicates share one signature, so that checks can be made from them without knowing which)

import datetime

import numpy as np
import pandas as pd

from stock_assets.core import evidence
from stock_assets.core.adjusting import PRICES
from stock_assets.core.validation import finding

AGREEMENT_THRESHOLD = 5e-4
"""Largest relative difference between our adjusted close and the source's that passes.

On 50,000 real bars of eight stocks, fetched in 2020 and in 2024, the largest was 6.6e-5 (dividends given in four
decimals). A quarterly dividend of 0.05 % of the price that one of the two does not know is reported.
"""

USUAL_SPLITS = (1.5, 2, 3, 4, 5, 6, 7, 8, 10, 12, 15, 20, 25, 30, 40, 50, 60, 75, 100, 1000)
"""New shares for one old share, or the other way round, in nearly all real splits."""

USUAL_MOVES_OFF = 3.0
"""How many usual moves a jump may miss a usual split by, but no more than a tenth in log terms."""

QUIET = 0.25
"""Largest range of the bar that jumps, from low to high, as a share of the jump in log terms.

A split is over before the session opens. In 50,000 real bars the largest moves from close to close were 13 % to 25 %,
in bars whose range was above a third of that, all but earnings reported overnight.
"""

JUMP_IN_USUAL_MOVES = 8.0
"""Jumps of less are the market's own."""

VOLUME_FACTOR = 2.5
"""How far the volume may be from what a split makes of it: as many times as before as there are new shares.

A stock that loses half of its worth on news trades five to twenty times its usual volume that session, not twice.
"""

BEYOND_MARKETS = 4.0
"""A jump by this factor between quiet bars is reported whatever the ratio and the volume."""

_LEVEL = 5
_VOLUMES = 20

LARGE_DIVIDEND = 0.02
"""Dividends below this share of the close before are too small for one session's price to say anything."""

OFTEN = 4
"""A dividend again after less than the usual spacing over this is suspect, when the amounts are alike."""

ALIKE = 1.2
"""By which factor two such amounts may differ: a second record of one dividend in another currency or before tax."""

LONG_SPACING = 40
"""Usual spacing, in sessions, from which a second dividend soon after is odd; funds pay monthly or weekly."""

SPLIT_AGAIN = 5
"""Sessions within which no company splits by the same ratio again: it takes weeks to have one approved."""

LIKE_NEIGHBOURS = 1.6
"""By which factor a regular dividend may differ from the one before and the one after: more is rare.

Boards raise by a half at most, or cut by a third.
"""

REGULAR = 1.1
"""Dividends are regular when a quarter of them are within this factor of the one before; those of funds are not."""

SMALLEST_AMOUNT = 0.001
"""Dividends a share below this, in dollars as they were paid, are suspected of a wrong unit: boards pay in cents.

The smallest of 650 real ones is 0.01 (NVDA, before its split), the smallest usual ones of foreign banks 0.003.
"""


def adjusted_close_agrees_with_source(
    clean: pd.DataFrame,
    raw: pd.DataFrame,
    *,
    ticker: str,
    as_of: datetime.date,
    threshold: float = AGREEMENT_THRESHOLD,
) -> finding.Finding:
    """Our adjusted close and the source's differ by no more than `threshold`, relatively, on any row of both.

    Observed: the largest relative difference. They differ when a dividend is in the source's adjusted close but not
    among its dividends, or the other way round, or in other shares (AAPL 2020-05-08: 0.82 instead of 0.205). That is a
    warning about the source, not an error in our table. A row where the source has none does not pass either, as it
    can't agree. Offending: rows without, then those that differ most.
    """
    expected = f"at most {threshold:g} relative difference on every row"
    source = raw.loc[~raw.index.duplicated(), "adj_close"].reindex(clean.index)
    both = pd.DataFrame({"adjusted_close": clean["adjusted_close"], "source_adj_close": source})
    if not both.notna().all(axis=1).any():
        return finding.Finding(False, "no row with both adjusted closes", expected, both.iloc[:0])
    difference = (both["source_adj_close"] / both["adjusted_close"] - 1).abs()
    beyond = both.assign(relative_difference=difference).loc[~(difference <= threshold)]
    worst = beyond.sort_values("relative_difference", ascending=False, kind="stable", na_position="first")
    offending = worst.head(finding.MAX_OFFENDING)
    return finding.Finding(
        beyond.empty, float(np.nanmax(difference.to_numpy())), expected, offending, threshold=threshold
    )


def no_jump_looks_like_a_split(frame: pd.DataFrame, *, ticker: str, as_of: datetime.date) -> finding.Finding:
    """No lasting jump of the price is a usual split that nobody recorded. Observed: sessions that look like one.

    A split is by a usual ratio and no more than the market's own move off, is there at the open, in a quiet bar, stays,
    and changes the volume by its ratio; a crash opens wide, trades wildly and a multiple of the usual volume. A jump by
    more than `BEYOND_MARKETS` in quiet bars is reported in any case, and so is any such jump on the session of a
    recorded split, as that should leave none. Dividends are added back first.
    """
    if unreadable := finding.unreadable(frame, (*PRICES, "volume", "dividend", "split_ratio")):
        return unreadable
    expected = "0 sessions with a jump that looks like a split"
    if len(frame) < 2:
        return finding.none_of(frame, np.zeros(len(frame), dtype=bool), expected)
    open_, high, low, close, volume, paid = (
        frame[name].to_numpy(dtype="float64") for name in (*PRICES, "volume", "dividend")
    )
    jump = np.zeros(len(frame))
    jump[1:] = np.log((close[1:] + paid[1:]) / close[:-1])
    rows = np.flatnonzero(np.abs(jump) >= np.log(USUAL_SPLITS[0]) - 0.1)
    rows = rows[rows > 0]
    jump = jump[rows]
    usual = evidence.usual_moves(close, rows)
    at_open = np.log((open_[rows] + paid[rows]) / close[rows - 1])
    opened = np.abs(at_open - jump) <= QUIET * np.abs(jump)
    quiet = np.log(high[rows] / low[rows]) <= QUIET * np.abs(jump)
    lasting = np.abs(np.log(_level_after(close, rows) / _level_before(close, rows)) - jump) <= np.abs(jump) / 3
    like_one = (np.abs(jump) >= JUMP_IN_USUAL_MOVES * usual) & opened & quiet & lasting
    ratios = np.log(USUAL_SPLITS)
    # What the market did on its own blurs the close more than the open.
    off = np.abs(np.abs([jump, at_open])[:, :, None] - ratios).min(axis=(0, 2))
    usual_ratio = off <= np.minimum(USUAL_MOVES_OFF * usual, 0.1)
    with np.errstate(divide="ignore", invalid="ignore"):
        change = np.log(_level_after(volume, rows, 3) / _level_before(volume, rows, _VOLUMES))
    by_ratio = ~np.isfinite(change) | (np.abs(change + jump) <= np.log(VOLUME_FACTOR))
    bad = np.zeros(len(frame), dtype=bool)
    recorded = frame["split_ratio"].to_numpy()[rows] != 1.0
    bad[rows[like_one & ((usual_ratio & by_ratio) | recorded | (np.abs(jump) >= np.log(BEYOND_MARKETS)))]] = True
    return finding.none_of(frame, bad, expected)


def _level_before(values: np.ndarray, rows: np.ndarray, count: int = _LEVEL) -> np.ndarray:
    return np.array([np.median(values[max(0, row - count) : row]) for row in rows])


def _level_after(values: np.ndarray, rows: np.ndarray, count: int = _LEVEL) -> np.ndarray:
    return np.array([np.median(values[row : row + count]) for row in rows])


def small_splits_are_in_the_prices(frame: pd.DataFrame, *, ticker: str, as_of: datetime.date) -> finding.Finding:
    """No recorded split left its jump in the close. Observed: sessions whose close jumps by a recorded ratio.

    For ratios that cleaning can't judge: spin-offs, which sources record as splits by 1.05 or 1.3, and stock dividends.
    Suspect is a jump much likelier with the split not applied to the prices before than with it applied (see
    evidence.DECISIVE).
    """
    if unreadable := finding.unreadable(frame, ("close", "split_ratio", "dividend")):
        return unreadable
    close, ratio = frame["close"].to_numpy(dtype="float64"), frame["split_ratio"].to_numpy(dtype="float64")
    rows = np.flatnonzero(ratio != 1.0)
    rows = rows[rows > 0]
    # Not applied, a split takes from the price what a dividend of the same share of it would.
    taken = close[rows - 1] * (1 - 1 / ratio[rows])
    paid = frame["dividend"].to_numpy(dtype="float64")[rows]
    bad = np.zeros(len(frame), dtype=bool)
    bad[rows[evidence.price_speaks_for(paid + taken, paid, close, rows) >= evidence.DECISIVE]] = True
    return finding.none_of(frame, bad, "0 sessions with a jump by the recorded split")


def large_dividends_show_in_the_price(frame: pd.DataFrame, *, ticker: str, as_of: datetime.date) -> finding.Finding:
    """The price fell by what was paid, where that is much. Observed: dividends that the price decisively denies.

    Of dividends of at least `LARGE_DIVIDEND`. A unit mixed up, a dividend of another class of shares, a wrong session,
    or a share that trades with due bills: a person has to look. Sessions without a trade say nothing.
    """
    if unreadable := finding.unreadable(frame, ("close", "dividend", "volume")):
        return unreadable
    close, paid = frame["close"].to_numpy(dtype="float64"), frame["dividend"].to_numpy(dtype="float64")
    rows = np.flatnonzero(paid[1:] >= LARGE_DIVIDEND * close[:-1]) + 1
    traded = frame["volume"].to_numpy()[rows] > 0
    weight = evidence.price_speaks_for(np.zeros(len(rows)), paid[rows], close, rows, traded=traded)
    bad = np.zeros(len(frame), dtype=bool)
    bad[rows[weight >= evidence.DECISIVE]] = True
    return finding.none_of(frame, bad, "0 dividends of 2 % and more that the price denies")


def no_dividend_comes_again_soon(
    clean: pd.DataFrame, raw: pd.DataFrame, *, ticker: str, as_of: datetime.date
) -> finding.Finding:
    """No dividend follows soon after another of about the same amount. Observed: dividends that do.

    Soon is less than a quarter of the ticker's usual spacing, where that is at least `LONG_SPACING` sessions. Mostly
    one payment recorded twice; boards that brought one forward (December 2012) are the exception. Sessions on which
    capital gains are paid are left out.
    """
    paid = _paid_without_gains(clean, raw)
    rows = np.flatnonzero(paid > 0)
    bad = np.zeros(len(clean), dtype=bool)
    gaps = np.diff(rows)
    if len(gaps) >= 2 and np.median(gaps) >= LONG_SPACING:
        alike = np.abs(np.diff(np.log(paid[rows]))) <= np.log(ALIKE)
        bad[rows[1:][alike & (gaps * OFTEN < np.median(gaps))]] = True
    return finding.none_of(clean, bad, "0 dividends soon after another of the same size")


def no_split_comes_again_soon(frame: pd.DataFrame, *, ticker: str, as_of: datetime.date) -> finding.Finding:
    """No split follows another by the same ratio within `SPLIT_AGAIN` sessions. Observed: splits that do."""
    if unreadable := finding.unreadable(frame, ("split_ratio",)):
        return unreadable
    ratio = frame["split_ratio"].to_numpy(dtype="float64")
    rows = np.flatnonzero(ratio != 1.0)
    bad = np.zeros(len(frame), dtype=bool)
    bad[rows[1:][(np.diff(rows) <= SPLIT_AGAIN) & (np.diff(ratio[rows]) == 0)]] = True
    return finding.none_of(frame, bad, f"0 splits by the ratio of another within {SPLIT_AGAIN} sessions before")


def no_regular_dividend_stands_out(
    clean: pd.DataFrame, raw: pd.DataFrame, *, ticker: str, as_of: datetime.date
) -> finding.Finding:
    """No regular dividend is off from its neighbours by 100 or by the ratio of a later split. Observed: those that are.

    Regular is one without another within half the usual spacing, where dividends change little (see `REGULAR`). It is
    suspect when it is like neither the one before
    nor the one after, and would be like both (see `LIKE_NEIGHBOURS`) if it were divided by the ratio of a split since,
    or by 100 or its inverse.
    Sessions on which capital gains are paid are left out.
    """
    paid, ratio = _paid_without_gains(clean, raw), clean["split_ratio"].to_numpy(dtype="float64")
    rows, splits = np.flatnonzero(paid > 0), np.flatnonzero(ratio != 1.0)
    bad = np.zeros(len(clean), dtype=bool)
    expected = "0 regular dividends off by 100 or a split's ratio"
    if len(rows) < 3:
        return finding.none_of(clean, bad, expected)
    amount, gaps = np.log(paid[rows]), np.diff(rows)
    if np.quantile(np.abs(np.diff(amount)), 0.25) > np.log(REGULAR):
        return finding.none_of(clean, bad, expected)
    alone = np.minimum(gaps[1:], gaps[:-1]) >= np.median(gaps) / 2
    above = np.stack([amount[1:-1] - amount[:-2], amount[1:-1] - amount[2:]])
    like = np.log(LIKE_NEIGHBOURS)
    unlike = (np.abs(above) > like).all(axis=0)
    last = len(clean) - 1
    for factor, until in [(100.0, last), (0.01, last), *((ratio[split], split) for split in splits)]:
        explained = (np.abs(above - np.log(factor)) <= like).all(axis=0) & (rows[1:-1] <= until)
        bad[rows[1:-1][alone & unlike & explained]] = True
    return finding.none_of(clean, bad, expected)


def _paid_without_gains(clean: pd.DataFrame, raw: pd.DataFrame) -> np.ndarray:
    """Dividends of sessions without capital gains, which come when and as large as they come; 0 on the others."""
    gains = raw.loc[~raw.index.duplicated(), "capital_gains"].reindex(clean.index).to_numpy()
    return np.where(gains > 0, 0.0, clean["dividend"].to_numpy(dtype="float64"))


def dividends_are_in_the_prices_unit(frame: pd.DataFrame, *, ticker: str, as_of: datetime.date) -> finding.Finding:
    """No dividends a hundredth of what they should be. Observed: those that are suspected of it.

    Suspected are amounts below `SMALLEST_AMOUNT`, in the shares of their session, when the falls of the price on all of
    them together are likelier for a hundred times as much.
    """
    if unreadable := finding.unreadable(frame, ("close", "dividend", "split_ratio")):
        return unreadable
    close, paid = frame["close"].to_numpy(dtype="float64"), frame["dividend"].to_numpy(dtype="float64")
    ratio = frame["split_ratio"].to_numpy(dtype="float64")
    # The product of the splits after each session, its own not included: dividends are in the shares after it.
    later = np.append(np.cumprod(ratio[::-1])[::-1][1:], 1.0)[: len(ratio)]
    rows = np.flatnonzero((paid > 0) & (paid * later < SMALLEST_AMOUNT))
    rows = rows[rows > 0]
    weight = evidence.price_speaks_for(100 * paid[rows], paid[rows], close, rows).sum()
    bad = np.zeros(len(frame), dtype=bool)
    bad[rows] = weight > 0
    return finding.none_of(frame, bad, "0 dividends that are a hundredth of what the price fell by")


def capital_gains_are_counted_once(
    clean: pd.DataFrame, raw: pd.DataFrame, *, ticker: str, as_of: datetime.date
) -> finding.Finding:
    """No capital gains are added to a dividend that may hold them already. Observed: sessions on which they are.

    Suspect where the dividend given is at least as large as the gains, both were counted, and the price does not
    clearly say that both were paid: what cleaning could not decide.
    """
    both = clean[["close", "dividend"]].join(raw.loc[~raw.index.duplicated(), ["dividends", "capital_gains"]])
    close, counted, paid, gains = (both[name].to_numpy() for name in both.columns)
    rows = np.flatnonzero((gains > 0) & (paid >= gains) & np.isclose(counted, paid + gains))
    rows = rows[rows > 0]
    weight = evidence.price_speaks_for(paid[rows], (paid + gains)[rows], close, rows).sum()
    bad = np.zeros(len(both), dtype=bool)
    bad[rows] = weight > evidence.CONTRARY
    return finding.none_of(both, bad, "0 sessions whose capital gains may be in the dividend too")
