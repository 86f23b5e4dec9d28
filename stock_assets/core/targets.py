"""What followed a session: the outcomes that a model is to forecast, and when each is known.

This is the one module that looks ahead. Nothing made here may be among the features.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stock_assets.core import sessions
from stock_assets.core.histories import Histories
from stock_assets.core.windows import Floats

TARGETS: dict[str, str] = {
    "target_return": "Total return from this close to the target session's close; missing when not known yet",
    "target_up": "1 when target_return is above zero, 0 when not; missing when not known yet",
    "target_close": "Close of the target session, in the snapshot's basis; missing when not known yet",
    "target_open_return": (
        "Total return from the open of the session after this one to the open of the session after the target session; "
        "missing when not known yet, which is a session longer than for the others"
    ),
}


class Outcomes(NamedTuple):
    """What followed each session: an array a column of the features table, by its name there.

    Of shape (tables, sessions), and `target_session`, which is the same for all tables, of shape (sessions,).
    """

    target_session: NDArray[np.datetime64]
    target_return: Floats
    target_up: Floats
    target_close: Floats
    target_open_return: Floats


def compute_targets(past: Histories, *, horizon: int) -> Outcomes:
    """What followed each session of `past`: the target session and the columns of `TARGETS`, a value a session.

    With h = `horizon`, t + n the n-th session after t **by the exchange calendar**, G the growth of one unit of money
    (the product of 1 + total return) and o the open in units of G, o[t] = G[t] * open[t] / close[t]:

        target_session      t + h
        target_return       G[t+h] / G[t] - 1        known after the close of t + h
        target_up           whether that is above 0  the same
        target_close        close[t+h]               the same
        target_open_return  o[t+1+h] / o[t+1] - 1    known after the open of t + 1 + h, that is with that session's row

    `target_open_return` is earned by who reads a forecast after the close of t and buys at the next open. A dividend
    that goes ex on t + 1 is not theirs; one that goes ex on t + 1 + h is, as they hold the share overnight, and counts
    as if reinvested at that session's close.

    A target is missing (NaN) where the tables have no row for a session named in its formula: on the last h rows (of
    `target_open_return` h + 1), and before holes. Holes between those rows do no harm: the return of the row after one
    spans it. Raises `NotASessionError` when the calendar ends before.
    """
    row = past.position - past.position[0]
    by_session = np.full((len(past.close), row[-1] + 2 + horizon), np.nan)

    def later(values: Floats, n: int) -> Floats:
        by_session[:, row] = values
        return by_session[:, row + n]

    target_return = later(past.growth, horizon) / past.growth - 1
    return Outcomes(
        target_session=sessions.at(past.position + horizon),
        target_return=target_return,
        target_up=np.where(np.isnan(target_return), np.nan, target_return > 0),
        target_close=later(past.close, horizon),
        target_open_return=later(past.open, 1 + horizon) / later(past.open, 1) - 1,
    )
