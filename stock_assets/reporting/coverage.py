"""How often outcomes stayed inside their intervals, year by year, beside what chance leaves open. Nothing is drawn."""

import numpy as np
import pandas as pd

from stock_assets.core import inference, intervals


def by_year(backtest: pd.DataFrame, horizon: int, level: float) -> pd.DataFrame:
    """The share of forecasts inside the interval of `level` that earlier ones gave, by calendar year of the forecast.

    Columns: `share`, `low` and `high` (95 % binomial interval, Wilson's) and `n`; indexed by year, those without a
    forecast that could be judged left out. Outcomes `horizon` sessions ahead overlap, and miss together: each counts
    for 1 / `horizon` in the interval.
    """
    inside = intervals.inside(backtest, horizon, level)
    judged = ~np.isnan(inside)
    made_in = pd.DatetimeIndex(backtest.index[judged]).year.to_numpy()
    years, place, n = np.unique(made_in, return_inverse=True, return_counts=True)
    share = np.bincount(place, weights=inside[judged], minlength=len(years)) / n
    low, high = inference.wilson_interval(share, n / horizon)
    index = pd.Index(years, dtype="int64", name="year")
    return pd.DataFrame({"share": share, "low": low, "high": high, "n": n}, index=index)
