"""The most recent artefact of a ticker's last ten sessions: which model and evaluation a forecast is made with.

The one rule of it, for the graph and for whoever reads the store without Dagster. How long a model may be used is told
in core.model_card.
"""

from datetime import date

from stock_assets.core.errors import ModelExpiredError
from stock_assets.storage.artefacts import ArtefactStore


def oldest(session: date) -> date:
    """The first of the ten sessions that are looked at; the last is `session` itself."""
    # Definitions load this module before pandas.
    from stock_assets.core import model_card, sessions

    return sessions.previous_session(session, model_card.EXPIRES_AFTER_SESSIONS - 1)


def find(store: ArtefactStore, asset: str, ticker: str, session: date) -> date | None:
    """The newest of the ten sessions up to `session` at which `asset` is sealed; None when there is none."""
    return store.latest(asset, ticker, not_after=session, not_before=oldest(session))


def most_recent(store: ArtefactStore, asset: str, ticker: str, session: date) -> date:
    """As `find`; raises `ModelExpiredError` when there is none."""
    from stock_assets.core import model_card

    found = find(store, asset, ticker, session)
    if found is None:
        raise ModelExpiredError(
            f"{ticker} {session}: there is no {asset} from the last {model_card.EXPIRES_AFTER_SESSIONS} sessions, "
            f"{oldest(session)} to {session}: {ModelExpiredError.SAYS}; materialise model, backtest and evaluation of "
            f"{ticker}, session {session}"
        )
    return found
