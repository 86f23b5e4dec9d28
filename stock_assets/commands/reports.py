"""Which session's report a command works with, and in which data folder it lies."""

from datetime import date

from stock_assets.core import sessions
from stock_assets.core.errors import MissingArtefactError
from stock_assets.settings import Settings
from stock_assets.storage.artefacts import ArtefactStore
from stock_assets.storage.snapshots import Snapshot


def find(settings: Settings, ticker: str, session: date | None, source: str | None) -> tuple[Settings, Snapshot]:
    """The report of `ticker` and `session`, or the newest there is; and the settings of the place that holds it.

    Without `source`, the data folder that STOCK_ASSETS_SOURCE or STOCK_ASSETS_DATA_DIR names, or else that of yahoo,
    csv or simulated, whichever has the newest report. Raises `MissingArtefactError` when there is none.
    """
    places = settings.places(source)
    found: list[tuple[Settings, Snapshot]] = []
    for place in places:
        store = ArtefactStore(place.data_dir)
        newest = session or store.latest("report", ticker, not_after=sessions.LAST_SESSION)
        if newest is not None and store.has("report", ticker, newest):
            found.append((place, Snapshot(store, ticker, newest)))
    if found:
        return max(found, key=lambda item: item[1].session)  # the first of equal ones
    looked_in = ", ".join(place.data_dir for place in places)
    who, as_of = (f"{ticker} {session}", f" --as-of {session}") if session else (ticker, "")
    raise MissingArtefactError(f"{who}: no report in {looked_in}; make one with: stock-assets run {ticker}{as_of}")
