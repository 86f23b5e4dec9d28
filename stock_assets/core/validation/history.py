"""Does a snapshot say the same of the past as the one before it?"""

# ruff: noqa: ARG001  (all predicates share one signature, so that checks can be made from them without knowing which)

import datetime

import pandas as pd

from stock_assets.core import revisions
from stock_assets.core.validation import finding


def history_is_unrevised(
    raw: pd.DataFrame, earlier: pd.DataFrame | str, *, ticker: str, as_of: datetime.date
) -> finding.Finding:
    """No value of the sessions in `earlier` is another one now (see `revisions.revisions`). Observed: how many are.

    `earlier`: the raw snapshot of an earlier session, or why there is none to compare with. Where nothing can be
    compared the finding passes and says why: it would be about another snapshot than `raw`. So it does when `earlier`
    is from another source (`attrs["source"]`), as two sources differ in every volume.
    Offending: one row for each run of neighbouring bars that changed in the same proportion.
    """
    if unreadable := finding.unreadable(raw, ("close", "adj_close", "stock_splits")):
        return unreadable
    if isinstance(earlier, str):
        return _not_compared(raw, earlier)
    source, earlier_source = raw.attrs.get("source"), earlier.attrs.get("source")
    if source != earlier_source:
        return _not_compared(raw, f"the earlier snapshot is from {earlier_source}, this one from {source}")
    if earlier.empty:
        return _not_compared(raw, "the earlier snapshot has no bars")
    found = revisions.revisions(earlier, raw)
    return finding.Finding(
        found.count == 0,
        found.count,
        f"0 values changed since the snapshot that ended on {earlier.index[-1]:%Y-%m-%d}",
        found.table.head(finding.MAX_OFFENDING),
        threshold=0,
        note=found.explanation,
    )


def _not_compared(raw: pd.DataFrame, why: str) -> finding.Finding:
    expected = "0 values changed since an earlier snapshot"
    return finding.Finding(True, why, expected, raw.iloc[:0], note=f"not compared: {why}")
