"""What the store has of a ticker, as far as evenings and freshness ask: reports, and models to forecast with."""

from datetime import date

from stock_assets.storage.artefacts import ArtefactStore

_FORECAST_NEEDS = ("model", "evaluation")


def reports(store: ArtefactStore, ticker: str) -> list[date]:
    """Sessions whose artefacts are there up to the report, in order. Sealed is enough: no byte is read."""
    return store.sessions("report", ticker)


def last_model(store: ArtefactStore, ticker: str, session: date) -> date | None:
    """The newest session, up to `session`, from which model and evaluation are there; None when one is lacking.

    A forecast takes the newest of each; of a training that was cut short only one may be there, which is as good as
    none.
    """
    newest = [store.latest(asset, ticker, not_after=session) for asset in _FORECAST_NEEDS]
    return None if None in newest else min(filter(None, newest))
