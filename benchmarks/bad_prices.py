"""What cleaning and checks make of known faults: a folder of bad price files beside the same files put right.

    python -m benchmarks.bad_prices FOLDER

The folder holds pairs `NAME.csv` and `NAME-fixed.csv` of daily bars (`-1d-` in the name) in Yahoo's columns, and files
`...-no-....csv` that look bad and are right. yfinance keeps such files among its tests; they are not part of this
project. The tickers are of many exchanges, so rows are moved to consecutive sessions of ours, the last one to its own.

| verdict | meaning |
|---|---|
| repaired | bars and dividends equal the fixed file's, and the adjusted close is proportional to its Adj Close |
| halted | `clean_prices` raised `BadPricesError` |
| differs | something was repaired, but the result is not the fixed file's |
| warned | a check fails that does not fail on the fixed file |
| missed | none of these |
| untouched, touched | a file that was right: nothing repaired and no check failed, or the contrary |

Many files have other faults too, in the fixed one as well: closes outside of low to high (London's auctions), bars
without prices. Cleaning halts on these, which would hide what is asked here; so such bars are first widened or left out
in both files. Where cleaning halts on the file as it stands, the table says so. Marks:

    *  the fixed file's Adj Close is not made of its own dividends: ours is held against one made of them
    +  the fixed file has a fault of its own: ours is equal to what cleaning makes of it, or the check fails there too
"""

import argparse
import collections
import dataclasses
import datetime
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from benchmarks import measuring
from stock_assets.core import adjusting, checks, cleaning, sessions, validation
from stock_assets.core.adjusting import PRICES
from stock_assets.core.errors import BadPricesError
from stock_assets.sources import base

DAILY, FIXED, RIGHT = "-1d-", "-fixed", "-no-"

SAME_PRICE = 1e-5
"""Relative: files have six or more digits."""

SAME_ADJUSTED = 5e-4
"""Relative, as in the check adjusted_close_agrees_with_source."""

_TOLD_ANYWAY = ("no_bar_is_repaired",)


@dataclasses.dataclass(frozen=True)
class Outcome:
    """One file: the verdict, what was repaired (name -> rows) or why it halted, and the checks that failed."""

    case: str
    verdict: str
    said: str
    checks: tuple[str, ...]
    where: str
    halts_as_it_stands: bool = False


def main() -> None:
    parser = argparse.ArgumentParser(description="What cleaning and checks make of known faults.")
    parser.add_argument("folder", type=Path, help="pairs NAME.csv and NAME-fixed.csv")
    outcomes = outcomes_of(parser.parse_args().folder)
    if not outcomes:
        raise SystemExit("no daily price files (-1d- in the name) in that folder")
    measuring.print_table(
        ("case", "verdict", "as it stands", "repaired"),
        [(o.case, o.verdict, "halts" if o.halts_as_it_stands else "", o.said) for o in outcomes],
    )
    for outcome in outcomes:
        print(
            f"{outcome.case}: {outcome.where or 'no session'}; checks that fail: {', '.join(outcome.checks) or 'none'}"
        )
    totals = collections.Counter(outcome.verdict.rstrip("*+") for outcome in outcomes)
    print(f"{len(outcomes)} files: " + ", ".join(f"{count} {verdict}" for verdict, count in totals.most_common()))


def outcomes_of(folder: Path) -> list[Outcome]:
    """One outcome a file of `folder`, by name."""
    outcomes = []
    for path in sorted(folder.glob(f"*{DAILY}*.csv")):
        fixed = path.with_name(f"{path.stem}{FIXED}.csv")
        if path.stem.endswith(FIXED):
            continue
        if not (fixed.exists() or RIGHT in path.stem):
            continue
        bad, right = read(path), read(fixed if fixed.exists() else path)
        prepared = _without_other_faults(bad, right), _without_other_faults(right, right)
        found = (
            _outcome_of_pair(path.stem, *prepared) if fixed.exists() else _outcome_of_right_one(path.stem, prepared[1])
        )
        outcomes.append(dataclasses.replace(found, halts_as_it_stands=_halts(path.stem, bad)))
    return outcomes


def read(path: Path) -> pd.DataFrame:
    """A file's bars as raw prices, on consecutive sessions of XNYS that end with the last row's date."""
    table = pd.read_csv(path).rename(columns=base.YAHOO_HEADINGS)
    days = np.array([str(day)[:10] for day in table.iloc[:, 0]], dtype="datetime64[D]")
    order = np.argsort(days, kind="stable")
    last = datetime.date.fromisoformat(str(days.max()))
    known = sessions.sessions_between(sessions.FIRST_SESSION, last)[-len(table) :]
    values = {
        name: np.asarray(table[name], dtype="float64")[order] for name in base.RAW_COLUMNS if name in table.columns
    }
    return adjusting.as_served_on(base.raw_frame(known, values), datetime.date.fromisoformat(f"{known[-1]:%Y-%m-%d}"))


def _without_other_faults(bars: pd.DataFrame, right: pd.DataFrame) -> pd.DataFrame:
    """`bars` without the rows that have no prices or events in `right`, and wide enough where `right` is not."""
    prices = right[list(PRICES)]
    trades = bars[["open", "close"]]
    narrow = (prices.max(axis=1) > prices["high"]) | (prices.min(axis=1) < prices["low"])
    wide = bars.assign(
        high=bars["high"].where(~narrow, np.fmax(bars["high"], trades.max(axis=1))),
        low=bars["low"].where(~narrow, np.fmin(bars["low"], trades.min(axis=1))),
    )
    events = right[["dividends", "capital_gains", "stock_splits"]].ne(0).any(axis=1)
    return wide.loc[prices.notna().all(axis=1) | events]


def _halts(case: str, raw: pd.DataFrame) -> bool:
    try:
        _clean(case, raw)
    except BadPricesError:
        return True
    return False


def _outcome_of_pair(case: str, bad: pd.DataFrame, fixed: pd.DataFrame) -> Outcome:
    try:
        clean = _clean(case, bad)
    except BadPricesError as error:
        return _halted(case, error)
    all_failing, before = _failing(case, bad), _failing(case, fixed)
    failing = tuple(name for name in all_failing if name not in before)
    same, coherent = _same(clean, fixed)
    if same:
        verdict = "repaired" if coherent else "repaired*"
    elif _same_once_cleaned(case, clean, fixed):
        verdict = "repaired+"
    elif bool((clean["repairs"] != "").any()):
        verdict = "differs"
    elif all_failing:
        verdict = "warned" if failing else "warned+"
    else:
        verdict = "missed"
    return Outcome(case, verdict, *_repairs(clean, failing or all_failing))


def _outcome_of_right_one(case: str, right: pd.DataFrame) -> Outcome:
    try:
        clean = _clean(case, right)
    except BadPricesError as error:
        return _halted(case, error)
    failing = _failing(case, right)
    touched = bool(failing) or bool((clean["repairs"] != "").any())
    return Outcome(case, "touched" if touched else "untouched", *_repairs(clean, failing))


def _halted(case: str, error: BadPricesError) -> Outcome:
    return Outcome(case, "halted", str(error.rule), (), _listed(pd.DatetimeIndex(error.sessions)))


def _clean(case: str, raw: pd.DataFrame) -> pd.DataFrame:
    return cleaning.clean_prices(raw, ticker=case, as_of=raw.index[-1].date())


def _failing(case: str, raw: pd.DataFrame) -> tuple[str, ...]:
    """Names of the checks of clean prices that fail; none when the table can't be cleaned."""
    as_of: datetime.date = raw.index[-1].date()
    try:
        clean = _clean(case, raw)
    except BadPricesError:
        return ()
    found = validation.ask(checks.CLEAN, clean, ticker=case, as_of=as_of)
    found += validation.ask(checks.CLEAN_BESIDE_RAW, clean, raw, ticker=case, as_of=as_of)
    return tuple(check.name for check, finding in found if check.name not in _TOLD_ANYWAY and not finding.passed)


def _same(clean: pd.DataFrame, fixed: pd.DataFrame) -> tuple[bool, bool]:
    """Whether `clean` is what `fixed` says, and whether the Adj Close of `fixed` is made of its own dividends.

    The dividends of `fixed` are whole distributions: a fund's capital gains are in them.
    """
    expected = fixed.loc[clean.index]
    bars = np.allclose(clean[list(PRICES)], expected[list(PRICES)], rtol=SAME_PRICE, atol=0)
    volume = np.allclose(clean["volume"], expected["volume"].fillna(0), rtol=SAME_PRICE, atol=1)
    paid = np.allclose(clean["dividend"], expected["dividends"], rtol=SAME_PRICE, atol=1e-9)
    try:
        own = expected["close"] * adjusting.dividend_factors(expected["close"], expected["dividends"])
    except BadPricesError:
        return False, False
    coherent = _proportional(own, expected["adj_close"])
    adjusted = _proportional(clean["adjusted_close"], expected["adj_close"] if coherent else own)
    return bool(bars and volume and paid and adjusted), coherent


def _same_once_cleaned(case: str, clean: pd.DataFrame, fixed: pd.DataFrame) -> bool:
    """Whether the same comes out of `fixed`: it has a fault besides, which cleaning repairs in both."""
    try:
        expected = _clean(case, fixed)
    except BadPricesError:
        return False
    columns = [*PRICES, "dividend", "adjusted_close"]
    same = np.allclose(clean[columns], expected[columns], rtol=SAME_PRICE, atol=1e-9)
    return bool(same and np.allclose(clean["volume"], expected["volume"], rtol=SAME_PRICE, atol=1))


def _proportional(left: ArrayLike, right: ArrayLike) -> bool:
    ratio = np.asarray(left) / np.asarray(right)
    return bool((np.abs(ratio / ratio[-1] - 1) <= SAME_ADJUSTED).all())


def _repairs(clean: pd.DataFrame, failing: tuple[str, ...]) -> tuple[str, tuple[str, ...], str]:
    flagged = clean.loc[clean["repairs"] != "", "repairs"]
    rows = collections.Counter(repair for text in flagged for repair in text.split(","))
    return ", ".join(f"{repair} {count}" for repair, count in rows.items()), failing, _listed(flagged.index)


def _listed(index: pd.Index) -> str:
    shown = [f"{session:%Y-%m-%d}" for session in index[:3]]
    return ", ".join(shown) + (f" and {len(index) - 3} more" if len(index) > 3 else "")


if __name__ == "__main__":
    main()
