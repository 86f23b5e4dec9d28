"""What every rule of cleaning is made of: whose prices they are, and how a rule halts, flags and drops.

No rule lives here.
"""

import datetime
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from stock_assets.core.adjusting import PRICES
from stock_assets.core.errors import BadPricesError

EVENTS = ("dividends", "capital_gains", "stock_splits")

INPUTS = (*PRICES, "adj_close", "volume", *EVENTS)
"""The columns a rule may read and mend. adj_close is the source's own: evidence, which may be missing (NaN)."""

_SHOWN = 3


@dataclass(frozen=True)
class Snapshot:
    """Whose prices are cleaned, as of which session; rules need it for limits and messages."""

    ticker: str
    as_of: datetime.date


Rule = Callable[[pd.DataFrame, Snapshot], pd.DataFrame]


def without_events(frame: pd.DataFrame) -> np.ndarray:
    """Rows (bool, one a row) on which nothing is paid out and no share is split."""
    paid = frame[["dividends", "capital_gains"]].ne(0).to_numpy().any(axis=1)
    return ~paid & frame["stock_splits"].isin([0.0, 1.0]).to_numpy()


def flag(frame: pd.DataFrame, rows: ArrayLike, repair: str) -> pd.DataFrame:
    """`frame` with the name of a repair added to `repairs` on `rows` (bool, one a row)."""
    mask = np.asarray(rows, dtype=bool)
    if not mask.any():
        return frame
    earlier = frame["repairs"].to_numpy(dtype=object)
    flagged = [
        (f"{text},{repair}" if text else repair) if hit else text for text, hit in zip(earlier, mask, strict=True)
    ]
    return frame.assign(repairs=pd.Series(flagged, index=frame.index, dtype="str"))


def drop(frame: pd.DataFrame, rows: ArrayLike, repair: str, snapshot: Snapshot) -> pd.DataFrame:
    """`frame` without `rows`; the next row kept is flagged, as its return spans the gap (after the last: the last).

    What was paid out or split on a row dropped happened between the rows kept around it, so it moves to the next one
    (`event_moved_to_next_bar`). After the last row kept there is none: halts. Before the first one it concerns nobody.
    """
    mask = np.asarray(rows, dtype=bool)
    if not mask.any():
        return frame
    kept = np.flatnonzero(~mask)
    if not len(kept):
        halt(snapshot, frame, mask, "of no use, and no other", "at least one usable bar", PRICES)
    dropped, eventful = np.flatnonzero(mask), ~without_events(frame)
    too_late = eventful & (np.arange(len(frame)) > kept[-1])
    what = "of no use after the last usable one, but with a dividend or split"
    halt(snapshot, frame, too_late, what, "a usable bar from there on", (*PRICES, *EVENTS))
    following = kept[np.minimum(np.searchsorted(kept, dropped), len(kept) - 1)]
    moving = eventful[dropped] & (dropped > kept[0])
    frame = _with_events_moved(frame, dropped[moving], following[moving])
    heirs = np.zeros(len(frame), dtype=bool)
    heirs[following] = True
    return flag(frame, heirs, repair).loc[~mask]


def _with_events_moved(frame: pd.DataFrame, rows: np.ndarray, heirs: np.ndarray) -> pd.DataFrame:
    if not len(rows):
        return frame
    moved = {}
    for name in ("dividends", "capital_gains"):
        amounts = frame[name].to_numpy().copy()
        np.add.at(amounts, heirs, amounts[rows])
        moved[name] = amounts
    # 0 stands for no split, which multiplies by one.
    ratios = np.where(frame["stock_splits"] == 0, 1.0, frame["stock_splits"])
    np.multiply.at(ratios, heirs, ratios[rows])
    moved["stock_splits"] = np.where(ratios == 1.0, frame["stock_splits"], ratios)
    flagged = np.zeros(len(frame), dtype=bool)
    flagged[heirs] = True
    return flag(frame.assign(**moved), flagged, "event_moved_to_next_bar")


def halt(
    snapshot: Snapshot,
    frame: pd.DataFrame,
    rows: ArrayLike,
    what: str,
    expected: str,
    shown: tuple[str, ...] = (),
) -> None:
    """Raises `BadPricesError` when any of `rows` is set; the message lists the first with the columns `shown`."""
    mask = np.asarray(rows, dtype=bool)
    if not mask.any():
        return
    bars = "1 bar" if mask.sum() == 1 else f"{mask.sum()} bars"
    listed = [_described(session, row, shown) for session, row in frame.loc[mask].head(_SHOWN).iterrows()]
    more = ", ..." if mask.sum() > _SHOWN else ""
    raise BadPricesError(
        f"{snapshot.ticker} {snapshot.as_of}: {bars} {what}: {', '.join(listed)}{more}; expected {expected}",
        sessions=[session.date() for session in frame.index[mask]],
    )


def _described(session: object, row: Mapping[str, float], shown: tuple[str, ...]) -> str:
    values = " ".join(f"{name} {row[name]:.10g}" for name in shown)
    return f"{session:%Y-%m-%d} ({values})" if values else f"{session:%Y-%m-%d}"
