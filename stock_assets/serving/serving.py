"""What the routes share: config, forecasts, recorder, metrics; and our own errors as problems."""

import datetime
from dataclasses import dataclass

from stock_assets.core.errors import (
    ArtefactError,
    MissingArtefactError,
    ModelExpiredError,
    NotASessionError,
    QuestionsError,
    StockAssetsError,
    TooManyRowsError,
)
from stock_assets.serving import problems
from stock_assets.serving.config import Config
from stock_assets.serving.forecast import Forecast
from stock_assets.serving.forecasts import Forecasts
from stock_assets.serving.listing import Listings
from stock_assets.serving.metrics import Metrics
from stock_assets.serving.recorder import Recorder
from stock_assets.storage.artefacts import ArtefactStore


@dataclass(frozen=True)
class Serving:
    """One application's parts, as `app.extensions["stock_assets"]`."""

    config: Config
    store: ArtefactStore
    forecasts: Forecasts
    listings: Listings
    recorder: Recorder
    metrics: Metrics

    def forecast(self, ticker: str, as_of: datetime.date | None) -> Forecast:
        """The newest forecast of a ticker, or that of a session. Raises a `Problem`: 404 or 503."""
        try:
            if as_of is None:
                return self.forecasts.newest(ticker)
            return self.forecasts.of(ticker, as_of)
        except NotASessionError as error:
            raise problems.Problem(problems.NO_SESSION, str(error)) from error
        except MissingArtefactError as error:
            raise _missing(ticker, as_of) from error
        except ArtefactError as error:
            raise not_whole(ticker) from error

    def tell(self, forecast: Forecast, route: str, times: int = 1) -> None:
        """Record and count that a forecast is about to be sent."""
        self.recorder.served(forecast, route, times)
        self.metrics.served(forecast.ticker, times)


def _missing(ticker: str, as_of: datetime.date | None) -> problems.Problem:
    if as_of is None:
        return problems.Problem(
            problems.NO_TICKER, f"no forecast of {ticker} is stored; GET /tickers lists the tickers that have one"
        )
    return problems.Problem(
        problems.NO_SESSION,
        f"{ticker}: no forecast of the session {as_of} is stored; leave as_of out for the newest, where there is one",
    )


def not_whole(ticker: str) -> problems.Problem:
    """The problem of a ticker whose files can't be served now. What they are called is not the client's business."""
    return problems.Problem(
        problems.NOT_WHOLE, f"{ticker}: no whole snapshot can be served at this moment; GET /health says why"
    )


def unusable(error: StockAssetsError, ticker: str | None) -> problems.Problem:
    """The problem of a table that could not be answered as a whole."""
    if isinstance(error, TooManyRowsError):
        return problems.Problem(problems.TOO_LARGE, str(error))
    if isinstance(error, QuestionsError):
        return problems.Problem(problems.UNUSABLE_TABLE, str(error))
    if isinstance(error, MissingArtefactError):
        return problems.Problem(
            problems.NO_TICKER, f"there is no model of {ticker or 'the ticker'} up to the last bar of the history"
        )
    if isinstance(error, ArtefactError):
        return not_whole(ticker or "the table")
    if isinstance(error, ModelExpiredError):
        return problems.Problem(problems.STALE, str(error))
    return problems.Problem(problems.UNUSABLE_TABLE, str(error))
