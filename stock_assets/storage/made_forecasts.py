"""The forecasts that were made on earlier sessions of a ticker, gathered from their artefacts. No Dagster.

What became of them is for core.track_record.
"""

import datetime
from typing import TYPE_CHECKING, NamedTuple

from stock_assets.core.errors import DamagedArtefactError, MissingArtefactError, SchemaError
from stock_assets.storage.artefacts import ArtefactStore
from stock_assets.storage.snapshots import Snapshot

if TYPE_CHECKING:
    import pandas as pd

PREDICTIONS, RECORD = "predictions", "track_record"

_SESSIONS = ("as_of", "target_session", "model_as_of")
_WORDS = ("ticker", "source", "checksum")
_NUMBERS = (
    *("probability_up", "expected_return", "predicted_close", "interval_low", "interval_high", "interval_level"),
    "naive_close",
)


class Made(NamedTuple):
    """The forecasts, and those that can't be read.

    `table`: a row a session in order, with the columns of schemas.PREDICTIONS, and `checksum`, that of the artefact.
    `unreadable`: session -> why. A damaged forecast is a matter of that session, so it is told and not raised.
    """

    table: "pd.DataFrame"
    unreadable: dict[datetime.date, str]


def made_before(store: ArtefactStore, ticker: str, session: datetime.date) -> Made:
    """What is stored of `ticker` from sessions before `session`.

    Years of forecasts are thousands of small files. Those that the last track record already tells are taken from
    there, as long as the seal beside each still names the same bytes: the result is that of reading them all.
    Raises `ArtefactError` when the store can't be read.
    """
    import pandas as pd

    recorded = _recorded(store, ticker, session)
    known = dict(zip(recorded["as_of"].dt.date, recorded["checksum"], strict=True))
    kept: list[datetime.date] = []
    read: list[pd.DataFrame] = []
    unreadable: dict[datetime.date, str] = {}
    for made in store.sessions(PREDICTIONS, ticker):
        if made >= session:
            break
        try:
            checksum = store.checksum(PREDICTIONS, ticker, made)
            if known.get(made) == checksum:
                kept.append(made)
            else:
                read.append(_row(Snapshot(store, ticker, made), checksum))
        except (DamagedArtefactError, MissingArtefactError, SchemaError) as error:
            unreadable[made] = str(error)
    rows = [recorded.loc[recorded["as_of"].isin(list(map(pd.Timestamp, kept)))], *read]
    table = pd.concat([one for one in rows if len(one)] or [recorded.iloc[:0]])
    return Made(table.sort_values("as_of", ignore_index=True), unreadable)


def _row(snapshot: Snapshot, checksum: str) -> "pd.DataFrame":
    """The forecast of one session, a frame of one row."""
    forecast = snapshot.table(PREDICTIONS)
    where = f"{snapshot.ticker} {snapshot.session}: {PREDICTIONS}"
    missing = {*_SESSIONS, *_WORDS, *_NUMBERS, "beats_naive"} - {*forecast.columns, "checksum"}
    if missing or len(forecast) != 1:
        what = f"lacks {', '.join(sorted(missing))}" if missing else f"has {len(forecast)} rows"
        raise SchemaError(f"{where} {what}; expected one row of a forecast")
    return _in_order(forecast.assign(checksum=checksum))


def _recorded(store: ArtefactStore, ticker: str, session: datetime.date) -> "pd.DataFrame":
    """The forecasts in the newest earlier track record; none where there is none that can be read."""
    found = Snapshot(store, ticker, session).earlier_table(RECORD)
    if isinstance(found, str) or not {*_NUMBERS, "checksum"} <= {*found.columns}:
        return _none()
    whole = found.rename_axis("as_of").reset_index().assign(ticker=ticker, source=found.attrs["source"])
    return _in_order(whole)


def _in_order(table: "pd.DataFrame") -> "pd.DataFrame":
    ordered = table.loc[:, [*_SESSIONS, *_WORDS, *_NUMBERS, "beats_naive"]]
    ordered.attrs = {}
    return ordered


def _none() -> "pd.DataFrame":
    import pandas as pd

    types = dict.fromkeys(_SESSIONS, "datetime64[ns]") | dict.fromkeys(_WORDS, "str")
    types |= dict.fromkeys(_NUMBERS, "float64") | {"beats_naive": "bool"}
    return pd.DataFrame({name: pd.Series(dtype=dtype) for name, dtype in types.items()})
