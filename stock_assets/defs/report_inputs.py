"""What a report tells of, put together from the results of one partition and from what lies beside them in the store.

For every asset that presents results to a reader. How they look is for reporting, which knows no store.
"""

from datetime import date
from typing import TYPE_CHECKING, Any

from stock_assets.storage import snapshots
from stock_assets.storage.artefacts import ArtefactStore

if TYPE_CHECKING:
    import pandas as pd

    from stock_assets.core.track_record import TrackRecord
    from stock_assets.reporting import html


def gather(
    store: ArtefactStore,
    ticker: str,
    session: date,
    *,
    raw_prices: "pd.DataFrame",
    clean_prices: "pd.DataFrame",
    price_metrics: dict[str, Any],
    backtest: "pd.DataFrame",
    evaluation: dict[str, Any],
    predictions: "pd.DataFrame",
    track_record: "TrackRecord",
) -> "html.ReportInputs":
    """The artefacts given, with the model's card and the quality of the prices.

    The card is that of the model which made the forecast, be it some sessions older. It is read from the store by
    itself: as an input the whole model would be loaded, and scikit-learn with it, in a second and more. The raw prices
    of the session before are read by hand too, if they are there: Dagster is not to know of a dependency on another
    partition. Of that session only, unlike the check of raw_prices, so that what a page says of the source's revisions
    doesn't change with whatever else is stored by the time it is made again.

    Raises `MissingArtefactError` or `DamagedArtefactError` for a card that is gone, or not what was written.
    """
    from stock_assets.core import quality, sessions
    from stock_assets.reporting import html

    snapshot = snapshots.Snapshot(store, ticker, session)
    made_by = predictions["model_as_of"].iloc[0].date()
    source = raw_prices.attrs["source"]
    return html.ReportInputs(
        ticker=ticker,
        as_of=session,
        source=source,
        clean=clean_prices,
        metrics=price_metrics,
        backtest=backtest,
        evaluation=evaluation,
        predictions=predictions,
        track_record=track_record.summary,
        card=snapshots.Snapshot(store, ticker, made_by).document("model"),
        quality=quality.describe(
            raw_prices,
            clean_prices,
            snapshot.earlier_table("raw_prices", not_before=sessions.previous_session(session)),
            ticker=ticker,
            as_of=session,
            source=source,
            checksum=store.file_checksum("raw_prices", ticker, session, ".parquet"),
        ),
    )
