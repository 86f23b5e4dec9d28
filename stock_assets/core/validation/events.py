"""Do dividends and splits agree with the prices around them?"""

# ruff: noqa: ARG001  (all predicates share one signature, so that checks can be made from them without knowing which)

import datetime

import numpy as np
import pandas as pd

from stock_assets.core.validation import finding

AGREEMENT_THRESHOLD = 5e-4
"""Largest relative difference between our adjusted close and the source's that passes.

On 50,000 real bars of eight stocks, fetched in 2020 and in 2024, the largest was 6.6e-5 (dividends given in four
decimals). A quarterly dividend of 0.05 % of the price that one of the two does not know is reported.
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
    warning about the source, not an error in our table. Offending: the rows that differ most.
    """
    expected = f"at most {threshold:g} relative difference on every row"
    both = pd.DataFrame({"adjusted_close": clean["adjusted_close"], "source_adj_close": raw["adj_close"]}).dropna()
    if both.empty:
        return finding.Finding(False, "no row with both adjusted closes", expected, both)
    difference = np.abs(both["source_adj_close"].to_numpy() / both["adjusted_close"].to_numpy() - 1)
    largest = float(difference.max())
    beyond = both.assign(relative_difference=difference).loc[difference > threshold]
    worst = beyond.sort_values("relative_difference", ascending=False, kind="stable").head(finding.MAX_OFFENDING)
    return finding.Finding(largest <= threshold, largest, expected, worst, threshold=threshold)
