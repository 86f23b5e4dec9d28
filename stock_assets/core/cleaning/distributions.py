"""Rules about what is paid out: dividends and capital gains.

Three witnesses of a payment are held against what was recorded: the amount that the source's own adjusted close is
made of, the fall of the price (see evidence), and the ticker's other dividends. An amount is replaced by another that a
known fault explains (a unit, a split, a second count) when two of them agree on it and the price does not contradict;
else it stays, and validation tells. No amount is made up.
"""

# ruff: noqa: ARG001  (all rules share one signature, so that they can be applied in turn without knowing which)

import numpy as np
import pandas as pd

from stock_assets.core import evidence
from stock_assets.core.cleaning import rule

UNIT = 100.0
"""Pence in a pound, cents in a dollar: sources mix the two up, and no other power of ten."""

SAME_AMOUNT = 2e-3
"""Largest relative difference of two dividends that are the same: amounts are rounded, to 3 digits at worst."""

SAME_KIND = 10.0
"""Payments whose shares of the price differ by less than this factor are of a kind, and judged together.

A regular dividend is 0.2 % to 3 % of the price, one that is 100 times too large 20 % to 300 %.
"""

LIKE_OTHERS = 1.5
"""By which factor a dividend may differ from its neighbours and be regular: boards rarely change one by more."""

LARGEST_STEP = 1.2
"""By which factor a dividend may differ from the next for both to be in the same shares: less than a split's ratio."""

SMALLEST_SPLIT = 1.4
"""Splits by less (3 for 2 is the smallest usual one) don't explain an amount: a change of the dividend looks alike."""

HALF_A_YEAR = 126
"""In sessions: how long before a split a single dividend may have escaped it.

Longer, and a dividend that was truly doubled once, before some 2 for 1 split, would be halved.
"""

REPEATED_WITHIN = 2
"""Sessions within which no company goes ex twice with the same amount.

Funds that pay every week have 4 sessions between, in weeks with holidays. Regular dividends that boards brought forward
(December 2012) were weeks apart.
"""

REPEATED_AFTER_REPAIR = 10
"""The same, in sessions, when one of the two came in a wrong unit: then that is a faulty record in any case."""


def with_capital_gains_counted_once(frame: pd.DataFrame, snapshot: rule.Snapshot) -> pd.DataFrame:
    """Capital gains that are in the dividends as well are taken out (`capital_gains_counted_once`).

    Yahoo's dividend of a fund is the whole distribution, and the capital gains in it are given once more. Whether a
    source does so is the same for all distributions of a ticker: each dividend is at least as large as its capital
    gains, and the falls of the price, taken together, speak for the dividends alone.
    """
    gains, paid, close = (frame[name].to_numpy() for name in ("capital_gains", "dividends", "close"))
    both = gains > 0
    rows = np.flatnonzero(both)
    if not len(rows) or not (paid[rows] >= gains[rows] * (1 - SAME_AMOUNT)).all():
        return frame
    rows = rows[rows > 0]
    weight = evidence.price_speaks_for(paid[rows], (paid + gains)[rows], close, rows).sum()
    if weight < evidence.TELLING:
        return frame
    once = frame.assign(capital_gains=np.where(both, 0.0, gains))
    return rule.flag(once, both, "capital_gains_counted_once")


def with_dividends_in_new_shares(frame: pd.DataFrame, snapshot: rule.Snapshot) -> pd.DataFrame:
    """Dividends a share of before a split are divided by its ratio (`dividend_split_adjusted`).

    So when the source's adjusted close is made of just that amount, which is nearer to the dividends before and after
    (4063.T 2023-03-30: 275 on the session of a split 5 for 1, adjusted by 55). Else when the next dividend is that
    amount to the digit, and either no dividend lies between this one and the split, and then backwards as long as the
    amounts change little (KO up to its split 2 for 1 of 2012: 0.51, then 0.255), or the one before is like it and the
    split follows within half a year (AAPL 2020-05-08: 0.1925, 0.82, 0.205, and a split 4
    for 1 to come).
    """
    split = frame["stock_splits"].to_numpy()
    ratio = np.where((split > 0) & np.isfinite(split), split, 1.0)
    splits = np.flatnonzero(ratio != 1.0)
    rows, paid = _payments(frame)
    if not (len(rows) and len(splits)):
        return frame
    close = frame["close"].to_numpy()
    implied = _implied(frame, rows)
    alone = _only_ones_of_their_time(rows)
    amounts, divided_by = paid.copy(), np.ones(len(rows))
    for last in splits[::-1]:
        for first in splits[splits <= last]:
            # All payments at once, as if each were in the shares of before the splits from `first` to `last`.
            divisor = np.prod(ratio[splits[(splits >= first) & (splits <= last)]])
            if max(divisor, 1 / divisor) < SMALLEST_SPLIT:
                continue
            instead = paid / divisor
            same = alone & (np.abs(instead / _after(amounts) - 1) <= SAME_AMOUNT)
            at_split = np.append(rows[1:], 0) > first
            between = _alike(instead, _before(amounts)) & (first - rows <= HALF_A_YEAR)
            nearer = _nearer_to_neighbours(instead, amounts)
            made_of_it = evidence.implied(implied, instead, close[rows - 1]) & nearer
            whole_stretch = same & at_split
            certain = (made_of_it | whole_stretch | (same & between)) & (rows <= first) & (divided_by == 1.0)
            if not certain.any():
                continue
            possible = evidence.price_speaks_for(instead, paid, close, rows) >= evidence.CONTRARY
            certain &= possible
            whole_stretch &= certain
            for n in range(int(np.searchsorted(rows, first, side="right")) - 2, -1, -1):
                if whole_stretch[n + 1] and possible[n] and divided_by[n] == 1.0:
                    whole_stretch[n] = abs(np.log(paid[n] / paid[n + 1])) <= np.log(LARGEST_STEP)
            certain |= whole_stretch
            amounts, divided_by = np.where(certain, instead, amounts), np.where(certain, divisor, divided_by)
    return _with_amounts(frame, rows, amounts, divided_by != 1.0, "dividend_split_adjusted")


def with_dividends_in_the_unit_of_prices(frame: pd.DataFrame, snapshot: rule.Snapshot) -> pd.DataFrame:
    """Dividends 100 times too large or small for the prices (`dividend_divided_by_100`, `dividend_multiplied_by_100`).

    Too large: the source's adjusted close is made of a hundredth, and the falls of the price, of all dividends of the
    kind together, speak decisively for it. One of the same kind that the adjusted close does not know goes with them.
    Too small: a hundred times the amount is what the adjusted close is made of, or the dividend before or after, to
    the digit; it is like its neighbours, and the price speaks for it.
    """
    rows, paid = _payments(frame)
    if not len(rows):
        return frame
    close = frame["close"].to_numpy()
    before = close[rows - 1]
    implied = _implied(frame, rows)
    known = evidence.implied(implied, paid, before)

    made_of_hundredth = evidence.implied(implied, paid / UNIT, before) & ~known
    for_hundredth = evidence.price_speaks_for(paid / UNIT, paid, close, rows)
    too_large = np.zeros(len(rows), dtype=bool)
    for kind in _kinds(paid / before):
        weight = for_hundredth[kind & made_of_hundredth].sum()
        if weight >= evidence.DECISIVE:
            too_large |= kind & (made_of_hundredth | (~known & (for_hundredth >= 0)))
    too_large |= ~too_large & _fits_neighbours(paid / UNIT, paid) & (for_hundredth >= 1)
    divided = np.where(too_large, paid / UNIT, paid)

    hundredfold = divided * UNIT
    made_of_hundredfold = evidence.implied(implied, hundredfold, before)
    for_hundredfold = evidence.price_speaks_for(hundredfold, divided, close, rows)
    same = _fits_neighbours(hundredfold, divided)
    like = _alike(hundredfold, _before(divided)) | _alike(hundredfold, _after(divided))
    too_small = (made_of_hundredfold & like & (for_hundredfold > 0)) | (same & (for_hundredfold >= 1))
    too_small &= ~too_large
    amounts = np.where(too_small, hundredfold, divided)
    frame = _with_amounts(frame, rows, amounts, too_large, "dividend_divided_by_100")
    return _with_amounts(frame, rows, amounts, too_small, "dividend_multiplied_by_100")


def without_repeated_dividends(frame: pd.DataFrame, snapshot: rule.Snapshot) -> pd.DataFrame:
    """A dividend given again within two sessions is counted once (`repeated_dividend_dropped` where it is dropped).

    Kept is the one that the source's adjusted close knows; when it knows both or neither, the first, unless the price
    speaks for the second: sources that reckon with too short a settlement date an ex-session too late (STX 2014-11-07,
    JPM 2017-04-05). Both stay when the price speaks decisively for both. Of two within ten sessions, one of which was
    repaired for its unit, that one is dropped.
    """
    rows, paid = _payments(frame)
    if len(rows) < 2:
        return frame
    close = frame["close"].to_numpy()
    gap = np.diff(rows)
    known = _implied(frame, rows) >= paid * (1 - evidence.SOURCE_TOLERANCE)
    same = np.abs(paid[1:] / paid[:-1] - 1) <= SAME_AMOUNT
    for_none = evidence.price_speaks_for(np.zeros(len(rows)), paid, close, rows)
    repaired = frame["repairs"].iloc[rows].str.contains("dividend_", regex=False).to_numpy()
    dropped = np.zeros(len(rows), dtype=bool)
    for n in np.flatnonzero(same & (gap <= REPEATED_AFTER_REPAIR)):
        first, second = n, n + 1
        if dropped[first]:
            continue
        if repaired[first] != repaired[second]:
            dropped[first if repaired[first] else second] = True
        elif gap[n] <= REPEATED_WITHIN and max(for_none[first], for_none[second]) > -evidence.DECISIVE:
            if known[first] != known[second]:
                is_second = known[second]
            else:
                is_second = for_none[first] - for_none[second] >= -evidence.CONTRARY
            dropped[first if is_second else second] = True
    return _with_amounts(frame, rows, np.where(dropped, 0.0, paid), dropped, "repeated_dividend_dropped")


def without_phantom_dividends(frame: pd.DataFrame, snapshot: rule.Snapshot) -> pd.DataFrame:
    """A dividend that neither the source's adjusted close nor the price knows is left out (`dividend_dropped`).

    The adjusted close is the same across the session, and the price decisively speaks for nothing paid. When only one
    of the two does, the dividend stays: adjusted closes miss dividends more often than lists make them up.
    """
    rows, paid = _payments(frame)
    if not len(rows):
        return frame
    close = frame["close"].to_numpy()
    before = close[rows - 1]
    implied = _implied(frame, rows)
    unknown = np.abs(implied) <= evidence.SOURCE_TOLERANCE * paid
    telling = evidence.implied(paid, paid, before)
    none = evidence.price_speaks_for(np.zeros(len(rows)), paid, close, rows) >= evidence.DECISIVE
    phantom = unknown & telling & none
    return _with_amounts(frame, rows, np.where(phantom, 0.0, paid), phantom, "dividend_dropped")


def with_plausible_events(frame: pd.DataFrame, snapshot: rule.Snapshot) -> pd.DataFrame:
    """Dividends are at least 0 and less than the close before, split ratios at least 0; anything else halts."""
    dividend, split = frame["dividends"].to_numpy(), frame["stock_splits"].to_numpy()
    listed = frame.assign(close_before=frame["close"].shift(1))
    previous = listed["close_before"].to_numpy()
    bad_dividend = ~(dividend >= 0) | np.isinf(dividend) | (dividend >= previous)
    expected = "0, or more and less than the close before"
    rule.halt(snapshot, listed, bad_dividend, "with an impossible dividend", expected, ("dividends", "close_before"))
    bad_split = ~(split >= 0) | np.isinf(split)
    rule.halt(snapshot, frame, bad_split, "with an impossible split ratio", "0, or a positive ratio", ("stock_splits",))
    return frame


def _payments(frame: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Positions and amounts of the dividends that can be judged: above 0, finite, and not on the first row."""
    paid = frame["dividends"].to_numpy()
    rows = np.flatnonzero((paid > 0) & np.isfinite(paid))
    rows = rows[rows > 0]
    return rows, paid[rows]


def _implied(frame: pd.DataFrame, rows: np.ndarray) -> np.ndarray:
    """The dividends that the source's adjusted close is made of, without capital gains."""
    payments = evidence.implied_payments(frame["close"].to_numpy(), frame["adj_close"].to_numpy())
    return payments[rows] - frame["capital_gains"].to_numpy()[rows]


def _with_amounts(
    frame: pd.DataFrame, rows: np.ndarray, amounts: np.ndarray, changed: np.ndarray, repair: str
) -> pd.DataFrame:
    if not changed.any():
        return frame
    paid = frame["dividends"].to_numpy().copy()
    paid[rows[changed]] = amounts[changed]
    flagged = np.zeros(len(frame), dtype=bool)
    flagged[rows[changed]] = True
    return rule.flag(frame.assign(dividends=paid), flagged, repair)


def _before(amounts: np.ndarray) -> np.ndarray:
    return np.append(np.nan, amounts[:-1])


def _after(amounts: np.ndarray) -> np.ndarray:
    return np.append(amounts[1:], np.nan)


def _fits_neighbours(instead: np.ndarray, amounts: np.ndarray) -> np.ndarray:
    """Where `instead` is just the dividend before or after, and like the other if there is one (bool, one an item)."""
    same, like = np.zeros(len(amounts), dtype=bool), np.ones(len(amounts), dtype=bool)
    for other in (_before(amounts), _after(amounts)):
        same |= np.abs(instead / other - 1) <= SAME_AMOUNT
        like &= _alike(instead, other) | np.isnan(other)
    return same & like


def _nearer_to_neighbours(instead: np.ndarray, amounts: np.ndarray) -> np.ndarray:
    """Where `instead` is nearer to the dividends before and after, in log terms; False without neighbours."""
    off = [np.abs(np.log([other / instead, other / amounts])) for other in (_before(amounts), _after(amounts))]
    instead_off, amounts_off = np.nansum(off, axis=0)
    return instead_off < amounts_off


def _alike(amounts: np.ndarray, others: np.ndarray) -> np.ndarray:
    return np.abs(np.log(amounts / others)) <= np.log(LIKE_OTHERS)


def _kinds(shares: np.ndarray) -> list[np.ndarray]:
    """Groups (bool, one an item) of payments as shares of the price, parted where two in order differ tenfold."""
    order = np.argsort(shares, kind="stable")
    parted = np.diff(np.log(shares[order])) > np.log(SAME_KIND)
    group = np.empty(len(shares), dtype=int)
    group[order] = np.concatenate([[0], np.cumsum(parted)])
    return [group == number for number in range(group.max() + 1)]


def _only_ones_of_their_time(rows: np.ndarray) -> np.ndarray:
    """Payments (bool, one an item) without another within half the usual spacing: regular ones, if any are."""
    if len(rows) < 2:
        return np.zeros(len(rows), dtype=bool)
    gaps = np.diff(rows).astype("float64")
    nearest = np.minimum(np.append(np.inf, gaps), np.append(gaps, np.inf))
    return nearest >= np.median(gaps) / 2
