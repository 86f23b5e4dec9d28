"""Total returns by calendar month and year, for the map and the table that show them. Nothing is drawn here."""

from typing import Any

import numpy as np
import pandas as pd


def by_year(clean: pd.DataFrame) -> list[dict[str, Any]]:
    """The total return of each month and year of `clean`, as fractions, the latest year first.

    Each entry has `year`, `months` (twelve, January first) and `total`. Formula: product of (1 + total_return) - 1 over
    the sessions of the month or the year. None where no session has a return. The first and the last month may be
    parts of one: a first month counts from its first close in `clean`, a last month up to its last.
    """
    known = pd.Series(clean["total_return"].dropna())
    index = pd.DatetimeIndex(known.index)
    sessions = pd.DatetimeIndex(clean.index)
    monthly = _compounded(known, np.asarray(12 * index.year + index.month - 1))
    yearly = _compounded(known, np.asarray(index.year))
    return [
        {
            "year": int(year),
            "months": [monthly.get(12 * int(year) + month) for month in range(12)],
            "total": yearly.get(int(year)),
        }
        for year in sorted(set(sessions.year), reverse=True)
    ]


def _compounded(returns: pd.Series, period: np.ndarray) -> dict[int, float]:
    """Period -> the returns of its sessions, compounded."""
    grown = (1 + returns).groupby(period).prod()
    return {int(name): float(growth - 1) for name, growth in zip(grown.index, grown.to_numpy(), strict=True)}
