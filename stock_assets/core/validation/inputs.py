"""Do the inputs of the latest sessions come from where the model learnt? Asked of the summary of a track record."""

import datetime
from collections.abc import Mapping
from typing import Any

import pandas as pd

from stock_assets.core import stability, track_record
from stock_assets.core.validation import finding

MOST_SHIFTED = 15
"""Features, of 46, that may have shifted at once: one crash moves every volatility, one rally every average.

Of 830 quarters of eight real stocks up to 2024, half had none or one, and 1.7 % more than 15; of 642 simulated
ones 1.1 %.
"""


def inputs_are_stable(
    summary: Mapping[str, Any],
    *,
    ticker: str,  # noqa: ARG001 (as all predicates)
    as_of: datetime.date,  # noqa: ARG001
) -> finding.Finding:
    """Few features of the last 63 sessions are distributed as in no quarter before (`stability.Stability.shifted`).

    Observed: how many are. Offending: those features, the largest index first. Where the history is too short to say
    what is usual the finding passes and says so.
    """
    expected = (
        f"at most {MOST_SHIFTED} features with a stability index above {stability.SHIFTED} and above that of every "
        "earlier quarter"
    )
    n_shifted = summary["drift"]["n_shifted"]
    columns = ["feature", "stability index", "highest before"]
    if n_shifted is None:
        why = summary["reasons"]["drift.n_shifted"]
        return finding.Finding(True, "too few rows", expected, pd.DataFrame(columns=columns), note=f"not asked: {why}")
    shifted = pd.DataFrame(track_record.shifted_features(summary), columns=columns)
    passed = n_shifted <= MOST_SHIFTED
    return finding.Finding(
        passed,
        n_shifted,
        expected,
        shifted.head(finding.MAX_OFFENDING if not passed else 0),
        threshold=MOST_SHIFTED,
        note=""
        if passed
        else f"most of all {shifted['feature'].iloc[0]}: the model has seen no such quarter; see whether the prices "
        "are right, then whether the market has changed, and train anew",
    )
