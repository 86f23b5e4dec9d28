"""The answer of a predicate, and the two ways in which most predicates come to one."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

MAX_OFFENDING = 20


@dataclass(frozen=True)
class Finding:
    """The answer of a predicate.

    `observed` is a count or a measure, or a text where neither says it; `offending` holds at most 20 rows. `threshold`
    is the number that `observed` is held against where there is one, so that both can be plotted; `note` says what
    lies behind a failure, where that can be told, or why the question was not asked.
    """

    passed: bool
    observed: int | float | str
    expected: str
    offending: pd.DataFrame
    threshold: float | None = None
    note: str = ""


Predicate = Callable[..., Finding]
"""predicate(frame, *, ticker, as_of) -> Finding"""


def none_of(frame: pd.DataFrame, rows: ArrayLike, expected: str) -> Finding:
    """A finding that passes when none of `rows` (bool, one a row) is set; observed: how many are."""
    mask = np.asarray(rows, dtype=bool)
    return Finding(not mask.any(), int(mask.sum()), expected, frame.loc[mask].head(MAX_OFFENDING), threshold=0)


def unreadable(frame: pd.DataFrame, columns: Sequence[str] = ()) -> Finding | None:
    """The finding to give when `frame` can't be asked at all: no sessions for index, or no such numbers."""
    dtypes = dict(zip(frame.columns, frame.dtypes, strict=True))
    problems = [f"no column {name}" for name in columns if name not in dtypes]
    problems += [
        f"column {name} is {dtypes[name]}" for name in columns if name in dtypes and dtypes[name].kind not in "iuf"
    ]
    if not isinstance(frame.index, pd.DatetimeIndex) or frame.index.tz is not None or frame.index.hasnans:
        problems.append(f"index of {frame.index.dtype}")
    if not problems:
        return None
    expected = " ".join(["naive sessions as index", *(["and the numbers"] if columns else []), ", ".join(columns)])
    return Finding(False, ", ".join(problems), expected.strip(), frame.iloc[:0])
